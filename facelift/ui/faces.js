// Runs once, with `element`, `props`, `watch` and `trigger` given by gr.HTML: a box for each face over the photo.
const layer = element.querySelector(".faces");
const side = element.closest("#photo-side"); // holds the photo too, which may come later than this
const photo = () => side.querySelector("#photo img");

function draw() {
  const image = photo();
  const boxes = props.value?.boxes ?? [];
  layer.replaceChildren();
  if (!image?.naturalWidth || !boxes.length) return;
  const frame = layer.getBoundingClientRect(), shown = image.getBoundingClientRect();
  const scale = Math.min(shown.width / image.naturalWidth, shown.height / image.naturalHeight); // object-fit: contain
  const left = shown.left - frame.left + (shown.width - image.naturalWidth * scale) / 2;
  const top = shown.top - frame.top + (shown.height - image.naturalHeight * scale) / 2;
  boxes.forEach(([x0, y0, x1, y1], i) => {
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-label", props.words.face.replace("{n}", i + 1).replace("{of}", boxes.length));
    button.setAttribute("aria-pressed", i + 1 === props.value.chosen);
    if (boxes.length === 1) button.disabled = true;
    Object.assign(button.style, {
      left: `${left + x0 * scale}px`, top: `${top + y0 * scale}px`, width: `${(x1 - x0) * scale}px`, height: `${(y1 - y0) * scale}px`,
    });
    button.addEventListener("click", () => trigger("pick", { face: i + 1 }));
    layer.append(button);
  });
}

function drawWhenThere() {
  const image = photo();
  if (image && !image.complete) image.addEventListener("load", draw, { once: true });
  draw();
}

new ResizeObserver(draw).observe(layer);
new MutationObserver((changes) => changes.every((c) => layer.contains(c.target)) || drawWhenThere()).observe(side, { childList: true, subtree: true, attributes: true, attributeFilter: ["src"] });
watch("value", drawWhenThere);
drawWhenThere();
