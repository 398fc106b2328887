"""The whole path in Python, on compact weights and on a folder in the released layout."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from facelift import FaceLiftPipeline
from facelift.cameras import six_views
from facelift.rendering import render
from facelift.weights.find import WeightsError

ROOT = Path(__file__).parents[1]
PHOTO = ROOT / "assets" / "examples" / "astronaut.png"
needs_compact = pytest.mark.skipif(not (ROOT / "weights/compact/config.json").is_file(), reason="weights/compact is not there")


@pytest.fixture(scope="module")
def compact() -> FaceLiftPipeline:
    return FaceLiftPipeline.from_pretrained("compact", device="cpu")


@needs_compact
def test_views_are_in_rig_order(compact):
    """The Gaussians seen from the six cameras look like the six views; any other order is worse for every unsymmetric view."""
    head = compact(PHOTO)
    assert head.views.shape == (6, 256, 256, 3) and head.views.dtype == np.uint8
    renders = render(head.gaussians, six_views(256)).rgb.permute(0, 2, 3, 1)
    views = torch.from_numpy(head.views).float() / 255
    error = (renders[:, None] - views[None]).square().mean((2, 3, 4))  # render i against view j
    assert (error.argmin(1) == torch.arange(6)).all()
    assert head.portrait.size == (512, 512) and head.cameras.c2w.shape == (6, 4, 4)


@needs_compact
def test_steps_call_back_with_pictures_and_can_stop_the_run(compact):
    seen = []

    def watch(step):
        seen.append((step.index, step.total, step.preview().shape))
        if step.index == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compact(PHOTO, steps=3, on_step=watch)
    assert seen == [(i, 3, (6, 256, 256, 3)) for i in (1, 2)]


@needs_compact
def test_in_a_photo_the_nose_is_nearest_and_the_hair_beside_it_far(compact):
    portrait = compact.make_portrait(PHOTO)
    picture = portrait.image.copy()
    picture.putalpha(portrait.alpha)
    with torch.no_grad():
        depth = compact.multiview.depth(compact.multiview.pictures(picture))[0]  # 256 px; the face is centred near (126, 140)
    nose, cheeks, hair = depth[135:150, 119:134].mean(), depth[140:150, [95, 160]].mean(), depth[120:130, [78, 180]].mean()
    assert nose < cheeks - 0.03 < hair - 0.1


@needs_compact
def test_another_seed_changes_only_what_is_unseen(compact):
    portrait = compact.make_portrait(PHOTO)
    first, second = compact(portrait, seed=1, steps=2), compact(portrait, seed=2, steps=2)
    assert (first.views[0] == second.views[0]).all()
    assert (first.views[3] != second.views[3]).any()


@needs_compact
@pytest.mark.parametrize("steps", [0, 1001])
def test_impossible_steps_are_refused(compact, steps):
    with pytest.raises(ValueError, match="steps"):
        compact(PHOTO, steps=steps)


@needs_compact
def test_weights_of_one_step_have_no_use_for_fast(compact):
    with pytest.raises(ValueError, match="would save nothing"):
        compact(PHOTO, preset="fast")


@needs_compact
def test_a_folder_with_switches_of_old_is_not_run_without_them(tmp_path):
    shutil.copytree(ROOT / "weights" / "compact", tmp_path / "old")
    settings = json.loads((tmp_path / "old" / "config.json").read_text())
    del settings["refinements"]
    (tmp_path / "old" / "config.json").write_text(json.dumps({**settings, "front_depth": True}))
    with pytest.raises(WeightsError, match="front_depth.*export it again"):
        FaceLiftPipeline.from_pretrained(tmp_path / "old")


def test_a_folder_without_weights_is_one_sentence(tmp_path):
    with pytest.raises(WeightsError, match="holds no weights"):
        FaceLiftPipeline.from_pretrained(tmp_path)


def test_the_released_layout_runs_end_to_end(tmp_path):
    """Tiny random weights in the release's files: no picture worth seeing, but every part loads and runs."""
    from tiny_release import tiny_release

    folder = tiny_release(tmp_path)
    pipe = FaceLiftPipeline.from_pretrained(folder, device="cpu")
    head = pipe(Image.open(PHOTO), steps=2)
    size = pipe.multiview.config.image_size
    assert head.views.shape == (6, size, size, 3)
    assert head.report["steps"] == 2 and head.report["guidance_scale"] == 3.0
    assert "non-commercial" in head.report["licence"].lower() or "Adobe" in head.report["licence"]
    fast = pipe(Image.open(PHOTO), preset="fast").report
    assert head.report["preset"] == "exact" and (fast["preset"], fast["steps"]) == ("fast", 15)
    again = pipe(Image.open(PHOTO), steps=2)
    assert (again.views == head.views).all() and torch.equal(again.gaussians.means, head.gaussians.means)
