"""Heads that move, in the browser: what the graphics card shows beside our own renderer, and the panel that moves them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import painted_head
from page import BARE, at_rest
from PIL import Image

from facelift.animation.drive import Driver
from facelift.animation.export import save_page
from facelift.animation.files import load_rig, save_rig
from facelift.animation.head_rig import HeadRig
from facelift.animation.rig import bound_head
from facelift.animation.track import Pose, Track
from facelift.cameras import orbit
from facelift.face.fit import FaceFit
from facelift.face.geometry import project
from facelift.face.model import load_face_model
from facelift.face.units import unit_weights
from facelift.rendering import render, to_bytes

SIZE = 160
HALF = np.radians(15) / 2
POSES = (
    Pose(unit_weights()),
    Pose(unit_weights(jawOpen=0.7, mouthSmile=0.5)),
    Pose(unit_weights(eyeBlink=1, browInnerUp=1)),
    Pose(unit_weights(mouthFunnel=0.6), (float(np.cos(HALF)), 0, 0, float(np.sin(HALF))), (0.02, 0, 0.03), (15, 5)),
)


@pytest.fixture(scope="module")
def rig(tmp_path_factory) -> HeadRig:
    """The painted head bound to the average face, as it comes back from its file."""
    model, camera, head = load_face_model(), orbit([0.0]), painted_head()
    fit = FaceFit(np.zeros(50), np.zeros(52), 5.6, np.eye(3), np.array([0, 0.15, -3.92]), np.zeros_like(model.mean), 0.0)
    at = fit.to_world(model.on_landmarks @ model.mean)
    landmarks, _ = project(at, camera.c2w[0].double().numpy(), camera.intrinsics[0].double().numpy())
    return load_rig(save_rig(bound_head(head, fit, landmarks, camera), tmp_path_factory.mktemp("rig") / "head.headrig"))


@pytest.fixture(scope="module")
def page_of(rig, browser, tmp_path_factory):
    """A page without a server or network that holds the rig and a track of POSES, and does not move by itself."""
    track = Track(
        1.0, np.stack([p.weights for p in POSES]), np.array([p.rotation for p in POSES]), np.array([p.translation for p in POSES]),
        np.array([p.gaze or (0, 0) for p in POSES]),
    )  # fmt: skip
    path = save_page(rig, tmp_path_factory.mktemp("page") / "moving.html", track)
    context = browser.new_context(viewport={"width": SIZE, "height": SIZE}, offline=True, reduced_motion="reduce")
    page = context.new_page()
    page.set_default_timeout(300_000)
    page.goto(path.as_uri())
    page.wait_for_selector(".splat-viewer[data-state=loaded]")
    yield page
    context.close()


def shown(page) -> np.ndarray:
    at_rest(page)
    hidden = BARE + " .splat-animate {display: none !important}"
    return np.asarray(Image.open(io.BytesIO(page.locator(".splat-stage").screenshot(style=hidden))).convert("RGB"), dtype=float)


@torch.inference_mode()
def ours(rig: HeadRig, pose: Pose) -> np.ndarray:
    return to_bytes(render(Driver(rig)(pose), orbit([0.0], 0.0, SIZE)).rgb)[0].astype(float)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((a - b) ** 2)))


def set_range(page, selector: str, value: float) -> None:
    page.eval_on_selector(selector, "(e, v) => { e.value = v; e.dispatchEvent(new Event('input', {bubbles: true})); }", str(value))


def test_each_frame_is_what_our_renderer_shows(page_of, rig):
    pictures = []
    for frame, pose in enumerate(POSES):
        set_range(page_of, "[data-life=scrub]", frame)
        pictures.append(shown(page_of))
        assert psnr(pictures[-1], ours(rig, pose)) >= 30, frame
    assert psnr(pictures[0], pictures[1]) < 30  # they differ by more than they miss


def test_sliders_move_the_face_and_rest_is_the_photo(page_of, rig):
    set_range(page_of, "[data-unit=jawOpen]", 0.7)
    assert psnr(shown(page_of), ours(rig, Pose(unit_weights(jawOpen=0.7)))) >= 30
    page_of.eval_on_selector("[data-do=neutral]", "(e) => e.click()")
    assert psnr(shown(page_of), ours(rig, Pose(rig.rest))) >= 30


def test_a_page_of_frames_without_a_rig_is_refused(tmp_path, rig):
    from facelift.animation.export import save_frames
    from facelift.animation.head4d import DrivenHead, load_head4d, save_deltas

    kept = load_head4d(save_deltas([Driver(rig)(Pose(rig.rest))], 12.0, tmp_path / "a.head4d"))
    with pytest.raises(ValueError, match="needs a rig"):
        save_frames(kept, tmp_path, "html")
    page = save_frames(DrivenHead(rig, Track(12.0, rig.rest[None].astype(float))), tmp_path, "html")[0]
    assert b"Synthetic" in page.read_bytes()[:2000] and Path(page).name == "driven.html"
