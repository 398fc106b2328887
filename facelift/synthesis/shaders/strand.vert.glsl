// A strand is a ribbon that turns to the camera. Light of one or two key lights is computed here, at its points.
in vec3 position;
in vec3 tangent;
in vec4 place;       // side -1 or 1, 0 root .. 1 tip, a random number, width
in vec3 diffuse;     // radiance that does not depend on the view
in vec3 tinted;      // colour of light that went through the hair
in vec4 visibility;  // of the three key lights; open sky
uniform mat4 to_clip;
uniform vec4 depth_row;
uniform float widen;
uniform float shine;
out vec3 v_color;
out vec2 v_across;
out float v_depth;
out vec3 v_normal;

void main() {
  vec3 view = normalize(eye - position), across = normalize(cross(tangent, view));
  float width = place.w * widen * (1.0 - 0.75 * smoothstep(0.55, 1.0, place.y));
  vec4 p = vec4(position + across * (place.x * 0.5 * width), 1.0);
  gl_Position = to_clip * p;
  v_depth = dot(depth_row, p);
  v_normal = cross(across, tangent);
  v_normal *= sign(dot(v_normal, view));
  // Marschner's three paths: off the surface (R), through and back inside (TRT), straight through (TT)
  float tilt = 0.06 + 0.05 * (place.z - 0.5), tv = dot(tangent, view);
  vec3 c = diffuse;
  for (int i = 0; i < min(keys, 2); i++) {
    vec3 l = key_direction[i];
    float tl = dot(tangent, l), along = tl + tv;
    float facing = (dot(l, view) - tl * tv) * inversesqrt(max((1.0 - tl * tl) * (1.0 - tv * tv), 1e-3)), behind = max(-facing, 0.0);
    float r = exp(-(along + tilt) * (along + tilt) * 82.0) * (0.45 + 0.55 * facing) * 0.0605;
    float trt = exp(-(along - tilt * 1.5) * (along - tilt * 1.5) * 25.0) * (0.4 + 0.6 * max(facing, 0.0));
    float tt = exp(-along * along * 12.7) * behind * behind * behind * behind * 0.7;
    c += key_color[i] * (visibility[i] * shine) * (vec3(r) + tinted * (trt + tt));
  }
  c += blurred_surroundings(v_normal) * (vec3(0.012) + tinted * 0.12) * (visibility.w * shine);
  v_color = tone(c);
  v_across = vec2(place.x, place.z * 37.0);
}
