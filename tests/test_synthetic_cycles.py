"""The Cycles renderer shows what the OpenGL one shows. Skipped where Blender's Python module or OpenGL is missing."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from facelift.cameras import Cameras, orbit, six_views
from facelift.synthesis.__main__ import main
from facelift.synthesis.cycles import CyclesRenderer, NoBlenderError
from facelift.synthesis.head import make_head

SIZE = 96


@pytest.fixture(scope="module")
def cycles():
    try:
        return CyclesRenderer(samples=8)
    except NoBlenderError as error:
        pytest.skip(str(error))


def test_without_blender_one_sentence_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "bpy", None)
    arguments = ["--out", str(tmp_path), "--heads", "1", "--workers", "1", "--renderer", "cycles"]
    assert main(arguments) == 1
    assert "pip install --no-deps -r requirements-cycles.txt" in capsys.readouterr().err
    assert not list(tmp_path.glob("0*"))


def test_both_renderers_see_the_same_head(cycles, renderer):
    """Outline, depth, normals and overall colour, hair and clothes included, from three of the six and from an odd camera."""
    scene = make_head(2)
    off = orbit([33.0], 21.0, SIZE, 2.5)
    off = Cameras(off.intrinsics * off.intrinsics.new_tensor([1.1, 1.0, 1.05, 0.9]), off.c2w, SIZE, SIZE)
    for cameras in (six_views(SIZE)[[0, 2, 3]], off):
        renderer.load(scene)
        a = renderer.render(cameras, normals=True, exact=True)
        cycles.load(scene)
        b = cycles.render(cameras, normals=True)
        one, other = a.rgba[..., 3] > 127, b.rgba[..., 3] > 127
        assert (one & other).sum() > 0.97 * (one | other).sum()
        there = one & other
        assert np.median(np.abs(a.depth - b.depth)[there]) < 0.01 and (b.depth[b.rgba[..., 3] == 0] == 0).all()
        assert np.median((a.normals * b.normals).sum(-1)[there]) > 0.98
        assert np.abs(a.rgba[..., :3][there].mean(0) - b.rgba[..., :3][there].mean(0)).max() < 25


def test_light_comes_from_the_same_side(cycles, renderer):
    """One key light from the subject's left: both renderers show that half of the face brighter, and the bare skin alike."""
    scene = make_head(5)
    light = replace(
        scene.light,
        radiance=np.full_like(scene.light.radiance, 0.2),
        environment=np.full_like(scene.light.environment, 0.2),
        key_directions=np.array([[0.8, -0.6, 0.0]]),
        key_colors=np.full((1, 3), 1.5),
        key_radii=np.array([0.05]),
    )
    skin = replace(scene, light=light, strands=(), meshes=tuple(m for m in scene.meshes if m.kind == "skin"))
    means = []
    for either in (renderer, cycles):
        either.load(skin)
        face = either.render(six_views(SIZE)[0]).rgba[0, 40:66, 24:72, :3].astype(float)  # eyes to mouth
        means.append([face[:, :24].mean(), face[:, 24:].mean()])
    (dark, bright), (dark_too, bright_too) = means
    assert bright > 1.2 * dark and bright_too > 1.2 * dark_too
    assert abs(bright - bright_too) < 20


def test_dataset_by_cycles(cycles, tmp_path):
    arguments = ["--out", str(tmp_path), "--size", "32", "--workers", "1", "--heads", "1", "--renderer", "cycles", "--samples", "2"]
    assert main(arguments) == 0
    assert json.loads((tmp_path / "settings.json").read_text())["renderer"] == "cycles"
    pictures = sorted((tmp_path / "0000000_00").glob("*.webp"))
    assert len(pictures) == 6 and np.array(Image.open(pictures[0]))[..., 3].max() == 255
    assert main([*arguments[:-4]]) == 1  # by OpenGL: another dataset
