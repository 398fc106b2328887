"""One clean person: neighbours and loose parts go, the outline has no colour of the background, the shipped network is rembg's."""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facelift.portrait import MattingUnavailable, find_faces, load_photo, make_portrait, matte, saliency
from facelift.portrait.foreground import foreground
from facelift.portrait.matte import Cutout, without_others
from facelift.portrait.separation import is_own
from facelift.resources import resource

EXAMPLES = Path(__file__).resolve().parents[1] / "assets" / "examples"
ASTRONAUT, HOPPER = EXAMPLES / "astronaut.png", EXAMPLES / "grace_hopper.jpg"
LEFT, RIGHT = np.array([60.0, 60, 140, 160]), np.array([260.0, 60, 340, 160])  # faces of two figures


@pytest.fixture(scope="module")
def group() -> Image.Image:
    """Grace Hopper with the astronaut's head and shoulders so near that they touch."""
    photo = Image.new("RGB", (760, 600), (110, 130, 100))
    photo.paste(load_photo(ASTRONAUT).crop((20, 0, 370, 512)), (0, 88))
    photo.paste(load_photo(HOPPER).crop((40, 0, 512, 600)), (290, 0))
    return photo


def figures() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two that touch in the middle, the left one green: pixels, probability of a person, where the left one is."""
    y, x = np.mgrid[0:400, 0:400]
    left = (np.hypot(x - 100, y - 110) < 55) | ((y > 150) & (x > 30) & (x < 230))
    right = ((np.hypot(x - 300, y - 110) < 55) | ((y > 150) & (x >= 230) & (x < 380))) & ~left
    pixels = np.where(left[..., None], (0.1, 0.6, 0.2), np.where(right[..., None], (0.6, 0.2, 0.5), (0.9, 0.9, 0.9)))
    pixels = pixels + np.random.default_rng(0).normal(0, 0.02, pixels.shape)
    return pixels.clip(0, 1).astype(np.float32), (left | right).astype(np.float32), left


# --- one of several ---


def test_colours_decide_where_bodies_touch():
    """The left one's body reaches nearer to the right one's face than to its own, and stays whole."""
    pixels, person, left = figures()
    mine = is_own(pixels, person, LEFT, [RIGHT]) * person
    theirs = is_own(pixels, person, RIGHT, [LEFT]) * person
    assert mine[left].mean() > 0.97 and mine[~left].sum() / mine.sum() < 0.02
    assert theirs[left].sum() / theirs.sum() < 0.02
    assert np.abs(mine + theirs - person).mean() < 0.02


def test_alone_nobody_takes_anything():
    pixels, person, _ = figures()
    assert is_own(pixels, person, LEFT, []).all()
    printed = np.array([80.0, 260, 120, 310])  # a face on the shirt
    assert is_own(pixels, person, LEFT, [printed]).all()


def test_without_sure_colours_the_nearer_face_decides():
    pixels, person, _ = figures()
    person[:, 200:] = 0  # the neighbour was not segmented
    share = is_own(pixels, person, LEFT, [RIGHT])
    assert share[110, 100] and share.shape == person.shape


@pytest.mark.parametrize("matting", ("u2netp", "mediapipe"))
def test_the_neighbour_is_not_in_the_portrait(group, matting):
    """Hopper's portrait reaches over the astronaut's shoulder; her own is as it is without company."""
    hopper, alone = (make_portrait(photo, matting=matting) for photo in (group, load_photo(HOPPER)))
    assert len(hopper.faces) == 2 and hopper.face.centre[0] > 290
    image, alpha = np.asarray(hopper.image, int), np.asarray(hopper.alpha, int)
    orange = (image[..., 0] - image[..., 2] > 120) & (image[..., 0] > 180) & (alpha > 30)
    assert orange[400:, :180].sum() < 20  # beside and below the face, which is reddish too
    both = np.minimum(alpha, np.asarray(alone.alpha, int))
    assert both.sum() / np.asarray(alone.alpha, int).sum() > 0.93


def test_rembg_keeps_one_person_too(group):
    """Its network sees all; here everything counts as person."""
    faces = find_faces(group)
    everyone = Cutout(group, Image.new("L", group.size, 255), "rembg u2net")
    one = without_others(everyone, group, faces[0], faces[1:])
    assert one.matting == "rembg u2net"
    opacity = [np.asarray(one.alpha.crop(tuple(round(v) for v in face.box))).mean() / 255 for face in faces]
    assert opacity[0] > 0.99 and opacity[1] < 0.01


def test_loose_parts_are_dropped():
    alpha = np.zeros((200, 200), np.float32)
    alpha[50:200, 60:140], alpha[20:60, 170:195] = 1, 1  # the person; something beside
    alpha[44:50, 60:140] = 0.1  # soft hair
    kept = matte._without_loose_parts(alpha, np.array([70, 60, 130, 120]))
    assert kept[20:60, 170:195].max() == 0
    assert np.array_equal(kept[:, :150], alpha[:, :150])


# --- the boundary ---


def test_colours_at_the_boundary_are_the_foregrounds():
    """A disk with a soft edge before a background of another hue: the photo is a mixture, the colours are not."""
    y, x = np.mgrid[0:256, 0:256]
    alpha = ((100 - np.hypot(x - 128, y - 128)) / 12 + 0.5).clip(0, 1).astype(np.float32)
    mine = np.stack([0.5 + 0.2 * np.sin(x / 30), 0.3 + 0 * x, 0.2 + 0.1 * np.cos(y / 30)], -1).astype(np.float32)
    photo = mine * alpha[..., None] + (1 - alpha[..., None]) * np.float32((0.1, 0.8, 0.9))
    band = (alpha > 0.05) & (alpha < 1)
    error, before = (np.abs(c - mine)[band].mean() for c in (foreground(photo, alpha), photo))
    assert error < 0.02 < before / 10
    assert np.allclose(foreground(photo, alpha)[alpha == 1], photo[alpha == 1], atol=1e-5)  # inside, the photo is as it was


def test_foreground_of_nothing_and_of_everything():
    photo = np.random.default_rng(0).random((31, 17, 3)).astype(np.float32)
    for alpha in (np.zeros((31, 17), np.float32), np.ones((31, 17), np.float32)):
        assert np.isfinite(foreground(photo, alpha)).all()


# --- the shipped network ---


def rembgs_own():
    """rembg's class for u2netp, without importing rembg, which compiles for most of a minute."""
    pytest.importorskip("onnxruntime")
    found = importlib.util.find_spec("rembg")  # does not import it
    if found is None:
        pytest.skip("rembg is not installed")
    package = types.ModuleType("rembg_sessions")
    package.__path__ = [str(Path(found.submodule_search_locations[0]) / "sessions")]
    sys.modules["rembg_sessions"] = package
    return importlib.import_module("rembg_sessions.u2netp").U2netpSession


def test_saliency_is_rembgs():
    import onnxruntime

    class Shipped(rembgs_own()):
        @classmethod
        def download_models(cls, *args, **kwargs):
            return resource(saliency.MODEL)

    photo = load_photo(ASTRONAUT).resize((320, 320))
    theirs = np.asarray(Shipped("u2netp", onnxruntime.SessionOptions()).predict(photo)[0], float) / 255
    assert np.abs(saliency.saliency(photo, 320) - theirs).max() < 0.02


@pytest.mark.parametrize("broken", ("missing", "damaged"))
def test_without_the_network_mediapipe_works_alone(broken, tmp_path, monkeypatch):
    (tmp_path / "u2netp.onnx").write_bytes(b"no network")
    wanted = {"missing": "weights/nowhere.onnx", "damaged": saliency.MODEL}[broken]
    monkeypatch.setattr(saliency, "MODEL", wanted)
    if broken == "damaged":
        monkeypatch.setattr(saliency, "resource", lambda name: tmp_path / "u2netp.onnx")
    saliency._network.cache_clear()
    photo = load_photo(ASTRONAUT)
    with pytest.raises(MattingUnavailable, match="u2netp cannot run"):
        make_portrait(photo, matting="u2netp")
    assert matte.person_cutout(photo, find_faces(photo)[0]).matting == "mediapipe selfie segmentation"
    saliency._network.cache_clear()


def test_what_only_the_network_takes_for_the_person_or_overlooks_stays_mediapipes():
    """Half a body that it misses; a thing beside that it takes for the person."""
    person = np.zeros((600, 600), np.float32)
    person[100:600, 150:450] = 1
    missed, added = person.copy(), person.copy()
    missed[350:] = 0
    added[300:500, 500:600] = 1
    for salient, place in ((missed, np.s_[450:, 200:400]), (added, np.s_[350:450, 540:])):
        joined = matte._joined(person, salient)
        assert np.abs(joined - person)[place].max() < 0.3
    near = person.copy()
    near[90:100, 250:350] = 1  # a tuft that MediaPipe does not see
    assert matte._joined(person, near)[92:98, 255:345].min() > 0.5


# --- the measure ---


def test_a_perfect_cut_out_measures_as_perfect_and_a_neighbour_left_in_it_does_not():
    from facelift.evaluation.mattes import cases, measured
    from facelift.portrait import Portrait, apply_crop, crop_window

    y, x = np.mgrid[0:128, 0:128]
    head = np.zeros((128, 128, 4), np.uint8)
    head[(np.hypot(x - 63, (y - 70) / 1.3) < 30) | ((y > 100) & (abs(x - 63) < 50))] = (180, 140, 120, 255)
    for case in cases(np.stack([head, head])):
        crop = crop_window(*case.photo.size, (case.face[0] - 90, case.face[1] - 105, case.face[0] + 90, case.face[1] + 105))

        def found(alpha: np.ndarray, case=case, crop=crop) -> dict[str, float]:
            colours = case.person if alpha is case.alpha else case.background
            white = Image.fromarray(np.rint(255 * (colours * alpha[..., None] + 1 - alpha[..., None])).astype(np.uint8))
            mask = Image.fromarray(np.rint(255 * alpha).astype(np.uint8))
            return measured(case, Portrait(apply_crop(white, crop), apply_crop(mask, crop, 0), None, (), "", crop), 0)

        right = found(case.alpha)
        assert right["IoU"] > 99.5 and max(right["hair"], right["lost"]) < 0.5 and right["on white"] < 1.5
        if case.other is not None:
            assert right["others"] < 0.5 and found(np.maximum(case.alpha, case.other))["others"] > 5
