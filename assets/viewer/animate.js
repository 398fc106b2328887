// What a driven head does over time: `headLife(panel, moved)` looks after the panel of viewer.html and calls `moved` when there is something new.
// head: of rig.js. track: a parsed track file. In `step`, time is in seconds.
function headLife(panel, moved) {
  const part = (name) => panel.querySelector(name), inputs = [...panel.querySelectorAll("[data-unit], [data-turn]")];
  const idle = part("[data-life=idle]"), scrub = part("[data-life=scrub]"), speed = part("[data-life=speed]"), loop = part("[data-life=loop]");
  const player = part(".splat-player"), playing = part("[data-do=play]");
  let head = null, track = null, at = 0, running = false, last = null;
  let mirror = null; // of webcam.js, while it moves the head
  let act = null; // {name, begun}
  let touched = true; // a slider was moved, or something ended: one more picture
  let nextBlink = 1, blinkBegun = -9, look = { from: [0, 0], to: [0, 0], begun: 0, next: 2 };

  const bump = (t, middle, width) => Math.exp(-(((t - middle) / width) ** 2));
  const rise = (t, length, edge) => ramp(t, 0, edge) * (1 - ramp(t, length - edge, length));
  // Each: seconds, and what is added at a time: units by name with or without side, gaze and turn in degrees to the left and up.
  const ACTS = {
    blink: [0.5, (t) => ({ eyeBlink: bump(t, 0.2, 0.07) })],
    smile: [2.6, (t) => ((s) => ({ mouthSmile: 0.75 * s, cheekSquint: 0.5 * s, eyeSquint: 0.25 * s, mouthUpperUp: 0.15 * s }))(rise(t, 2.6, 0.5))],
    speak: [3.6, (t) => {
      const on = rise(t, 3.6, 0.3), open = Math.abs(Math.sin(7.3 * t)) * (0.65 + 0.35 * Math.sin(2.3 * t + 1));
      return {
        jawOpen: 0.42 * on * open, mouthFunnel: 0.35 * on * Math.max(0, Math.sin(3.1 * t)), mouthLowerDown: 0.25 * on * open, mouthUpperUp: 0.1 * on * open,
        mouthStretch: 0.2 * on * Math.max(0, Math.sin(4.7 * t + 2)), browInnerUp: 0.3 * on * Math.max(0, Math.sin(1.7 * t)), eyeBlink: bump(t, 1.9, 0.07), turn: [3 * on * Math.sin(2.1 * t), 2 * on * Math.sin(3.3 * t)],
      };
    }],
    look: [4.8, (t) => {
      const x = 18 * (ramp(t, 0.2, 0.5) - 2 * ramp(t, 1.6, 2.1) + ramp(t, 3.2, 3.5)), y = 8 * (ramp(t, 3.2, 3.5) - ramp(t, 4.2, 4.6));
      const slow = 10 * (ramp(t, 0.3, 1.2) - 2 * ramp(t, 1.8, 2.9) + ramp(t, 3.2, 4.4));
      return { gaze: [x, y], turn: [slow, 0], eyeBlink: bump(t, 1.7, 0.07) + bump(t, 3.3, 0.07) };
    }],
  };

  const columns = (name) => (head.units.includes(name) ? [name] : [`${name}Left`, `${name}Right`]).map((unit) => head.units.indexOf(unit));

  // Blinks every few seconds, eyes that wander, a head that is never quite still.
  function living(t) {
    if (t > nextBlink) {
      blinkBegun = t;
      nextBlink = t + (Math.random() < 0.15 ? 0.4 : 2.2 + 3.5 * Math.random());
    }
    if (t > look.next) look = { from: look.to, to: [7 * (Math.random() - 0.5), 3 * (Math.random() - 0.5)], begun: t, next: t + 0.8 + 2.5 * Math.random() };
    const done = ramp(t - look.begun, 0, 0.12), wave = (speed, phase) => Math.sin(speed * t + phase);
    return {
      eyeBlink: bump(t - blinkBegun, 0.12, 0.06), gaze: [0, 1].map((d) => look.from[d] + done * (look.to[d] - look.from[d])),
      turn: [1.4 * wave(0.53, 0) + 0.8 * wave(1.13, 1), 0.9 * wave(0.71, 2) + 0.4 * wave(1.7, 0)], roll: 0.7 * wave(0.41, 1), browInnerUp: 0.05 + 0.05 * wave(0.37, 0),
    };
  }

  function posed(additions) {
    const weights = [...head.rest], gaze = [0, 0], turn = [0, 0];
    let roll = 0;
    for (const input of inputs) {
      const value = Number(input.value);
      if (input.dataset.turn) ({ gaze, turn })[input.dataset.turn.split(" ")[0]][Number(input.dataset.turn.split(" ")[1])] += value;
      else if (input.dataset.changed) for (const name of input.dataset.unit.split(" ")) for (const u of columns(name)) weights[u] = value;
    }
    for (const more of additions) {
      for (const [name, value] of Object.entries(more)) {
        if (name === "gaze") gaze.forEach((_, d) => (gaze[d] += value[d]));
        else if (name === "turn") turn.forEach((_, d) => (turn[d] += value[d]));
        else if (name === "roll") roll += value;
        else for (const u of columns(name)) weights[u] = clamp(weights[u] + value);
      }
    }
    const [yaw, pitch, tilt] = [turn[0], -turn[1], roll].map((degrees) => (degrees * Math.PI) / 360); // halves
    const [a, b, c, d, e, f] = [yaw, pitch, tilt].flatMap((half) => [Math.cos(half), Math.sin(half)]);
    const w = c * e, x = d * e, y = c * f, z = d * f; // first the tilt, then the nod; the turn last
    return { weights, gaze, rotation: [a * w - b * z, a * x - b * y, a * y + b * x, a * z + b * w] };
  }

  // A moment of the track, between its frames.
  function moment(frame) {
    const a = Math.floor(frame), b = Math.min(a + 1, track.weights.length - 1), share = frame - a;
    const mixed = (values) => values[a].map((v, i) => v + share * (values[b][i] - v));
    const order = head.units.map((unit) => track.units.indexOf(unit)), weights = mixed(track.weights);
    const near = (values) => { // the shorter way round
      const sign = values[a].reduce((sum, v, i) => sum + v * values[b][i], 0) < 0 ? -1 : 1;
      return values[a].map((v, i) => v + share * (sign * values[b][i] - v));
    };
    return {
      weights: order.map((i) => weights[i]), rotation: track.rotation && near(track.rotation), translation: track.translation && mixed(track.translation),
      gaze: track.gaze && mixed(track.gaze),
    };
  }

  function setRunning(on) {
    running = on && Boolean(track);
    playing.setAttribute("aria-pressed", running);
    touched = true;
    moved();
  }

  // Moves the head to where it is at a time; says whether it will move on by itself.
  function step(time) {
    if (!head) return false;
    const passed = last === null ? 0 : Math.min(0.2, time - last);
    last = time;
    if (mirror) {
      const pose = mirror.pose(head.units, head.rest, time);
      if (pose) head.pose(pose);
      return true;
    }
    if (track) {
      const end = track.weights.length - 1;
      if (running) {
        at += passed * track.fps * Number(speed.value);
        if (at > end) (at = loop.checked && end ? at % (end + 1) : end), loop.checked || setRunning(false);
      }
      at = Math.min(at, end);
      if (running || touched) head.pose(moment(at));
      scrub.value = at;
      touched = false;
      return running;
    }
    const [length, added] = act ? ACTS[act.name] : [0, null];
    if (act) act.begun ??= time;
    const acting = act && time - act.begun < length;
    const additions = [...(acting ? [added(time - act.begun)] : []), ...(idle.checked ? [living(time)] : [])];
    if (acting || idle.checked || touched) head.pose(posed(additions));
    touched = Boolean(act) && !acting; // one more picture, without it
    if (!acting) act = null;
    return acting || idle.checked || touched;
  }

  function neutral() {
    mirror?.settle();
    for (const input of inputs) {
      delete input.dataset.changed;
      input.value = head && input.dataset.unit ? head.rest[columns(input.dataset.unit.split(" ")[0])[0]] : 0;
    }
    act = null;
    again();
  }
  function again() {
    touched = true;
    moved();
  }

  for (const input of inputs) input.addEventListener("input", () => { input.dataset.changed = "1"; play(null); });
  idle.addEventListener("input", again);
  scrub.addEventListener("input", () => { at = Number(scrub.value); setRunning(false); });

  function begin(driven) {
    head = driven;
    last = null;
    neutral();
    play(null);
  }
  function play(given, atOnce = true) {
    follow(null);
    track = given;
    player.hidden = !track;
    if (track) scrub.max = track.weights.length - 1;
    at = 0;
    setRunning(atOnce);
  }
  // The head does what a mirror sees, until it is told something else; null: no more.
  function follow(given) {
    if (mirror && mirror !== given) mirror.stop();
    mirror = given;
    if (given) (track = act = null), (player.hidden = true);
    panel.dispatchEvent(new CustomEvent("mirror", { detail: Boolean(given) }));
    again();
  }
  const perform = (name) => { play(null); act = { name }; again(); };
  return { begin, end: () => (follow(null), (head = track = null)), play, follow, step, neutral, perform, toggle: () => setRunning(!running) };
}
