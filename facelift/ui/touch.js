// Runs once, with `element` and `props` given by gr.HTML: what a finger presses to give a photo.
for (const e of element.querySelectorAll("[data-text]")) e.textContent = props.words[e.dataset.text];

async function give(files) {
  const side = element.closest("#photo-side"), input = () => side.querySelector("#photo input[type=file]");
  if (!input()) side.querySelector("#photo button[aria-label]")?.click(); // the photo that is there goes first
  for (let frame = 0; !input() && frame < 120; frame++) await new Promise(requestAnimationFrame);
  const target = input();
  if (!target) return;
  target.files = files;
  target.dispatchEvent(new Event("change", { bubbles: true }));
}

for (const input of element.querySelectorAll("input")) input.addEventListener("change", async () => {
  if (!input.files.length) return;
  await give(input.files);
  input.value = ""; // the same picture may be chosen again
});
