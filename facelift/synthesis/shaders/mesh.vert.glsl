in vec3 position;
in vec3 normal;
in vec3 albedo;
in vec3 rest;
in vec3 irradiance;   // ambient light that reaches the vertex
in vec4 visibility;   // of the three key lights; open sky
in vec4 material;     // gloss, roughness, two more values of the kind
uniform mat4 to_clip;
uniform vec4 depth_row;
out vec3 v_position;
out vec3 v_normal;
out vec3 v_albedo;
out vec3 v_rest;
out vec3 v_irradiance;
out vec4 v_visibility;
out vec4 v_material;
out float v_depth;

void main() {
  vec4 p = vec4(position, 1.0);
  gl_Position = to_clip * p;
  v_position = position;
  v_normal = normal;
  v_albedo = albedo;
  v_rest = rest;
  v_irradiance = irradiance;
  v_visibility = visibility;
  v_material = material;
  v_depth = dot(depth_row, p);
}
