"""A head that can be driven: units, fit, rig, tracks, files and commands."""

from __future__ import annotations

import gzip
import json
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import toy_rig
from PIL import Image

from facelift.__main__ import main
from facelift.animation.binding import BALL_GAP, behind, to_ball
from facelift.animation.deltas import BOUNDS, KEYS_EVERY, arrays
from facelift.animation.drive import HIDDEN, Driver
from facelift.animation.export import save_frames
from facelift.animation.files import ARRAYS, MAGIC, load_rig, save_rig
from facelift.animation.gltf import save_gltf
from facelift.animation.head4d import DrivenHead, KeptHead, load_head4d, save_deltas, save_driven
from facelift.animation.head_rig import BALL_LEFT, CAVITY, MOUTH, SEAM, UNDER, HeadRig
from facelift.animation.residual import Residual
from facelift.animation.rig import rig_head
from facelift.animation.rotations import matrices, multiply, quaternions, rotate
from facelift.animation.track import Pose, Track
from facelift.cameras import orbit
from facelift.errors import BudgetError, MotionFileError, PhotoError, RigFileError, TrackError
from facelift.face.fit import FaceFit
from facelift.face.geometry import nearest_triangles, rasterise
from facelift.face.model import load_face_model
from facelift.face.units import UNITS, read_face, sided, unit_weights
from facelift.gaussians import Gaussians
from facelift.rendering import render

ROOT = Path(__file__).parents[1]
needs_compact = pytest.mark.skipif(not (ROOT / "weights/compact/config.json").is_file(), reason="weights/compact is not there")
FIELDS = ("means", "quats", "scales", "opacities", "sh0")


@pytest.fixture(scope="module")
def toy() -> HeadRig:
    return toy_rig()


def table(**changes) -> dict:
    return {"fps": 12, "units": list(UNITS), "weights": [[0.0] * 52, [0.5] * 52], **changes}


# --- face --------------------------------------------------------------------------------------------------------------------------------


def test_units_are_arkits_52_and_the_templates():
    model = load_face_model()
    assert len(UNITS) == len(set(UNITS)) == 52 == len(model.units)
    assert [name.removeprefix("fu/") for name in model.template.names if name.startswith("fu/")] == list(UNITS)
    assert sided("eyeBlink") == ("eyeBlinkLeft", "eyeBlinkRight")
    with pytest.raises(ValueError, match="no face unit"):
        sided("eyeRoll")


def test_jaw_opens_downwards_and_a_blink_shuts_the_eye_of_its_side():
    model = load_face_model()
    chin = model.units[UNITS.index("jawOpen")][:, 2]
    assert chin.min() < -0.01
    blink = np.linalg.norm(model.units[UNITS.index("eyeBlinkLeft")], axis=1)
    assert np.median(model.mean[blink > blink.max() / 2, 0]) > 0.02  # x is the subject's left


def test_points_find_the_triangle_they_lie_on():
    vertices = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [5, 0, 0], [6, 0, 0], [5, 1, 0]])
    triangles = np.array([[0, 1, 2], [3, 4, 5]])
    found, barycentric, away = nearest_triangles(np.array([[0.25, 0.25, 0.5], [7.0, 0, 0]]), vertices, triangles)
    assert found.tolist() == [0, 1]
    np.testing.assert_allclose(barycentric, [[0.5, 0.25, 0.25], [0, 1, 0]], atol=1e-9)
    np.testing.assert_allclose(away, [0.5, 1.0])


def test_the_nearer_triangle_covers_a_pixel():
    pixels = np.array([[0.0, 0], [8, 0], [0, 8], [0, 0], [8, 0], [0, 8]])
    index, barycentric = rasterise(pixels, np.array([2.0, 2, 2, 1, 1, 1]), np.array([[0, 1, 2], [3, 4, 5]]), 8)
    assert index[1, 1] == 1 and index[7, 7] == -1
    np.testing.assert_allclose(barycentric[1, 1].sum(), 1)


def test_a_fit_carries_points_to_the_world_and_back():
    model = load_face_model()
    quarter = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    fit = FaceFit(np.zeros(50), np.zeros(52), 5.5, quarter, np.array([0.1, 0.2, -4]), np.zeros_like(model.mean), 0.0)
    np.testing.assert_allclose(fit.to_model(fit.to_world(model.mean)), model.mean, atol=1e-9)


# --- driving -----------------------------------------------------------------------------------------------------------------------------


def test_rest_is_the_head_bit_for_bit(toy):
    still = Driver(toy)(Pose(toy.rest))
    for name in FIELDS:
        assert torch.equal(getattr(still, name)[: toy.own], getattr(toy.head, name))
    assert (still.opacities[toy.own :] == HIDDEN).all()


def test_what_is_bound_moves_with_its_triangle_and_all_else_stays(toy):
    moved = Driver(toy)(Pose(unit_weights(jawOpen=1)))
    shift = (moved.means - toy.gaussians.means)[: toy.own].numpy()
    assert shift[1, 2] < -0.03 and shift[2, 2] < -0.03
    assert np.abs(shift[7]).max() == 0


def test_skin_below_shows_where_skin_stretches_only(toy):
    under = int(np.flatnonzero(toy.kind == UNDER)[0])
    driver = Driver(toy)
    assert driver(Pose(unit_weights(jawOpen=1))).opacities[under] > 3
    shrunk = toy.rest * 0
    assert driver(Pose(shrunk)).opacities[under] < -4


def test_open_mouth_shows_what_is_inside_and_loses_the_line_between_the_lips(toy):
    opened = Driver(toy)(Pose(unit_weights(jawOpen=1)))
    kinds = {kind: int(np.flatnonzero(toy.kind == kind)[0]) for kind in (CAVITY, SEAM, MOUTH)}
    assert opened.opacities[kinds[CAVITY]] > 3 and opened.opacities[kinds[SEAM]] < -3
    back = (opened.means - toy.gaussians.means)[kinds[MOUTH]]
    assert back.norm() == pytest.approx(0.05, abs=1e-3) and back[1] > 0.04  # away from the camera


def test_gaze_turns_the_eyeballs_to_the_left_and_up(toy):
    driver, ball = Driver(toy), int(np.flatnonzero(toy.kind == BALL_LEFT)[0])
    looked = driver(Pose(toy.rest, gaze=(20, 10)))
    shift = looked.means[ball] - toy.gaussians.means[ball]
    assert shift[0] > 0.01 and shift[2] > 0.005
    by_units = toy.rest.copy()
    by_units[[UNITS.index("eyeLookOutLeft"), UNITS.index("eyeLookInRight")]] = 0.5
    assert (driver(Pose(by_units)).means[ball] - toy.gaussians.means[ball])[0] > 0.01


def test_the_head_turns_about_its_neck_and_the_chest_stays(toy):
    low = replace(toy, gaussians=replace(toy.gaussians, means=toy.gaussians.means - torch.tensor([0, 0, 0.5])))
    half = np.radians(20) / 2
    turned = Driver(low)(Pose(low.rest, (float(np.cos(half)), 0, 0, float(np.sin(half)))))
    chest = low.gaussians.means[:, 2] < -0.6
    assert chest.any() and torch.equal(turned.means[chest], low.gaussians.means[chest])
    above_neck = Driver(toy)(Pose(toy.rest, (float(np.cos(half)), 0, 0, float(np.sin(half)))))
    high = toy.gaussians.means[:, 2] > -0.1
    radius = (toy.gaussians.means - torch.tensor(toy.pivot))[high, :2].norm(dim=1)
    torch.testing.assert_close((above_neck.means - torch.tensor(toy.pivot))[high, :2].norm(dim=1), radius)
    moved = Driver(toy)(Pose(toy.rest, translation=(0.1, 0, -0.2)))
    torch.testing.assert_close(moved.means, toy.gaussians.means + torch.tensor([0.1, 0, -0.2]))


def test_an_eyeball_lies_behind_what_the_photo_shows_of_the_eye():
    points = np.random.default_rng(0).uniform(-0.02, 0.02, (50, 3)) * (1, 0.1, 1)
    rays = np.tile([0.0, 1, 0], (50, 1))
    for depth in (0.02, 0.2):  # of its centre: in front of what is seen, and well behind it
        centre = np.array([0, depth, 0])
        moved = behind(points, rays, centre, 0.07)
        assert np.median(to_ball(points, rays, moved, 0.07)) == pytest.approx(max(BALL_GAP, depth - 0.07), abs=3e-3)


def test_a_full_blink_ends_where_the_lids_meet(toy):
    change = Driver(toy).change(unit_weights(jawOpen=0.25, eyeBlink=1))
    assert change[[UNITS.index("eyeBlinkLeft"), UNITS.index("eyeBlinkRight")]] == pytest.approx([0.8, 1.2])


def test_quaternions_and_matrices_agree():
    quats = torch.nn.functional.normalize(torch.from_numpy(np.random.default_rng(1).normal(size=(50, 4))), dim=1)
    vectors = torch.ones(50, 3, dtype=torch.float64)
    torch.testing.assert_close(rotate(quats, vectors), (matrices(quats) @ vectors[..., None])[..., 0])
    torch.testing.assert_close(matrices(quaternions(matrices(quats))), matrices(quats))
    torch.testing.assert_close(matrices(multiply(quats, quats.flip(0))), matrices(quats) @ matrices(quats.flip(0)))


# --- tracks ------------------------------------------------------------------------------------------------------------------------------


def test_a_track_comes_back_as_it_was_saved(tmp_path):
    weights = np.random.default_rng(0).uniform(size=(3, 52)).round(4)
    track = Track(25.0, weights, rotation=np.tile([1.0, 0, 0, 0], (3, 1)), gaze=np.full((3, 2), 5.0))
    again = Track.load(track.save(tmp_path / "t.json"))
    assert again.fps == 25 and again.translation is None
    np.testing.assert_allclose(again.weights, weights)
    assert again[2].gaze == (5.0, 5.0) and again[0].rotation == (1.0, 0.0, 0.0, 0.0)


def test_units_of_a_track_may_stand_in_any_order(tmp_path):
    row = list(range(52))
    path = tmp_path / "t.json"
    path.write_text(json.dumps({"fps": 1, "units": list(UNITS)[::-1], "weights": [[v / 52 for v in row]]}))
    assert Track.load(path).weights[0, 0] == pytest.approx(51 / 52)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("[1, 2", "not JSON"),
        (json.dumps([]), "no track"),
        (json.dumps({"fps": 12}), "no units, weights"),
        (json.dumps(table(fps=0)), "fps"),
        (json.dumps(table(units=list(UNITS)[2:])), "lacks 2 of the 52 units: browDownLeft"),
        (json.dumps(table(units=[*UNITS, "eyeRoll"])), "eyeRoll"),
        (json.dumps(table(weights=[])), "no frames"),
        (json.dumps(table(weights=[[0.0] * 51])), "52 numbers in frame 0"),
        (json.dumps(table(weights=[[float("nan")] * 52])), "no finite number in frame 0"),
        (json.dumps(table(weights=[["a"] * 52])), "no finite number"),
        (json.dumps(table(weights=[[1.5] * 52])), "between 0 and 1"),
        (json.dumps(table(rotation=[[1, 0, 0, 0]])), "1 frames of rotation, but 2"),
        (json.dumps(table(rotation=[[0, 0, 0, 0]] * 2)), "rotation"),
        (json.dumps(table(gaze=[[90, 0]] * 2)), "gaze beyond"),
        (json.dumps(table(translation=[[1e9, 0, 0]] * 2)), "translation beyond"),
    ],
)
def test_a_wrong_track_gets_one_sentence(tmp_path, wrong, words):
    path = tmp_path / "t.json"
    path.write_text(wrong)
    with pytest.raises(TrackError, match=words) as error:
        Track.load(path)
    assert str(error.value).startswith("t.json") and "\n" not in str(error.value)


# --- files -------------------------------------------------------------------------------------------------------------------------------


def test_a_rig_comes_back_from_its_file_within_the_steps_it_is_kept_in(toy, tmp_path):
    again = load_rig(save_rig(toy, tmp_path / "head.headrig"))
    assert again.own == toy.own and len(again) == len(toy)
    for name in ("kind", "triangle", "triangles", "vertex", "lips"):
        np.testing.assert_array_equal(getattr(again, name), getattr(toy, name))
    for name, step in (("vertices", ARRAYS["vertices"].step), ("moves", ARRAYS["moves"].step), ("barycentric", 0.01), ("rest", 1e-6)):
        np.testing.assert_allclose(getattr(again, name), getattr(toy, name), atol=step)
    torch.testing.assert_close(again.gaussians.means, toy.gaussians.means, atol=1e-3, rtol=0)
    torch.testing.assert_close(again.gaussians.scales, toy.gaussians.scales, atol=2e-2, rtol=0)
    camera = orbit([0.0], 0.0, 64)
    pose = Pose(unit_weights(jawOpen=0.8, eyeBlink=0.3))
    a, b = (render(Driver(rig)(pose), camera).rgb for rig in (toy, again))
    assert (a - b).abs().max() < 0.05


def test_broken_rig_files_get_one_sentence(toy, tmp_path):
    path = save_rig(toy, tmp_path / "head.headrig")
    data = path.read_bytes()
    broken = {"no head rig": b"ply" + data, "cut short|damaged": data[:-30], "damaged": MAGIC + b"\x1f\x8b" + data[10:60]}
    for words, content in broken.items():
        path.write_bytes(content)
        with pytest.raises(RigFileError, match=words) as error:
            load_rig(path)
        assert "\n" not in str(error.value)


def test_rig_files_that_claim_too_much_or_point_nowhere_are_refused(toy, tmp_path):
    with pytest.raises(RigFileError, match="belongs to nothing"):
        load_rig(save_rig(replace(toy, triangles=toy.triangles + 9), tmp_path / "a.headrig"))
    with pytest.raises(RigFileError, match="pivot"):
        load_rig(save_rig(replace(toy, pivot=np.full(3, np.nan, np.float32)), tmp_path / "b.headrig"))
    counts = {"gaussians": 10**12, "vertices": 1, "triangles": 1}
    words = json.dumps({"format": "headrig", "version": 1, "units": list(UNITS), **counts}).encode()
    (tmp_path / "c.headrig").write_bytes(MAGIC + gzip.compress(struct.pack("<I", len(words)) + words))
    with pytest.raises(BudgetError, match="at most"):
        load_rig(tmp_path / "c.headrig")


def speaking(frames: int) -> Track:
    """A mouth that opens and shuts, a head that turns."""
    t = np.arange(frames) / 12
    weights = np.stack([unit_weights(jawOpen=0.25 + 0.5 * np.sin(5 * x) ** 2, eyeBlink=0.5 * np.sin(3 * x) ** 2) for x in t])
    half = np.radians(20 * np.sin(t)) / 2
    zero = np.zeros(frames)
    return Track(12.0, weights, np.stack([np.cos(half), zero, zero, np.sin(half)], 1), gaze=np.full((frames, 2), 7.3))


def test_a_moving_head_of_rig_and_track_comes_back_within_the_steps_it_is_kept_in(toy, tmp_path):
    track = speaking(60)
    path = save_driven(toy, track, tmp_path / "a.head4d")
    again = load_head4d(path)
    assert isinstance(again, DrivenHead) and len(again) == 60 and again.fps == 12
    np.testing.assert_allclose(again.track.weights, track.weights, atol=0.5 / 255 + 1e-9)
    np.testing.assert_allclose(again.track.rotation, track.rotation, atol=2e-5)
    np.testing.assert_allclose(again.track.gaze, track.gaze, atol=1e-3 + 1e-9)
    alone = save_driven(toy, speaking(12), tmp_path / "b.head4d").stat().st_size
    assert (path.stat().st_size - alone) / 4 < 10_000  # bytes a second
    torch.testing.assert_close(again[59].means, DrivenHead(toy, track)[59].means, atol=2e-3, rtol=0)


def test_colours_beyond_the_rig_s_come_back_as_they_were_and_damaged_ones_get_one_sentence(toy, tmp_path):
    patterns = np.arange(-6, 6, dtype=np.int8).reshape(2, 2, 3)
    kept = Residual(np.array([1, 9], np.int32), patterns, np.array([0.01, 0.02], np.float32), np.array([[0, 0], [1, -0.5]], np.float32))
    path = save_driven(toy, speaking(2), tmp_path / "a.head4d", kept)
    assert changed(path.read_bytes())[0]["residual"]["bounds"] == {"sh0": 0.01}
    again, plain = load_head4d(path), DrivenHead(toy, speaking(2))
    assert torch.equal(again[0].sh0, plain[0].sh0)
    expected = plain[1].sh0.numpy().copy()
    expected[kept.index] += 0.01 * patterns[0] - 0.01 * patterns[1]
    np.testing.assert_allclose(again[1].sh0, expected, atol=1e-6)
    elsewhere = save_driven(toy, speaking(2), tmp_path / "b.head4d", replace(kept, index=np.array([1, 12], np.int32)))
    endless = save_driven(toy, speaking(2), tmp_path / "c.head4d", replace(kept, steps=np.array([9, 0], np.float32)))
    for path in (elsewhere, endless, save_driven(toy, speaking(2), tmp_path / "d.head4d", replace(kept, weights=kept.weights[:1]))):
        with pytest.raises(MotionFileError, match=rf"^{path.name} is .*(damaged|cut short).*\.$"):
            load_head4d(path)


def changed(data: bytes, **changes) -> tuple[dict, bytes]:
    """The header of a .head4d, and the file with another one."""
    end = 12 + struct.unpack_from("<I", data, 8)[0]
    header = json.loads(data[12:end])
    words = json.dumps({**header, **changes}).encode()
    return header, data[:8] + struct.pack("<I", len(words)) + words + data[end:]


def test_frames_kept_as_differences_are_within_the_bounds_that_the_file_states(toy, tmp_path):
    frames = DrivenHead(toy, speaking(KEYS_EVERY + 6))
    path = save_deltas(frames, 12.0, tmp_path / "a.head4d")
    assert changed(path.read_bytes())[0]["bounds"] == BOUNDS
    again = load_head4d(path)
    assert isinstance(again, KeptHead) and len(again) == len(frames)
    for frame in (0, 1, 5, KEYS_EVERY + 5, 3, KEYS_EVERY, -1):  # in any order
        (means, quats, values), (means_now, quats_now, values_now) = arrays(frames[frame]), arrays(again[frame])
        assert np.linalg.norm(means - means_now, axis=1).max() <= BOUNDS["means"]
        assert 2 * np.arccos(np.abs((quats * quats_now).sum(1)).clip(0, 1)).max() <= BOUNDS["turns"]
        off = np.abs(values - values_now).max(0)
        for part, name in ((off[:3], "scales"), (off[3], "opacities"), (off[4:], "sh0")):
            assert part.max() <= BOUNDS[name] + 1e-6, name
    with pytest.raises(IndexError):
        again[len(frames)]


def test_broken_moving_heads_get_one_sentence(toy, tmp_path):
    whole = save_driven(toy, speaking(5), tmp_path / "a.head4d").read_bytes()
    kept = save_deltas(DrivenHead(toy, speaking(5)), 12.0, tmp_path / "b.head4d").read_bytes()
    broken = [
        ("no moving head", b"ply" + whole), ("cut short", whole[:-3]), ("cut short", kept + b"0"), ("header", whole[:60]),
        ("a rig that", whole.replace(b"HEADRIG1", b"HEADRIG2")), ("damaged", kept[:-40] + bytes(40)),
        ("other blocks", changed(kept, frames=4)[1]), ("other blocks", changed(whole, kind=["rig"])[1]),
        ("at most", changed(kept, gaussians=10**12)[1]), ("cut short", changed(kept, gaussians=10**6)[1]),
        ("version 1", changed(whole, version=2)[1]), ("key frames", changed(kept, keys=[1])[1]), ("fps", changed(whole, fps=None)[1]),
    ]  # fmt: skip
    path = tmp_path / "c.head4d"
    for words, data in broken:
        path.write_bytes(data)
        with pytest.raises((MotionFileError, BudgetError), match=words) as error:
            head = load_head4d(path)
            head[len(head) - 1]
        assert "\n" not in str(error.value)


def test_a_rig_without_a_track_and_kept_frames_with_one_get_one_sentence(toy, tmp_path, capsys):
    rig, kept = save_rig(toy, tmp_path / "a.headrig"), save_deltas(DrivenHead(toy, speaking(2)), 12.0, tmp_path / "b.head4d")
    track = speaking(2).save(tmp_path / "t.json")
    for words, wanted in (([str(rig)], "--track"), ([str(kept), "--track", str(track)], "no track can drive")):
        assert main(["drive", *words, "-o", str(tmp_path / "out")]) == 1
        said = capsys.readouterr().err
        assert wanted in said and said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_frames_are_gaussians_pictures_or_a_film_and_say_that_they_are_synthetic(toy, tmp_path):
    track = Track(12.0, np.stack([toy.rest, unit_weights(jawOpen=1)]))
    camera = orbit([0.0], 0.0, 64)
    splats = save_frames(DrivenHead(toy, track), tmp_path, "ply")
    assert [p.name for p in splats] == ["000.ply", "001.ply"]
    assert b"comment Synthetic" in splats[0].read_bytes()[:400]
    first = Gaussians.load(splats[0])
    assert torch.equal(first.means[: toy.own], toy.head.means)
    pictures = save_frames(DrivenHead(toy, track), tmp_path, "png", camera)
    with Image.open(pictures[1]) as picture:
        assert picture.size == (64, 64) and picture.text["Comment"].startswith("Synthetic")
    film = save_frames(DrivenHead(toy, track), tmp_path, "mp4", camera)[0]
    assert b"Synthetic" in film.read_bytes()
    assert len({len(g) for g in DrivenHead(toy, track)}) == 1


def test_gltf_has_a_morph_target_for_each_unit(toy, tmp_path):
    data = save_gltf(toy, tmp_path / "head.glb").read_bytes()
    assert data[:4] == b"glTF" and int.from_bytes(data[8:12], "little") == len(data)
    document = json.loads(data[20 : 20 + int.from_bytes(data[12:16], "little")])
    mesh = document["meshes"][0]
    assert mesh["extras"]["targetNames"] == list(UNITS) and len(mesh["primitives"][0]["targets"]) == 52
    assert "Synthetic" in document["asset"]["extras"]["comment"]


# --- commands ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["rig", "drive", "video"])
def test_help_imports_nothing_heavy(verb):
    code = f"import sys\nsys.argv = ['facelift', {verb!r}, '--help']\nfrom facelift.__main__ import main\ntry: main()\n"
    code += "except SystemExit: pass\nassert not {'torch', 'diffusers', 'mediapipe'} & set(sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0 and f"facelift {verb}" in run.stdout, run.stderr


def test_commands_say_what_is_wrong_in_one_sentence(toy, tmp_path, capsys):
    assert main(["rig", str(tmp_path)]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    path = save_rig(toy, tmp_path / "head.headrig")
    (tmp_path / "t.json").write_text("{}")
    assert main(["drive", str(path), "--track", str(tmp_path / "t.json"), "-o", str(tmp_path / "out")]) == 1
    assert "no fps" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_a_portrait_without_a_face_cannot_be_rigged(toy):
    with pytest.raises(PhotoError, match="no face"):
        rig_head(toy.head, Image.new("RGB", (512, 512), "gray"))


@needs_compact
def test_photo_to_driven_head(tmp_path):
    """By the commands alone: photo, head, head rig, frames."""
    photo = ROOT / "assets/examples/astronaut.png"
    assert main([str(photo), "-o", str(tmp_path), "--weights", "compact", "--no-turntable"]) == 0
    folder = tmp_path / "astronaut"
    assert main(["rig", str(folder)]) == 0
    head, rig = Gaussians.load(folder / "head.ply"), load_rig(folder / "head.headrig")
    (tmp_path / "spz").mkdir()
    head.save(tmp_path / "spz" / "head.spz")
    assert (folder / "head.headrig").stat().st_size < (tmp_path / "spz" / "head.spz").stat().st_size + 1.5e6
    opened, blinking = rig.rest.copy(), unit_weights(eyeBlink=1, mouthSmile=0.6, mouthUpperUp=0.4)
    opened[UNITS.index("jawOpen")] = 0.9
    poses = np.stack([rig.rest, opened, blinking])
    Track(12.0, poses).save(tmp_path / "t.json")
    out = tmp_path / "frames"
    assert main(["drive", str(folder / "head.headrig"), "--track", str(tmp_path / "t.json"), "-o", str(out), "--frames", "png"]) == 0
    assert main(["drive", str(folder / "head.headrig"), "--track", str(tmp_path / "t.json"), "-o", str(out)]) == 0
    camera = orbit([0.0])
    still, rest = (render(g, camera).rgb.clamp(0, 1) for g in (head, Gaussians.load(out / "000.ply")))
    assert -10 * torch.log10((still - rest).square().mean()) > 60
    moved = render(Gaussians.load(out / "001.ply"), camera).rgb.clamp(0, 1)
    change = (moved - rest).abs().amax(1)[0]
    assert change[300:400, 180:330].max() > 0.2 and change[:150].max() < 0.02  # the mouth, not the hair
    read = [read_face(np.asarray(Image.open(out / f"{i:03d}.png"))) for i in range(3)]
    names = {name: UNITS.index(name) for name in ("jawOpen", "eyeBlinkLeft")}
    assert read[1].weights[names["jawOpen"]] > read[0].weights[names["jawOpen"]] + 0.15
    assert read[2].weights[names["eyeBlinkLeft"]] > read[0].weights[names["eyeBlinkLeft"]] + 0.3
