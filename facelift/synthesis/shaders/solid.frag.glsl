// Glasses, jewellery, straw, leather.
uniform float metal;
uniform float weave;

void main() {
  vec3 n = normalize(v_normal), view = normalize(eye - v_position);
  if (dot(n, view) < 0.0) n = -n;
  if (weave > 0.0) n = normalize(n + relief(v_rest, 40.0) * weave);
  float gloss = v_material.x, rough = v_material.y;
  float polish = smoothstep(0.7, 0.15, rough), sharp = 90.0 / (rough * rough);
  vec3 mirror = reflect(-view, n), f0 = mix(vec3(0.04), v_albedo, metal);
  vec3 reflectance = f0 + (1.0 - f0) * pow(1.0 - max(dot(n, view), 0.0), 5.0) * mix(0.5, 1.0, polish);
  vec3 diffuse = v_irradiance, shine = mix(blurred_surroundings(mirror), mirrored(mirror), polish) * mix(v_visibility.w, 1.0, 0.3);
  float first = keys > 0 ? key_shadow(n) : 1.0;
  for (int i = 0; i < keys; i++) {
    float seen = i == 0 ? first : v_visibility[i], cosine = max(dot(n, key_direction[i]), 0.0);
    diffuse += key_color[i] * seen * cosine;
    vec3 h = normalize(key_direction[i] + view);
    shine += key_color[i] * (seen * cosine * pow(max(dot(n, h), 0.0), sharp) * (sharp + 8.0) / 25.0);
  }
  finish(v_albedo * diffuse * (1.0 - metal) + shine * reflectance * gloss, n);
}
