// Runs once per viewer, with `element`, `props` and `watch` given by gr.HTML.
const root = element.querySelector(".splat-viewer");
const stage = root.querySelector(".splat-stage");
const message = root.querySelector(".splat-message");
const texts = props.texts;
const HOME = [0, -2.7, 0]; // the front camera of the six views: the head faces -y and z is up
const FIELD_OF_VIEW = 50;

let view = null; // renderer, scene, camera, controls, spark
let opening = null;
let mesh = null;
let request = 0; // a newer load makes an older one void

function setState(state, text = "") {
  root.dataset.state = state;
  message.textContent = text;
}

function hasWebGL2() {
  try {
    return Boolean(document.createElement("canvas").getContext("webgl2"));
  } catch {
    return false;
  }
}

async function open() {
  const { OrbitControls, PerspectiveCamera, Scene, SparkRenderer, SplatMesh, Vector3, WebGLRenderer } = await import(
    new URL(props.module.url, document.baseURI).href
  );
  const renderer = new WebGLRenderer({ antialias: false, powerPreference: "high-performance" });
  const coarse = matchMedia("(pointer: coarse)").matches;
  renderer.setPixelRatio(Math.min(devicePixelRatio, coarse ? 1.5 : 2));
  renderer.setClearColor(0xffffff, 1); // the model was made for a white background
  const canvas = renderer.domElement;
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", texts.label);
  stage.append(canvas);

  const scene = new Scene();
  const camera = new PerspectiveCamera(FIELD_OF_VIEW, 1, 0.05, 20);
  camera.up.set(0, 0, 1); // before OrbitControls, which reads it once
  camera.position.set(...HOME);
  const controls = new OrbitControls(camera, canvas);
  controls.enableDamping = true;
  controls.dampingFactor = 0.15;
  controls.minDistance = 0.8;
  controls.maxDistance = 8;
  controls.autoRotateSpeed = 3;
  controls.saveState();

  // Draw only when something moved or a sort has finished: a page left open costs nothing.
  let queued = false;
  let onScreen = true;
  let frames = 0;
  const invalidate = () => {
    if (queued || !onScreen) return;
    queued = true;
    requestAnimationFrame(draw);
  };
  const spark = new SparkRenderer({ renderer, onDirty: invalidate });
  scene.add(spark);
  function draw() {
    queued = false;
    if (!root.isConnected) return close();
    controls.update();
    renderer.render(scene, camera);
    root.dataset.frames = ++frames;
    if (controls.autoRotate) invalidate();
  }
  controls.addEventListener("change", invalidate);

  function resize() {
    const { clientWidth: width, clientHeight: height } = stage;
    if (!root.isConnected) return close();
    if (!width || !height) return;
    renderer.setSize(width, height, false);
    camera.aspect = width / height;
    const half = Math.tan((FIELD_OF_VIEW * Math.PI) / 360); // the shorter side shows the whole head
    camera.fov = (Math.atan(half / Math.min(1, camera.aspect)) * 360) / Math.PI;
    camera.updateProjectionMatrix();
    invalidate();
  }
  const resized = new ResizeObserver(resize);
  resized.observe(stage);
  const seen = new IntersectionObserver((entries) => {
    onScreen = entries[entries.length - 1].isIntersecting;
    invalidate();
  });
  seen.observe(stage);
  resize();

  const axis = new Vector3(0, 0, 1);
  canvas.addEventListener("keydown", (event) => {
    const turn = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!turn) return;
    event.preventDefault();
    camera.position.applyAxisAngle(axis, (turn * Math.PI) / 24);
    invalidate();
  });
  canvas.addEventListener("webglcontextlost", (event) => {
    event.preventDefault();
    setState("error", texts.lost);
  });

  function close() {
    resized.disconnect();
    seen.disconnect();
    controls.dispose();
    mesh?.dispose();
    renderer.dispose();
    renderer.forceContextLoss();
    canvas.remove();
    mesh = view = opening = null;
  }
  return { SplatMesh, scene, camera, controls, spark, invalidate };
}

// Spark sorts in a worker: the picture is right only once it has nothing left to do.
async function settled() {
  const { spark, invalidate } = view;
  for (let frame = 0; view && frame < 600; frame++) {
    const busy = spark.dirty || spark.sorting || spark.sortDirty || !spark.activeSplats;
    if (frame > 1 && !busy) return;
    invalidate();
    await new Promise((done) => requestAnimationFrame(done));
  }
}

function drop() {
  mesh?.removeFromParent();
  mesh?.dispose();
  mesh = null;
  delete root.dataset.splats;
}

async function load() {
  const mine = ++request;
  const file = props.value;
  if (!file?.url) {
    drop();
    view?.invalidate();
    return setState("empty", texts.empty);
  }
  if (!hasWebGL2()) return setState("no-webgl", texts.no_webgl);
  setState("loading", texts.loading);
  try {
    view = await (opening ??= open());
    const next = new view.SplatMesh({ url: new URL(file.url, document.baseURI).href, fileName: file.orig_name });
    await next.initialized;
    if (mine !== request) return next.dispose();
    drop();
    mesh = next;
    view.scene.add(mesh);
    reset();
    await settled();
    if (mine !== request) return;
    root.dataset.splats = mesh.numSplats ?? mesh.packedSplats.numSplats;
    setState("loaded");
  } catch (error) {
    console.error(error);
    if (!view) opening = null;
    if (mine === request) setState("error", texts.failed);
  }
}

function reset() {
  if (!view) return;
  const { controls } = view;
  setRotating(false);
  controls.enableDamping = false; // forget the swing of the last drag
  controls.update();
  controls.reset();
  controls.enableDamping = true;
  view.invalidate();
}

function setRotating(on) {
  if (!view) return;
  view.controls.autoRotate = on;
  rotate.setAttribute("aria-pressed", on);
  view.invalidate();
}

function setFull(on) {
  root.classList.toggle("full", on);
  full.setAttribute("aria-pressed", on);
}

const rotate = root.querySelector("[data-do=rotate]");
const full = root.querySelector("[data-do=full]");
root.querySelector("[data-do=reset]").addEventListener("click", reset);
rotate.addEventListener("click", () => setRotating(!view?.controls.autoRotate));
full.addEventListener("click", () => setFull(!root.classList.contains("full")));
root.addEventListener("keydown", (event) => event.key === "Escape" && setFull(false));

watch("value", load);
load();
