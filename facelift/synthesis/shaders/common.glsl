// What every shader of a view shares. Model space; colours are linear until tone().
uniform vec3 eye;               // the camera
uniform int keys;               // key lights in use
uniform vec3 key_direction[3];
uniform vec3 key_color[3];
uniform float key_spread[3];     // how much wider a highlight is than that of a point: half the squared radius
uniform vec3 harmonics[9];      // ambient radiance, blurred (light.py: harmonics)
uniform vec3 exposure;

// a shoulder above 0.62, then the sRGB curve
vec3 tone(vec3 c) {
  c *= exposure;
  c = mix(c, 0.62 + 0.38 * (1.0 - exp(-(c - 0.62) / 0.38)), step(0.62, c));
  return mix(c * 12.92, 1.055 * pow(max(c, vec3(1e-5)), vec3(1.0 / 2.4)) - 0.055, step(0.0031308, c));
}

vec3 blurred_surroundings(vec3 d) {
  vec3 c = harmonics[0] + harmonics[1] * d.x + harmonics[2] * d.y + harmonics[3] * d.z + harmonics[4] * (d.x * d.y)
    + harmonics[5] * (d.y * d.z) + harmonics[6] * (3.0 * d.z * d.z - 1.0) + harmonics[7] * (d.x * d.z) + harmonics[8] * (d.x * d.x - d.y * d.y);
  return max(c, vec3(0.0));
}

float fresnel(float f0, float cosine) {
  float k = 1.0 - clamp(cosine, 0.0, 1.0);
  return f0 + (1.0 - f0) * k * k * k * k * k;
}
