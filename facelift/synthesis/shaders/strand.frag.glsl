in vec3 v_color;
in vec2 v_across;
in float v_depth;
in vec3 v_normal;
layout(location = 0) out vec4 out_color;
layout(location = 1) out float out_depth;
layout(location = 2) out vec4 out_normal;
uniform float label;

void main() {
  float s = v_across.x;  // a ribbon stands for a lock of hairs: fine lines along it
  float lines = (0.90 + 0.15 * sin(s * 4.5 + v_across.y) * (1.0 - s * s)) * (1.0 - 0.12 * s * s);
  out_color = vec4(v_color * lines, 1.0);
  out_depth = v_depth;
  out_normal = vec4(v_normal * 0.5 + 0.5, label);
}
