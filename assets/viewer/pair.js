// Two heads seen by one camera: each side of the canvas is a scene with what sorts its splats. viewer.js has the camera.

function splatSide({ Scene, SparkRenderer }, renderer, onDirty) {
  const scene = new Scene();
  // The rules of the other renderers: every splat widened by 0.3 px squared, no loss of opacity, so that none shines through.
  const spark = new SparkRenderer({ renderer, onDirty, preBlurAmount: 0.3, blurAmount: 0 });
  scene.add(spark);
  return { scene, spark, sorting: () => spark.dirty || spark.sorting || spark.sortDirty };
}

// Whether two sides of a canvas stand beside each other; else one lies above the other. And the size of each, in pixels of the page.
function sideSize(count, width, height) {
  const across = width >= height;
  return { across, width: across ? width / count : width, height: across ? height : height / count };
}

function drawSides(renderer, camera, sides) {
  const { clientWidth, clientHeight } = renderer.domElement;
  const { across, width, height } = sideSize(sides.length, clientWidth, clientHeight);
  renderer.setScissorTest(sides.length > 1);
  sides.forEach(({ scene }, i) => {
    const place = [across ? i * width : 0, across ? 0 : (sides.length - 1 - i) * height, width, height]; // counted from below
    renderer.setViewport(...place);
    renderer.setScissor(...place);
    renderer.render(scene, camera);
  });
}
