"""One clean person: neighbours and loose parts go."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facelift.portrait import find_faces, load_photo, make_portrait, matte
from facelift.portrait.matte import Cutout, without_others
from facelift.portrait.separation import own_share

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
    mine = own_share(pixels, person, LEFT, [RIGHT]) * person
    theirs = own_share(pixels, person, RIGHT, [LEFT]) * person
    assert mine[left].mean() > 0.97 and mine[~left].sum() / mine.sum() < 0.02
    assert theirs[left].sum() / theirs.sum() < 0.02
    assert np.abs(mine + theirs - person).mean() < 0.02


def test_alone_nobody_takes_anything():
    pixels, person, _ = figures()
    assert (own_share(pixels, person, LEFT, []) == 1).all()
    printed = np.array([80.0, 260, 120, 310])  # a face on the shirt
    assert (own_share(pixels, person, LEFT, [printed]) == 1).all()


def test_without_sure_colours_the_nearer_face_decides():
    pixels, person, _ = figures()
    person[:, 200:] = 0  # the neighbour was not segmented
    share = own_share(pixels, person, LEFT, [RIGHT])
    assert share[110, 100] == 1 and share.shape == person.shape


def test_the_neighbour_is_not_in_the_portrait(group):
    """Hopper's portrait reaches over the astronaut's shoulder; her own is as it is without company."""
    hopper, alone = (make_portrait(photo, matting="mediapipe") for photo in (group, load_photo(HOPPER)))
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
