uniform int pattern;         // 0 plain, 1 rings, 2 upright stripes, 3 check, 4 blotches, 5 ribs, 6 twill, 7 marl
uniform float pattern_scale; // per metre
uniform vec3 second_color;
uniform float contrast;
uniform float weave;

float pattern_at(vec3 r) {
  float k = pattern_scale, around = atan(r.x, -r.y - 0.02) * 0.12;
  if (pattern == 1) return step(0.5, fract(r.z * k));
  if (pattern == 2) return step(0.5, fract(around * k));
  if (pattern == 3) return 0.5 * step(0.6, fract(r.z * k)) + 0.5 * step(0.6, fract(r.x * k));
  if (pattern == 4) return smoothstep(0.58, 0.66, texture(noise, r * k * 0.12).r);
  if (pattern == 5) { float s = abs(fract(around * k * 4.0) - 0.5) * 2.0; return s * s; }
  if (pattern == 6) return 0.5 + 0.5 * sin((around * 1.0 + r.z) * 2200.0) * 0.5 + 0.5 * (texture(noise, r * 19.0).r - 0.5);
  if (pattern == 7) return smoothstep(0.35, 0.65, texture(noise, r * vec3(30.0, 30.0, 9.0)).g);
  return 0.0;
}

void main() {
  vec3 n = normalize(v_normal), view = normalize(eye - v_position);
  if (dot(n, view) < 0.0) n = -n;
  vec4 threads = texture(noise, v_rest * 23.0), cloudy = texture(noise, v_rest * 9.0);
  vec3 color = pattern == 0 ? v_albedo : mix(v_albedo, second_color, pattern_at(v_rest) * contrast);
  color *= 0.86 + 0.16 * cloudy.g + 0.1 * threads.b;
  vec3 surface = n;
  n = normalize(n + (threads.rga + cloudy.rba - 1.0) * (0.8 * weave));
  vec3 diffuse = v_irradiance * (0.9 + 0.25 * dot(n - surface, vec3(0.0, -0.3, 1.0))), shine = vec3(0.0);
  float first = keys > 0 ? key_shadow(surface) : 1.0;
  for (int i = 0; i < keys; i++) {
    float seen = i == 0 ? first : v_visibility[i], cosine = max(dot(n, key_direction[i]), 0.0);
    diffuse += key_color[i] * seen * cosine;
    if (v_material.x > 0.15) {  // silk, satin
      float half_way = max(dot(n, normalize(key_direction[i] + view)), 0.0);
      shine += key_color[i] * (seen * cosine * pow(half_way, 12.0 / v_material.y) * 0.05 * v_material.x / v_material.y);
    }
  }
  finish(color * diffuse + shine, n);
}
