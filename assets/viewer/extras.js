// Two things that viewer.js does with a head: a picture of it, and a tint of what its photo did not show.

// Saves the view as a PNG file, `times` as large as it is shown. clear: a background to be made transparent, or nothing.
async function savePicture(view, times, clear, settled) {
  const { renderer, canvas } = view;
  const ratio = renderer.getPixelRatio(), most = Math.min(8192, renderer.capabilities.maxTextureSize);
  const larger = Math.min(times, most / Math.max(canvas.width, canvas.height));
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  try {
    if (larger > 1) {
      renderer.setPixelRatio(ratio * larger);
      renderer.setSize(width, height, false);
      await settled();
    }
    if (clear) renderer.setClearColor(clear, 0);
    view.render(); // the canvas keeps its picture only until the browser has shown it
    const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = "head.png";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  } finally {
    if (clear) renderer.setClearColor(clear, 1);
    renderer.setPixelRatio(ratio);
    renderer.setSize(width, height, false);
    view.invalidate();
  }
}

// Splats that the photo's camera does not see first along its rays are guesses: `headTint(...)(on)` colours them, or gives their colours back.
function headTint(mesh, home, fieldOfView) {
  const GRID = 160, DEEP = 0.07, TINT = [1, 0.42, 0.05], SHARE = 0.6; // cells a side; of the world, behind the first; a colour, and how much of it
  const splats = mesh.packedSplats, half = Math.tan((fieldOfView * Math.PI) / 360), far = -home[1];
  const first = new Float32Array(GRID * GRID).fill(Infinity), places = [];
  mesh.forEachSplat((i, center, scales, quaternion, opacity) => {
    const depth = far + center.y;
    const cell = (value) => Math.floor(((value / (depth * half) + 1) / 2) * GRID);
    const [x, y] = [cell(center.x), cell(center.z)], inside = Math.min(x, y) >= 0 && Math.max(x, y) < GRID;
    places[i] = inside ? [y * GRID + x, depth] : null;
    if (inside && opacity > 0.3) first[y * GRID + x] = Math.min(first[y * GRID + x], depth);
  });
  const guessed = new Map(); // number -> its own colour
  mesh.forEachSplat((i, center, scales, quaternion, opacity, color) => {
    if (!places[i] || places[i][1] > first[places[i][0]] + DEEP) guessed.set(i, color.clone());
  });
  return (on) => {
    mesh.forEachSplat((i, center, scales, quaternion, opacity, color) => {
      const own = guessed.get(i);
      if (!own) return;
      color.copy(own);
      if (on) ["r", "g", "b"].forEach((name, k) => (color[name] += SHARE * (TINT[k] - color[name])));
      splats.setSplat(i, center, scales, quaternion, opacity, color);
    });
    splats.needsUpdate = true;
    mesh.updateVersion();
  };
}
