"""Clips: what is read of them, what is said of bad ones, and heads that they drive."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from imageio_ffmpeg import get_ffmpeg_exe
from PIL import Image

from facelift.__main__ import main
from facelift.animation.track import Track
from facelift.face.model import load_face_model
from facelift.face.units import UNITS, unit_weights
from facelift.portrait.faces import Face
from facelift.video.frames import Clip
from facelift.video.smoothing import smoothed, without_gaps
from facelift.video.track import Performance, read_clip, relative_turns, same

ROOT = Path(__file__).parents[1]
PHOTO = ROOT / "assets/examples/astronaut.png"
needs_compact = pytest.mark.skipif(not (ROOT / "weights/compact/config.json").is_file(), reason="weights/compact is not there")
STILL = ("-loop", "1", "-framerate", "12", "-i", str(PHOTO), "-t", "0.5", "-pix_fmt", "yuv420p")


def made(path: Path, *words: str) -> Path:
    subprocess.run([get_ffmpeg_exe(), "-y", "-loglevel", "error", *words, str(path)], check=True)
    return path


@pytest.fixture(scope="module")
def still(tmp_path_factory) -> Path:
    """Half a second of a photo that does not move."""
    return made(tmp_path_factory.mktemp("clips") / "still.mp4", *STILL)


# --- frames ------------------------------------------------------------------------------------------------------------------------------


def test_pictures_come_at_the_rate_asked_for_whatever_the_clips(still, tmp_path):
    assert len(list(Clip(still))) == 6 and len(list(Clip(still, fps=24))) == 12
    uneven = made(tmp_path / "uneven.mkv", *STILL[:6], "-t", "2", "-vf", "select=lt(n\\,8)+not(mod(n\\,5))", "-fps_mode", "vfr")
    assert len(list(Clip(uneven))) == 21  # of 11 in the file, the last of which is number 20


def test_a_clip_with_a_rotation_flag_comes_upright(tmp_path):
    upright, lying = made(tmp_path / "a.mp4", *STILL), made(tmp_path / "b.mp4", *STILL[:6], "-t", "0.2", "-vf", "transpose=clock")
    flagged = made(tmp_path / "c.mp4", "-display_rotation", "90", "-i", str(lying), "-c", "copy")
    a, b, c = (next(iter(Clip(path))).astype(int) for path in (upright, lying, flagged))
    assert np.abs(a - c).mean() < 6 < 20 < np.abs(a - b).mean()


def test_a_clip_that_is_too_long_is_cut_and_says_so(still):
    clip = Clip(still, seconds=0.25)
    assert len(list(clip)) == 3 and clip.cut
    whole = Clip(still)
    assert len(list(whole)) == 6 and not whole.cut


def test_large_pictures_are_reduced_and_pixels_made_square(tmp_path):
    wide = made(tmp_path / "wide.mp4", "-f", "lavfi", "-i", "testsrc=size=2000x500:duration=0.2")
    assert next(iter(Clip(wide))).shape == (320, 1280, 3)
    narrow = made(tmp_path / "narrow.mp4", "-f", "lavfi", "-i", "testsrc=size=360x288:duration=0.2", "-vf", "setsar=2")
    assert next(iter(Clip(narrow))).shape == (288, 720, 3)


@pytest.mark.parametrize(
    ("name", "words"),
    [("gone.mp4", "not a file"), ("empty.mp4", "empty"), ("text.mp4", "no clip"), ("text.txt", "no clip"), ("broken.mp4", "damaged"),
     ("list.m3u8", "no clip"), ("photo.png", "no clip"), ("sound.mp4", "only sound"), ("no_face.mp4", "no face"),
     ("huge.gif", "too large")],
)  # fmt: skip
def test_a_bad_clip_gets_one_sentence_and_leaves_nothing(still, tmp_path, capsys, name, words):
    path = tmp_path / name
    if name == "sound.mp4":
        made(path, "-f", "lavfi", "-i", "sine=duration=0.5")
    elif name == "no_face.mp4":
        made(path, "-f", "lavfi", "-i", "color=gray:size=320x240:duration=0.2")
    elif name == "huge.gif":
        data = made(path, "-f", "lavfi", "-i", "testsrc=size=64x64:duration=0.2").read_bytes()
        path.write_bytes(data[:6] + b"\xff\x7f\xff\x7f" + data[10:])  # 32,767 pixels a side
    elif name != "gone.mp4":
        text = b"#EXTM3U\n#EXTINF:1,\n" + str(still).encode() + b"\n" if name == "list.m3u8" else b"no film\n" * 40
        content = {"empty.mp4": b"", "broken.mp4": still.read_bytes()[:5000], "photo.png": PHOTO.read_bytes()}
        path.write_bytes(content.get(name, text))
    assert main(["video", str(path), "-o", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1
    assert not list(tmp_path.glob("*out*"))


def test_a_clip_broken_off_in_the_middle_is_read_as_far_as_it_goes(tmp_path):
    moving = made(tmp_path / "a.ts", "-f", "lavfi", "-i", "testsrc=size=320x240:rate=12:duration=2", "-g", "4", "-f", "mpegts")
    data = bytearray(moving.read_bytes())
    data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
    moving.write_bytes(data)
    assert 4 < len(list(Clip(moving))) < 24


# --- what a face does --------------------------------------------------------------------------------------------------------------------


def test_a_photo_as_a_clip_is_a_head_at_rest(still):
    performance = read_clip(still)
    rest = unit_weights(mouthSmile=0.6)
    track = performance.track(rest)
    assert len(track) == 6 and performance.lost == 0 and not performance.notes
    np.testing.assert_allclose(track.weights, np.tile(rest, (6, 1)), atol=0.05)
    assert track.rotation is not None and (np.abs(track.rotation[:, 0]) > np.cos(np.radians(1) / 2)).all()
    np.testing.assert_allclose(track.weights[performance.anchor], rest, atol=1e-9)


def test_a_clip_may_have_one_frame_and_it_is_said(tmp_path):
    one = read_clip(made(tmp_path / "one.mp4", "-i", str(PHOTO), "-frames:v", "1", "-pix_fmt", "yuv420p"))
    assert len(one) == 1 and "one picture only" in one.notes[0]


def test_of_two_people_the_larger_is_followed_and_it_is_said(tmp_path):
    with Image.open(PHOTO) as photo:
        both = Image.new("RGB", (640, 360), "white")
        both.paste(photo.convert("RGB").resize((240, 240)), (0, 120))
        both.paste(photo.convert("RGB").resize((360, 360)), (280, 0))
    both.save(tmp_path / "both.png")
    words = ("-framerate", "12", "-loop", "1", "-i", str(tmp_path / "both.png"), "-frames:v", "2", "-pix_fmt", "yuv420p")
    performance = read_clip(made(tmp_path / "both.mp4", *words))
    assert "2 faces" in performance.notes[0] and performance.face.centre[0] > 280
    assert (performance.places[:, 0] > 280).all() and (performance.places[:, 2] > 60).all()


def test_frames_without_a_face_lie_between_their_neighbours_and_are_counted(tmp_path):
    grey = "drawbox=t=fill:color=gray:enable=between(n\\,2\\,3)"
    hidden = made(tmp_path / "hidden.mp4", *STILL[:6], "-t", "0.55", "-vf", grey, "-pix_fmt", "yuv420p")
    performance = read_clip(hidden)
    assert performance.lost == 2 and "2 of 7 frames" in performance.notes[0]
    assert np.isfinite(performance.weights).all() and np.isfinite(performance.rotation).all()
    rows = without_gaps(np.array([[np.nan], [1.0], [np.nan], [3.0], [np.nan]]))
    assert rows[:, 0].tolist() == [1, 1, 2, 3, 3]


def test_the_face_that_was_followed_is_not_taken_for_another():
    face = Face((0, 0, 100, 100))
    assert same(Face((20, 0, 120, 100)), face, 0) and not same(Face((300, 0, 400, 100)), face, 0)
    assert same(Face((300, 0, 400, 100)), face, 1)
    assert not same(Face((20, 0, 50, 30)), face, 0)


def test_what_trembles_is_smoothed_and_what_moves_does_not_lag():
    rng, t = np.random.default_rng(0), np.arange(48) / 12
    still = smoothed(0.02 * rng.normal(size=(48, 1)), 12, 1.2, 1.0)
    assert still.std() < 0.6 * 0.02
    blink = np.exp(-(((t - 2) / 0.12) ** 2))[:, None]
    kept = smoothed(blink, 12, 1.2, 1.0)
    assert kept.argmax() == blink.argmax() and kept.max() > 0.75


def test_what_changes_in_the_clip_is_added_to_what_the_photo_does():
    weights = np.stack([unit_weights(mouthSmile=0.2), unit_weights(mouthSmile=0.2, jawOpen=0.5), unit_weights()])
    still, picture = np.tile([1.0, 0, 0, 0], (3, 1)), np.zeros((8, 8, 3), np.uint8)
    performance = Performance(12, weights, still, 0, picture, Face((0, 0, 4, 4)), 0, (), np.ones((3, 3)))
    track = performance.track(unit_weights(mouthSmile=0.6))
    smile, jaw = UNITS.index("mouthSmileLeft"), UNITS.index("jawOpen")
    assert track.weights[:, smile].tolist() == pytest.approx([0.6, 0.6, 0.4]) and track.weights[:, jaw].tolist() == [0, 0.5, 0]


def test_a_unit_that_reads_as_it_does_at_one_is_at_one_and_noise_is_not_enlarged_much():
    model = load_face_model()
    jaw, puff = UNITS.index("jawOpen"), UNITS.index("cheekPuff")
    np.testing.assert_allclose(model.performed(model.neutral), 0, atol=1e-12)
    assert model.performed(model.neutral + model.response)[jaw] == pytest.approx(1)
    slope = model.performed(model.neutral + 1)
    assert slope.max() <= 2.5 and slope[puff] == pytest.approx(1, abs=0.2)


def test_turns_are_relative_to_the_anchor():
    def yaw(degrees: float) -> np.ndarray:
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])

    quats = relative_turns(np.stack([yaw(10)] * 12 + [yaw(30)] * 12), 2, 12)
    half = np.radians(20) / 2
    np.testing.assert_allclose(quats[2], [1, 0, 0, 0], atol=1e-9)
    np.testing.assert_allclose(quats[-1], [np.cos(half), 0, 0, np.sin(half)], atol=0.01)


# --- commands ----------------------------------------------------------------------------------------------------------------------------


@needs_compact
def test_a_clip_becomes_a_head_that_moves_and_drives_it(still, tmp_path):
    out = tmp_path / "out"
    assert main(["video", str(still), "-o", str(out), "--weights", "compact", "--seconds", "0.25", "--size", "128"]) == 0
    names = {"driven.head4d", "driven.mp4", "head.headrig", "head.ply", "portrait.png", "report.json", "track.json"}
    assert {p.name for p in out.iterdir()} == names
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    report = json.loads((out / "report.json").read_text())
    assert report["clip"]["frames"] == 3 and "longer than 0.25 seconds" in report["clip"]["notes"][0]
    assert len(Track.load(out / "track.json")) == len(list(Clip(out / "driven.mp4"))) == 3
    with Image.open(out / "portrait.png") as portrait:
        assert portrait.size == (512, 512)
    assert main(["drive", str(out / "driven.head4d"), "-o", str(tmp_path / "again"), "--frames", "png", "--size", "64"]) == 0
    assert len(list((tmp_path / "again").iterdir())) == 3
    words = ["--track", str(still), "-o", str(tmp_path / "frames"), "--frames", "png", "--size", "64", "--fps", "6"]
    assert main(["drive", str(out / "head.headrig"), *words, "--save-track", str(tmp_path / "t.json")]) == 0
    assert len(list((tmp_path / "frames").iterdir())) == len(Track.load(tmp_path / "t.json")) == 3
