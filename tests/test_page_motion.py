"""Heads that move, in a page of their own, and what reads the visitor's face."""

from __future__ import annotations

import json
import shutil
import subprocess
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from fakes import painted_head
from imageio_ffmpeg import get_ffmpeg_exe
from page import QUIET, ROOT, at_rest
from PIL import Image

from facelift.animation.drive import Driver
from facelift.animation.export import save_frames
from facelift.animation.files import load_rig, save_rig
from facelift.animation.head4d import DrivenHead, load_head4d, save_deltas
from facelift.animation.head_rig import HeadRig
from facelift.animation.rig import bound_head
from facelift.animation.track import Pose, Track
from facelift.cameras import orbit
from facelift.face.fit import FaceFit
from facelift.face.geometry import project
from facelift.face.model import load_face_model, load_reading_scale
from facelift.face.units import UNITS, unit_weights
from facelift.rendering import render
from facelift.serving.guard import HEADERS, POLICY
from facelift.ui.viewer import WEBCAM


@pytest.fixture(scope="module")
def rig(tmp_path_factory) -> HeadRig:
    """The painted head bound to the average face, as it comes back from its file."""
    model, camera, head = load_face_model(), orbit([0.0]), painted_head()
    fit = FaceFit(np.zeros(50), np.zeros(52), 5.6, np.eye(3), np.array([0, 0.15, -3.92]), np.zeros_like(model.mean), 0.0)
    at = fit.to_world(model.on_landmarks @ model.mean)
    landmarks, _ = project(at, camera.c2w[0].double().numpy(), camera.intrinsics[0].double().numpy())
    return load_rig(save_rig(bound_head(head, fit, landmarks, camera), tmp_path_factory.mktemp("rig") / "head.headrig"))


def test_a_page_of_frames_without_a_rig_is_refused(tmp_path, rig):
    kept = load_head4d(save_deltas([Driver(rig)(Pose(rig.rest))], 12.0, tmp_path / "a.head4d"))
    with pytest.raises(ValueError, match="needs a rig"):
        save_frames(kept, tmp_path, "html")
    page = save_frames(DrivenHead(rig, Track(12.0, rig.rest[None].astype(float))), tmp_path, "html")[0]
    assert b"Synthetic" in page.read_bytes()[:2000] and Path(page).name == "driven.html"


def test_a_webcam_is_read_on_the_scale_of_clips():
    model, scale = load_face_model(), load_reading_scale()
    assert list(scale) == list(UNITS)
    np.testing.assert_allclose(model.performed(model.neutral + 0.1), 0.1 / np.array(list(scale.values())), rtol=1e-3)


def shown(page) -> np.ndarray:
    """The picture that visitors may save, 0..1: what the viewer draws, without what stands over it."""
    at_rest(page)
    with page.expect_download() as download:
        page.evaluate("document.querySelector('[data-do=picture]').click()")
    with Image.open(download.value.path()) as image:
        return np.asarray(image.convert("RGB"), np.float32) / 255


def test_driven_poses_and_scrubbed_frames_are_drawn_as_our_renderer_draws_them(browser, rig, tmp_path):
    poses = [unit_weights(jawOpen=0.6, mouthSmile=0.4), unit_weights(eyeBlink=0.7, browInnerUp=0.8, mouthPucker=0.5)]
    half = np.radians([8, -12]) / 2
    track = Track(2.0, np.stack(poses), np.stack([np.cos(half), 0 * half, 0 * half, np.sin(half)], 1))
    head = DrivenHead(rig, track)
    context = browser.new_context(viewport={"width": 360, "height": 360}, offline=True, reduced_motion="reduce")
    page = context.new_page()
    page.set_default_timeout(300_000)
    page.goto(save_frames(head, tmp_path, "html")[0].as_uri())
    page.wait_for_selector(".splat-viewer[data-state=loaded]")
    found = []
    for frame in range(2):
        page.eval_on_selector("[data-life=scrub]", "(e, v) => { e.value = v; e.dispatchEvent(new Event('input')); }", frame)
        picture = shown(page)
        side = min(picture.shape[:2])
        top, left = ((length - side) // 2 for length in picture.shape[:2])
        ours = render(head[frame], orbit([0.0], size=side)).rgb[0].clamp(0, 1).permute(1, 2, 0).numpy()
        found.append(-10 * np.log10(((picture[top : top + side, left : left + side] - ours) ** 2).mean()))
    context.close()
    assert min(found) >= 30, found


class AsServed(SimpleHTTPRequestHandler):
    """With the headers of the page's own server."""

    def end_headers(self) -> None:
        for name, value in {**HEADERS, "content-security-policy": POLICY}.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


READ = """async (units) => {
  await mirror.start();
  const own = units.map(() => 0.1), poses = [];
  while (!poses.some((pose) => Math.abs(pose.rotation[2]) > 0.05)) {
    const pose = mirror.pose(units, own, performance.now() / 1000);
    if (pose) poses.push(pose);
    await new Promise((done) => setTimeout(done, 20));
  }
  mirror.stop();
  return [poses[0], poses.at(-1), mirror.pose(units, own, performance.now() / 1000)];
}"""


def test_a_visitor_s_face_is_read_in_the_browser_within_the_page_s_own_rules(browser, tmp_path):
    tilting = "scale=320:-2,rotate=0.22*gt(mod(n\\,20)\\,9):c=white"  # every other second
    words = ["-loop", "1", "-framerate", "10", "-i", str(ROOT / "assets/examples/astronaut.png"), "-vf", tilting, "-frames:v", "20"]
    film = tmp_path / "webcam.mjpeg"
    subprocess.run([get_ffmpeg_exe(), "-y", "-loglevel", "error", *words, "-pix_fmt", "yuvj420p", "-q:v", "4", str(film)], check=True)
    for path in WEBCAM.values():
        (tmp_path / path.name).symlink_to(path)
    given = {"files": {name: {"url": path.name} for name, path in WEBCAM.items()}, "scale": load_reading_scale()}
    scripts = [(ROOT / "assets/viewer" / name).read_text() for name in ("rig.js", "webcam.js")]
    page_text = "\n".join(["<!doctype html><script>", *scripts, f"const mirror = headMirror({json.dumps(given)});</script>"])
    (tmp_path / "index.html").write_text(page_text)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(AsServed, directory=str(tmp_path)))
    Thread(target=server.serve_forever, daemon=True).start()
    webcam = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", f"--use-file-for-fake-video-capture={film}"]
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    chromium = browser.browser_type.launch(executable_path=path, args=["--headless=new", "--no-sandbox", "--disable-gpu", *QUIET, *webcam])
    try:
        page, asked = chromium.new_page(), []
        page.set_default_timeout(600_000)
        page.on("request", lambda request: asked.append(request.url))
        address = f"http://127.0.0.1:{server.server_port}/"
        page.goto(address)
        first, last, after = page.evaluate(READ, list(UNITS))
    finally:
        chromium.close()
        server.shutdown()
        server.server_close()
    assert first["rotation"] == [1, 0, 0, 0] and np.allclose(first["weights"], 0.1)  # as the photo, at first
    assert max(map(abs, last["rotation"][1::2])) < abs(last["rotation"][2]) < 0.16  # tilts, and does not nod or turn
    assert after is None
    assert not [url for url in asked if not url.startswith((address, "blob:"))]
