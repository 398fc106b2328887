"""What the page makes for visitors, without a browser: files are written once, films are in nobody's way, times are right."""

from __future__ import annotations

import io
import itertools
import os
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from fakes import FakePipeline, painted_head
from page import PHOTO, wait_until
from PIL import Image

from facelift.errors import PhotoError, SettingsError
from facelift.gaussians import Gaussians
from facelift.portrait import make_portrait
from facelift.rendering.turntable import path_angles, path_frames
from facelift.serving.settings import ServiceSettings
from facelift.serving.visitors import Visitors
from facelift.ui import filming, texts
from facelift.ui.endpoints import settings_from
from facelift.ui.filming import Film
from facelift.ui.history import keep, report_from
from facelift.ui.jobs import Jobs, sentence_for
from facelift.ui.lanes import Runners
from facelift.ui.making import Finished, Settings, Update, _Clock, expected

SHORT = ServiceSettings(film_length=0.2)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> SimpleNamespace:
    """A head and its film: the news, and each file as it was when it was first told of."""
    jobs = Jobs(Runners.here(FakePipeline(step_seconds=0.0)), Visitors(tmp_path_factory.mktemp("visitors"), 600), SHORT)
    told: dict[Path, os.stat_result] = {}
    news = []
    for update in itertools.chain(jobs.run("me", "address", PHOTO, Settings(steps=2)), (film for film in _filmed(jobs, news))):
        news.append(update)
        for path in [update.portrait, update.splat, *update.files.values()]:
            if path is not None:
                told.setdefault(path, path.stat())
    (finished,) = (update for update in news if isinstance(update, Finished))
    yield SimpleNamespace(jobs=jobs, news=news, told=told, finished=finished)
    jobs.visitors.close()


def _filmed(jobs: Jobs, news: list[Update]):
    yield from jobs.film(next(update for update in news if isinstance(update, Finished)).folder)


def test_what_a_visitor_was_given_is_never_written_again(made):
    """A browser may be reading it: half a picture would show."""
    for path, first in made.told.items():
        now = path.stat()
        assert (now.st_ino, now.st_mtime_ns, now.st_size) == (first.st_ino, first.st_mtime_ns, first.st_size), path.name
    names = {path.name for path in made.told}
    assert {"aligned.png", "portrait.png", "head.spz", "head.ply", "head.html", "report.json", "views.zip"} <= names


def test_a_head_is_done_before_its_film(made):
    stages = [update.stage for update in made.news]
    assert stages.index("done") < stages.index("turntable")
    assert "turntable.mp4" not in made.finished.files and (made.finished.folder / "turntable.mp4").stat().st_size > 1000
    assert (made.finished.folder / "turntable.webp").exists()


def test_a_film_does_not_keep_the_next_visitor_waiting(made, monkeypatch):
    shown = threading.Event()

    def frames(*_):
        shown.wait(60)
        yield from path_frames(painted_head(20), "nod", 2, 64)

    monkeypatch.setattr(filming, "path_frames", frames)
    film = made.jobs.film(made.finished.folder, Film("nod", 2 / 30, 64))
    next(film)
    last = [update for update in made.jobs.run("you", "elsewhere", PHOTO, Settings(steps=1))][-1]
    assert isinstance(last, Finished) and not list(made.finished.folder.glob("film_*"))
    shown.set()
    list(film)
    assert len(list(made.finished.folder.glob("film_*"))) == 1


def test_films_along_a_path_come_back_to_their_start():
    for path, (azimuth, elevation) in {"turn": (90, 0), "swing": (40, 0), "nod": (0, 25)}.items():
        angles = path_angles(path, 40)
        assert angles[0] == (0, 0) and angles[10] == pytest.approx((azimuth, elevation))
    with pytest.raises(ValueError, match="called"):
        path_angles("loop", 4)
    assert Film.read({"along": "nod", "seconds": 4, "size": 512}).name == "film_nod_4s_512.mp4"
    for wrong in ({"along": "nod", "seconds": 1e9, "size": 512}, {"along": "../x", "seconds": 4, "size": 512}, {}, None, {"seconds": "4"}):
        with pytest.raises(SettingsError, match="plays for 1 to"):
            Film.read(wrong)


def test_a_seed_below_zero_is_refused_with_its_range():
    with pytest.raises(SettingsError, match="seed must be a number from 0 to 2147483647"):
        settings_from(-5, 2, 3.0, True, 1)
    with pytest.raises(SettingsError, match="number of the face"):
        settings_from(4, 2, 3.0, True, -1)


def test_sentences_say_nothing_twice_and_name_what_is_on_the_page():
    compact = replace(FakePipeline.weights, name="compact", note="compact weights", licence="Apache-2.0")
    assert texts.weights_line(compact) == "Weights: Compact weights. Licence: Apache-2.0."
    folder = replace(compact, name="/somewhere/mine", folder=Path("/somewhere/mine"), note="weights from the folder /somewhere/mine")
    assert texts.weights_line(folder) == "Weights: From the folder mine. Licence: Apache-2.0."
    assert "1 step," in texts.what_ran({"steps": 1}, compact) and "2 steps," in texts.what_ran({"steps": 2}, compact)
    blank = io.BytesIO()
    Image.new("RGB", (300, 300), (90, 120, 90)).save(blank, "PNG")
    with pytest.raises(PhotoError) as error:
        make_portrait(blank.getvalue(), matting="mediapipe")
    assert texts.CROP_LABEL in sentence_for(error.value) and "crop" not in sentence_for(error.value)


def test_time_left_knows_the_number_of_steps():
    pace = {"portrait": 1.0, "views": 0.5, "gaussians": 2.0, "files": 3.0}
    assert expected(pace, 20) == {"portrait": 1.0, "views": 10.0, "gaussians": 2.0, "files": 3.0}
    assert _Clock(expected(pace, 100)).left("portrait", 0.0) == pytest.approx(56.0)
    assert _Clock(expected(pace, 2)).left("portrait", 0.0) == pytest.approx(7.0)


def test_who_waits_is_told_the_place_and_the_time(tmp_path):
    pipeline = FakePipeline(step_seconds=0.02)
    pipeline.endless = True
    jobs = Jobs(Runners.here(pipeline), Visitors(tmp_path, 60), ServiceSettings())
    jobs._pace = {"portrait": 1.0, "views": 10.0, "gaussians": 2.0}
    first = jobs.run("one", "a", PHOTO, Settings(steps=6))
    later = [jobs.run(name, name, PHOTO, Settings(steps=steps)) for name, steps in (("two", 30), ("three", 6))]
    try:
        wait_until(lambda: next(first).stage == "views")
        second, third = (next(run) for run in later)
        assert (second.detail, third.detail) == (texts.place(1), texts.place(2))
        assert second.seconds_left and third.seconds_left
        assert third.seconds_left - second.seconds_left == pytest.approx(303, abs=5)  # that of the one between, by its steps
    finally:
        for run in (*later, first):
            run.close()


def test_a_head_that_the_browser_kept_comes_back_whole(made):
    entry = keep([], made.finished.folder, made.finished.report)[0]
    sent = {**entry.report, "weights": "x" * 1000, "evil": "<script>", "seconds": {"views": 1.5, "total": "long"}}
    report = report_from(sent)
    splats, portrait = ((entry.folder / name).read_bytes() for name in ("head.spz", "portrait.png"))
    folder = made.jobs.restore("later", splats, portrait, report)
    back = keep([], folder, report)[0]
    assert {"head.ply", "head.splat", "head.spz", "head.html", "report.json"} <= back.files.keys() and back.thumbnail.exists()
    assert len(Gaussians.load(back.files["head.ply"])) == len(painted_head())
    assert report["seed"] == 4 and len(report["weights"]) == 60 and "evil" not in report and report["seconds"] == {"views": 1.5}
    assert texts.what_ran(report, made.jobs.facts.weights)
    for nonsense in (None, [], {"seed": "no", "steps": float("nan"), "seconds": 3}):
        assert report_from(nonsense) == {}
