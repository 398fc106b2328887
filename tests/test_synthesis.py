"""Synthetic heads: exact cameras, the same pixels for the same seed, datasets that survive a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facelift.arrays import to_pixels
from facelift.cameras import Cameras, orbit, rays, six_views
from facelift.cli.render import read_cameras
from facelift.synthesis import dataset, shards, sheets
from facelift.synthesis.__main__ import main
from facelift.synthesis.audit import hair_over_cheek
from facelift.synthesis.head import build_head, draw_parameters, make_head
from facelift.synthesis.rigs import make_rig
from facelift.synthesis.sampler import SPLITS, Settings, iterate_heads, plan, render_head
from facelift.synthesis.scene import CLASSES
from facelift.training.data import HeadShards

ROOT = Path(__file__).parents[1]


def pixel_of(points: np.ndarray, cameras: Cameras, view: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixel (N, 2) and z-depth (N,) of world points."""
    *pixel, depth = to_pixels(points, cameras.viewmats[view].numpy(), cameras.intrinsics[view].numpy())
    return np.stack(pixel, 1), depth


def lift(depth: np.ndarray, cameras: Cameras) -> np.ndarray:
    """World points of every pixel. Shape (V, H, W, 3)."""
    origins, directions = (x.numpy().transpose(0, 2, 3, 1) for x in rays(cameras))
    along = directions @ cameras.c2w[:, :3, 2].numpy()[:, None, :, None]
    return origins + directions * depth[..., None] / along


def test_six_views_show_one_surface(renderer):
    """A point of the skin seen in two views lies at the same place in both: there and back is less than a pixel."""
    scene = make_head(5)
    skin = replace(scene, strands=(), meshes=tuple(m for m in scene.meshes if m.kind == "skin"))
    cameras = six_views(256)
    renderer.load(skin)
    depth = renderer.render(cameras).depth
    points = lift(depth, cameras)
    for a, b in ((0, 1), (0, 5), (1, 2), (2, 3), (3, 4), (4, 5)):
        start = np.argwhere(depth[a] > 0)
        pixel, z = pixel_of(points[a][depth[a] > 0], cameras, b)
        column, row = np.floor(pixel).astype(int).T
        inside = (column >= 0) & (column < 256) & (row >= 0) & (row < 256)
        start, z, column, row = start[inside], z[inside], column[inside], row[inside]
        seen = np.abs(depth[b][row, column] - z) < 0.03  # the same sheet of skin, not the other side of the head
        back, _ = pixel_of(points[b][row, column][seen], cameras, a)
        error = np.linalg.norm(back - (start[seen][:, ::-1] + 0.5), axis=1)
        assert seen.sum() > 1000
        assert np.median(error) < 1


def test_front_view_is_the_face(renderer):
    """The nose is near the middle of the front view and nearer than the ears; the back shows none of it; normals face the camera."""
    scene = make_head(5)
    renderer.load(replace(scene, meshes=tuple(m for m in scene.meshes if m.kind != "lens")))
    views = renderer.render(six_views(256), normals=True)
    tip = np.array([*scene.surface.vertices[scene.surface.vertices[:, 1].argmin()], 1]) @ scene.to_world.T
    (x, y), _ = pixel_of(tip[None, :3], six_views(256), 0)[0][0], None
    assert abs(x - 128) < 25 and abs(y - 140) < 40
    row, column = int(y), int(x)
    assert views.rgba[0, row, column, 3] == 255
    assert views.depth[0, row, column] < views.depth[3, row, column]
    front = np.array([0.0, -1.0, 0.0])
    inside = (views.depth[0] > 0) & (views.rgba[0, ..., 3] == 255)
    assert np.mean(views.normals[0][inside] @ front > 0) > 0.95
    assert set(np.unique(views.rgba[..., 3][views.depth == 0])) == {0}


def test_classes_tell_skin_hair_and_clothes(renderer):
    """Face, crown and chest of a head in a shirt are what they are; asking for them changes no pixel and no depth."""
    drawn = draw_parameters(1)
    hair = replace(drawn.hair, style="short", beard="none")
    clothing = replace(drawn.clothing, top="crew", hat=None, scarf=None, glasses=None)
    renderer.load(build_head(replace(drawn, hair=hair, clothing=clothing)))
    cameras = orbit([0.0, 180.0], size=128)
    plain, views = renderer.render(cameras), renderer.render(cameras, classes=True)
    assert plain.classes is None and (plain.rgba == views.rgba).all() and (plain.depth == views.depth).all()
    front, back = views.classes
    skin, hair, worn = (CLASSES.index(name) for name in ("skin", "hair", "worn"))
    assert ((views.classes > 0) == (views.depth > 0)).all() and views.classes.max() == worn
    assert np.mean(front[70:90, 50:76] == skin) > 0.95  # eyes and mouth are the skin's
    top = np.argmax(front[:, 63] > 0)
    assert np.mean(front[top : top + 5, 63] == hair) > 0.5 and np.mean(back[40:60, 50:76] == hair) > 0.95
    assert np.mean(front[122:, 50:76] == worn) > 0.9


def test_same_seed_same_pixels(renderer):
    settings = Settings(size=64, normals=True, jitter=1.0, views="six+random1")
    once = render_head(renderer, 3, 1, settings)
    render_head(renderer, 4, 0, settings)
    again, other = render_head(renderer, 3, 1, settings), render_head(renderer, 3, 0, settings)
    assert (once.views.rgba == again.views.rgba).all() and (once.views.depth == again.views.depth).all()
    assert (once.cameras.c2w == again.cameras.c2w).all() and once.metadata == again.metadata
    assert (once.views.rgba != other.views.rgba).any()
    assert once.metadata["identity"] == other.metadata["identity"]


def test_workers_share_the_heads(renderer):
    share = dict(size=16, heads=5, appearances=2, workers=2, renderer=renderer)
    heads = [[(h.seed, h.appearance) for h in iterate_heads(7, worker=w, **share)] for w in (0, 1)]
    assert sorted(heads[0] + heads[1]) == list(plan(7, 5, 2)) == [(7, 0), (7, 1), (8, 0), (8, 1), (9, 0)]


def test_training_never_reaches_held_out_seeds():
    assert list(plan(0, 2, split="held-out")) == [(9_000_000, 0), (9_000_001, 0)]
    assert SPLITS["train"].stop <= SPLITS["held-out"].start
    with pytest.raises(ValueError, match="not all in the split train"):
        plan(8_999_999, 2)


def test_random_shell():
    cameras = make_rig("random200", np.random.default_rng(0), 512)
    position = cameras.c2w[:, :3, 3].numpy()
    radius = np.linalg.norm(position, axis=1)
    elevation = np.degrees(np.arcsin(position[:, 2] / radius))
    assert radius.min() >= 2.4 and radius.max() <= 3.0 and np.ptp(radius) > 0.5
    assert -30 <= elevation.min() < -25 and 55 < elevation.max() <= 60
    pixel, z = np.array([pixel_of(np.zeros((1, 3)), cameras, v)[0][0] for v in range(200)]), radius
    assert np.allclose(pixel, 256, atol=1e-2) and (z > 0).all()
    with pytest.raises(ValueError, match="no camera rig"):
        make_rig("seven", np.random.default_rng(0), 512)
    more = make_rig("six+four+eight+raised", np.random.default_rng(0), 64)
    assert np.array_equal(more.c2w[:6], six_views(64).c2w) and len(more) == 9  # each adds what is not there yet


def test_light_can_be_chosen_and_changes_nothing_else():
    drawn, ambient = draw_parameters(11), draw_parameters(11, light="ambient")
    assert ambient.light.mode == "ambient" and not len(ambient.light.key_directions)
    assert np.array_equal(drawn.identity.weights, ambient.identity.weights) and np.array_equal(drawn.hair.color, ambient.hair.color)
    assert {draw_parameters(seed, light="environment").light.mode for seed in range(3)} == {"environment"}


def test_lens_is_seen_through(renderer):
    """Glass tints what lies behind, has an outline of its own over nothing, and leaves depth alone."""
    scene = make_head(5)
    center = scene.surface.head_center
    square = np.array([[-1, 0, -1], [1, 0, -1], [1, 0, 1], [-1, 0, 1]]) * 0.5 + center - [0, 0.3, 0]
    body = next(m for m in scene.meshes if m.kind == "skin")
    glass = replace(
        body, kind="lens", vertices=square, normals=np.tile([0.0, -1, 0], (4, 1)), triangles=np.array([[0, 1, 2], [0, 2, 3]]),
        albedo=np.zeros((4, 3)), rest=square, gloss=1.0, roughness=1.0, extra=None, parameters=dict(opacity=0.5, reflectance=0.0),
        shadows=False,
    )  # fmt: skip
    front = orbit([0.0], size=64)
    renderer.load(replace(scene, strands=(), meshes=(body,)))
    bare = renderer.render(front)
    renderer.load(replace(scene, strands=(), meshes=(glass, body)))
    tinted = renderer.render(front)
    assert (bare.depth == tinted.depth).all()
    assert tinted.rgba[0, 2, 32, 3] == pytest.approx(128, abs=2) and bare.rgba[0, 2, 32, 3] == 0
    face = bare.rgba[0, ..., 3] == 255
    darker = tinted.rgba[0, ..., :3][face].astype(float).mean() / bare.rgba[0, ..., :3][face].mean()
    assert 0.4 < darker < 0.65 and (tinted.rgba[0, ..., 3][face] == 255).all()


def test_unknown_parameter_is_refused(renderer):
    scene = make_head(5)
    wrong = replace(scene.meshes[0], parameters=dict(shine=1))
    with pytest.raises(ValueError, match="takes no shine"):
        renderer.load(replace(scene, meshes=(wrong,)))


def test_dataset_on_disk(renderer, tmp_path):
    """Pictures, depth, normals and cameras agree; metadata names every head; the render command reads the cameras."""
    arguments = ["--out", str(tmp_path), "--views", "six+random1", "--size", "64", "--workers", "1", "--depth", "--classes", "--normals"]
    assert main([*arguments, "--heads", "1"]) == 0
    before = (tmp_path / "0000000_00" / "006.webp").stat().st_mtime_ns
    assert main([*arguments, "--heads", "2"]) == 0
    assert (tmp_path / "0000000_00" / "006.webp").stat().st_mtime_ns == before
    heads = json.loads((tmp_path / "metadata.json").read_text())["heads"]
    assert [h["seed"] for h in heads] == [0, 1]
    assert {"identity", "expression", "skin", "hair", "clothing", "lighting"} <= set(heads[0])
    folder = tmp_path / "0000001_00"
    expected = render_head(renderer, 1, 0, Settings(views="six+random1", size=64, normals=True, classes=True))
    assert (np.array(Image.open(folder / "004_classes.png")) == expected.views.classes[4]).all()
    assert (np.array(Image.open(folder / "004.webp")) == expected.views.rgba[4]).all()
    depth = np.array(Image.open(folder / "006_depth.png")) * dataset.DEPTH_UNIT
    assert np.allclose(depth, expected.views.depth[6], atol=1e-4)
    cameras = read_cameras(folder / "cameras.json", 64)
    assert np.allclose(cameras.c2w, expected.cameras.c2w) and np.allclose(cameras.intrinsics, expected.cameras.intrinsics)
    assert main([*arguments[:-1], "--heads", "2"]) == 1  # without normals: another dataset


def test_shards_are_training_data(renderer, tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "HEADS_PER_SHARD", 2)
    settings = Settings(views="six+near1", size=64, jitter=1.0, classes=True)
    output = dataset.Output(tmp_path, "shards", classes=True)
    assert not dataset.write_dataset(list(plan(0, 2)), settings, output, workers=1, done=lambda name: None)
    heads = HeadShards(tmp_path)
    assert len(heads) == 2
    sample = heads.sample(1)
    assert sample.rgba.shape == (7, 4, 64, 64) and (sample.ray_depth[sample.rgba[:, 3] == 0] == shards.EMPTY).all()
    expected = render_head(renderer, 1, 0, settings)
    origins, directions = rays(expected.cameras)
    nearest = -(origins * directions).sum(1)
    points = (origins + directions * (nearest + sample.ray_depth)[:, None]).numpy().transpose(0, 2, 3, 1)
    seen = expected.views.depth > 0
    assert np.allclose(points[seen], lift(expected.views.depth, expected.cameras)[seen], atol=2e-3)  # float16
    (shard,) = shards.find_shards(tmp_path)
    assert (shards.Shard(shard).classes[1] == expected.views.classes).all() and shards.Shard(shard).heads[1]["seed"] == 1
    (shard / "classes.npy").unlink()
    assert shards.Shard(shard).classes is None  # as in shards from before there were classes


def test_killed_run_resumes(renderer, tmp_path):
    """Whatever moment a run is killed at, what it left is whole, and the next run makes the rest."""
    command = [sys.executable, "-m", "facelift.synthesis", "--out", str(tmp_path), "--size", "32", "--workers", "1", "--heads", "4"]
    run = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "LP_NUM_THREADS": "0"}
    )
    end = time.monotonic() + 60
    while not list(tmp_path.glob("0*")) and run.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    run.send_signal(signal.SIGTERM)
    run.wait()
    finished = sorted(tmp_path.glob("0*"))
    assert 1 <= len(finished) < 4
    (tmp_path / ".partial_0000003_00").mkdir(exist_ok=True)  # as a kill in the midst of writing leaves it
    (tmp_path / ".partial_0000003_00" / "000.webp").write_bytes(b"RIFF")
    assert main(command[3:]) == 0
    for i in range(4):
        folder = tmp_path / f"000000{i}_00"
        assert len(list(folder.glob("*.webp"))) == 6 and json.loads((folder / "head.json").read_text())["seed"] == i
        for picture in folder.glob("*.webp"):
            Image.open(picture).load()
    assert not list(tmp_path.glob(".partial*"))


def test_sheet_shows_every_row(renderer, tmp_path):
    rows = [(str(seed), draw_parameters(seed)) for seed in (3, 5)]
    page = np.array(sheets.sheet(renderer, rows, ("front", "back"), 1, 48))
    half = len(page) // 2
    assert (page[:half] < 200).any() and (page[half:] < 200).any() and not np.array_equal(page[:half], page[half : 2 * half])
    assert sheets.main(["--out", str(tmp_path), "--only", "hair:mohawk"]) == 2


def test_audit_knows_hair_over_the_cheek():
    """Loose curls hide a cheek from one of the 45-degree cameras, a shaved head neither; beards do not count."""
    cameras = six_views(512)
    for style, beard, expected in (("bald", "full", False), ("long curls", "none", True)):
        drawn = draw_parameters(1)
        hair, clothing = replace(drawn.hair, style=style, beard=beard), replace(drawn.clothing, hat=None, scarf=None)
        scene = build_head(replace(drawn, hair=hair, clothing=clothing))
        assert any(hair_over_cheek(scene, cameras[view], side) for view, side in ((1, -1), (5, 1))) == expected
