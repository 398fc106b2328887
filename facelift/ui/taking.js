// Runs once, with `element`, `props`, `watch` and `trigger` given by gr.HTML: what can be taken home of the head that is shown.
// props.value: null, or { files: {name: file}, making: {name: fraction}, failed: name or null, link: {name, path, key, until (ms)} or null }.
// props.links: what is said of links that share a head, or null where there are none.
const root = element.querySelector(".take"), words = props.words;
const part = (name) => root.querySelector(name);
const panels = { share: part(".share-panel"), files: part(".files-panel") };
const openers = { share: part("[data-open=share]"), files: part("[data-open=files]") };
const wanted = new Set(); // files that are saved as soon as they are there

for (const e of root.querySelectorAll("[data-text]")) e.textContent = words[e.dataset.text];
for (const e of root.querySelectorAll("[data-label]")) e.setAttribute("aria-label", words[e.dataset.label]);
openers.share.hidden = !props.share;

const size = (bytes) => (bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`);
const made = (tag, text, more = {}) => Object.assign(document.createElement(tag), { textContent: text, ...more });

function saveFile(file) {
  made("a", "", { href: file.url, download: file.orig_name }).click();
}

function chip(name, value) {
  const file = value.files[name], fraction = value.making[name];
  const again = name === props.all; // it is packed anew, with what there is by then
  if (file && !again) {
    const link = made("a", "", { href: file.url, download: name, className: "chip" });
    link.append(made("b", name), made("small", size(file.size)));
    return link;
  }
  const button = made("button", "", { type: "button", className: "chip" });
  const event = props.made[name];
  const note = fraction !== undefined ? `${Math.round(100 * fraction)} %` : again ? size(total(value)) : event ? words.make : "";
  button.append(made("b", name), made("small", note));
  button.disabled = fraction !== undefined || !event;
  button.addEventListener("click", () => ask(event, name, {}));
  return button;
}

const total = (value) => Object.values(value.files).reduce((sum, file) => sum + file.size, 0);

function ask(event, name, data) {
  wanted.add(name);
  if (["mesh", "film", "pack"].includes(event)) trigger(event, data); // Gradio looks for these words here
}

function draw() {
  const value = props.value;
  for (const opener of Object.values(openers)) opener.disabled = !value;
  if (!value) {
    wanted.clear();
    return open(null);
  }
  const focused = document.activeElement?.closest?.(".chip")?.querySelector("b")?.textContent;
  part(".groups").replaceChildren(...props.groups.map(({ title, note, names }) => {
    const group = made("section", ""), chips = made("div", "", { className: "chips" });
    const own = title === props.films ? Object.keys(value.files).filter((name) => name.startsWith("film_")) : [];
    chips.append(...[...names, ...own].filter((name) => value.files[name] || props.made[name]).map((name) => chip(name, value)));
    group.append(made("h2", title), made("p", note), chips);
    if (title === props.films) group.append(part(".film-form") ?? form);
    return group;
  }));
  if (focused) [...root.querySelectorAll(".chip")].find((one) => one.querySelector("b").textContent === focused)?.focus();
  const filming = Object.keys(value.making).some((name) => name.endsWith(".mp4"));
  form.querySelector("button").disabled = filming;
  for (const name of wanted) {
    if (name === value.failed) wanted.delete(name);
    if (value.making[name] !== undefined || !value.files[name] || (name === props.all && value.files[name].url === packed)) continue;
    wanted.delete(name);
    if (name === props.all) packed = value.files[name].url;
    saveFile(value.files[name]);
  }
  const film = value.files["turntable.mp4"], viewer = document.querySelector("#viewer .splat-viewer[data-state=no-webgl]");
  if (film && viewer) viewer.dispatchEvent(new CustomEvent("film", { detail: film }));
}
let packed = null;

const form = part(".film-form");
form.addEventListener("submit", (event) => {
  event.preventDefault();
  const film = { along: form.path.value, seconds: Number(form.seconds.value), size: Number(form.size.value) };
  ask("film", `film_${film.along}_${film.seconds}s_${film.size}.mp4`, film);
});

function open(name) {
  for (const [key, panel] of Object.entries(panels)) {
    panel.hidden = key !== name;
    openers[key].setAttribute("aria-expanded", key === name);
  }
}
for (const [name, opener] of Object.entries(openers)) opener.addEventListener("click", () => open(panels[name].hidden ? name : null));
for (const closer of root.querySelectorAll(".close")) closer.addEventListener("click", () => {
  const name = closer.closest(".share-panel") ? "share" : "files";
  open(null);
  openers[name].focus();
});
root.addEventListener("keydown", (event) => {
  const name = Object.keys(panels).find((key) => !panels[key].hidden);
  if (event.key !== "Escape" || !name) return;
  open(null);
  openers[name].focus();
});

// Sharing: the device's own sheet where it takes files, the page as a file, and what shows it inside another page.
const embed = (source) => `<iframe src="${source}" title="${words.title}" width="512" height="560" style="border:0" allowfullscreen loading="lazy"></iframe>`;
const said = part(".said");
const say = (text) => (said.textContent = text);
const canSend = (name, type) => Boolean(navigator.canShare?.({ files: [new File(["x"], name, { type })] }));
const kinds = { "head.html": "text/html", "turntable.mp4": "video/mp4" };
const fetched = new Map(); // address -> Promise of a file, begun when the panel opens: sheets only open right after a press
function fileOf(name) {
  const { url } = props.value.files[name];
  if (!fetched.has(url)) fetched.set(url, fetch(url).then(async (answer) => {
    if (!answer.ok) throw new Error(`${answer.status} for ${name}`);
    return new File([await answer.blob()], name, { type: kinds[name] });
  }));
  return fetched.get(url);
}
openers.share.addEventListener("click", () => {
  for (const button of root.querySelectorAll("[data-send]:not([hidden])")) {
    if (props.value?.files[button.dataset.send]) fileOf(button.dataset.send).catch(console.error);
  }
});
for (const button of root.querySelectorAll("[data-send]")) {
  const name = button.dataset.send;
  button.hidden = !canSend(name, kinds[name]);
  button.addEventListener("click", async () => {
    if (!props.value?.files[name]) return say(words.not_yet);
    try {
      await navigator.share({ files: [await fileOf(name)], title: words.title });
    } catch (error) {
      if (error.name !== "AbortError") say(words.not_sent);
    }
  });
}
part("[data-save]").addEventListener("click", () => props.value?.files["head.html"] && saveFile(props.value.files["head.html"]));
part("[data-copy]").addEventListener("click", () => copy(part("textarea")));

// Links that share a head, of this browser: [{ name, path, key, until }]. A reload, and another head, lose none.
const LINKS = "facelift-links";
const address = (link) => new URL(link.path, document.baseURI).href;
let links = [], withdrawn = new Set();
try {
  links = JSON.parse(localStorage.getItem(LINKS)) ?? [];
} catch (error) {
  console.error(error); // without a store they live as long as this page
}

function setLinks(next) {
  links = next.filter((link) => link.until > Date.now());
  try {
    links.length ? localStorage.setItem(LINKS, JSON.stringify(links)) : localStorage.removeItem(LINKS);
  } catch (error) {
    console.error(error);
  }
}

async function copy(field) {
  try {
    await navigator.clipboard.writeText(field.value);
    say(words.copied);
  } catch {
    field.select(); // not allowed here: they may copy it themselves
    say(words.copy_it);
  }
}

async function withdraw(link) {
  const answer = await fetch(address(link), { method: "DELETE", headers: { "x-key": link.key }, keepalive: true }).catch(() => null);
  if (!answer || ![200, 404].includes(answer.status)) return say(words.not_withdrawn);
  withdrawn.add(link.name);
  setLinks(links.filter((one) => one.name !== link.name));
  say(words.withdrawn);
  drawLinks();
}

function drawLinks() {
  const { link } = props.value ?? {};
  if (link && !withdrawn.has(link.name) && !links.some((one) => one.name === link.name)) setLinks([link, ...links]);
  const shown = link && links.find((one) => one.name === link.name);
  part(".link-part").hidden = !props.links;
  part(".link-note").textContent = props.links;
  part("[data-link]").hidden = Boolean(shown);
  part("textarea").value = embed(shown ? address(shown) : "head.html");
  part(".embed-note").textContent = shown ? words.embed_link_note : words.embed_note;
  part(".links").replaceChildren(...links.map((one) => {
    const item = made("li", ""), buttons = made("div", "", { className: "row" });
    const field = made("input", "", { type: "url", readOnly: true, value: address(one) });
    field.setAttribute("aria-label", words.links);
    const date = new Date(one.until).toLocaleString(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
    buttons.append(made("button", words.copy_link, { type: "button", onclick: () => copy(field) }));
    buttons.append(made("button", words.withdraw, { type: "button", onclick: () => withdraw(one) }));
    item.append(field, made("p", words.link_ends.replace("{date}", date.replaceAll(",", ""))), buttons);
    return item;
  }));
}
part("[data-link]").addEventListener("click", () => trigger("link", {}));
openers.share.addEventListener("click", async () => { // those that ended with a server are no more
  const there = await Promise.all(links.map((link) => fetch(address(link), { method: "HEAD" }).then((answer) => answer.status !== 404, () => true)));
  setLinks(links.filter((link, i) => there[i]));
  drawLinks();
});
addEventListener("facelift-empty", () => links.forEach(withdraw)); // all of theirs is deleted

const drawAll = () => (draw(), drawLinks());
watch("value", drawAll);
drawAll();
