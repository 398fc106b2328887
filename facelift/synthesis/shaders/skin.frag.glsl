// v_material.z: roots of hair and stubble, .w: the face. v_rest: on the average face, metres.
uniform float bump;
uniform float freckles;
uniform float age;       // 0 until about 35, 1 very old
uniform float spots;     // of age
uniform float blotches;  // how unevenly blood shows
uniform float melanin;
uniform int marks;       // moles in use
uniform vec4 moles[6];   // rest position, radius

const float SHINE = 1.8;
const vec2 EYE_CORNER = vec2(0.043, 0.734);

// 1 below low, 0 above high
float fall(float low, float high, float x) { return 1.0 - smoothstep(low, high, x); }

vec3 pores(vec4 coarse, vec4 middle, vec4 fine) {
  return (coarse.rgb - 0.5) * 0.10 + (middle.rgb - 0.5) * 0.16 + (fine.rgb - 0.5) * 0.14;
}

// Fine lines. xyz: how the normal leans at rest; w: how deep.
vec4 lines(vec3 p, float face, float roots, float cloudy) {
  float side = abs(p.x);
  float brow = smoothstep(0.752, 0.764, p.z) * fall(0.030, 0.050, side) * face;
  float neck = 0.6 * fall(0.60, 0.622, p.z) * (1.0 - roots);
  float below = 0.5 * face * fall(0.722, 0.727, p.z) * smoothstep(0.708, 0.716, p.z) * smoothstep(0.012, 0.02, side);
  float phase = p.z * (brow > 0.0 ? 720.0 : 900.0) + 6.0 * side * side * 1e3 / 4.0 * step(0.7, p.z) + (cloudy - 0.5) * 7.0;
  float level = pow(0.5 + 0.5 * sin(phase), 3.0) * (brow + neck + below) * smoothstep(0.30, 0.65, texture(noise, p * 6.0 + 0.4).r);
  vec4 found = vec4(0.0, 0.0, cos(phase) * sqrt(level), level);
  vec2 d = vec2(side, p.z) - EYE_CORNER;  // crow's feet
  float far = length(d), turn = atan(d.y, d.x);
  float fan = smoothstep(0.003, 0.008, far) * fall(0.012, 0.024, far) * fall(0.9, 1.3, abs(turn)) * face;
  float spoke = turn * 15.0 + (cloudy - 0.5) * 4.0, feet = pow(0.5 + 0.5 * sin(spoke), 3.0) * fan;
  found += vec4(-d.y / max(far, 1e-4) * sign(p.x), 0.0, d.x / max(far, 1e-4), 0.0) * cos(spoke) * sqrt(feet) + vec4(0.0, 0.0, 0.0, feet);
  return found;
}

void main() {
  vec3 n = normalize(v_normal), view = normalize(eye - v_position), color = v_albedo;
  float roots = v_material.z, face = v_material.w, gloss = v_material.x, rough = v_material.y;
  vec4 coarse = texture(noise, v_rest * 14.0), middle = texture(noise, v_rest * 41.0), fine = texture(noise, v_rest * 101.0);
  vec3 smooth_normal = n;
  n = normalize(n + pores(coarse, middle, fine) * bump * (0.55 - face * 0.05));
  // what light loses, all in one exponential
  float pale = 1.0 - 0.7 * melanin;
  vec3 lost = ((coarse.a - 0.5) * vec3(0.06, 0.24, 0.22) + (coarse.g - 0.5) * vec3(0.07, 0.08, 0.11)) * ((-0.3 - 0.7 * blotches) * (0.4 + 0.6 * pale))
    - (middle.a - 0.5) * vec3(0.14, 0.22, 0.24) - (fine.a - 0.5) * vec3(0.16, 0.22, 0.24);
  if (age > 0.02) {
    vec4 line = lines(v_rest, face, roots, coarse.b);
    n = normalize(n + line.xyz * 0.30 * age);
    lost += vec3(0.45, 0.65, 0.7) * (age * line.w * 0.5);
    float spot = smoothstep(0.69, 0.74, middle.b * 0.65 + coarse.b * 0.35) * spots * 0.8;
    lost += vec3(0.30, 0.48, 0.65) * spot;
  }
  float side = abs(v_rest.x), bare = face * (1.0 - fall(0.022, 0.028, side) * smoothstep(0.650, 0.656, v_rest.z) * fall(0.679, 0.683, v_rest.z));
  if (freckles > 0.0) {
    float sunny = 0.25 + 0.75 * exp(-pow((v_rest.z - 0.706) / 0.026, 2.0));  // nose and cheeks
    lost += vec3(0.30, 0.54, 0.78) * (smoothstep(0.66 - 0.03 * sunny, 0.74, fine.g * 0.75 + middle.g * 0.25) * freckles * bare * sunny);
  }
  // pores, wide on the nose and beside it
  float wide = fall(0.012, 0.04, side) * smoothstep(0.66, 0.69, v_rest.z) * fall(0.74, 0.77, v_rest.z);
  float pit = smoothstep(0.60, 0.70, fine.b * 0.6 + fine.r * 0.4) * (0.3 + 0.7 * wide) * bare;
  lost += vec3(0.12, 0.15, 0.16) * pit;
  if (melanin < 0.45) {  // veins at temples, neck and below the eyes
    float thin = face * (smoothstep(0.045, 0.058, side) * smoothstep(0.735, 0.75, v_rest.z)
      + 0.7 * fall(0.724, 0.728, v_rest.z) * smoothstep(0.706, 0.714, v_rest.z)) + 0.8 * fall(0.61, 0.63, v_rest.z) * smoothstep(0.015, 0.04, side);
    float vein = fall(0.008, 0.035, abs(coarse.b + 0.25 * (middle.g - 0.5) - 0.5)) * thin * fall(0.15, 0.45, melanin) * (1.0 - roots);
    lost += vec3(0.20, 0.10, 0.05) * vein;
  }
  color *= exp(-lost);
  n = normalize(n - vec3(0.0, 0.0, 0.12 * bump * pit));
  for (int i = 0; i < marks; i++) {
    float there = fall(0.6, 1.0, distance(v_rest, moles[i].xyz) / moles[i].w + fine.r - 0.5);
    color *= mix(vec3(1.0), vec3(0.34, 0.24, 0.20), there);
  }
  color *= mix(1.0, 0.62 + 0.5 * smoothstep(0.35, 0.7, fine.g * 0.7 + middle.a * 0.3), roots);

  vec3 diffuse = v_irradiance, shine = vec3(0.0);
  float first = keys > 0 ? key_shadow(smooth_normal) : 1.0;
  gloss *= 0.8 + 0.4 * middle.r;
  for (int i = 0; i < keys; i++) {
    float cosine = dot(n, key_direction[i]), seen = clamp(i == 0 ? first : v_visibility[i], 0.0, 1.0);
    // light wraps further in red, and bleeds into shadows: the cheap end of light inside skin
    const vec3 wrap = vec3(0.28, 0.12, 0.08), bleed = vec3(0.28, -0.09, -0.13);
    diffuse += key_color[i] * max((cosine + wrap) / (1.0 + wrap), 0.0) * (seen + seen * (1.0 - seen) * bleed);
    vec3 h = normalize(key_direction[i] + view);
    float k = 1.0 - max(dot(h, view), 0.0), l = log2(max(dot(n, h), 1e-3));
    // two lobes, the sheen of skin and of the oil on it; a large light spreads both
    vec2 lobes = vec2(16.0, 60.0) / rough;
    lobes /= 1.0 + lobes * key_spread[i];
    float level = dot(exp2(l * lobes) * lobes, vec2(0.10, 0.045));
    shine += key_color[i] * (seen * level * (0.028 + 0.6 * k * k * k * k * k) * max(cosine, 0.0) * gloss * SHINE);
  }
  // a rough surface mirrors little more at its edges than elsewhere
  float k = 1.0 - max(dot(n, view), 0.0), open = v_visibility.w;
  shine += blurred_surroundings(reflect(-view, n)) * ((0.028 + 0.12 * k * k * k * k) * open * open * gloss * 0.95);
  finish(color * diffuse + shine, n);
}
