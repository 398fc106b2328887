"""Files and folders of the command line: names that lead elsewhere, weights that are cut, settings that make no sense, what is killed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from page import ROOT
from safetensors.torch import load_file, save_file

from facelift.cli.lift import main, output_folders
from facelift.errors import SettingsError, WeightsError
from facelift.files import write_whole_files
from facelift.pipeline import FaceLiftPipeline
from facelift.ui.endpoints import settings_from

COMPACT = ROOT / "weights" / "compact"
TENSORS = sorted(path.relative_to(COMPACT) for path in COMPACT.rglob("*.safetensors"))


def test_no_photo_s_name_leads_out_of_the_output_folder():
    names = ["...jpg", "....png", "..jpg", ".jpg", "a.jpg", "b/a.jpg", "c/A.JPG", "a.jpg_2.png", "d/a.png", "a.png"]
    folders = output_folders([Path(name) for name in names], Path("out"))
    assert all(folder.parent == Path("out") and folder.name.strip(".") for folder in folders), folders
    assert len({folder.name.lower() for folder in folders}) == len(names)


@pytest.mark.parametrize("broken_off", [True, False])
def test_files_of_two_heads_never_pass_for_one(tmp_path, broken_off):
    """A kill between two files leaves no report beside them."""

    def head(name: str):
        def write(folder: Path) -> None:
            (folder / "views").mkdir()
            for file in ("head.ply", "report.json", "views/0.png", "z.mp4"):
                (folder / file).write_text(name)

        return write

    folder = tmp_path / "anna"
    write_whole_files(folder, head("old"), "report.json")
    (folder / "notes.txt").write_text("kept")
    if broken_off:
        (folder / "z.mp4").unlink()
        (folder / "z.mp4").mkdir()  # cannot be replaced by a file
        (folder / "z.mp4" / "x").touch()
        with pytest.raises(OSError):
            write_whole_files(folder, head("new"), "report.json")
        assert (folder / "head.ply").read_text() == "new" and not (folder / "report.json").exists()
    else:
        write_whole_files(folder, head("new"), "report.json")
        assert {file.read_text() for file in folder.rglob("*") if file.is_file()} == {"new", "kept"}
    assert [path.name for path in tmp_path.iterdir()] == ["anna"]


def test_a_head_that_cannot_be_written_leaves_the_old_one(tmp_path):
    folder = tmp_path / "anna"
    write_whole_files(folder, lambda part: (part / "head.ply").write_text("old"))

    def full(part: Path) -> None:
        (part / "head.ply").write_text("ne")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_whole_files(folder, full)
    assert (folder / "head.ply").read_text() == "old" and [path.name for path in tmp_path.iterdir()] == ["anna"]


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a file system of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = shutil.which("mount") and subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True)
    if not mounted or mounted.returncode:
        pytest.skip("no file system can be mounted by this user")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_disk_that_fills_up_keeps_the_old_head(small_disk):
    folder = small_disk / "anna"
    write_whole_files(folder, lambda part: (part / "head.ply").write_bytes(b"old" * 1000), "report.json")
    with pytest.raises(OSError, match="No space left"):
        write_whole_files(folder, lambda part: (part / "head.ply").write_bytes(b"new" * 30_000), "report.json")
    assert (folder / "head.ply").read_bytes() == b"old" * 1000 and [path.name for path in small_disk.iterdir()] == ["anna"]


@pytest.mark.skipif(not TENSORS, reason="needs weights/compact")
@pytest.mark.parametrize("how", ["cut", "empty", "a tensor is missing", "of another shape"])
@pytest.mark.parametrize("file", TENSORS, ids=str)
def test_broken_weights_are_one_sentence(tmp_path, how, file):
    shutil.copytree(COMPACT, tmp_path / "weights", copy_function=lambda a, b: Path(b).symlink_to(a))
    path = tmp_path / "weights" / file
    whole = path.read_bytes()
    path.unlink()
    if how in ("cut", "empty"):
        path.write_bytes(whole[: len(whole) // 2 if how == "cut" else 0])
    else:
        state = load_file(COMPACT / file)
        name = sorted(state)[-1]
        del state[name]
        save_file({**state, name: torch.zeros(3, 5)} if how == "of another shape" else state or {"other": torch.zeros(1)}, path)
    if how == "of another shape" and len(load_file(COMPACT / file)) == 1:
        pytest.skip("any shape is one of embeddings")
    with pytest.raises(WeightsError, match="incomplete or not understood"):
        FaceLiftPipeline.from_pretrained(tmp_path / "weights", device="cpu")


def test_settings_that_make_no_sense_are_refused(capsys):
    nan, inf = float("nan"), float("inf")
    for wanted in ((4, 10**9, None), (4, None, nan), (4, None, inf), (-1, None, None), (4, -5, None), (2**40, None, None)):
        with pytest.raises(SettingsError, match="must be a number from"):
            settings_from(*wanted, True, 1)
    with pytest.raises(SystemExit) as end:
        main(["photo.jpg", "--guidance-scale", "nan"])
    assert end.value.code == 2 and "finite" in capsys.readouterr().err


def test_one_bad_argument_loses_no_photo(tmp_path, capsys, monkeypatch):
    (tmp_path / "empty").mkdir()
    (tmp_path / "good.jpg").write_bytes((ROOT / "assets" / "examples" / "grace_hopper.jpg").read_bytes())
    made = []
    monkeypatch.setattr(FaceLiftPipeline, "from_pretrained", lambda *_, **__: FakePipe)
    monkeypatch.setattr("facelift.cli.lift.lift_one", lambda pipe, photo, *_: made.append(photo.name))
    assert main([str(tmp_path / "empty"), str(tmp_path / "good.jpg"), "-o", str(tmp_path / "out")]) == 1
    assert made == ["good.jpg"] and "empty holds no" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([str(tmp_path / "empty")])


class FakePipe:
    device = "cpu"

    class multiview:
        preset = staticmethod(lambda name: None)

    class weights:
        note = licence = "none"
