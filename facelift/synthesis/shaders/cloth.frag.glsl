// v_material.z: metres to the edge of the cloth, nothing is left below 0; .w: darker by folds and seams.
uniform int pattern;         // 0 plain, 1 rings, 2 upright stripes, 3 check, 4 blotches, 5 ribs, 6 twill, 7 marl
uniform float pattern_scale; // per metre
uniform vec3 second_color;
uniform float contrast;
uniform float weave;
uniform vec4 neckline;       // kind (-1 none, 0 crew, 1 turtle, 2 v, 3 scoop, 4 slit of a shirt), shift up, depth, 0

float above_neckline(vec3 r) {
  float side = abs(r.x), front = smoothstep(-0.01, -0.05, r.y), depth = neckline.z;
  float edge = 0.553 + 0.55 * clamp(r.y + 0.065, -0.1, 0.1) + neckline.y - r.z;
  int kind = int(neckline.x);
  if (kind == 2) edge -= depth * front * max(1.0 - side / (0.035 + depth * 0.55), 0.0);
  if (kind == 3) edge -= 0.01 + depth * front * max(1.0 - side * side / 0.0075, 0.0);
  if (kind == 4) edge -= depth * front * max(1.0 - side / 0.020, 0.0);
  return edge;
}

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
  float edge = v_material.z;
#ifdef CUT
  if (neckline.x > -0.5) edge = min(edge, above_neckline(v_rest));
  if (edge < 0.0) discard;
#endif
  vec3 n = normalize(v_normal), view = normalize(eye - v_position);
  if (dot(n, view) < 0.0) n = -n;
  vec4 threads = texture(noise, v_rest * 23.0), cloudy = texture(noise, v_rest * 9.0);
  vec3 color = pattern == 0 ? v_albedo : mix(v_albedo, second_color, pattern_at(v_rest) * contrast);
  color *= 0.86 + 0.16 * cloudy.g + 0.1 * threads.b;
#ifdef CUT
  if (neckline.x > -0.5 && neckline.x < 2.5) color *= 1.0 - 0.22 * (smoothstep(0.0125, 0.0118, edge) - smoothstep(0.0115, 0.0108, edge));
  color *= 1.0 - 0.5 * smoothstep(0.0022, 0.0006, edge);
  if (neckline.x > 3.5) color *= 1.0 - 0.25 * smoothstep(0.004, 0.0015, abs(abs(v_rest.x) - 0.011)) * smoothstep(-0.01, -0.05, v_rest.y);
#endif
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
  finish(color * diffuse * (1.0 - v_material.w) + shine, n);
}
