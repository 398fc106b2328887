// A head that can be driven, in the browser: `readRig(bytes)` unpacks a .headrig (docs/architecture.md), `drivenHead(rig, engine)` moves it on
// the graphics card. What is computed is that of facelift/animation/drive.py, which the tests compare it with.
const RIG_KINDS = { mouth: 3, seam: 4, under: 5, cavity: 6, eyes: [1, 2], balls: [7, 8] };

async function readRig(bytes) {
  if (new TextDecoder().decode(bytes.subarray(0, 8)) !== "HEADRIG1") throw new Error("no head rig");
  const stream = new Blob([bytes.subarray(8)]).stream().pipeThrough(new DecompressionStream("gzip"));
  const data = await new Response(stream).arrayBuffer();
  const length = new DataView(data).getUint32(0, true);
  const rig = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
  const found = {};
  let at = 4 + length;
  for (const { name, dtype, shape: [rows, columns], scale } of rig.arrays) {
    const size = Number(dtype.at(-1)), count = rows * columns, signed = dtype.includes("i");
    const planes = new Uint8Array(data, at, count * size), values = new Float64Array(count);
    for (let column = 0; column < columns; column++) {
      for (let row = 0; row < rows; row++) {
        let value = 0;
        for (let byte = size - 1; byte >= 0; byte--) value = value * 256 + planes[byte * count + column * rows + row];
        if (signed && value >= 2 ** (8 * size - 1)) value -= 2 ** (8 * size);
        values[row * columns + column] = value * scale;
      }
    }
    found[name] = values;
    at += count * size;
  }
  return { ...rig, ...found, count: rig.gaussians };
}

// Each Gaussian as Spark takes it, those of the head as they are, those added as they are when they show.
function rigSplats(rig, add) {
  const sh = 0.28209479177387814, three = [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]];
  const triangleOf = new Int32Array(rig.count).fill(-1), corner = new Float64Array(3 * rig.count), followed = new Float64Array(rig.count);
  for (let i = 0, b = 0; i < rig.count; i++) {
    if (!rig.bound[i]) continue;
    triangleOf[i] = rig.triangle[b];
    followed[i] = rig.follow[b];
    corner.set([rig.barycentric[2 * b], rig.barycentric[2 * b + 1], 1 - rig.barycentric[2 * b] - rig.barycentric[2 * b + 1]], 3 * i);
    b++;
  }
  for (let i = 0, ball = 0; i < rig.count; i++) {
    const color = { r: 0.5 + sh * rig.sh0[3 * i], g: 0.5 + sh * rig.sh0[3 * i + 1], b: 0.5 + sh * rig.sh0[3 * i + 2] };
    if (i < rig.own) {
      const packed = rig.quats[i], largest = Math.floor(packed / 2 ** 30), quat = [0, 0, 0, 0];
      let rest = 1;
      three[largest].forEach((component, k) => {
        const field = Math.floor(packed / 2 ** (20 - 10 * k)) % 1024;
        quat[component] = ((field % 512) / (511 * Math.SQRT2)) * (field >= 512 ? -1 : 1);
        rest -= quat[component] ** 2;
      });
      quat[largest] = Math.sqrt(Math.max(0, rest));
      const [w, x, y, z] = quat, [a, b, c] = rig.scales.subarray(3 * i, 3 * i + 3);
      add(vector(rig.means, i), { x: Math.exp(a), y: Math.exp(b), z: Math.exp(c) }, { w, x, y, z }, 1 / (1 + Math.exp(-rig.opacities[i])), color);
      continue;
    }
    let center, normal;
    if (triangleOf[i] < 0) {
      [center, normal] = [vector(rig.ball, ball), vector(rig.normal, ball)];
      ball++;
    } else {
      const p = [0, 1, 2].map((k) => vector(rig.vertices, rig.triangles[3 * triangleOf[i] + k]));
      normal = unit(cross(minus(p[1], p[0]), minus(p[2], p[0])));
      const lift = rig.lift[i - rig.own];
      const along = (d) => p.reduce((sum, q, k) => sum + corner[3 * i + k] * q[d], 0) + lift * normal[d];
      center = { x: along("x"), y: along("y"), z: along("z") };
    }
    const flat = 1 + normal.z, size = Math.hypot(flat, normal.x, normal.y), width = Math.max(rig.width[i - rig.own], 1e-5);
    const quat = flat < 1e-4 ? { w: 0, x: 1, y: 0, z: 0 } : { w: flat / size, x: -normal.y / size, y: normal.x / size, z: 0 };
    add(center, { x: width, y: width, z: 0.2 * width }, quat, 0.9975, color);
  }
  return { triangleOf, corner, followed };
}

const vector = (values, i) => ({ x: values[3 * i], y: values[3 * i + 1], z: values[3 * i + 2] });
const minus = (a, b) => ({ x: a.x - b.x, y: a.y - b.y, z: a.z - b.z });
const cross = (a, b) => ({ x: a.y * b.z - a.z * b.y, y: a.z * b.x - a.x * b.z, z: a.x * b.y - a.y * b.x });
const unit = (a) => ({ x: a.x / (Math.hypot(a.x, a.y, a.z) + 1e-12), y: a.y / (Math.hypot(a.x, a.y, a.z) + 1e-12), z: a.z / (Math.hypot(a.x, a.y, a.z) + 1e-12) });
const clamp = (x, low = 0, high = 1) => Math.min(high, Math.max(low, x));
const ramp = (x, low, high) => ((t) => t * t * (3 - 2 * t))(clamp((x - low) / (high - low)));

const RIG_GLSL = `
vec4 rigTimes(vec4 a, vec4 b) { return vec4(a.w * b.xyz + b.w * a.xyz + cross(a.xyz, b.xyz), a.w * b.w - dot(a.xyz, b.xyz)); }
vec3 rigTurn(vec4 q, vec3 v) { return v + 2.0 * cross(q.xyz, cross(q.xyz, v) + q.w * v); }
float rigRamp(float x, float low, float high) { float t = clamp((x - low) / (high - low), 0.0, 1.0); return t * t * (3.0 - 2.0 * t); }
mat3 rigUpright(vec3 a, vec3 b, vec3 c) {
  vec3 along = normalize(b - a), normal = normalize(cross(b - a, c - a));
  return mat3(along, cross(normal, along), normal);
}
mat3 rigSpan(vec3 a, vec3 b, vec3 c) {
  vec3 normal = cross(b - a, c - a);
  float area = length(normal);
  return area > 1e-9 ? mat3(b - a, c - a, normal / sqrt(area)) : mat3(1.0);
}
vec4 rigQuat(mat3 m) {
  float trace = m[0][0] + m[1][1] + m[2][2];
  vec4 q = vec4(m[1][2] - m[2][1], m[2][0] - m[0][2], m[0][1] - m[1][0], 1.0 + trace);
  return trace > -0.99 ? normalize(q) : vec4(0.0, 0.0, 0.0, 1.0);
}
float rigGrowth(vec3 a, vec3 b, vec3 c, vec3 p, vec3 q, vec3 r) {
  return max(length(a - b) / max(length(p - q), 1e-9), max(length(b - c) / max(length(q - r), 1e-9), length(c - a) / max(length(r - p), 1e-9)));
}
`;

// The steps of Driver.__call__ for one Gaussian. i: names of the shader's inputs, o: of its output.
const rigStatements = (wide, tall) => ({ inputs: i, outputs: o }) => `
  ${o.gsplat} = ${i.gsplat};
  {
    ivec2 at = ivec2(${o.gsplat}.index % ${wide}, ${o.gsplat}.index / ${wide});
    vec4 bind = texelFetch(${i.binding}, ivec3(at, 0), 0), more = texelFetch(${i.binding}, ivec3(at, 1), 0);
    int kind = int(more.z + 0.5);
    vec3 home = ${o.gsplat}.center, center = home, back = normalize(home - ${i.eye}) * more.w;
    vec4 quat = ${o.gsplat}.quaternion;
    float alpha = ${o.gsplat}.rgba.a, growth = 1.0;
    if (bind.w > 0.0 && ${i.amounts}.w > 0.5) {
      ivec3 v = ivec3(bind.xyz + 0.5);
      ivec2 a = ivec2(v.x % ${tall}, v.x / ${tall}), b = ivec2(v.y % ${tall}, v.y / ${tall}), c = ivec2(v.z % ${tall}, v.z / ${tall});
      vec3 p0 = texelFetch(${i.rest}, ivec3(a, 0), 0).xyz, p1 = texelFetch(${i.rest}, ivec3(b, 0), 0).xyz, p2 = texelFetch(${i.rest}, ivec3(c, 0), 0).xyz;
      vec3 d0 = texelFetch(${i.moved}, ivec3(a, 0), 0).xyz, d1 = texelFetch(${i.moved}, ivec3(b, 0), 0).xyz, d2 = texelFetch(${i.moved}, ivec3(c, 0), 0).xyz;
      vec3 m0 = p0 + d0, m1 = p1 + d1, m2 = p2 + d2, share = vec3(more.xy, 1.0 - more.x - more.y);
      mat3 turned = rigUpright(m0, m1, m2) * transpose(rigUpright(p0, p1, p2));
      vec4 turn = rigQuat(turned);
      vec3 off = home - (share.x * p0 + share.y * p1 + share.z * p2);
      off *= min(1.0, 0.03 / max(length(off), 1e-9));
      center += bind.w * (share.x * d0 + share.y * d1 + share.z * d2 + rigTurn(turn, off) - off);
      mat3 stretch = rigSpan(m0, m1, m2) * inverse(rigSpan(p0, p1, p2));
      vec3 lengths = vec3(length(stretch * rigTurn(quat, vec3(1, 0, 0))), length(stretch * rigTurn(quat, vec3(0, 1, 0))), length(stretch * rigTurn(quat, vec3(0, 0, 1))));
      ${o.gsplat}.scales *= pow(clamp(lengths, 0.35, 3.0), vec3(bind.w));
      quat = normalize(rigTimes(vec4(bind.w * turn.xyz, 1.0 + bind.w * (turn.w - 1.0)), quat));
      growth = rigGrowth(m0, m1, m2, p0, p1, p2);
    }
    if (kind == 3) center += ${i.amounts}.x * back;
    if (kind == 4) { float logit = mix(log(max(alpha, 1e-6) / max(1.0 - alpha, 1e-6)), -12.0, ${i.amounts}.y); alpha = 1.0 / (1.0 + exp(-logit)); }
    if (kind == 5) alpha = 0.9975 * rigRamp(growth, 1.06, 1.25);
    if (kind == 6) alpha = 0.9975 * ${i.amounts}.x;
    bool left = kind == 1 || kind == 7;
    if (left || kind == 2 || kind == 8) {
      float amount = left ? ${i.lids}.x : ${i.lids}.y;
      vec3 middle = left ? ${i.left} : ${i.right};
      center += amount * back;
      if (kind > 6) alpha = 0.9975 * amount;
      center = middle + rigTurn(${i.gaze}, center - middle) + (left ? ${i.lids}.z : ${i.lids}.w) * 0.03 * ${i.behind};
      quat = rigTimes(${i.gaze}, quat);
    }
    float bend = rigRamp(dot(home - ${i.pivot}, ${i.up}), ${i.neck}.x, ${i.neck}.y) * ${i.turn}.w;
    vec4 part = vec4(sin(bend) * ${i.turn}.xyz, cos(bend));
    ${o.gsplat}.center = ${i.pivot} + rigTurn(part, center - ${i.pivot}) + ${i.shift};
    ${o.gsplat}.quaternion = rigTimes(part, quat);
    ${o.gsplat}.rgba.a = alpha;
  }
`.split("\n");

const LOOKS = { OutLeft: [17.5, 0], InRight: [17.5, 0], InLeft: [-17.5, 0], OutRight: [-17.5, 0], UpLeft: [0, 7.5], UpRight: [0, 7.5], DownLeft: [0, -10], DownRight: [0, -10] };

// {mesh, modifier, pose}: pose({weights, rotation, translation, gaze}), each as in a track's frame, moves the mesh before the next picture.
async function drivenHead(rig, { DataArrayTexture, FloatType, RGBAFormat, SplatMesh, dyno }) {
  let follows;
  const mesh = new SplatMesh({
    maxSplats: rig.count,
    constructSplats: (splats) => { follows = rigSplats(rig, (...parts) => splats.pushSplat(...parts)); },
  });
  await mesh.initialized;
  const wide = 1024, tall = 128;
  function texture(columns, count, layers) {
    const rows = Math.ceil(count / columns), data = new Float32Array(4 * columns * rows * layers);
    const made = Object.assign(new DataArrayTexture(data, columns, rows, layers), { format: RGBAFormat, type: FloatType, internalFormat: "RGBA32F", needsUpdate: true });
    return { made, data, layer: 4 * columns * rows };
  }
  const binding = texture(wide, rig.count, 2), vertices = rig.vertices.length / 3, rest = texture(tall, vertices, 1), moved = texture(tall, vertices, 1);
  for (let i = 0; i < rig.count; i++) {
    const t = follows.triangleOf[i], corners = t < 0 ? [0, 0, 0] : rig.triangles.subarray(3 * t, 3 * t + 3);
    binding.data.set([...corners, follows.followed[i]], 4 * i);
    binding.data.set([follows.corner[3 * i], follows.corner[3 * i + 1], rig.kind[i], rig.recess[i]], binding.layer + 4 * i);
  }
  for (let v = 0; v < vertices; v++) rest.data.set(rig.vertices.subarray(3 * v, 3 * v + 3), 4 * v);
  const units = rig.units.map((_, u) => { // of each only what it moves
    const where = [], by = [];
    for (let v = 0; v < vertices; v++) {
      const move = rig.moves.subarray(3 * (u * vertices + v), 3 * (u * vertices + v) + 3);
      if (move[0] || move[1] || move[2]) where.push(v), by.push(...move);
    }
    return { where: Uint32Array.from(where), by: Float32Array.from(by) };
  });

  const three = ([x, y, z]) => ({ x, y, z, isVector3: true }), four = (x = 0, y = 0, z = 0, w = 0) => ({ x, y, z, w, isVector4: true });
  const axis = (column) => rig.axes.map((row) => row[column]);
  const [leftwards, backwards, upwards] = [0, 1, 2].map(axis);
  const inputs = {
    binding: dyno.dynoSampler2DArray(binding.made), rest: dyno.dynoSampler2DArray(rest.made), moved: dyno.dynoSampler2DArray(moved.made),
    eye: dyno.dynoVec3(three(rig.eye)), pivot: dyno.dynoVec3(three(rig.pivot)), up: dyno.dynoVec3(three(upwards)), behind: dyno.dynoVec3(three(backwards)),
    left: dyno.dynoVec3(three(rig.eyes[0])), right: dyno.dynoVec3(three(rig.eyes[1])), neck: dyno.dynoVec4(four(...rig.neck)),
    amounts: dyno.dynoVec4(four()), // mouth open, lips apart, -, whether anything moved
    lids: dyno.dynoVec4(four()), // what lies behind lids is set off (left, right); how far they shut
    gaze: dyno.dynoVec4(four(0, 0, 0, 1)), turn: dyno.dynoVec4(four(0, 0, 1, 0)), shift: dyno.dynoVec3(three([0, 0, 0])),
  };
  const types = Object.fromEntries(Object.entries(inputs).map(([name, value]) => [name, value.type]));
  const modifier = dyno.dynoBlock({ gsplat: dyno.Gsplat }, { gsplat: dyno.Gsplat }, ({ gsplat }) => {
    const step = new dyno.Dyno({ inTypes: { gsplat: dyno.Gsplat, ...types }, outTypes: { gsplat: dyno.Gsplat }, globals: () => [RIG_GLSL], statements: rigStatements(wide, tall) });
    return step.apply({ gsplat, ...inputs });
  });

  const unitAt = (name) => rig.units.indexOf(name);
  const blinks = ["eyeBlinkLeft", "eyeBlinkRight"].map(unitAt);
  const sides = ["Left", "Right"].map((side) => rig.units.flatMap((name, u) => (name.startsWith("eye") && name.endsWith(side) ? [u] : [])));
  const mouth = rig.units.flatMap((name, u) => (/^(mouth|jaw|tongue|cheekPuff)/.test(name) ? [u] : []));
  const largest = (change, of) => Math.max(...of.map((u) => Math.abs(change[u])));

  function changeOf(weights) {
    const change = rig.rest.map((before, u) => clamp(weights[u]) - before).map((value) => (Math.abs(value) < 1e-6 ? 0 : value));
    blinks.forEach((u, side) => { if (change[u] > 0) change[u] *= (rig.shut[side] - rig.rest[u]) / Math.max(1 - rig.rest[u], 1e-3); });
    return change;
  }

  function pose({ weights, rotation = [1, 0, 0, 0], translation = [0, 0, 0], gaze }) {
    const change = changeOf(weights), to = moved.data;
    to.fill(0);
    change.forEach((amount, u) => {
      if (!amount) return;
      const { where, by } = units[u];
      for (let k = 0, j = 0; k < where.length; k++, j += 3) {
        const at = 4 * where[k];
        to[at] += amount * by[j];
        to[at + 1] += amount * by[j + 1];
        to[at + 2] += amount * by[j + 2];
      }
    });
    moved.made.needsUpdate = true;
    const [upper, lower] = rig.lips.map((v) => 4 * v);
    const apart = [0, 1, 2].reduce((sum, d) => sum + (to[upper + d] - to[lower + d]) * upwards[d], 0);
    const changed = change.some((amount) => amount !== 0);
    Object.assign(inputs.amounts.value, { x: changed ? ramp(largest(change, mouth), 0, 0.12) : 0, y: ramp(apart, 0.004, 0.03), w: changed ? 1 : 0 });
    const look = gaze ?? Object.entries(LOOKS).reduce(([x, y], [name, by]) => ((w) => [x + w * by[0], y + w * by[1]])(change[unitAt(`eyeLook${name}`)]), [0, 0]);
    const [offLeft, offRight] = sides.map((of) => ramp(Math.max(largest(change, of) / 0.12, Math.hypot(...look) / 5), 0, 1));
    Object.assign(inputs.lids.value, { x: offLeft, y: offRight, z: Math.max(0, change[blinks[0]]), w: Math.max(0, change[blinks[1]]) });
    const about = (way, angle) => four(...way.map((d) => d * Math.sin(angle / 2)), Math.cos(angle / 2)), radians = Math.PI / 180;
    const yaw = about(upwards, look[0] * radians), pitch = about(leftwards, -look[1] * radians), across = cross(yaw, pitch);
    Object.assign(inputs.gaze.value, {
      x: yaw.w * pitch.x + pitch.w * yaw.x + across.x, y: yaw.w * pitch.y + pitch.w * yaw.y + across.y, z: yaw.w * pitch.z + pitch.w * yaw.z + across.z,
      w: yaw.w * pitch.w - yaw.x * pitch.x - yaw.y * pitch.y - yaw.z * pitch.z,
    });
    const length = Math.hypot(...rotation), sign = rotation[0] < 0 ? -1 : 1, [w, x, y, z] = rotation.map((v) => (sign * v) / length), sine = Math.hypot(x, y, z);
    Object.assign(inputs.turn.value, sine > 1e-7 ? { x: x / sine, y: y / sine, z: z / sine, w: Math.acos(clamp(w, -1, 1)) } : { x: 0, y: 0, z: 1, w: 0 });
    Object.assign(inputs.shift.value, { x: translation[0], y: translation[1], z: translation[2] });
    mesh.updateVersion();
  }
  return { mesh, modifier, pose, rest: [...rig.rest], units: rig.units, free: () => [binding, rest, moved].forEach(({ made }) => made.dispose()) };
}
