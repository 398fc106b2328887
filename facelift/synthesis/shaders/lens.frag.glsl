// Premultiplied colour is blended over what lies behind; depth and normal stay those of what lies behind.
uniform float opacity;
uniform float reflectance;
uniform vec3 coating;

void main() {
  vec3 n = normalize(v_normal), view = normalize(eye - v_position);
  if (dot(n, view) < 0.0) n = -n;
  vec3 mirror = reflect(-view, n), shine = mirrored(mirror);
  for (int i = 0; i < keys; i++) shine += key_color[i] * (pow(max(dot(mirror, key_direction[i]), 0.0), 500.0) * 20.0);
  float f = fresnel(reflectance, dot(n, view));
  vec3 color = tone(v_albedo * v_irradiance) * opacity + tone(shine * coating * f);
  out_color = vec4(min(color, vec3(1.0)), clamp(opacity + (1.0 - opacity) * f, 0.0, 1.0));
  out_depth = 0.0;
  out_normal = vec4(0.0);
}
