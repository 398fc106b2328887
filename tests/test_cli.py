"""The command line as a user meets it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from facelift.__main__ import main
from facelift.cameras import VIEW_NAMES, orbit
from facelift.cli import VERBS
from facelift.cli.lift import output_folders
from facelift.gaussians import Gaussians
from facelift.portrait.photo import find_photos
from facelift.rendering import render

ROOT = Path(__file__).parents[1]
PHOTOS = ROOT / "assets" / "examples"
needs_compact = pytest.mark.skipif(not (ROOT / "weights/compact/config.json").is_file(), reason="weights/compact is not there")


@pytest.fixture(scope="module")
def lifted(tmp_path_factory) -> Path:
    """Both example photos and a picture without a face, lifted by one call, in another process."""
    out = tmp_path_factory.mktemp("outputs")
    blank = out / "blank.png"
    Image.new("RGB", (300, 300), "gray").save(blank)
    command = [
        sys.executable,
        "-m",
        "facelift",
        str(PHOTOS / "astronaut.png"),
        str(blank),
        str(PHOTOS / "grace_hopper.jpg"),
        "-o",
        str(out),
    ]
    done = subprocess.run([*command, "--weights", "compact", "--formats", "ply", "splat", "spz"], cwd=ROOT, capture_output=True, text=True)
    (out / "stdout.txt").write_text(done.stdout)
    (out / "stderr.txt").write_text(done.stderr)
    assert done.returncode == 1, done.stderr  # one of three failed
    return out


@needs_compact
def test_one_bad_photo_does_not_stop_the_others(lifted):
    errors = (lifted / "stderr.txt").read_text().splitlines()
    assert len(errors) == 2 and errors[0].startswith("error: ") and "blank.png" in errors[0] and "face" in errors[0]
    assert errors[1] == "1 of 3 photos failed"
    assert "compact" in (lifted / "stdout.txt").read_text()
    for stem in ("astronaut", "grace_hopper"):
        for file in ("portrait.png", "head.ply", "head.splat", "head.spz", "turntable.mp4", "report.json"):
            assert (lifted / stem / file).stat().st_size > 200, file
        for folder in ("views", "renders"):
            assert sorted(p.name for p in (lifted / stem / folder).iterdir()) == [f"{i}_{n}.png" for i, n in enumerate(VIEW_NAMES)]


@needs_compact
def test_the_report_says_what_ran(lifted):
    report = json.loads((lifted / "grace_hopper" / "report.json").read_text())
    assert report["weights"] == "compact" and report["device"] == "cpu" and report["seed"] == 4
    assert report["face"]["found"] and len(report["face"]["box"]) == 4
    assert report["matting"] and report["versions"]["torch"]
    assert report["faces"] == 1 and report["advice"] == []
    assert set(report["seconds"]) == {"portrait", "views", "gaussians", "files", "turntable", "total"}
    assert report["gaussians"] == len(Gaussians.load(lifted / "grace_hopper" / "head.ply"))


@needs_compact
@pytest.mark.parametrize("stem", ["astronaut", "grace_hopper"])
def test_the_front_render_is_the_portrait(lifted, stem):
    """At least 22 dB over the whole picture at 512 px."""
    portrait = np.asarray(Image.open(lifted / stem / "portrait.png").convert("RGB"), np.float64) / 255
    head = Gaussians.load(lifted / stem / "head.ply")
    front = render(head, orbit([0.0], 0.0, 512)).rgb[0].permute(1, 2, 0).numpy().clip(0, 1)
    assert -10 * np.log10(np.mean((front - portrait) ** 2)) >= 22


@needs_compact
@pytest.mark.parametrize("stem", ["astronaut", "grace_hopper"])
def test_a_detector_finds_the_face_from_the_front_and_both_sides(lifted, stem):
    from facelift.portrait import find_faces

    head = Gaussians.load(lifted / stem / "head.ply")
    pictures = render(head, orbit([0.0, 20.0, -20.0], 0.0, 512)).rgb
    for picture in pictures:
        image = Image.fromarray((picture.permute(1, 2, 0).numpy().clip(0, 1) * 255).astype(np.uint8))
        assert len(find_faces(image)) == 1


@needs_compact
def test_same_photo_and_seed_give_the_same_bytes_in_any_company(lifted, tmp_path):
    """What else is in the call does not change a head."""
    assert main([str(PHOTOS / "grace_hopper.jpg"), "-o", str(tmp_path), "--weights", "compact", "--no-turntable"]) == 0
    assert (tmp_path / "grace_hopper/head.ply").read_bytes() == (lifted / "grace_hopper/head.ply").read_bytes()
    assert not (tmp_path / "grace_hopper/turntable.mp4").exists()


def ball(path: Path) -> Path:
    """A red half towards the front (-y), a blue half behind, a green cap on top."""
    torch.manual_seed(0)
    points = torch.nn.functional.normalize(torch.randn(4000, 3), dim=1) * 0.5
    color = torch.where(points[:, 1:2] < 0, torch.tensor([1.0, 0, 0]), torch.tensor([0, 0, 1.0]))
    color = torch.where(points[:, 2:] > 0.4, torch.tensor([0, 1.0, 0]), color)
    quats = torch.tensor([1.0, 0, 0, 0]).expand(4000, 4)
    return Gaussians(points, quats, torch.full((4000, 3), -3.7), torch.full((4000,), 4.0), (color - 0.5) / 0.2820948).save(path)


def test_render_verb_turns_the_right_way(tmp_path):
    """Azimuth 0 is the front, 180 the back, elevation up looks down on the cap."""
    splats = ball(tmp_path / "ball.ply")
    out = tmp_path / "out"
    assert main(["render", str(splats), "-o", str(out), "--azimuth", "0", "180", "0", "--elevation", "0", "0", "80", "--size", "64"]) == 0
    front, back, above = (np.asarray(Image.open(out / f"{i:03d}.png"))[32, 32] for i in range(3))
    assert front.argmax() == 0 and back.argmax() == 2 and above.argmax() == 1


def test_render_verb_takes_any_cameras(tmp_path):
    splats = ball(tmp_path / "ball.splat")
    camera = orbit([180.0], 0.0, 512)
    poses = tmp_path / "poses.json"
    poses.write_text(json.dumps([{"c2w": camera.c2w[0].tolist(), "fxfycxcy": camera.intrinsics[0].tolist()}]))
    assert main(["render", str(splats), "-o", str(tmp_path / "out"), "--cameras", str(poses), "--size", "96"]) == 0
    picture = np.asarray(Image.open(tmp_path / "out/000.png"))
    assert picture.shape == (96, 96, 3) and picture[48, 48].argmax() == 2 and (picture[0, 0] == 255).all()


@pytest.mark.parametrize("content", ["not json", "[]", '[{"c2w": [[1, 2], [3, 4]], "fxfycxcy": [1, 2, 3, 4]}]'])
def test_render_verb_names_what_is_wrong_with_the_cameras(tmp_path, content, capsys):
    poses = tmp_path / "poses.json"
    poses.write_text(content)
    with pytest.raises(SystemExit) as stop:
        main(["render", str(ball(tmp_path / "ball.ply")), "-o", str(tmp_path / "out"), "--cameras", str(poses)])
    assert stop.value.code == 2 and "poses.json" in capsys.readouterr().err


def test_a_file_that_is_no_splat_is_one_sentence(tmp_path, capsys):
    bad = tmp_path / "bad.ply"
    bad.write_bytes(b"hello")
    assert main(["render", str(bad), "-o", str(tmp_path / "out"), "--turntable", "2"]) == 1
    assert capsys.readouterr().err.startswith("error: ")


def test_wrong_arguments_exit_with_2(tmp_path):
    for argv in (["--steps", "0", "x.jpg"], [], ["x.jpg", "--formats", "stl"], [str(tmp_path)]):
        with pytest.raises(SystemExit) as stop:
            main(argv)
        assert stop.value.code == 2


def test_folders_clashing_stems_and_repeats(tmp_path):
    for name in ("a.jpg", "a.png", "b.webp", "notes.txt"):
        (tmp_path / name).touch()
    photos = find_photos([tmp_path, tmp_path / "b.webp"])
    assert [p.name for p in photos] == ["a.jpg", "a.png", "b.webp"]
    assert [f.name for f in output_folders(photos, tmp_path)] == ["a.jpg", "a.png", "b"]


def python(*words: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *words], cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True)


def loaded(call: str) -> set[str]:
    """Which of the heavy packages a call has imported when it ends."""
    code = f"""
import sys
try:
    {call}
except SystemExit as end:
    assert end.code in (0, 2), end.code
print(*({{"torch", "numpy", "scipy", "diffusers", "transformers", "numba", "gradio", "PIL"}} & set(sys.modules)), file=sys.stderr)
"""
    done = python("-c", code)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].split()) if done.stderr.strip() else set()


@pytest.mark.parametrize("words", [["--help"], ["--version"], [], *([verb, "--help"] for verb in VERBS), ["evaluate", "--no"]])
def test_help_waits_for_nothing(words):
    assert not loaded(f"from facelift.__main__ import main; main({words})")


def test_help_names_every_verb():
    for words in ([], ["--help"]):
        done = python("-m", "facelift", *words)
        assert done.returncode == (0 if words else 2)
        assert all(f"facelift {verb} " in done.stdout + done.stderr for verb in VERBS)


@pytest.mark.parametrize("module", ["facelift.synthesis", "facelift.evaluation", "facelift.training.views"])
def test_modules_are_commands_too(module):
    assert python("-m", module, "--help").stdout.startswith("usage: ")


def test_choices_are_what_there_is():
    from facelift import cameras, choices
    from facelift.evaluation.benchmarks import BENCHMARKS
    from facelift.export.splats import FORMATS
    from facelift.multiview.sampling import PRESETS
    from facelift.portrait import MATTINGS
    from facelift.synthesis.sampler import SPLITS

    assert tuple(cameras.RIGS) == choices.RIGS and tuple(SPLITS) == choices.SPLITS
    assert choices.MATTINGS == MATTINGS and tuple(PRESETS) == choices.PRESETS
    assert tuple(sorted(BENCHMARKS)) == choices.BENCHMARKS and tuple(suffix[1:] for suffix in FORMATS) == choices.SPLATS


def test_every_face_becomes_a_head_of_its_own(tmp_path, monkeypatch, capsys):
    from facelift.cli import lift

    made = []

    def lift_one(pipe, photo, folder, args, number):
        if number == 2:
            raise ValueError("This one is hidden.")
        made.append((folder.name, number))

    monkeypatch.setattr("facelift.portrait.make_portrait", lambda *_, **__: SimpleNamespace(faces=(1, 2, 3)))
    monkeypatch.setattr(lift, "lift_one", lift_one)
    args = lift.parser().parse_args(["group.jpg", "--face", "all"])
    with pytest.raises(ValueError, match="1 of 3 faces failed"):
        lift.lift(None, Path("group.jpg"), tmp_path / "group", args)
    assert made == [("group_face1", 1), ("group_face3", 3)]
    out, err = capsys.readouterr()
    assert "faces found: 3" in out and "face 2: This one is hidden." in err


@pytest.mark.parametrize("device", ["mps", "xla", "nonsense", "cuda:99"])
def test_devices_that_cannot_be_used_are_one_sentence(device):
    from facelift.devices import resolve_device

    with pytest.raises(ValueError, match="--device cpu|use auto, cpu or cuda|cuda:0"):
        resolve_device(device)


def test_a_photo_called_like_a_verb(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (20, 20)).save(tmp_path / "render", "PNG")
    assert [p.name for p in find_photos([Path("./render")])] == ["render"]
    with pytest.raises(SystemExit):
        main(["render"])
    assert "facelift render" in capsys.readouterr().err


def test_render_needs_no_diffusion(tmp_path):
    splats = ball(tmp_path / "ball.ply")
    words = ["render", str(splats), "-o", str(tmp_path / "out"), "--azimuth", "0", "--size", "32"]
    assert not {"diffusers", "transformers", "gradio"} & loaded(f"from facelift.__main__ import main; main({words})")
    assert (tmp_path / "out/000.png").is_file()


@pytest.mark.parametrize("verb", [["-m", "facelift", "app"], ["app.py"]])
def test_a_port_in_use_is_one_sentence(verb):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = python(*verb, "--port", str(taken.getsockname()[1]))
    assert done.returncode == 1 and done.stderr.startswith("error: port ") and "--port" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_missing_files_of_our_own_are_one_sentence(monkeypatch):
    from facelift.errors import ResourceError

    def nowhere(*_, **__):
        raise ResourceError("gone.")

    monkeypatch.setattr("facelift.ui.lanes.Runners.processes", nowhere)
    with pytest.raises(SystemExit) as end:
        main(["app", "--port", "7993"])
    assert end.value.code == "error: gone."
