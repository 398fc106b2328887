// v_rest: u along the lid, 0 at the lid .. 1 at the tips, 1 on the upper lid. Cut into hairs here.
uniform float length;

void main() {
  bool upper = v_rest.z > 0.5;
  float x = v_rest.x * (upper ? 950.0 : 600.0), t = v_rest.y;
  float tip = (upper ? length : length * 0.6) * (0.75 + 0.25 * (sin(floor(x) * 7.3) * 0.5 + 0.5));
  float aside = abs(fract(x) - 0.5) * 2.0;
  if (t > tip || (t > (upper ? 0.28 : 0.08) && aside > 1.2 - t / tip)) discard;
  finish(v_albedo * (v_irradiance + 0.1), normalize(v_normal));
}
