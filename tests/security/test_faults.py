"""Kills, full disks and clocks that are set: nothing half-made stays, and the next job works."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from fakes import FakePipeline
from page import PHOTO, ROOT
from PIL import Image

from facelift.errors import BusyError, ResourceError
from facelift.files import write_whole_files
from facelift.portrait import Portrait
from facelift.serving.clients import Presence, Rate
from facelift.serving.line import Line
from facelift.serving.settings import ServiceSettings
from facelift.serving.visitors import LOCK, Visitors
from facelift.serving.worker import Here
from facelift.ui import texts
from facelift.ui.jobs import Jobs, sentence_for
from facelift.ui.lanes import Runners
from facelift.ui.making import Finished, Settings

STAGES = ("portrait", "views", "gaussians", "files", "turntable")


class Quick(FakePipeline):
    """A portrait without a look at the photo: that is tested elsewhere."""

    def make_portrait(self, photo, crop: bool = True, face_index: int = 0) -> Portrait:
        grey = Image.fromarray(np.full((512, 512, 3), 200, np.uint8))
        return Portrait(grey, Image.new("L", (512, 512), 255), None, (), "none", None)


def jobs_in(folder: Path, pipeline: FakePipeline) -> Jobs:
    return Jobs(Runners.here(pipeline), Visitors(folder, 100), ServiceSettings(film_length=0.1))


def everything(jobs: Jobs):
    """All news of a head and its film."""
    for update in jobs.run("me", "address", PHOTO, Settings(steps=1)):
        yield update
        if isinstance(update, Finished):
            folder = update.folder
    yield from jobs.film(folder)


def left_in(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file() and path.name != LOCK]


@pytest.fixture(scope="module")
def pipeline() -> FakePipeline:
    return Quick(step_seconds=0)


@pytest.fixture(scope="module")
def killed(tmp_path_factory) -> Path:
    """Folders in which servers were killed (SIGKILL), each in the stage that the folder is called after."""
    above = tmp_path_factory.mktemp("killed")
    code = """
import os, signal, sys
from pathlib import Path
from test_faults import STAGES, Quick, everything, jobs_in
for stage in STAGES:
    if not os.fork():
        pipeline = Quick(step_seconds=0)
        (Path(sys.argv[1]) / stage).mkdir()
        for update in everything(jobs_in(Path(sys.argv[1]) / stage, pipeline)):
            if update.stage == stage:
                os.kill(os.getpid(), signal.SIGKILL)
        os._exit(1)
    assert os.wait()[1] == signal.SIGKILL, stage
"""
    folders = os.pathsep.join(map(str, (ROOT, ROOT / "tests", ROOT / "tests" / "security")))
    subprocess.run([sys.executable, "-c", code, above], check=True, env={**os.environ, "PYTHONPATH": folders, "OMP_NUM_THREADS": "1"})
    return above


@pytest.mark.parametrize("stage", STAGES)
def test_after_a_kill_in_any_stage_the_next_server_finds_nothing_and_makes_heads(killed, pipeline, stage):
    assert any((killed / stage).iterdir())  # what the killed one left
    jobs = jobs_in(killed / stage, pipeline)
    try:
        assert left_in(killed / stage) == [] and len(list((killed / stage).iterdir())) == 1
        if stage == "files":  # of all, once
            (done,) = (update for update in everything(jobs) if isinstance(update, Finished))
            assert json.loads((done.folder / "report.json").read_text())["steps"] == 1 and (done.folder / "turntable.mp4").exists()
    finally:
        jobs.visitors.close()


@pytest.fixture
def mounted(tmp_path):
    """Mounts a file system with these options."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(options: str) -> Path:
        done = shutil.which("mount") and subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True)
        if not done or done.returncode:
            pytest.skip("no file system can be mounted by this user")
        return folder

    yield mount
    subprocess.run(["umount", "-l", folder], capture_output=True)


def test_a_head_for_which_there_is_no_room_leaves_nothing_and_the_next_is_made(mounted, pipeline):
    disk = mounted("size=20m")
    filler = disk / "filler"
    jobs = jobs_in(disk, pipeline)
    filler.write_bytes(bytes(19 * 2**20))
    with pytest.raises(OSError) as error:
        list(everything(jobs))
    assert sentence_for(error.value) == texts.FULL and left_in(jobs.visitors.root) == [] and len(jobs.line) == 0
    assert jobs.visitors.free() < jobs.settings.disk_free  # uploads are refused meanwhile
    filler.unlink()
    assert any(isinstance(update, Finished) for update in everything(jobs))
    jobs.visitors.close()


def test_a_folder_that_cannot_be_written_is_said_before_anything_is_served(mounted):
    with pytest.raises(ResourceError, match="Set TMPDIR"):
        Visitors(mounted("ro"), 100)


def test_a_client_that_leaves_frees_its_place_and_leaves_nothing(tmp_path, pipeline):
    jobs = jobs_in(tmp_path, pipeline)
    for stage in ("portrait", "views", "files"):
        news = jobs.run("me", "address", PHOTO, Settings(steps=3))
        assert next(update for update in news if update.stage == stage)
        news.close()
        assert len(jobs.line) == 0
    end = time.monotonic() + 60
    while jobs.working or left_in(jobs.visitors.root):  # its work ends at the next news, and may have written meanwhile
        jobs.visitors.sweep()
        assert time.monotonic() < end
        time.sleep(0.05)
    assert any(isinstance(update, Finished) for update in jobs.run("me", "address", PHOTO, Settings(steps=1)))
    jobs.visitors.close()


def test_delete_now_holds_for_what_is_being_written(tmp_path, pipeline):
    """The files of a head are made in one go: they may come after their folder went."""
    jobs = jobs_in(tmp_path, pipeline)
    for _ in everything(jobs):
        pass
    folder = jobs.visitors.folder("me")
    home = folder.parent
    jobs.forget("me")
    write_whole_files(folder, lambda part: (part / "head.ply").write_text("me"))
    assert left_in(home) == ["head.ply"]
    jobs.visitors.sweep()
    assert not home.exists()
    jobs.visitors.close()


@pytest.mark.parametrize("jump", [-3600, 3600, 20 * 365 * 86400])
def test_a_clock_that_is_set_changes_nothing(tmp_path, monkeypatch, jump):
    """Retention, rates, presence, the line and deadlines go by the clock that nobody sets."""
    own, rate, presence, line = Visitors(tmp_path, 100), Rate(0.001, 2), Presence(), Line(waiting=1, each=1)
    (own.folder("one") / "head.ply").write_text("")
    own.uses("one", own.root / "photo")
    (own.root / "photo").mkdir()
    presence.came("one")
    presence.left("one")
    assert rate.allows("a") and rate.allows("a") and line.enter("a")
    clock, ticks = time.time, itertools.count()
    monkeypatch.setattr(time, "time", lambda: clock() + jump + next(ticks))
    own.sweep()
    assert left_in(own.root) == ["head.ply"] and (own.root / "photo").is_dir()
    assert not rate.allows("a") and presence.gone(60) == []
    with pytest.raises(BusyError):
        line.enter("a")

    def told(prepared, tell) -> str:
        tell("news")
        return "done"

    assert Here(None).call(told, seconds=60, tell=lambda news: None, stop=threading.Event()) == "done"
    own.close()
