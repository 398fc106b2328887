// v_rest: direction in the eyeball's own frame, the gaze at -y. v_material.z: light that lids and lashes let through.
uniform vec3 iris;
uniform float iris_angle;    // degrees from the gaze to the rim of the iris
uniform float pupil_angle;
uniform float key_focus[3];  // exponent of each key light's picture on the wet eye

vec3 iris_color(vec3 d, float angle) {
  float around = atan(d.z, d.x);
  float fibres = texture(noise, vec3(cos(around) * 1.3, sin(around) * 1.3, angle * 0.012)).g;
  float rays = texture(noise, vec3(cos(around) * 4.0, sin(around) * 4.0, 0.3)).r;
  vec3 c = iris * (0.45 + 1.1 * fibres) * (0.75 + 0.5 * rays);
  c = mix(c * vec3(1.5, 1.25, 0.9), c, smoothstep(iris_angle * 0.42, iris_angle * 0.7, angle));
  c *= 1.0 - 0.75 * smoothstep(iris_angle * 0.78, iris_angle, angle);
  // light that enters from above gathers at the lower rim
  return c * (1.0 + 0.5 * max(0.0, -normalize(d.xz + 1e-4).y) * smoothstep(iris_angle * 0.4, iris_angle, angle));
}

void main() {
  vec3 n = normalize(v_normal), view = normalize(eye - v_position), d = normalize(v_rest);
  float angle = degrees(acos(clamp(-d.y, -1.0, 1.0)));
  float vein = texture(noise, d * 1.7).r;
  vec3 white = v_albedo;
  white *= mix(vec3(1.0), vec3(0.90, 0.64, 0.58), smoothstep(28.0, 70.0, angle) * (0.25 + 0.75 * vein) + 0.15 * vein);
  vec3 color = mix(iris_color(d, angle), white, smoothstep(iris_angle - 1.2, iris_angle + 1.2, angle));
  color = mix(vec3(0.006), color, smoothstep(pupil_angle - 0.8, pupil_angle + 0.8, angle));
  vec3 diffuse = v_irradiance, mirror = reflect(-view, n), shine = vec3(0.0);
  float first = keys > 0 ? key_shadow(n) : 1.0;
  for (int i = 0; i < keys; i++) {
    float seen = i == 0 ? first : v_visibility[i];
    diffuse += key_color[i] * seen * max(dot(n, key_direction[i]) * 0.8 + 0.2, 0.0);
    shine += key_color[i] * (seen * pow(max(dot(mirror, key_direction[i]), 0.0), key_focus[i]) * 9.0);
  }
  float wet = 0.015 + 0.9 * pow(1.0 - max(dot(n, view), 0.0), 5.0);
  shine += mirrored(mirror) * wet * smoothstep(0.1, 0.55, v_visibility.w);
  float shade = v_material.z;
  finish(color * diffuse * (0.92 * shade) + shine * mix(0.2, 1.0, shade), n);
}
