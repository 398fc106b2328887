"""Heads of every frame of a clip, and heads that a network moves: what is the same from frame to frame, and what a stop leaves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fakes import painted_head
from PIL import Image

from facelift.animation.drive import HIDDEN
from facelift.animation.residual import Painter
from facelift.cameras import RIGS, orbit
from facelift.errors import ClipError, PhotoError
from facelift.gaussians import FilterPreset, Gaussians
from facelift.portrait.crop import FACE_CENTRE
from facelift.portrait.faces import Face
from facelift.rendering import render
from facelift.video.deform import DeformSettings, deform_heads
from facelift.video.front import FRONT, lacking, patterns_of
from facelift.video.heads import Take, make_heads, steady_square
from facelift.video.track import Performance
from facelift.video.unfinished import NAME, Unfinished

SHIFTS = (-0.06, 0.0, 0.06)  # of the head in the frames, to its left
QUICK = DeformSettings(steps=18, size=48, nodes=60, width=32, rate=1e-2)


class EggPipeline:
    """As much of a `FaceLiftPipeline` as methods use: a picture's grey level is how far its egg stands aside; black shows nobody."""

    rig, filters, device = RIGS["six"], FilterPreset(side=0.52), torch.device("cpu")

    def __init__(self) -> None:
        self.made = 0

    def make_portrait(self, picture: Image.Image, crop: bool) -> SimpleNamespace:
        grey = float(np.asarray(picture).mean()) / 255
        if not grey:
            raise PhotoError("nobody")
        return SimpleNamespace(aside=grey - 0.5, image=picture)

    def make_views(self, portrait: SimpleNamespace, seed: int) -> SimpleNamespace:
        return SimpleNamespace(views=portrait.aside)

    def reconstruct(self, aside: float) -> Gaussians:
        self.made += 1
        egg = painted_head(300)
        return replace(egg, means=egg.means + torch.tensor([aside, 0, 0]), scales=egg.scales + 1)

    def context(self, *_: object) -> None:
        return None

    def refine(self, gaussians: Gaussians, _: None, finish: bool) -> SimpleNamespace:
        return SimpleNamespace(gaussians=lambda: gaussians)


def take(tmp_path: Path, shifts: tuple[float | None, ...] = SHIFTS, anchor: int = 1) -> Take:
    levels = [0 if shift is None else round(255 * (0.5 + shift)) for shift in shifts]
    pictures = [np.full((8, 8, 3), level, np.uint8) for level in levels]
    count = len(shifts)
    still = np.tile([1.0, 0, 0, 0], (count, 1))
    performance = Performance(12, np.zeros((count, 52)), still, anchor, pictures[anchor], Face((0, 0, 4, 4)), 0, (), np.ones((count, 3)))
    return Take(pictures, performance, EggPipeline(), 4, Unfinished(tmp_path, {"clip": "a"}), steady=False)  # type: ignore[arg-type]


def quiet(*_: object) -> None:
    """Tells nobody."""


def test_frames_have_one_mask_and_each_shows_its_own_head(tmp_path):
    heads = make_heads(take(tmp_path), quiet)
    counts = {len(heads[frame]) for frame in range(3)}
    own = [len(heads.alone(frame)) for frame in range(3)]
    assert len(counts) == 1 and len(heads.mask) == 300 > max(own) and counts.pop() > max(own)  # filters leave out the egg's side
    for frame in range(3):
        assert int((heads[frame].opacities > HIDDEN).sum()) == own[frame]
        camera = RIGS["six"].cameras(32)[0]
        torch.testing.assert_close(render(heads[frame], camera).rgb, render(heads.alone(frame), camera).rgb, atol=2e-3, rtol=0)


def test_a_frame_that_shows_nobody_is_as_its_neighbour_and_a_clip_without_anybody_is_refused(tmp_path):
    heads = make_heads(take(tmp_path, (0.0, None, None, 0.1), 0), quiet)
    assert torch.equal(heads[1].means, heads[0].means) and torch.equal(heads[2].means, heads[3].means)
    with pytest.raises(ClipError, match="No head could be made"):
        make_heads(take(tmp_path / "b", (None, None), 0), quiet)


def test_what_was_stopped_goes_on_and_what_is_damaged_or_of_another_clip_is_made_again(tmp_path):
    whole = take(tmp_path)
    first = make_heads(whole, quiet)
    kept = tmp_path / NAME
    (kept / "frame_00001.npz").write_bytes(b"half a fi")
    (kept / "frame_00002.npz").unlink()
    (kept / "mine.txt").write_text("not ours")
    again = take(tmp_path)
    told: list[tuple[str, int, int]] = []
    second = make_heads(again, lambda *words: told.append(words))
    assert again.pipe.made == 2 and told[-1] == ("heads", 3, 3)  # type: ignore[attr-defined]
    assert all(torch.equal(first[frame].means, second[frame].means) for frame in range(3))
    assert not list(Unfinished(tmp_path, {"clip": "b"}).folder.glob("frame_*"))
    again.kept.remove()
    assert [path.name for path in kept.iterdir()] == ["mine.txt"]


def test_a_network_moves_the_anchor_s_gaussians_to_what_the_others_show_both_ways_and_goes_on_to_the_same(tmp_path):
    moving = deform_heads(take(tmp_path), quiet, QUICK)
    targets = make_heads(take(tmp_path), quiet)
    camera = RIGS["six"].cameras(48)[0]
    for frame in (0, 2):
        true, still, ours = (render(head, camera).rgb for head in (targets[frame], moving.anchor, moving[frame]))
        assert (ours - true).square().mean() < 0.6 * (still - true).square().mean()
        assert torch.equal(moving[frame].sh0, moving.anchor.sh0) and len(moving[frame]) == len(moving.anchor)
    assert torch.equal(moving[1].means, moving.anchor.means)
    before = moving[2]
    (tmp_path / NAME / "deformed_00002.npz").unlink()
    assert torch.equal(deform_heads(take(tmp_path), quiet, QUICK)[2].means, before.means)


def test_a_face_lies_where_portraits_have_it_to_a_part_of_a_pixel():
    y, x = np.mgrid[:120, :160]
    for at in (60.0, 60.4):
        blob = (255 * np.exp(-((x + 0.5 - at) ** 2 + (y + 0.5 - 50) ** 2) / 20)).astype(np.uint8)
        square = np.asarray(steady_square(Image.fromarray(np.stack([blob] * 3, 2)), np.array([at, 50.0, 40.0])))[..., 0].astype(float)
        inside = square * (np.hypot(*(np.indices(square.shape) - np.array([[[280.0]], [[251.8]]]))) < 60)
        middle = (inside.sum(0) @ (np.arange(512) + 0.5) / inside.sum(), inside.sum(1) @ (np.arange(512) + 0.5) / inside.sum())
        np.testing.assert_allclose(middle, FACE_CENTRE, atol=0.4)
    assert (square[0] == 255).all()  # white beyond the border


def test_what_the_front_shows_is_painted_where_it_is_more_than_noise_and_the_anchor_stays():
    random, still = np.random.default_rng(0), np.zeros((400, 3), np.float32)
    still[:20] = 0.5  # some of the head changes colour as the frames say, all of it has noise
    amount = np.sin(np.arange(16) / 3)
    lacks = [(a * still + random.normal(0, 0.01, still.shape)).astype(np.float16) for a in amount]
    found = patterns_of(lambda frame: lacks[frame], 16, 0, 12.0, FRONT)
    assert found is not None and set(range(20)) <= set(found.index) and len(found.index) < 40
    change = np.stack([Painter(found).change(frame).numpy() for frame in range(16)])
    asked = np.where(found.index < 20, 0.5, 0)
    assert not change[0].any() and np.abs(change - (amount - amount[0])[:, None, None] * asked[:, None]).max() < 0.1
    assert patterns_of(lambda frame: lacks[frame] * 0, 16, 0, 12.0, FRONT) is None


def test_painted_gaussians_meet_the_portrait_where_they_are_seen_and_only_there():
    camera, head = orbit([0.0], 0.0, 64), replace(painted_head(3000), scales=torch.full((3000, 3), -3.2))
    other = replace(head, sh0=head.sh0 + torch.tensor([0.3, -0.2, 0.1]))
    drawn = render(other, camera)
    change = lacking(head, torch.cat([drawn.rgb, drawn.alpha], 1), camera, torch.ones(3000, 1), FRONT)
    before, after = (render(replace(head, sh0=sh0), camera).rgb for sh0 in (head.sh0, head.sh0 + change))
    assert (after - drawn.rgb).square().mean() < 0.1 * (before - drawn.rgb).square().mean()
    behind = head.means[:, 1] > 0.3
    assert change[behind].abs().max() < 0.02
