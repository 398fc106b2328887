// Light at every vertex and strand point, written back by transform feedback. DIRECTIONS and SIDE are put in by bake.py.
in vec3 position;
in vec3 normal;                      // of a strand: its tangent
uniform mat4 ambient_matrix[DIRECTIONS];
uniform vec3 ambient_direction[DIRECTIONS];
uniform vec3 ambient_radiance[DIRECTIONS];
uniform mat4 key_matrices[3];
uniform vec3 key_blurs;              // radius of a shadow's edge in texture units
uniform int keys;
uniform bool strand;
uniform float range;                 // metres between depth 0 and 1
uniform sampler2D ambient_depth;     // SIDE x SIDE tiles
uniform sampler2D first_key_depth;
uniform sampler2D other_key_depth;   // two tiles side by side
out vec3 irradiance;
out vec4 visibility;                 // of the three key lights; open sky

// How far, in metres, the point lies behind what the light sees first. Outside of the map nothing is in the way.
float behind(sampler2D map, vec2 uv, vec2 origin, vec2 size, float depth) {
  if (max(abs(uv.x - 0.5), abs(uv.y - 0.5)) > 0.497) return 0.0;
  return (depth - textureLod(map, origin + clamp(uv, 0.003, 0.997) * size, 0.0).r) * range;
}

float key_behind(int k, vec2 uv, float depth) {
  if (k == 0) return behind(first_key_depth, uv, vec2(0.0), vec2(1.0), depth);
  return behind(other_key_depth, uv, vec2(float(k - 1) * 0.5, 0.0), vec2(0.5, 1.0), depth);
}

void ambient_of_strand(inout float open) {
  float total = 0.0;
  for (int i = 0; i < DIRECTIONS; i++) {
    vec3 c = (ambient_matrix[i] * vec4(position, 1.0)).xyz * 0.5 + 0.5;
    vec2 origin = vec2(float(i % SIDE), float(i / SIDE)) / float(SIDE);
    float passed = exp(-max(behind(ambient_depth, c.xy, origin, vec2(1.0 / float(SIDE)), c.z) - 0.001, 0.0) / 0.011);
    float along = dot(normal, ambient_direction[i]);
    irradiance += ambient_radiance[i] * passed * sqrt(max(1.0 - along * along, 0.0));
    total += passed;
  }
  irradiance *= 1.5 / float(DIRECTIONS);
  open = total / float(DIRECTIONS);
}

void ambient_of_surface(inout float open) {
  const vec3 wrap = vec3(0.20, 0.08, 0.05);
  const vec2 taps[4] = vec2[4](vec2(0.0), vec2(0.005, 0.0015), vec2(-0.004, 0.004), vec2(-0.0015, -0.005));
  vec3 start = position + normal * 0.0018;
  float total = 0.0;
  for (int i = 0; i < DIRECTIONS; i++) {
    float cosine = dot(normal, ambient_direction[i]);
    if (cosine < -0.3) continue;
    vec3 c = (ambient_matrix[i] * vec4(start, 1.0)).xyz * 0.5 + 0.5;
    vec2 origin = vec2(float(i % SIDE), float(i / SIDE)) / float(SIDE);
    float seen = 0.0;
    for (int j = 0; j < 4; j++)
      seen += 0.25 * clamp(1.0 - (behind(ambient_depth, c.xy + taps[j], origin, vec2(1.0 / float(SIDE)), c.z) - AMBIENT_BIAS) / 0.003, 0.0, 1.0);
    irradiance += ambient_radiance[i] * seen * max((vec3(cosine) + wrap) / (1.0 + wrap), 0.0);
    open += seen * max(cosine, 0.0);
    total += max(cosine, 0.0);
  }
  irradiance *= 4.0 / float(DIRECTIONS);
  open /= max(total, 1e-3);
}

float key_of_surface(int k) {
  vec3 c = (key_matrices[k] * vec4(position + normal * 0.0025, 1.0)).xyz * 0.5 + 0.5;
  float seen = 0.0, r = key_blurs[k];
  for (int j = 0; j < 9; j++) {
    vec2 tap = vec2(float(j % 3) - 1.0, float(j / 3) - 1.0) * r;
    seen += clamp(1.0 - (key_behind(k, c.xy + tap, c.z) - 0.0025) / 0.003, 0.0, 1.0);
  }
  return seen / 9.0;
}

float key_of_strand(int k) {
  vec3 c = (key_matrices[k] * vec4(position, 1.0)).xyz * 0.5 + 0.5;
  return exp(-max(key_behind(k, c.xy, c.z) - 0.0015, 0.0) / 0.009);
}

void main() {
  irradiance = vec3(0.0);
  visibility = vec4(0.0);
  if (strand) ambient_of_strand(visibility.w); else ambient_of_surface(visibility.w);
  for (int k = 0; k < keys; k++) {
    float v = strand ? key_of_strand(k) : key_of_surface(k);
    if (k == 0) visibility.x = v; else if (k == 1) visibility.y = v; else visibility.z = v;
  }
}
