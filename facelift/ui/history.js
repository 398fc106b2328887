// Runs once, with `element`, `props`, `watch` and `trigger` given by gr.HTML: the heads that this browser keeps, newest first.
// A record: { id, made (ms), report, splat, portrait, thumbnail (Blobs) }. props.most: how many are kept; 0: nothing is.
const NAME = "facelift-heads";
const strip = element.querySelector(".strip"), row = strip.querySelector(".heads"), words = props.words;
let records = [];
let shownId = null;
let busy = Promise.resolve(); // one thing at a time
let pictures = []; // addresses of thumbnails

strip.querySelector("p").textContent = words.title;
const emptying = strip.querySelector(".empty");
emptying.textContent = words.empty;
emptying.title = words.empty_hint;
const pairing = strip.querySelector(".beside");
pairing.textContent = words.beside;
pairing.title = words.beside_hint;
let besideId = null; // of the head that stands beside the one that is shown

const asked = (request) => new Promise((done, failed) => {
  request.onsuccess = () => done(request.result);
  request.onerror = request.onblocked = () => failed(request.error);
});
let opened = null;
const database = () => (opened ??= (() => {
  const request = indexedDB.open(NAME, 1);
  request.onupgradeneeded = () => request.result.createObjectStore("heads", { keyPath: "id" });
  return asked(request);
})());
const store = async (mode) => (await database()).transaction("heads", mode).objectStore("heads");
const blobOf = async (file) => {
  const answer = await fetch(file.url);
  if (!answer.ok) throw new Error(`${answer.status} for ${file.orig_name}`);
  return answer.blob();
};

const filled = (text, record) => text.replace("{n}", records.length - records.indexOf(record)).replace("{seed}", record.report.seed ?? "?");
const shownRecord = () => records.find((record) => record.id === shownId);

function draw() {
  const focused = [...row.children].indexOf(document.activeElement);
  pictures.forEach(URL.revokeObjectURL);
  pictures = records.map((record) => URL.createObjectURL(record.thumbnail));
  strip.hidden = !records.length;
  element.closest(".block").classList.toggle("none", strip.hidden);
  pairing.hidden = records.length < 2 || !shownRecord();
  pairing.setAttribute("aria-pressed", besideId !== null);
  strip.querySelector("p").textContent = besideId ? words.pick : words.title;
  row.replaceChildren(...records.map((record, i) => {
    const button = document.createElement("button"), image = new Image(60, 60);
    button.type = "button";
    button.title = filled(besideId ? words.name : words.entry, record);
    button.setAttribute("aria-label", button.title);
    button.setAttribute("aria-pressed", [shownId, besideId].includes(record.id));
    button.disabled = besideId !== null && record.id === shownId; // another one is chosen
    image.src = pictures[i];
    image.alt = "";
    button.append(image);
    button.addEventListener("click", () => (besideId ? putBeside(record) : choose(record)));
    return button;
  }));
  row.children[focused]?.focus();
}

// The viewer shows it beside the one that is shown; null: that one alone.
function putBeside(record) {
  besideId = record?.id ?? null;
  const detail = record && { blob: record.splat, orig_name: "head.spz", names: [shownRecord(), record].map((one) => filled(words.name, one)) };
  document.querySelector("#viewer .splat-viewer").dispatchEvent(new CustomEvent("beside", { detail }));
  draw();
}

async function keepEntry(entry) {
  shownId = entry.id;
  const old = records.find((record) => record.id === (entry.was ?? entry.id));
  if (props.most && old?.id !== entry.id) {
    const [splat, portrait, thumbnail] = old ? [old.splat, old.portrait, old.thumbnail] : await Promise.all([entry.splat, entry.portrait, entry.thumbnail].map(blobOf));
    const record = { id: entry.id, made: old?.made ?? Date.now(), report: entry.report, splat, portrait, thumbnail };
    records = [record, ...records.filter((one) => one !== old)].sort((a, b) => b.made - a.made);
    const gone = [...(old ? [old] : []), ...records.splice(props.most)];
    const heads = await store("readwrite"); // no waiting for anything else in between, or it closes
    heads.put(record);
    for (const one of gone) heads.delete(one.id);
  }
  draw();
}

async function sent(blob, name) {
  const form = new FormData();
  form.append("files", blob, name);
  const answer = await fetch(new URL("gradio_api/upload", document.baseURI), { method: "POST", body: form });
  if (!answer.ok) throw new Error(await answer.text());
  return (await answer.json())[0];
}

async function choose(record, again = false) {
  if (!again && props.value?.known?.includes(record.id)) return trigger("choose", { id: record.id });
  row.setAttribute("aria-busy", "true");
  try {
    const [splat, portrait] = await Promise.all([sent(record.splat, "head.spz"), sent(record.portrait, "portrait.png")]);
    trigger("bring", { id: record.id, splat, portrait, report: record.report, again });
  } catch (error) {
    console.error(error);
  }
  row.removeAttribute("aria-busy");
}

async function empty() {
  if (besideId) putBeside(null);
  records = [];
  shownId = null;
  draw();
  await (await store("readwrite")).clear();
}

async function load() {
  if (!props.most) return void indexedDB.deleteDatabase(NAME);
  records = (await asked((await store("readonly")).getAll())).sort((a, b) => b.made - a.made);
  draw();
  if (records.length && !props.value?.entry) await choose(records[0], true);
}

const next = (work) => (busy = busy.then(work).catch(console.error)); // without IndexedDB the page does all the rest
emptying.addEventListener("click", () => next(empty));
pairing.addEventListener("click", () => putBeside(besideId ? null : (records.find((record) => record.id !== shownId) ?? null)));
document.addEventListener("alone", () => {
  besideId = null;
  draw();
});
addEventListener("facelift-empty", () => next(empty));
watch("value", () => {
  const { entry, missing } = props.value ?? {}, record = records.find((one) => one.id === missing);
  next(() => entry ? keepEntry(entry) : record ? choose(record) : draw());
});
next(load);
