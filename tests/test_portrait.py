"""A photo becomes a portrait: what may go in, which face is taken, where it lands, what stands around it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facelift.portrait import (
    Crop,
    MattingUnavailable,
    NoFaceError,
    PhotoError,
    apply_crop,
    crop_window,
    find_faces,
    load_photo,
    make_portrait,
    select_face,
)
from facelift.portrait.crop import WHOLE_RESIZE_LIMIT

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "assets" / "examples"
ASTRONAUT, HOPPER = EXAMPLES / "astronaut.png", EXAMPLES / "grace_hopper.jpg"
TABLE = Path(os.environ.get("FACELIFT_REFERENCE_KIT", ROOT / "tests" / "reference")) / "crop_face.json"


@pytest.fixture(scope="module")
def table() -> dict:
    if not TABLE.exists():
        pytest.skip("no reference kit: set FACELIFT_REFERENCE_KIT")
    return json.loads(TABLE.read_text())


@pytest.fixture(scope="module")
def astronaut() -> Image.Image:
    return load_photo(ASTRONAUT)


@pytest.fixture(scope="module")
def portraits() -> dict:
    return {path.name: make_portrait(path, matting="mediapipe") for path in (ASTRONAUT, HOPPER)}


@pytest.fixture(scope="module")
def joined() -> dict:
    return {path.name: make_portrait(path, matting="u2netp") for path in (ASTRONAUT, HOPPER)}


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def pattern(width: int, height: int) -> Image.Image:
    """The test picture that the reference table describes by formula."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    channels = [x * 255 // (width - 1), y * 255 // (height - 1), 255 * ((x // 16 + y // 16) % 2)]
    return Image.fromarray(np.stack(channels, -1).astype(np.uint8))


# --- the crop of the release ---


def test_crop_equals_the_release_in_every_case(table):
    for case in table["cases"]:
        crop = crop_window(case["width"], case["height"], case["box_xyxy_float32"])
        assert crop.scale == pytest.approx(case["scale"], rel=1e-7)  # boxes are float32
        assert crop.scaled_size == tuple(case["scaled_size"])
        assert crop.crop_in_scaled == tuple(case["crop_in_scaled"])
        assert crop.paste_at == tuple(case["paste_at"])


def test_cropped_pixels_equal_the_release(table, monkeypatch):
    for case in table["cases"]:
        photo, crop = pattern(case["width"], case["height"]), crop_window(case["width"], case["height"], case["box_xyxy_float32"])
        portrait = apply_crop(photo, crop)
        with monkeypatch.context() as patch:
            patch.setattr("facelift.portrait.crop.WHOLE_RESIZE_LIMIT", 10**9)
            exact = apply_crop(photo, crop)
        assert exact.size == (512, 512)
        assert hashlib.sha256(exact.tobytes()).hexdigest() == case["sha256_of_rgb_bytes"], case["box_xyxy_float32"]
        allowed = 0 if crop.scaled_size[0] * crop.scaled_size[1] <= WHOLE_RESIZE_LIMIT else 1
        assert np.abs(np.asarray(portrait, int) - np.asarray(exact, int)).max() <= allowed


def test_crop_of_a_tiny_face_needs_no_giant_picture():
    crop = crop_window(6000, 4000, (3000, 2000, 3020, 2024))
    assert crop.scaled_size[0] > 50_000  # resampled as a whole this would take gigabytes
    shown = np.asarray(apply_crop(pattern(6000, 4000), crop), dtype=int)
    x, y = 3010 - 20, 2012 + 10  # a point of the photo, and where the portrait must show it
    at = round(252.3 - 20 * crop.scale), round(280.5 + 10 * crop.scale)
    assert abs(shown[at[1], at[0], :2] - [x * 255 // 5999, y * 255 // 3999]).max() <= 1


def test_selection_takes_the_largest_confident_face(table):
    for case in table["selection"]:
        index = select_face(case["boxes"], case["probabilities"])
        assert (None if index is None else case["boxes"][index]) == case["selected"]


# --- photos of every kind ---


def test_every_mode_becomes_the_same_picture(astronaut):
    grey = astronaut.convert("L")
    sixteen = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    assert sixteen.mode == "I;16"
    for same in (grey, sixteen, astronaut.convert("P", palette=Image.Palette.ADAPTIVE), astronaut.convert("CMYK")):
        loaded = load_photo(encoded(same, "JPEG", quality=98) if same.mode == "CMYK" else encoded(same))
        wanted = grey if same.mode in ("L", "I;16") else astronaut
        assert loaded.mode == "RGB"
        assert np.abs(np.asarray(loaded, int) - np.asarray(wanted.convert("RGB"), int)).mean() < 4


def test_exif_orientation_is_applied(astronaut):
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its left side
    lying = astronaut.crop((0, 0, 512, 400)).transpose(Image.Transpose.ROTATE_90)
    assert load_photo(encoded(lying, "WEBP", exif=exif, lossless=True)).tobytes() == astronaut.crop((0, 0, 512, 400)).tobytes()


def test_transparency_counts_only_where_it_cuts_something_out(astronaut):
    mask = Image.new("L", astronaut.size, 255)
    mask.paste(0, (0, 0, 512, 100))
    cut = astronaut.copy()
    cut.putalpha(mask)
    assert load_photo(encoded(cut)).mode == "RGBA"
    assert load_photo(encoded(cut.convert("LA"))).mode == "RGBA"
    palette = astronaut.convert("P", palette=Image.Palette.ADAPTIVE, colors=16)
    assert load_photo(encoded(palette, transparency=int(np.bincount(np.asarray(palette).ravel()).argmax()))).mode == "RGBA"
    mask = Image.new("L", astronaut.size, 255)
    mask.paste(0, (0, 0, 8, 8))  # a rounded corner
    cut.putalpha(mask)
    assert load_photo(encoded(cut)).mode == "RGB"


def test_phone_jpegs_with_a_second_picture_are_read(astronaut):
    data = encoded(astronaut, "MPO", save_all=True, append_images=[astronaut.resize((64, 64))])
    assert load_photo(data).size == (512, 512)


def test_unusable_files_are_one_clear_sentence(astronaut, tmp_path):
    whole = encoded(astronaut)
    (tmp_path / "notes.jpg").write_text("not a picture")
    huge = bytearray(encoded(Image.new("1", (64, 64))))
    huge[16:24] = (60_000).to_bytes(4, "big") * 2  # a header that promises 3.6 gigapixels
    huge[29:33] = zlib.crc32(huge[12:29]).to_bytes(4, "big")
    large = encoded(Image.new("1", (9300, 7000)))
    for photo, reason in (
        (tmp_path / "missing.jpg", "not a file"),
        (tmp_path, "not a file"),
        (tmp_path / "notes.jpg", "not a JPEG, PNG"),
        (b"", "not a JPEG, PNG"),
        (encoded(astronaut, "PPM"), "not a JPEG, PNG"),
        (whole[: len(whole) // 2], "damaged"),
        (encoded(astronaut, "JPEG")[:9000], "damaged"),
        (bytes(huge), "too large"),
        (large, "too large"),
        (astronaut.resize((16, 16)), "too small"),
        (Image.new("RGBA", (64, 64), (0, 0, 0, 0)), "transparent"),
    ):
        with pytest.raises(PhotoError, match=reason) as error:
            load_photo(photo)
        assert "\n" not in str(error.value) and str(error.value).endswith(".")


# --- faces ---


def test_small_face_in_a_large_photo_is_found(astronaut):
    """A face of 80 px in 12 megapixels, as in a picture of a whole person."""
    small = astronaut.resize((390, 390), Image.Resampling.LANCZOS)
    photo = Image.new("RGB", (4000, 3000), (110, 130, 100))
    photo.paste(small, (2300, 700))
    faces = find_faces(photo)
    assert len(faces) == 1
    assert faces[0].size == pytest.approx(80, rel=0.05)
    assert faces[0].centre == pytest.approx((2300 + 224.6 * 390 / 512, 700 + 117.6 * 390 / 512), abs=4)


def test_several_faces_come_largest_first_and_can_be_chosen(astronaut, portraits):
    photo = Image.new("RGB", (1100, 600), (110, 130, 100))
    photo.paste(astronaut, (0, 88))
    photo.paste(load_photo(HOPPER), (560, 0))
    first, second = (make_portrait(photo, face_index=i, matting="mediapipe") for i in (0, 1))
    assert [face.centre[0] > 560 for face in first.faces] == [True, False]
    assert first.face == first.faces[0] and second.face == second.faces[1]
    same = np.abs(np.asarray(first.image, int) - np.asarray(portraits[HOPPER.name].image, int))[150:380, 160:340].mean()
    other = np.abs(np.asarray(second.image, int) - np.asarray(portraits[HOPPER.name].image, int))[150:380, 160:340].mean()
    assert same < other / 2
    with pytest.raises(PhotoError, match="face_index"):
        make_portrait(photo, face_index=2, matting="mediapipe")


def test_no_face_is_an_error_that_names_the_way_out():
    with pytest.raises(NoFaceError, match="crop=False"):
        make_portrait(pattern(640, 480), matting="none")


def test_a_face_hidden_by_the_transparency_is_said_so(astronaut):
    cut = astronaut.copy()
    mask = Image.new("L", astronaut.size, 255)
    mask.paste(0, (0, 0, 512, 300))
    cut.putalpha(mask)
    with pytest.raises(NoFaceError, match="transparency hides it"):
        make_portrait(cut)


# --- portraits ---


def test_face_lands_where_the_models_expect_it(portraits):
    for portrait in portraits.values():
        assert portrait.image.size == portrait.alpha.size == (512, 512)
        assert isinstance(portrait.crop, Crop)
        face = find_faces(portrait.image)[0]
        assert face.size == pytest.approx(194.3, rel=0.04)
        assert face.centre == pytest.approx((251.8, 280.0), abs=5)


@pytest.mark.parametrize("matting", ("portraits", "joined"))
def test_person_stands_on_clean_white(matting, request):
    """Neither flag nor wall is left around the heads; the people are whole."""
    portraits = request.getfixturevalue(matting)
    for name, (empty, solid) in {
        ASTRONAUT.name: (((0, 0, 512, 80), (0, 80, 100, 320), (420, 80, 512, 480)), (190, 160, 300, 500)),
        HOPPER.name: (((0, 0, 512, 85), (0, 85, 130, 380), (380, 85, 512, 360)), (205, 150, 305, 500)),
    }.items():
        portrait = portraits[name]
        for box in empty:
            assert np.asarray(portrait.image.crop(box)).min() >= 250, (name, box)
        assert np.asarray(portrait.alpha.crop(solid)).min() >= 250, name
        alpha = np.asarray(portrait.alpha)
        soft = (alpha > 12) & (alpha < 243)
        outline = ((alpha[1:, 1:] > 127) != (alpha[:-1, 1:] > 127)).sum() + ((alpha[1:, 1:] > 127) != (alpha[1:, :-1] > 127)).sum()
        assert soft.sum() / outline < 5, "the outline is a few pixels soft, not a halo"


def test_without_crop_the_photo_keeps_its_shape():
    photo = load_photo(HOPPER)  # 512x600
    portrait = make_portrait(photo, crop=False, matting="none")
    assert portrait.crop is None and portrait.matting == "none"
    pixels = np.asarray(portrait.image)
    width = round(512 * 512 / 600)
    left = (512 - width) // 2
    assert (pixels[:, :left] == 255).all() and (pixels[:, left + width :] == 255).all()
    shown = photo.resize((width, 512), Image.Resampling.BICUBIC)
    assert np.array_equal(pixels[:, left : left + width], np.asarray(shown))


def test_without_crop_a_picture_without_a_face_is_fine():
    assert make_portrait(pattern(640, 480), crop=False, matting="mediapipe").face is None


def test_a_given_alpha_channel_is_kept(astronaut):
    """By name, whatever it cuts out."""
    mask = Image.new("L", astronaut.size, 0)
    mask.paste(255, (100, 0, 360, 260))  # with wall and flag: no matting would do that
    cut = astronaut.copy()
    cut.putalpha(mask)
    portrait = make_portrait(cut, matting="alpha")
    assert portrait.matting == "alpha channel"
    assert portrait.alpha.tobytes() == apply_crop(mask, portrait.crop, 0).tobytes()
    assert portrait.image.getpixel((256, 100)) == pytest.approx(make_portrait(astronaut, matting="none").image.getpixel((256, 100)), abs=12)


def test_matting_says_what_ran(portraits, joined, astronaut):
    assert {p.matting for p in portraits.values()} == {"mediapipe selfie segmentation"}
    assert {p.matting for p in joined.values()} == {"mediapipe selfie segmentation and rembg u2netp"}
    assert make_portrait(astronaut, matting="none").matting == "none"
    with pytest.raises(PhotoError, match="no transparency"):
        make_portrait(astronaut, matting="alpha")
    with pytest.raises(ValueError, match="matting must be one of"):
        make_portrait(astronaut, matting="magic")


def test_rembg_that_cannot_run_is_an_error_only_where_it_was_asked_for(astronaut, tmp_path, monkeypatch):
    """Its model is looked for in an empty folder, its host at an address that answers nothing."""
    from facelift.portrait import rembg_session

    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    monkeypatch.setattr(rembg_session, "HOST", "http://127.0.0.1:9")
    rembg_session.rembg_session.cache_clear()
    with pytest.raises(MattingUnavailable, match="rembg cannot run"):
        make_portrait(astronaut, matting="rembg")
    assert make_portrait(astronaut, matting="auto").matting == "mediapipe selfie segmentation and rembg u2netp"
    rembg_session.rembg_session.cache_clear()


@pytest.mark.parametrize("name", ("mediapipe", "rembg"))
def test_shipped_models_are_the_ones_described(name):
    folder = ROOT / "weights" / name
    rows = re.findall(r"^\| (\S+) \| ([\d,]+) \| ([0-9a-f]{64}) \|", (folder / "README.md").read_text(), re.M)
    assert {file for file, *_ in rows} == {p.name for p in folder.iterdir()} - {"README.md", "LICENSE"}
    for file, size, digest in rows:
        data = (folder / file).read_bytes()
        assert len(data) == int(size.replace(",", "")) and hashlib.sha256(data).hexdigest() == digest


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads memory from Linux's /proc")
def test_a_server_that_makes_many_portraits_keeps_its_memory(astronaut):
    small = astronaut.resize((256, 256))

    def megabytes() -> float:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    first = [make_portrait(small, matting="mediapipe") for _ in range(3)][0]  # models are opened, arenas grow once
    before = megabytes()
    for _ in range(12):
        again = make_portrait(small, matting="mediapipe")
    assert megabytes() - before < 60  # a model opened anew for each would be 40 MB a portrait
    assert first.image.tobytes() == again.image.tobytes()  # models that stay open carry nothing over
