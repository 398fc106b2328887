// The 3D viewer of the page and of head.html: `headViewer(root, engine, texts, sample, webcam)` returns `show(value)`.
// root: an element filled with viewer.html. engine: () => Promise of the module spark.min.js. texts: the words, by name.
// value: null, or { splat: {url, orig_name} or {bytes, orig_name}, rig, track, portrait: {url}, film: {url}, keep_view }, or { waiting: true }.
// sample: a small head that turns where there is none yet, {url, orig_name}, or null. root hears "film" with a file, for browsers without WebGL2.
// root hears "beside" with { blob, orig_name, names } of a second head, or null, and says "alone" when there is none any more.
// webcam: what webcam.js needs, or null.
// rig, track: files of a head that can be driven, shown in place of the splats, and of what it does; rig.js and animate.js belong to it.
// For tests, root carries data-state (empty, sample, loading, loaded, error, no-webgl), data-splats, data-moving while pictures are still to come,
// data-webcam while it is on, and data-pair (row, column) with data-beside, the second head's splats, while there are two.
function headViewer(root, engine, texts, sample = null, webcam = null) {
  const HOME = [0, -2.7, 0]; // the front camera of the six views: the head faces -y and z is up
  const FIELD_OF_VIEW = 50;
  const AZIMUTHS = { front: 0, left: Math.PI / 2, back: Math.PI, right: -Math.PI / 2 }; // of the camera, seen from above, from -y to +x
  const part = (name) => root.querySelector(name);
  const tool = (name) => part(`[data-do=${name}]`);
  const stage = part(".splat-stage"), message = part(".splat-message"), compare = part(".splat-compare"), wipe = part(".splat-wipe");
  const film = part(".splat-film"), progress = part(".splat-progress"), settings = part(".splat-settings"), panel = part(".splat-animate");
  const pair = part(".splat-pair");
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const narrow = matchMedia("(max-width: 1000px)"); // one column, as in page.css: the head appears below what was pressed

  root.setAttribute("aria-label", texts.label);
  part(".splat-tools").setAttribute("aria-label", texts.tools);
  part(".splat-settings").setAttribute("aria-label", texts.buttons.settings[0]);
  wipe.setAttribute("aria-label", texts.wipe);
  for (const name of ["scrub", "speed"]) part(`[data-life=${name}]`).setAttribute("aria-label", texts[name]);
  part("[data-life=idle]").checked = !still.matches;
  message.textContent = texts.empty;
  for (const element of root.querySelectorAll("[data-text]")) element.textContent = texts[element.dataset.text];
  for (const button of root.querySelectorAll("button")) {
    const [words, hint] = texts.buttons[button.dataset.do ?? button.dataset.view];
    (button.querySelector("span") ?? button).textContent = words;
    button.title = hint;
  }

  let view = null; // renderer, scene, camera, controls, spark
  let opening = null;
  let mesh = null;
  let shownSplat = null, shownTrack = null;
  let driven = null; // the mesh as one that can be moved
  let tint = null; // of headTint
  let second = null; // the mesh of a head beside this one
  const life = headLife(panel, () => view?.invalidate());
  const mirror = webcam && headMirror(webcam), note = part(".splat-note");
  let request = 0; // a newer load makes an older one void
  let flight = 0; // a newer turn to a view ends an older one

  function setState(state, text = "") {
    root.dataset.state = state;
    message.textContent = text;
    progress.hidden = state !== "loading";
  }

  function hasWebGL2() {
    try {
      return Boolean(document.createElement("canvas").getContext("webgl2"));
    } catch {
      return false;
    }
  }

  async function open() {
    const module = await engine();
    const { OrbitControls, PerspectiveCamera, SplatMesh, Vector3, WebGLRenderer, dyno } = module;
    const renderer = new WebGLRenderer({ antialias: false, alpha: true, powerPreference: "high-performance" });
    const coarse = matchMedia("(pointer: coarse)").matches;
    renderer.setPixelRatio(Math.min(devicePixelRatio, coarse ? 1.5 : 2));
    const canvas = renderer.domElement;
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${texts.label}. ${texts.keys}`);
    stage.append(canvas);

    const camera = new PerspectiveCamera(FIELD_OF_VIEW, 1, 0.05, 20);
    camera.up.set(0, 0, 1); // before OrbitControls, which reads it once
    camera.position.set(...HOME);
    const controls = new OrbitControls(camera, canvas);
    controls.enableDamping = !still.matches;
    controls.dampingFactor = 0.15;
    controls.minDistance = 0.8;
    controls.maxDistance = 8;
    controls.autoRotateSpeed = 3; // a turn in 20 s
    controls.saveState();

    // Draw only when something moved or a sort has finished: a page left open costs nothing.
    let queued = false;
    let onScreen = true;
    let last = 0; // when the last frame was drawn, in milliseconds
    const invalidate = () => {
      if (queued || !onScreen) return;
      queued = true;
      root.dataset.moving = "";
      requestAnimationFrame(draw);
    };
    const sides = [splatSide(module, renderer, invalidate)];
    const sorting = () => sides.some((side) => side.sorting());
    const render = () => drawSides(renderer, camera, sides);
    function draw(now) {
      queued = false;
      if (!root.isConnected) return close();
      controls.update(Math.min(0.2, (now - last) / 1000)); // turns as fast on slow machines, and does not jump after a pause
      last = now;
      const alive = driven && life.step(now / 1000);
      render();
      if (controls.autoRotate || alive) invalidate();
      if (!queued && (!sorting() || !onScreen)) delete root.dataset.moving;
    }
    controls.addEventListener("change", invalidate);
    controls.addEventListener("start", () => flight++);

    function resize() {
      const { clientWidth: width, clientHeight: height } = stage;
      if (!root.isConnected) return close();
      if (!width || !height) return;
      renderer.setSize(width, height, false);
      const each = sideSize(sides.length, width, height);
      camera.aspect = each.width / each.height;
      if (sides.length > 1) root.dataset.pair = each.across ? "row" : "column";
      else delete root.dataset.pair;
      const half = Math.tan((FIELD_OF_VIEW * Math.PI) / 360); // the shorter side shows the whole head
      camera.fov = (Math.atan(half / Math.min(1, camera.aspect)) * 360) / Math.PI;
      camera.updateProjectionMatrix();
      compare.style.width = compare.style.height = `${Math.min(width, height)}px`; // what the portrait shows
      invalidate();
    }
    const resized = new ResizeObserver(resize);
    resized.observe(stage);
    const seen = new IntersectionObserver((entries) => {
      onScreen = entries[entries.length - 1].isIntersecting;
      if (!onScreen && !queued) delete root.dataset.moving; // nothing comes until it is seen again
      invalidate();
    });
    seen.observe(stage);
    resize();

    canvas.addEventListener("webglcontextlost", (event) => {
      event.preventDefault();
      setState("error", texts.lost);
    });

    // Size and threshold of the splats, as a step of the shader: nothing is computed again when a slider moves.
    const size = dyno.dynoFloat(1), least = dyno.dynoFloat(0);
    const adjust = () =>
      dyno.dynoBlock({ gsplat: dyno.Gsplat }, { gsplat: dyno.Gsplat }, ({ gsplat }) => {
        const { scales, opacity } = dyno.splitGsplat(gsplat).outputs;
        const visible = dyno.select(dyno.lessThan(opacity, least), dyno.dynoConst("float", 0), opacity);
        return { gsplat: dyno.combineGsplat({ gsplat, scales: dyno.mul(scales, size), opacity: visible }) };
      });

    function close() {
      resized.disconnect();
      seen.disconnect();
      controls.dispose();
      mesh?.dispose();
      second?.dispose();
      renderer.dispose();
      renderer.forceContextLoss();
      canvas.remove();
      driven?.free();
      life.end();
      mesh = second = driven = view = opening = shownSplat = tint = null;
    }

    // A second head, or null.
    function setSecond(next) {
      for (const side of sides.splice(1)) side.spark.dispose();
      if (next) {
        const side = splatSide(module, renderer, invalidate);
        side.scene.add(next);
        sides.push(side);
      }
      resize();
    }
    const { scene } = sides[0];
    return { module, SplatMesh, Vector3, renderer, scene, sides, camera, controls, sorting, render, setSecond, invalidate, canvas, size, least, adjust };
  }

  // Spark sorts in a worker: the picture is right only once it has nothing left to do.
  async function settled() {
    const { sides, sorting, invalidate } = view;
    for (let frame = 0; view && frame < 600; frame++) {
      if (frame > 1 && (driven || !sorting()) && sides.every(({ spark }) => spark.activeSplats)) return; // what is alive is sorted without end
      invalidate();
      await new Promise((done) => requestAnimationFrame(done));
    }
  }

  function drop() {
    showBeside(null);
    mesh?.removeFromParent();
    mesh?.dispose();
    driven?.free();
    life.end();
    mesh = driven = shownSplat = shownTrack = tint = null;
    setMoving(false);
    setTinted(false);
    tool("animate").hidden = true;
    delete root.dataset.splats;
  }

  async function bytesOf(file) {
    if (file.bytes) return file.bytes;
    const answer = await fetch(new URL(file.url, document.baseURI));
    if (!answer.ok) throw new Error(`${answer.status} for the splat file`);
    const total = file.size || Number(answer.headers.get("content-length"));
    const chunks = [];
    let got = 0;
    for (const reader = answer.body.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      chunks.push(value);
      got += value.length;
      if (total) part(".splat-progress span").style.width = `${Math.min(100, (100 * got) / total)}%`;
    }
    return new Uint8Array(await new Blob(chunks).arrayBuffer());
  }

  function showFilm(file) {
    film.hidden = !file;
    if (!file || film.dataset.url === file.url) return;
    film.dataset.url = film.src = file.url;
    film.setAttribute("aria-label", texts.film);
    film.autoplay = !still.matches;
  }

  async function show(value) {
    const splat = value?.rig ?? value?.splat;
    if (!splat) {
      request++;
      drop();
      setComparing(false);
      showFilm(null);
      view?.invalidate();
      setState("empty", value?.waiting ? texts.waiting : texts.empty);
      return value?.waiting ? undefined : showSample();
    }
    if (value.portrait?.url) part(".splat-photo").src = value.portrait.url;
    tool("compare").hidden = !value.portrait?.url;
    if (!hasWebGL2()) {
      showFilm(value.film);
      return setState("no-webgl", value.film ? texts.no_webgl_film : texts.no_webgl);
    }
    const key = splat.url ?? splat.bytes;
    if (key === shownSplat) return perform(value.track);
    const mine = ++request;
    shownSplat = key;
    setComparing(false);
    setState("loading", texts.loading);
    part(".splat-progress span").style.width = "0";
    try {
      const [opened, bytes] = await Promise.all([(opening ??= open()), bytesOf(splat)]);
      view = opened;
      const moving = value.rig ? await drivenHead(await readRig(bytes), view.module) : null;
      const next = moving?.mesh ?? new view.SplatMesh({ fileBytes: bytes, fileName: splat.orig_name });
      await next.initialized;
      if (mine !== request) return next.dispose(), moving?.free();
      drop();
      shownSplat = key;
      mesh = next;
      driven = moving;
      mesh.objectModifiers = driven ? [driven.modifier, view.adjust()] : [view.adjust()];
      if (driven) {
        life.begin(driven);
        setMoving(true);
        tool("animate").hidden = false;
      }
      tool("tint").hidden = Boolean(driven);
      mesh.updateGenerator();
      view.scene.add(mesh);
      paint();
      if (!value.keep_view || sampled) reset();
      sampled = false;
      await settled();
      if (mine !== request) return;
      root.dataset.splats = mesh.numSplats ?? mesh.packedSplats.numSplats;
      setState("loaded");
      perform(value.track);
      if (!value.keep_view && narrow.matches) root.scrollIntoView({ block: "center", behavior: still.matches ? "auto" : "smooth" });
    } catch (error) {
      console.error(error);
      if (!view) opening = null;
      if (mine !== request) return;
      shownSplat = null;
      setState("error", texts.failed);
    }
  }

  // The sample, once the browser has nothing else to do, unless it is to save data. It turns once.
  let sampled = false;
  async function showSample() {
    if (!sample || navigator.connection?.saveData || !hasWebGL2()) return;
    const mine = ++request;
    await new Promise((idle) => (window.requestIdleCallback ?? setTimeout)(idle, { timeout: 4000 }));
    await new Promise((seen) => new IntersectionObserver((entries, watching) => {
      if (entries.some((entry) => entry.isIntersecting)) watching.disconnect(), seen();
    }).observe(root));
    if (mine !== request) return;
    try {
      const [opened, bytes] = await Promise.all([(opening ??= open()), bytesOf(sample)]);
      view = opened;
      const next = new view.SplatMesh({ fileBytes: bytes, fileName: sample.orig_name });
      await next.initialized;
      if (mine !== request) return next.dispose();
      mesh = next;
      mesh.objectModifiers = [view.adjust()];
      mesh.updateGenerator();
      view.scene.add(mesh);
      paint();
      home();
      sampled = true;
      await settled();
      if (mine !== request) return;
      setState("sample", texts.sample);
      if (still.matches) return;
      setRotating(true);
      setTimeout(() => mine === request && sampled && setRotating(false), 20000);
    } catch (error) {
      console.error(error); // it is only a sample
      if (!view) opening = null;
    }
  }

  // A track, as a file or as it is, begins; null: the head does what the panel says.
  async function perform(track) {
    if (!driven || (track?.url ?? track) === shownTrack) return;
    shownTrack = track?.url ?? track;
    const mine = driven;
    const given = track?.url ? JSON.parse(new TextDecoder().decode(await bytesOf(track))) : track;
    if (driven === mine) life.play(given ?? null, !still.matches);
  }

  function setMoving(on) {
    panel.hidden = !on;
    tool("animate").setAttribute("aria-expanded", on);
    if (on) setSettings(false);
  }

  // The head does what the visitor's face does, or no more.
  async function setMirror(on) {
    note.textContent = "";
    if (!on) return life.play(null), life.neutral();
    const mine = driven;
    tool("webcam").disabled = true;
    try {
      if (!navigator.mediaDevices) throw new Error("only safe pages may ask");
      note.textContent = texts.webcam_starts;
      await mirror.start();
      if (driven !== mine || !mine) return mirror.stop();
      life.follow(mirror);
      note.textContent = texts.webcam_on;
    } catch (error) {
      console.error(error);
      note.textContent = { NotAllowedError: texts.webcam_refused, NotFoundError: texts.webcam_missing }[error.name] ?? texts.webcam_failed;
    } finally {
      tool("webcam").disabled = false;
    }
  }

  // A second head, seen by the same camera, or none any more. A newer wish makes an older one void.
  let wished = 0;
  async function showBeside(head) {
    const mine = ++wished;
    let next = null;
    try {
      if (head && view && mesh) {
        next = new view.SplatMesh({ fileBytes: new Uint8Array(await head.blob.arrayBuffer()), fileName: head.orig_name });
        await next.initialized;
      }
    } catch (error) {
      console.error(error);
      next = null;
    }
    if (mine !== wished || !view) return next?.dispose();
    if (!next && !second) return head ? root.dispatchEvent(new CustomEvent("alone", { bubbles: true })) : undefined;
    setComparing(false);
    setTinted(false);
    second?.removeFromParent();
    second?.dispose();
    second = next;
    delete root.dataset.beside;
    pair.hidden = !next;
    if (next) {
      next.objectModifiers = [view.adjust()];
      next.updateGenerator();
      pair.querySelectorAll("span").forEach((name, i) => (name.textContent = head.names[i]));
    } else root.dispatchEvent(new CustomEvent("alone", { bubbles: true }));
    view.setSecond(next);
    if (!next) return;
    await settled();
    if (mine === wished && second === next) root.dataset.beside = next.numSplats ?? next.packedSplats.numSplats;
  }

  function home() {
    const { controls } = view;
    flight++;
    setRotating(false);
    controls.enableDamping = false; // forget the swing of the last drag
    controls.update();
    controls.reset();
    controls.enableDamping = !still.matches;
    view.invalidate();
  }

  function reset() {
    if (!view) return;
    setComparing(false);
    setTinted(false);
    home();
    for (const input of settings.querySelectorAll("[data-set]")) input.value = input.defaultValue;
    paint();
  }

  // To one of the four sides at the height of the eyes, along the shorter way.
  function turnTo(name) {
    if (!view) return;
    setComparing(false);
    setRotating(false);
    const { camera, controls } = view;
    const mine = ++flight;
    const offset = camera.position.clone().sub(controls.target);
    const start = { azimuth: Math.atan2(offset.x, -offset.y), height: Math.asin(offset.z / offset.length()), target: controls.target.clone() };
    const way = ((AZIMUTHS[name] - start.azimuth + 3 * Math.PI) % (2 * Math.PI)) - Math.PI;
    const distance = offset.length(), begun = performance.now(), time = still.matches ? 0 : 350;
    (function fly(now) {
      if (mine !== flight || !view) return;
      const t = time ? Math.min(1, Math.max(0, now - begun) / time) : 1;
      const eased = t * t * (3 - 2 * t);
      const azimuth = start.azimuth + eased * way, height = (1 - eased) * start.height;
      controls.target.copy(start.target).multiplyScalar(1 - eased);
      place(azimuth, height, distance);
      if (t < 1) requestAnimationFrame(fly);
    })(begun);
  }

  function place(azimuth, height, distance) {
    const { camera, controls, invalidate } = view;
    const level = Math.cos(height) * distance;
    camera.position.set(Math.sin(azimuth) * level, -Math.cos(azimuth) * level, Math.sin(height) * distance).add(controls.target);
    controls.update();
    invalidate();
  }

  function step(azimuth, height, zoom = 1) {
    flight++;
    const { camera, controls } = view;
    const offset = camera.position.clone().sub(controls.target);
    const distance = Math.min(8, Math.max(0.8, offset.length() * zoom));
    const up = Math.asin(offset.z / offset.length()) + height;
    place(Math.atan2(offset.x, -offset.y) + azimuth, Math.min(1.5, Math.max(-1.5, up)), distance);
  }

  // As dragging with the right button: the head goes where the arrow points.
  function pan(right, up) {
    flight++;
    const { camera, controls, Vector3 } = view;
    const reach = 0.04 * camera.position.distanceTo(controls.target);
    camera.updateMatrix();
    const [x, y] = [0, 1].map((axis) => new Vector3().setFromMatrixColumn(camera.matrix, axis));
    const moved = x.multiplyScalar(-right * reach).addScaledVector(y, -up * reach);
    camera.position.add(moved);
    controls.target.add(moved);
    controls.update();
    view.invalidate();
  }

  function setRotating(on) {
    if (!view) return;
    flight++;
    view.controls.autoRotate = on;
    tool("rotate").setAttribute("aria-pressed", on);
    view.invalidate();
  }

  // The photo over the head as its own camera sees it; the slider moves the border.
  function setComparing(on) {
    on = on && Boolean(view && mesh && !second);
    compare.hidden = !on;
    tool("compare").setAttribute("aria-pressed", on);
    if (!view) return;
    if (on) home();
    view.controls.enabled = !on;
  }

  function setFull(on) {
    root.classList.toggle("full", on);
    tool("full").setAttribute("aria-pressed", on);
    if (on) root.requestFullscreen?.().catch(() => {}); // where it is not allowed, the whole window must do
    else if (document.fullscreenElement === root) document.exitFullscreen();
  }

  function paint() {
    const [background, size, opacity] = ["background", "size", "opacity"].map((name) => part(`[data-set=${name}]`).value);
    root.style.setProperty("--splat-background", background);
    if (!view) return;
    view.renderer.setClearColor(background, 1); // white at first: the model was made for it
    view.size.value = Number(size);
    view.least.value = Number(opacity);
    mesh?.updateVersion();
    second?.updateVersion();
    view.invalidate();
  }

  function picture() {
    if (!view || !mesh) return;
    const [times, clear] = ["times", "clear"].map((name) => part(`[data-picture=${name}]`));
    savePicture(view, parseInt(times.value), clear.checked && part("[data-set=background]").value, settled);
  }

  // What the photo did not show, in another colour.
  function setTinted(on) {
    on = on && Boolean(view && mesh && !driven && !second);
    tool("tint").setAttribute("aria-pressed", on);
    part(".splat-legend").hidden = !on;
    if (!view || !mesh || (!on && !tint)) return;
    tint ??= headTint(mesh, HOME, FIELD_OF_VIEW);
    tint(on);
    view.invalidate();
  }

  function setSettings(on) {
    settings.hidden = !on;
    tool("settings").setAttribute("aria-expanded", on);
    if (on) setMoving(false);
  }

  const actions = {
    rotate: () => setComparing(false) ?? setRotating(!view?.controls.autoRotate),
    compare: () => setComparing(compare.hidden),
    full: () => setFull(!root.classList.contains("full")),
    settings: () => setSettings(settings.hidden),
    animate: () => setMoving(Boolean(driven) && panel.hidden),
    play: life.toggle,
    neutral: () => (root.dataset.webcam === undefined ? life.play(null) : null) ?? life.neutral(),
    webcam: () => setMirror(root.dataset.webcam === undefined),
    alone: () => (showBeside(null), view?.canvas.focus()),
    tint: () => setTinted(tool("tint").getAttribute("aria-pressed") !== "true"),
    picture,
    reset,
  };
  const keys = {
    ArrowLeft: () => step(-Math.PI / 24, 0), ArrowRight: () => step(Math.PI / 24, 0),
    ArrowUp: () => step(0, Math.PI / 36), ArrowDown: () => step(0, -Math.PI / 36),
    "Shift+ArrowLeft": () => pan(-1, 0), "Shift+ArrowRight": () => pan(1, 0),
    "Shift+ArrowUp": () => pan(0, 1), "Shift+ArrowDown": () => pan(0, -1),
    "+": () => step(0, 0, 0.9), "=": () => step(0, 0, 0.9), "-": () => step(0, 0, 1.1),
    1: () => turnTo("front"), 2: () => turnTo("left"), 3: () => turnTo("back"), 4: () => turnTo("right"),
    0: reset, r: actions.rotate, c: actions.compare, g: actions.tint, p: picture, f: actions.full,
    m: actions.animate, " ": actions.play,
  };
  for (const button of root.querySelectorAll("[data-view]")) button.addEventListener("click", () => turnTo(button.dataset.view));
  for (const button of root.querySelectorAll("[data-do]")) if (actions[button.dataset.do]) button.addEventListener("click", actions[button.dataset.do]);
  for (const act of ["blink", "smile", "speak", "look"]) tool(act).addEventListener("click", () => life.perform(act));
  for (const input of settings.querySelectorAll("[data-set]")) input.addEventListener("input", paint);
  tool("webcam").hidden = !mirror;
  panel.addEventListener("mirror", ({ detail: on }) => {
    if (on) root.dataset.webcam = "";
    else delete root.dataset.webcam, (note.textContent = "");
    tool("webcam").setAttribute("aria-pressed", on);
  });
  wipe.addEventListener("input", () => compare.style.setProperty("--at", `${wipe.value}%`));
  root.addEventListener("keydown", (event) => {
    if (event.key === "Escape") return setFull(false);
    const key = event.shiftKey && event.key.startsWith("Arrow") ? `Shift+${event.key}` : event.key;
    if (!view || event.target !== view.canvas || event.ctrlKey || event.metaKey || event.altKey || !keys[key]) return;
    event.preventDefault();
    if (!compare.hidden && key !== "c") setComparing(false);
    keys[key]();
  });
  root.addEventListener("film", (event) => {
    showFilm(event.detail);
    setState("no-webgl", texts.no_webgl_film);
  });
  root.addEventListener("beside", (event) => showBeside(event.detail));
  document.addEventListener("fullscreenchange", () => {
    if (!document.fullscreenElement && root.classList.contains("full")) setFull(false);
  });
  return show;
}
