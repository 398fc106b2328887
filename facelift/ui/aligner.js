// Runs once, with `element`, `props`, `watch` and `trigger` given by gr.HTML: the portrait, moved by hand and seen moving at once.
const root = element.querySelector(".aligner");
const frame = root.querySelector(".frame"), image = root.querySelector("img"), tools = root.querySelector(".tools");
const words = props.words;
const NONE = { x: 0, y: 0, zoom: 1, turn: 0 };
let made = NONE; // what the picture shows
let now = NONE; // what the visitor wants
let timer = 0;
const before = []; // what was wanted earlier, for undoing
let steady = true; // since what was wanted last was sent
const pointers = new Map();

root.querySelector(".empty").textContent = words.empty;
frame.setAttribute("aria-label", words.frame);
tools.setAttribute("aria-label", words.tools);
for (const button of tools.children) {
  button.title = words[button.dataset.adjust];
  button.setAttribute("aria-label", words[button.dataset.adjust]);
}

// Until the exact portrait is there, the old one is moved: both are turned and zoomed about the middle of the face.
function preview() {
  const unit = frame.clientWidth / props.size;
  const zoom = now.zoom / made.zoom, angle = ((now.turn - made.turn) * Math.PI) / 180;
  const a = zoom * Math.cos(angle), b = zoom * Math.sin(angle);
  const x = now.x - (a * made.x - b * made.y), y = now.y - (b * made.x + a * made.y);
  image.style.transformOrigin = `${props.centre[0] * 100}% ${props.centre[1] * 100}%`;
  image.style.transform = `matrix(${a}, ${b}, ${-b}, ${a}, ${x * unit}, ${y * unit})`;
}

function adjust(change, wait = 250) {
  if (!props.value?.movable) return;
  if (steady) before.push(now);
  steady = false;
  move(change, wait);
}

function move(change, wait) {
  const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
  const wanted = { ...now, ...change };
  now = { x: clamp(wanted.x, -400, 400), y: clamp(wanted.y, -400, 400), zoom: clamp(wanted.zoom, 0.4, 2.5), turn: clamp(wanted.turn, -180, 180) };
  preview();
  clearTimeout(timer);
  timer = setTimeout(() => {
    steady = true;
    trigger("adjust", now);
  }, wait);
  tools.querySelector("[data-adjust=undo]").disabled = !before.length;
}

function undo() {
  if (!props.value?.movable || !before.length) return;
  move(before.pop(), 0);
}

function show() {
  const value = props.value;
  root.dataset.state = value?.picture ? "shown" : "empty";
  if (!value?.picture || value.anew) clearTimeout(timer);
  tools.hidden = !value?.movable;
  if (!value?.picture) {
    image.removeAttribute("src");
    made = now = NONE;
    return;
  }
  const next = new Image();
  next.src = value.picture.url;
  next.decode().catch(() => {}).finally(() => {
    if (props.value?.picture?.url !== value.picture.url) return;
    image.src = value.picture.url;
    image.alt = words.alt;
    made = value.adjustment;
    if (value.anew) {
      before.length = 0;
      tools.querySelector("[data-adjust=undo]").disabled = true;
      now = made; // else the visitor may have gone on while this one was made
    }
    preview();
  });
}

const actions = {
  in: () => adjust({ zoom: now.zoom * 1.05 }),
  out: () => adjust({ zoom: now.zoom / 1.05 }),
  left: () => adjust({ turn: now.turn - 3 }),
  right: () => adjust({ turn: now.turn + 3 }),
  undo,
  reset: () => adjust(NONE, 0),
};
for (const button of tools.children) button.addEventListener("click", actions[button.dataset.adjust]);

frame.addEventListener("keydown", (event) => {
  const keys = {
    ArrowLeft: () => adjust({ x: now.x - 6 }), ArrowRight: () => adjust({ x: now.x + 6 }),
    ArrowUp: () => adjust({ y: now.y - 6 }), ArrowDown: () => adjust({ y: now.y + 6 }),
    "+": actions.in, "=": actions.in, "-": actions.out, "[": actions.left, "]": actions.right, 0: actions.reset, z: undo,
  };
  if (!keys[event.key] || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  keys[event.key]();
});
frame.addEventListener("wheel", (event) => {
  if (!props.value?.movable || document.activeElement !== frame) return; // the page scrolls until the portrait has been clicked
  event.preventDefault();
  adjust({ zoom: now.zoom * Math.exp(-event.deltaY / 800) });
}, { passive: false });
frame.addEventListener("pointerdown", (event) => {
  if (!props.value?.movable) return;
  frame.setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, event);
});
frame.addEventListener("pointermove", (event) => {
  const before = pointers.get(event.pointerId);
  if (!before) return;
  const unit = props.size / frame.clientWidth / pointers.size;
  const change = { x: now.x + (event.clientX - before.clientX) * unit, y: now.y + (event.clientY - before.clientY) * unit };
  if (pointers.size === 2) {
    const other = [...pointers.values()].find((pointer) => pointer.pointerId !== event.pointerId);
    const span = (p) => [p.clientX - other.clientX, p.clientY - other.clientY];
    const [old, fresh] = [span(before), span(event)];
    change.zoom = (now.zoom * Math.hypot(...fresh)) / Math.max(1, Math.hypot(...old));
    change.turn = now.turn + ((Math.atan2(fresh[1], fresh[0]) - Math.atan2(old[1], old[0])) * 180) / Math.PI;
  }
  pointers.set(event.pointerId, event);
  adjust(change, 400);
});
for (const end of ["pointerup", "pointercancel"]) frame.addEventListener(end, (event) => pointers.delete(event.pointerId));

watch("value", show);
show();
