// What every mesh fragment shader shares, after common.glsl.
in vec3 v_position;
in vec3 v_normal;
in vec3 v_albedo;
in vec3 v_rest;
in vec3 v_irradiance;
in vec4 v_visibility;
in vec4 v_material;
in float v_depth;
layout(location = 0) out vec4 out_color;
layout(location = 1) out float out_depth;
layout(location = 2) out vec4 out_normal;  // with the class of the material as alpha

uniform float label;
uniform sampler3D noise;
uniform sampler2D surroundings;   // latitude and longitude, for mirrors
uniform sampler2D key_depth;      // of the first key light
uniform mat4 key_matrix;
uniform float key_blur;           // radius of its shadow's edge in texture units; 0: the vertices' visibility is good enough
uniform float key_range;          // metres between depth 0 and 1

vec3 mirrored(vec3 d) {
  vec2 uv = vec2(atan(d.y, d.x) * 0.15915494 + 0.5, acos(clamp(d.z, -1.0, 1.0)) * 0.31830989);
  return textureLod(surroundings, uv, 0.0).rgb;
}

float lit(vec2 uv, float depth) {
  return clamp(1.0 - (depth - textureLod(key_depth, uv, 0.0).r) * key_range / 0.0008, 0.0, 1.0);
}

// The first key light at this fragment. Vertices far from a shadow's edge already agree, so only the edges are looked up. The four
// taps turn from sample to sample; supersampling takes their mean.
float key_shadow(vec3 n) {
  float baked = v_visibility.x;
  if (key_blur == 0.0 || baked < 0.004 || baked > 0.996) return baked;
  vec3 c = (key_matrix * vec4(v_position + n * 0.0012, 1.0)).xyz * 0.5 + 0.5;
  if (max(abs(c.x - 0.5), abs(c.y - 0.5)) > 0.49) return baked;
  float z = c.z - 0.0012 / key_range;
  ivec2 f = ivec2(gl_FragCoord.xy);
  float turn = float((f.x & 1) + 2 * (f.y & 1)) * 0.3927 + float((f.x >> 1 & 1) + 2 * (f.y >> 1 & 1)) * 0.0982;
  vec2 a = vec2(cos(turn), sin(turn)) * key_blur, b = vec2(-a.y, a.x);
  float inner = 0.45 + 0.4 * float(f.x + f.y & 1);
  return 0.25 * (lit(c.xy + a, z) + lit(c.xy - a * inner, z) + lit(c.xy + b * inner, z) + lit(c.xy - b, z));
}

vec3 relief(vec3 p, float scale) {
  return vec3(texture(noise, p * scale).r, texture(noise, p * scale + 0.37).r, texture(noise, p * scale + 0.71).r) - 0.5;
}

void finish(vec3 color, vec3 n) {
  out_color = vec4(tone(color), 1.0);
  out_depth = v_depth;
  out_normal = vec4(n * 0.5 + 0.5, label);
}
