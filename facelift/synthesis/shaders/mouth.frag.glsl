// v_material.z: 1 on teeth.
void main() {
  vec3 n = normalize(v_normal), view = normalize(eye - v_position), color = v_albedo;
  if (dot(n, view) < 0.0) n = -n;
  float gloss = v_material.x, rough = v_material.y;
  if (v_material.z > 0.5) {  // gaps between teeth
    float tooth = atan(v_rest.x, -(v_rest.y + 0.098)) * 5.2;
    color *= 1.0 - 0.45 * smoothstep(0.40, 0.49, abs(fract(tooth) - 0.5));
  }
  vec3 diffuse = v_irradiance, shine = vec3(0.0);
  for (int i = 0; i < keys; i++) {
    float cosine = dot(n, key_direction[i]);
    diffuse += key_color[i] * max((cosine + 0.1) / 1.1, 0.0) * v_visibility[i];
    vec3 h = normalize(key_direction[i] + view);
    shine += key_color[i] * (v_visibility[i] * pow(max(dot(n, h), 0.0), 90.0 / rough) * 0.15 / rough * max(cosine, 0.0) * gloss * 3.2);
  }
  float open = v_visibility.w;
  shine += blurred_surroundings(reflect(-view, n)) * (fresnel(0.028, dot(n, view)) * open * open * gloss * 0.55);
  finish(color * diffuse + shine, n);
}
