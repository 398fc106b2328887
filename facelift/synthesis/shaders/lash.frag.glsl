// v_rest: u along the lid, 0 at the lid .. 1 at the tips, 1 on the upper lid. Cut into hairs here.
uniform float length;

void main() {
  bool upper = v_rest.z > 0.5;
  float x = v_rest.x * (upper ? 1150.0 : 620.0), t = v_rest.y;
  float hair = floor(x), uneven = 0.65 + 0.35 * sin(hair * 7.3) * sin(hair * 2.9);
  float tip = (upper ? length : length * 0.45) * uneven;
  float aside = abs(fract(x + 0.8 * t * sin(hair * 4.1)) - 0.5) * 2.0;
  float rim = upper ? 0.20 + 0.12 * length : 0.02;  // roots too dense to tell apart
  if (t > rim && (t > tip || aside > 0.75 * (1.0 - t / tip) + 0.12)) discard;
  finish(v_albedo * (v_irradiance + 0.1), normalize(v_normal));
}
