// The visitor's own face moves the head: `headMirror(files, scale)` reads the webcam's pictures on the visitor's machine; none leaves it.
// files: {url} of MediaPipe's parts (assets/vendor/tasks-vision) and its model. scale: by unit, how far a reading rises when the unit goes to 1.
function headMirror({ files, scale }) {
  const SETTLING = 8, FARTHEST = (35 * Math.PI) / 180; // readings that are the face at rest; where a turn of the head ends
  const CUTOFF = 1.5, BETA = { weight: 4.0, turn: 4.0 }, SPEED_CUTOFF = 3; // Hz, as of clips (facelift/video/smoothing.py), forwards only
  let reader = null, video = null, rest = [], before = null, seen = -1;

  const at = (file) => new URL(file.url, document.baseURI).href;
  async function load() {
    const { FaceLandmarker } = await import(at(files.bundle));
    const packed = await fetch(at(files.wasm));
    if (!packed.ok) throw new Error(`${packed.status} for the face reader`);
    const wasm = await new Response(packed.body.pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
    const binary = URL.createObjectURL(new Blob([wasm], { type: "application/wasm" }));
    try {
      return await FaceLandmarker.createFromOptions(
        { wasmLoaderPath: at(files.loader), wasmBinaryPath: binary },
        { baseOptions: { modelAssetPath: at(files.model), delegate: "CPU" }, runningMode: "VIDEO", numFaces: 1, outputFaceBlendshapes: true, outputFacialTransformationMatrixes: true },
      );
    } finally {
      URL.revokeObjectURL(binary);
    }
  }

  // Rejects with the browser's own error, whose name says why.
  async function start() {
    const stream = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480, facingMode: "user" } });
    try {
      reader ??= await load();
      video = Object.assign(document.createElement("video"), { srcObject: stream, muted: true, playsInline: true });
      await video.play();
    } catch (error) {
      stream.getTracks().forEach((track) => track.stop());
      video = null;
      throw error;
    }
    settle();
  }

  function stop() {
    video?.srcObject.getTracks().forEach((track) => track.stop());
    video = null;
  }

  function settle() {
    rest = [];
    before = null;
    seen = -1;
  }

  // As face/units.py: rows of a rotation in the world's axes, of a matrix in columns whose y is up and whose z points at the camera.
  function turned(matrix) {
    const from = [0, 2, 1], sign = [1, -1, 1];
    return from.map((p, i) => from.map((q, j) => (sign[i] * sign[j] * matrix[4 * q + p]) / Math.hypot(...matrix.slice(4 * q, 4 * q + 3))));
  }

  // Axis times angle of a b^T.
  function between(a, b) {
    const m = a.map((row) => b.map((other) => row.reduce((sum, v, k) => sum + v * other[k], 0)));
    const angle = Math.acos(clamp((m[0][0] + m[1][1] + m[2][2] - 1) / 2, -1, 1));
    const axis = [m[2][1] - m[1][2], m[0][2] - m[2][0], m[1][0] - m[0][1]], size = Math.hypot(...axis);
    return axis.map((v) => (size > 1e-9 ? (v / size) * Math.min(angle, FARTHEST) : 0));
  }

  // One-euro filter: what rests does not tremble, what moves hardly lags.
  function steady(values, betas, time) {
    if (!before) return (before = { time, values, speeds: values.map(() => 0) }).values;
    const passed = clamp(time - before.time, 1e-3, 0.5), share = (cutoff) => 1 / (1 + 1 / (2 * Math.PI * cutoff * passed));
    const speeds = values.map((v, i) => before.speeds[i] + share(SPEED_CUTOFF) * ((v - before.values[i]) / passed - before.speeds[i]));
    const found = values.map((v, i) => before.values[i] + share(CUTOFF + betas(i) * Math.abs(speeds[i])) * (v - before.values[i]));
    before = { time, values: found, speeds };
    return found;
  }

  // The pose of a head whose photo has unit weights `own`, in the order of `units`, or null where there is nothing new. time: seconds.
  function pose(units, own, time) {
    if (!video || video.readyState < 2 || video.currentTime === seen) return null;
    seen = video.currentTime;
    const found = reader.detectForVideo(video, 1000 * time);
    if (!found.faceBlendshapes.length) return null;
    const scores = Object.fromEntries(found.faceBlendshapes[0].categories.map(({ categoryName, score }) => [categoryName, score]));
    const reading = { weights: units.map((unit) => (scores[unit] ?? 0) / (scale[unit] ?? 1)), turn: turned(found.facialTransformationMatrixes[0].data) };
    if (rest.length < SETTLING) rest.push(reading);
    const middle = rest[rest.length >> 1], quiet = units.map((_, u) => rest.reduce((sum, { weights }) => sum + weights[u], 0) / rest.length);
    const values = [...reading.weights.map((v, u) => v - quiet[u]), ...between(reading.turn, middle.turn)];
    const smooth = steady(values, (i) => (i < units.length ? BETA.weight : BETA.turn), time);
    const [x, y, z] = smooth.slice(units.length), angle = Math.hypot(x, y, z), sine = angle > 1e-9 ? Math.sin(angle / 2) / angle : 0.5;
    return { weights: own.map((v, u) => clamp(v + smooth[u])), rotation: [Math.cos(angle / 2), sine * x, sine * y, sine * z] };
  }

  return { start, stop, settle, pose };
}
