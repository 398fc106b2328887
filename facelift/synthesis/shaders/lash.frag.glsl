// v_rest: 0 at the inner .. 1 at the outer corner, 0 at the lid .. 1 at the tips, 1 on the upper lid. Cut into hairs here.
uniform float length;

void main() {
  bool upper = v_rest.z > 0.5;
  float x = v_rest.x * (upper ? 46.0 : 30.0), t = v_rest.y;
  float lean = x + (v_rest.x - 0.35) * 5.0 * t, hair = floor(lean), uneven = 0.65 + 0.35 * sin(hair * 7.3) * sin(hair * 2.9);
  float ends = smoothstep(0.0, 0.25, v_rest.x) * (1.0 - smoothstep(0.93, 1.0, v_rest.x));
  float tip = (upper ? length : length * 0.5) * uneven * ends;
  float aside = abs(fract(lean) - 0.5) * 2.0;
  float rim = upper ? (0.14 + 0.14 * length) * ends : 0.0;  // roots too dense to tell apart
  if (t > rim && (t > tip || aside > 0.6 * (1.0 - t / tip) + 0.1)) discard;
  finish(v_albedo * (v_irradiance + 0.1), normalize(v_normal));
}
