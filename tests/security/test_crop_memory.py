"""Moving the crop resamples the part of the photo that the portrait shows, however large the photo and small the face."""

from __future__ import annotations

import math

import numpy as np
import pytest
from page import PHOTO
from PIL import Image

from facelift.portrait import Crop, Portrait, make_portrait
from facelift.portrait.crop import SIZE, apply_crop, crop_window
from facelift.ui.aligner import BICUBIC, CropAdjustment, _framed, _matrix, adjusted

LARGEST = math.ceil(2**0.5 * SIZE) + 8  # a turned portrait's side, and the filter's reach
ADJUSTMENTS = [
    CropAdjustment(x=30, y=-50, zoom=2.0, turn=20), CropAdjustment(zoom=0.5), CropAdjustment(x=-300, zoom=1.3, turn=-90),
    CropAdjustment(x=400, y=400, zoom=2.5),
    CropAdjustment(turn=180),
]  # fmt: skip


def portrait_of(width: int, height: int, box: tuple[float, float, float, float]) -> Portrait:
    """As far as moving it needs one."""
    blank = Image.new("RGB", (SIZE, SIZE), (255, 255, 255))
    return Portrait(blank, Image.new("L", (SIZE, SIZE), 255), None, (), "none", crop=crop_window(width, height, box))


def whole(photo: Image.Image, crop: Crop, adjustment: CropAdjustment) -> Image.Image:
    """The same by resizing all of the photo."""
    scaled = photo.resize([max(1, round(side * adjustment.zoom)) for side in crop.scaled_size], BICUBIC, reducing_gap=3.0)
    left, top = crop.crop_in_scaled[0] - crop.paste_at[0], crop.crop_in_scaled[1] - crop.paste_at[1]
    fill = (255, 255, 255, 0) if photo.mode == "RGBA" else (255, 255, 255)
    return scaled.transform((SIZE, SIZE), Image.Transform.AFFINE, _matrix(adjustment, 1.0, left, top), BICUBIC, fillcolor=fill)


def _on_black(image: Image.Image) -> Image.Image:
    """What is clear has no colour to compare."""
    return Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image.convert("RGBA"))


@pytest.fixture
def resized(monkeypatch) -> list[tuple[int, int]]:
    """Sizes of all that is resized or converted, before and after."""
    sizes = []

    def watched(name: str):
        original = getattr(Image.Image, name)

        def call(image, *args, **kwargs):
            made = original(image, *args, **kwargs)
            sizes.append(max(image.size if name == "convert" else made.size, made.size))
            return made

        monkeypatch.setattr(Image.Image, name, call)

    watched("resize")
    watched("convert")
    return sizes


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("adjustment", ADJUSTMENTS, ids=str)
def test_a_small_face_in_a_large_photo(resized, mode, adjustment):
    photo = Image.new(mode, (7000, 7000), 90)
    for box in ((3000, 3000, 3030, 3036), (5, 5, 35, 41), (6960, 6960, 6990, 6996)):
        assert _framed(photo, portrait_of(7000, 7000, box).crop, adjustment).size == (SIZE, SIZE)
    assert resized and max(max(size) for size in resized) <= LARGEST


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("adjustment", ADJUSTMENTS, ids=str)
@pytest.mark.parametrize("box", [(200, 100, 320, 250), (20, 10, 60, 60), (100, 60, 480, 540)], ids=["middle", "corner", "large"])
def test_as_if_the_whole_photo_were_resized(mode, adjustment, box):
    photo = Image.open(PHOTO).convert(mode)
    if mode == "RGBA":
        photo.putalpha(Image.linear_gradient("L").resize(photo.size))
    portrait = portrait_of(*photo.size, box)
    part, all_of_it = (np.asarray(_on_black(make(photo, portrait.crop, adjustment)), int) for make in (_framed, whole))
    difference = np.abs(part - all_of_it)
    assert difference.max() <= 3 and (difference > 0).mean() < 0.01  # grey levels; colours of clear pixels are rounded more often


def test_beside_the_photo_there_is_nothing():
    photo = Image.new("RGB", (600, 600), (10, 20, 30))
    portrait = portrait_of(600, 600, (-900, 250, -800, 350))
    assert np.asarray(_framed(photo, portrait.crop, CropAdjustment(x=-400, zoom=2.5))).min() == 255


def test_a_crop_that_is_not_moved_is_the_release_s():
    data = PHOTO.read_bytes()
    portrait = make_portrait(data, matting="none")
    assert adjusted(data, portrait, CropAdjustment()) is portrait
    photo = Image.open(PHOTO).convert("RGB")
    left, top, right, bottom = portrait.crop.crop_in_scaled
    want = Image.new("RGB", (SIZE, SIZE), (255, 255, 255))
    want.paste(photo.resize(portrait.crop.scaled_size, BICUBIC).crop((left, top, right, bottom)), portrait.crop.paste_at)
    assert portrait.image.tobytes() == want.tobytes() == apply_crop(photo, portrait.crop).tobytes()
