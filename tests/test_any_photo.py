"""Whatever phones, browsers and cameras write becomes the same upright picture in sRGB, and the same portrait."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms, ImageDraw

from facelift.errors import SettingsError
from facelift.portrait import PhotoError, Portrait, load_photo, make_portrait
from facelift.portrait.lens import focal_length
from facelift.portrait.photo import SUFFIXES, find_photos, other_files

EXAMPLES = Path(__file__).resolve().parents[1] / "assets" / "examples"
HEIC = Path(__file__).with_name("photos") / "astronaut.heic"  # 256 px, by an encoder that is not among our packages


@pytest.fixture(scope="module")
def astronaut() -> Image.Image:
    return load_photo(EXAMPLES / "astronaut.png")


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def apart(a: Image.Image, b: Image.Image) -> float:
    """Mean difference of grey levels."""
    return float(np.abs(np.asarray(a, int) - np.asarray(b, int)).mean())


# --- formats ---


@pytest.mark.parametrize(
    ("kind", "most"), [("BMP", 0), ("TIFF", 0), ("AVIF", 3), ("GIF", 12), ("JPEG", 4), ("WEBP", 4), ("PNG", 0), ("MPO", 4)]
)
def test_every_format_gives_the_picture(astronaut, kind, most):
    loaded = load_photo(encoded(astronaut, kind))
    assert loaded.mode == "RGB" and apart(loaded, astronaut) <= most


def test_iphone_pictures_are_read():
    loaded = load_photo(HEIC)
    assert loaded.mode == "RGB" and loaded.size == (256, 256)
    assert apart(loaded.resize((16, 16)), load_photo(HEIC.read_bytes()).resize((16, 16))) == 0
    assert np.asarray(loaded).std() > 40


def test_the_first_of_several_pictures_counts(astronaut):
    other = Image.new("RGB", astronaut.size, "red")
    for kind in ("GIF", "TIFF", "WEBP"):
        assert apart(load_photo(encoded(astronaut, kind, save_all=True, append_images=[other])), astronaut) < 12


def test_64_megapixels_are_read():
    assert load_photo(encoded(Image.new("L", (9280, 6944)), "PNG")).size == (9280, 6944)


def test_camera_raw_is_named():
    """A TIFF whose first picture is a preview of another."""
    with pytest.raises(PhotoError, match="raw picture: save it as JPEG"):
        load_photo(encoded(Image.new("RGB", (160, 120)), "TIFF", tiffinfo={254: 1}))


# --- colours ---


def profile(red: float, gamma: float, kind: bytes = b"RGB ") -> bytes:
    """sRGB with another exponent and, for `red` other than 1, another red: written by hand, as few profiles come with Pillow."""
    import struct

    def fixed(value: float) -> bytes:
        return struct.pack(">i", round(value * 65536))

    def xyz(*values: float) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(map(fixed, values))

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    text = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + b"\0" * 79
    tags = {
        b"desc": text, b"wtpt": xyz(0.9642, 1, 0.8249), b"rXYZ": xyz(0.4361 * red, 0.2225 * red, 0.0139 * red),
        b"gXYZ": xyz(0.3851, 0.7169, 0.0971), b"bXYZ": xyz(0.1431, 0.0606, 0.7141), b"rTRC": curve, b"gTRC": curve, b"bTRC": curve,
        b"kTRC": curve, b"cprt": b"text\0\0\0\0none",
    }  # fmt: skip
    table, body, at = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        data += b"\0" * (-len(data) % 4)
        table += name + struct.pack(">II", at + len(body), len(data))
        body += data
    head = struct.pack(">I4sI4s4s4s12s4s", at + len(body), b"lcms", 0x02100000, b"mntr", kind, b"XYZ ", b"\0" * 12, b"acsp")
    head += b"\0" * 28 + xyz(0.9642, 1, 0.8249)[8:] + b"\0" * 48
    return head[:128].ljust(128, b"\0") + table + body


def test_colour_profiles_become_srgb(astronaut):
    """A picture kept in wider or other colours is the plain one again."""
    other = profile(0.9, 1.8)
    source = ImageCms.ImageCmsProfile(io.BytesIO(other))
    kept = ImageCms.profileToProfile(astronaut, ImageCms.createProfile("sRGB"), source)
    for kind, options in (("PNG", {}), ("JPEG", {"quality": 98, "subsampling": 0}), ("TIFF", {}), ("WEBP", {"lossless": True})):
        loaded = load_photo(encoded(kept, kind, icc_profile=other, **options))
        assert apart(loaded, astronaut) < 1.5 < 8 < apart(kept, astronaut), kind
    with_alpha = kept.copy()
    with_alpha.putalpha(Image.new("L", kept.size, 255))
    with_alpha.paste((0, 0, 0, 0), (0, 0, 512, 100))
    cut = load_photo(encoded(with_alpha, "PNG", icc_profile=other))
    assert cut.mode == "RGBA" and apart(cut.convert("RGB").crop((0, 100, 512, 512)), astronaut.crop((0, 100, 512, 512))) < 1.5


def test_grey_pictures_have_profiles_too(astronaut):
    dark = load_photo(encoded(astronaut.convert("L"), "PNG", icc_profile=profile(1, 1.0, b"GRAY")))
    assert np.asarray(dark, int).mean() > np.asarray(astronaut.convert("L"), int).mean() + 20  # linear light, shown brighter


def test_srgb_and_profiles_that_do_not_fit_change_nothing(astronaut):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for unchanged in (srgb, b"no profile", profile(1, 1.8, b"GRAY"), profile(1, 1.8, b"CMYK")):
        assert load_photo(encoded(astronaut, "PNG", icc_profile=unchanged)).tobytes() == astronaut.tobytes()


def test_sixteen_bits_and_lab_keep_their_colours(astronaut):
    lab = ImageCms.profileToProfile(astronaut, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB")
    assert apart(load_photo(encoded(lab, "TIFF")), astronaut) < 2
    grey = astronaut.convert("L")
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    assert apart(load_photo(encoded(deep, "TIFF")), grey.convert("RGB")) == 0


# --- folders ---


def test_folders_are_read_by_the_endings_of_pictures_and_the_rest_is_named(tmp_path):
    for name in ("a.HEIC", "b.jfif", "c.tif", "d.gif", "._b.jfif", ".DS_Store", "notes.txt", "film.mov"):
        (tmp_path / name).touch()
    assert [p.name for p in find_photos([tmp_path])] == ["a.HEIC", "b.jfif", "c.tif", "d.gif"]
    assert [p.name for p in other_files([tmp_path, tmp_path / "notes.txt"])] == ["film.mov", "notes.txt"]
    assert {".heic", ".heif", ".avif", ".tiff", ".bmp", ".gif", ".jfif", ".mpo"} <= set(SUFFIXES)


# --- upright ---


@pytest.fixture(scope="module")
def plain(astronaut) -> Portrait:
    return make_portrait(astronaut, matting="mediapipe")


def psnr(a: Portrait, b: Portrait) -> float:
    error = (np.asarray(a.image, float) - np.asarray(b.image, float)) ** 2
    return float(10 * np.log10(255**2 / max(error.mean(), 1e-9)))


def same_place(a: tuple[float, ...], b: tuple[float, ...], most: float) -> bool:
    return bool(np.abs(np.array(a) - b).max() < most)


@pytest.mark.parametrize("degrees", (90, 180, 270))
def test_pictures_stored_sideways_or_upside_down_are_turned(astronaut, plain, degrees):
    portrait = make_portrait(astronaut.rotate(degrees, expand=True), matting="mediapipe")
    assert psnr(portrait, plain) > 30
    assert any(f"turned by {min(degrees, 360 - degrees)} degrees" in words for words in portrait.advice)
    x0, y0, x1, y1 = plain.face.box
    there = {90: (y0, 512 - x1, y1, 512 - x0), 180: (512 - x1, 512 - y1, 512 - x0, 512 - y0), 270: (512 - y1, x0, 512 - y0, x1)}
    assert same_place(portrait.face_report()["box"], there[degrees], 4)  # in the photo as it was given


def test_tilted_heads_are_turned_and_what_lies_beyond_the_photo_is_empty(astronaut, plain):
    tilted = astronaut.resize((1024, 1024)).rotate(-37, Image.Resampling.BICUBIC)
    portrait = make_portrait(tilted, matting="mediapipe")
    level = make_portrait(astronaut.rotate(3, Image.Resampling.BICUBIC), matting="mediapipe")  # she tilts her head a little herself
    assert psnr(portrait, level) > 20
    assert portrait.turn.degrees == pytest.approx(-37, abs=6)
    middle = np.array(tilted.size) / 2
    angle, centre = np.radians(37), 2 * np.array(plain.face.centre) - middle
    there = middle + [np.cos(angle) * centre[0] - np.sin(angle) * centre[1], np.sin(angle) * centre[0] + np.cos(angle) * centre[1]]
    x0, y0, x1, y1 = portrait.face_report()["box"]
    assert same_place(((x0 + x1) / 2, (y0 + y1) / 2), tuple(there), 12)


def test_upright_photos_stay_as_they_are(astronaut, plain):
    """Also with a head slightly tilted, as people hold it."""
    assert plain.turn is None and plain.advice == ()
    slightly = make_portrait(astronaut.rotate(9, Image.Resampling.BICUBIC, fillcolor=(160, 150, 150)), matting="mediapipe")
    assert slightly.turn is None
    for path in sorted((EXAMPLES / "synthetic").glob("*.jpg")):
        assert make_portrait(path, matting="mediapipe").turn is None


# --- transparency that cuts nobody out ---


def masked(photo: Image.Image, shape: str) -> Image.Image:
    mask = Image.new("L", photo.size, 0)
    draw = ImageDraw.Draw(mask)
    draw.ellipse((60, -40, 400, 300), fill=255) if shape == "disk" else draw.rectangle((30, 0, 480, 480), fill=255)
    cut = photo.copy()
    cut.putalpha(mask)
    return cut


@pytest.mark.parametrize("shape", ("disk", "frame"))
def test_round_pictures_and_frames_are_no_cut_outs(astronaut, plain, shape):
    """The person within is cut out; nothing is left of the disk or the frame."""
    portrait = make_portrait(masked(astronaut, shape))
    assert portrait.matting != "alpha channel" and any("transparency" in words for words in portrait.advice)
    alpha, wanted = (np.asarray(p.alpha, int)[:330] for p in (portrait, plain))  # above the collar, which the disk cuts
    assert np.abs(alpha - wanted).mean() < 8
    assert psnr(portrait, plain) > 18


def test_a_person_cut_out_by_transparency_is_kept(astronaut):
    cut = make_portrait(astronaut, crop=False, matting="mediapipe").rgba
    again = make_portrait(cut)
    assert again.matting == "alpha channel" and again.advice == ()
    assert make_portrait(cut, matting="mediapipe").matting == "mediapipe selfie segmentation"  # asked for by name


# --- advice ---


def test_a_portrait_says_what_would_make_the_photo_better(astronaut, plain):
    dark = make_portrait(Image.eval(astronaut, lambda v: v // 8), matting="mediapipe")
    assert any("dark" in words for words in dark.advice) and not plain.advice


# --- lenses ---


def with_exif(image: Image.Image, **tags: int) -> bytes:
    exif = Image.Exif()
    exif.get_ifd(0x8769).update({{"focal": 0xA405, "width": 0xA002, "height": 0xA003}[name]: value for name, value in tags.items()})
    return encoded(image, "JPEG", exif=exif.tobytes())


def test_the_lens_is_told_by_exif_or_given():
    photo = Image.new("RGB", (400, 300))
    by_exif = focal_length(with_exif(photo, focal=50, width=4000, height=3000), photo.size)
    assert by_exif == pytest.approx(50 / 43.27 * 500, rel=1e-3)
    assert focal_length(with_exif(photo, focal=50), photo.size) == by_exif  # 4:3, as sensors are
    assert focal_length(with_exif(photo, focal=50, width=3000, height=3000), photo.size) is None  # cropped since
    assert focal_length(with_exif(photo), photo.size) is None and focal_length(photo, photo.size) is None
    assert focal_length(photo, photo.size, 90) == pytest.approx(200)
    assert focal_length(with_exif(photo, focal=50), photo.size, "off") is None
    for wrong in (0, 180, float("nan"), "wide"):
        with pytest.raises(SettingsError, match="5 to 150 degrees"):
            focal_length(photo, photo.size, wrong)


def test_portraits_through_other_lenses_are_drawn_anew():
    from facelift.cameras import FOCAL_512, RADIUS, orbit, rays
    from facelift.multiview.lens import FACE, through_our_lens

    def plane(forward: float):
        """Depths of a wall before the head's middle."""

        def depth(pictures):
            origins, directions = rays(orbit([0.0], size=pictures.shape[-1]))
            return ((RADIUS - forward) / directions[:, 1] + (origins * directions).sum(1)).float()

        return depth

    x = (torch.arange(256) + 0.5) / 256 * 2 - 1
    portrait = torch.ones(4, 256, 256)
    portrait[0] = x / 2 + 0.5
    middle = slice(64, 192)
    same = through_our_lens(portrait, 2 * FOCAL_512, plane(FACE))
    assert (same - portrait).abs().max() < 0.01  # what has the face's distance stays
    far = through_our_lens(portrait, 2 * FOCAL_512, plane(-0.5))[0, 100, middle]
    distance = FACE + 2 * (RADIUS - FACE)
    shrunk = 2 * (RADIUS + 0.5) / (distance + 0.5)  # a telephoto lens shows what is behind too large
    assert shrunk > 1.15 and torch.allclose(far, (x[middle] * shrunk / 2 + 0.5), atol=0.01)


# --- heads that are turned ---


def held(yaw: float):
    """How the average head is held, turned by degrees to the picture's left, and where its landmarks stand in a portrait."""
    from facelift.cameras import FOCAL_512, RADIUS
    from facelift.face.model import load_face_model
    from facelift.portrait.pose import FORWARD, HeadPose

    model, angle = load_face_model(), np.radians(yaw)
    places = model.on_landmarks @ model.mean
    turn = np.array([[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    x, y, z = (5.6 * (places - places.mean(0)) @ turn.T + turn @ (0, -FORWARD, 0)).T
    k = FOCAL_512 / (RADIUS + y)
    depth = (y - y.mean()) * FOCAL_512 / (RADIUS + y.mean())
    return HeadPose(np.stack([256 + k * x, 256 - k * z, depth], 1), turn)


def test_a_head_that_looks_at_the_camera_is_cropped_as_ever(astronaut, plain):
    followed = make_portrait(astronaut, matting="mediapipe", follow_turn=True)
    assert not followed.from_side and abs(followed.pose.azimuth) < 15
    assert apart(followed.image, plain.image) == 0


def test_the_crop_of_a_turned_head_shows_it_as_a_camera_beside_its_front_would():
    from facelift.portrait.crop import FACE_CENTRE, FACE_SIZE

    for yaw in (0, 30, -45):
        pose = held(yaw)
        x0, y0, x1, y1 = pose.box()
        assert pose.azimuth == pytest.approx(yaw)
        assert x1 - x0 == pytest.approx(FACE_SIZE, rel=0.08)  # the head is of its own size already
        assert (x0 + x1) / 2 == pytest.approx(FACE_CENTRE[0], abs=8)


def test_a_turned_head_is_drawn_from_the_front_and_what_it_hides_is_mirrored():
    from facelift.multiview.turned import front_portrait, head_surface

    pose = held(40)
    shown = head_surface(pose, torch.zeros(128, 128))[0].isfinite()
    alpha = torch.nn.functional.interpolate(shown[None, None].float(), size=(256, 256))[0]
    portrait = torch.cat([torch.where(alpha > 0, torch.tensor([0.8, 0.5, 0.4])[:, None, None], torch.ones(3, 1, 1)), alpha])
    front = front_portrait(portrait, pose, lambda pictures: torch.zeros(len(pictures), 128, 128))
    person = front[3] > 0.5
    left, right = person[:, :128].sum(), person[:, 128:].sum()
    assert person[140, 128] and 0.9 < left / right < 1.1  # a front is as wide on both sides
    assert (front[:3, person] - torch.tensor([0.8, 0.5, 0.4])[:, None]).abs().mean() < 0.03


# --- heads that the border cuts ---


def test_a_head_that_the_border_cuts_above_gets_a_round_top(astronaut, plain):
    whole = plain
    rows = np.flatnonzero((np.asarray(whole.alpha) > 128).any(1))
    cut = round((rows[0] + 45 - whole.crop.paste_at[1] + whole.crop.crop_in_scaled[1]) / whole.crop.scale)
    portrait = make_portrait(astronaut.crop((0, cut, astronaut.width, astronaut.height)), matting="mediapipe")
    assert any("its top was completed" in note for note in portrait.advice) and not any("top" in note for note in whole.advice)
    alpha = np.asarray(portrait.alpha) > 128
    widths = alpha.sum(1)
    top = int(np.flatnonzero(widths)[0])
    assert abs(top - rows[0]) < 30 and widths[top + 1] < 90 and (np.diff(widths[top : top + 40].astype(int)) >= 0).all()  # round, not flat
    hair = np.asarray(portrait.image)[top + 6 : top + 40][alpha[top + 6 : top + 40]]
    true = np.asarray(whole.image)[rows[0] + 6 : rows[0] + 40][(np.asarray(whole.alpha) > 128)[rows[0] + 6 : rows[0] + 40]]
    assert np.abs(hair.mean(0) - true.mean(0)).max() < 25


def test_a_face_that_the_border_cuts_is_left_alone(astronaut, plain):
    forehead = int(plain.face.landmarks[10, 1]) + 5
    portrait = make_portrait(astronaut.crop((0, forehead, astronaut.width, astronaut.height)), matting="mediapipe")
    assert not any("completed" in note for note in portrait.advice)
