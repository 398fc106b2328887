// v_material.z: roots of hair and stubble, .w: the face.
uniform float bump;
uniform float freckles;
uniform float age;

vec3 pores(vec4 coarse, vec4 middle, vec4 fine) {
  return (coarse.rgb - 0.5) * 0.10 + (middle.rgb - 0.5) * 0.16 + (fine.rgb - 0.5) * 0.14;
}

void main() {
  vec3 n = normalize(v_normal), view = normalize(eye - v_position), color = v_albedo;
  float roots = v_material.z, face = v_material.w, gloss = v_material.x, rough = v_material.y;
  vec4 coarse = texture(noise, v_rest * 14.0), middle = texture(noise, v_rest * 41.0), fine = texture(noise, v_rest * 101.0);
  vec3 smooth_normal = n;
  n = normalize(n + pores(coarse, middle, fine) * bump * (0.55 - face * 0.05));
  color *= exp((coarse.a - 0.5) * vec3(0.10, 0.20, 0.20) + (middle.a - 0.5) * vec3(0.08, 0.13, 0.13));
  if (age > 0.05) {  // lines across the forehead and the neck
    float where = smoothstep(0.750, 0.764, v_rest.z) * face + 0.48 * smoothstep(0.62, 0.60, v_rest.z) * (1.0 - roots)
      + 0.35 * face * smoothstep(0.724, 0.716, v_rest.z) * smoothstep(0.700, 0.708, v_rest.z);
    float phase = v_rest.z * 560.0 + (texture(noise, v_rest * 5.0).g - 0.5) * 9.0;
    float crease = pow(0.5 + 0.5 * sin(phase), 4.0) * smoothstep(0.35, 0.6, texture(noise, v_rest * 6.0 + 0.4).r);
    n = normalize(n + vec3(0.0, 0.0, 1.0) * cos(phase) * sqrt(crease) * 0.20 * age * where);
    color *= exp(-vec3(0.5, 0.75, 0.8) * age * where * crease * 0.38);
  }
  float freckle = smoothstep(0.70, 0.86, fine.g * 0.6 + middle.g * 0.5 + 0.25 * (coarse.r - 0.5)) * freckles * face;
  color *= mix(vec3(1.0), vec3(0.80, 0.66, 0.58), freckle);
  color *= mix(1.0, 0.62 + 0.5 * smoothstep(0.35, 0.7, fine.g * 0.7 + middle.a * 0.3), roots);

  vec3 diffuse = v_irradiance, shine = vec3(0.0);
  float first = keys > 0 ? key_shadow(smooth_normal) : 1.0;
  for (int i = 0; i < keys; i++) {
    float cosine = dot(n, key_direction[i]), seen = i == 0 ? first : v_visibility[i];
    // light wraps further in red: the cheap end of light inside skin
    const vec3 wrap = vec3(0.28, 0.12, 0.08);
    diffuse += key_color[i] * max((cosine + wrap) / (1.0 + wrap), 0.0) * pow(vec3(max(seen, 0.0)), vec3(0.8, 1.1, 1.15));
    vec3 h = normalize(key_direction[i] + view);
    float nh = max(dot(n, h), 0.0), hv = max(dot(h, view), 0.0), k = 1.0 - hv;
    float lobes = (pow(nh, 18.0 / rough) * 1.79 + pow(nh, 90.0 / rough) * 4.29) / rough;
    shine += key_color[i] * (seen * lobes * (0.028 + 0.6 * k * k * k * k * k) * max(cosine, 0.0) * gloss * 3.2);
  }
  float k = 1.0 - max(dot(n, view), 0.0), open = v_visibility.w;
  shine += blurred_surroundings(reflect(-view, n)) * ((0.028 + 0.5 * k * k * k * k * k) * open * open * gloss * 0.55);
  finish(color * diffuse + shine, n);
}
