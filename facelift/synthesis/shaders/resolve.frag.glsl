// Supersamples -> pixels: straight colour, coverage as alpha, the nearest sample's depth and class, the mean normal.
uniform sampler2D colors;  // premultiplied
uniform sampler2D depths;
uniform sampler2D normals;
uniform int factor;
uniform bool with_normals;
layout(location = 0) out vec4 out_color;
layout(location = 1) out float out_depth;
layout(location = 2) out vec4 out_normal;

void main() {
  ivec2 corner = ivec2(gl_FragCoord.xy) * factor;
  vec4 color = vec4(0.0);
  vec3 normal = vec3(0.0);
  float depth = 1e9, label = 0.0;
  for (int y = 0; y < factor; y++) for (int x = 0; x < factor; x++) {
    ivec2 at = corner + ivec2(x, y);
    vec4 sampled = texelFetch(colors, at, 0);
    if (sampled.a == 0.0) continue;
    color += sampled;
    float d = texelFetch(depths, at, 0).r;
    vec4 surface = with_normals ? texelFetch(normals, at, 0) : vec4(0.0);
    if (d > 0.0 && d < depth) { depth = d; label = surface.a; }
    if (with_normals) normal += surface.rgb * 2.0 - 1.0;
  }
  out_color = color.a == 0.0 ? vec4(0.0) : vec4(color.rgb / color.a, color.a / float(factor * factor));
  out_depth = depth < 1e8 ? depth : 0.0;
  out_normal = vec4(with_normals && dot(normal, normal) > 0.0 ? normalize(normal) * 0.5 + 0.5 : vec3(0.0), label);
}
