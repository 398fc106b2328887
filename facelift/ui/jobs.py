"""One head at a time, in a thread that can be stopped: what the page and its API share."""

from __future__ import annotations

import logging
import re
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import SimpleQueue

from PIL import Image

from ..cameras import VIEW_NAMES
from ..portrait import PhotoError, Portrait
from ..weights import WeightsError
from . import texts

log = logging.getLogger(__name__)
DOWNLOADS = ("head.ply", "head.splat", "head.spz", "turntable.mp4", "views.zip", "report.json")
PREVIEW_SECONDS = 0.7  # at most this often: a browser shows no more, and the released model must decode each one


@dataclass(frozen=True)
class Settings:
    """What a visitor may choose; None takes the default of the weight set. face: 1 is the largest in the photo."""

    seed: int = 4
    steps: int | None = None
    guidance_scale: float | None = None
    crop: bool = True
    face: int = 1


@dataclass(frozen=True)
class Update:
    """News of a running job. Fields left None have not changed.

    stage: a key of `texts.STAGES`. fraction: of the stage, 0 to 1. portrait, views, splat: picture and splat files to show.
    files: what can be downloaded by now, by file name. report: only in the last update ("done").
    """

    stage: str
    fraction: float = 0.0
    detail: str = ""
    portrait: Path | None = None
    views: list[Path] | None = None
    splat: Path | None = None
    files: dict[str, Path] = field(default_factory=dict)
    report: dict | None = None


class Stopped(Exception):
    """The visitor pressed Stop or left."""


def sentence_for(error: BaseException) -> str:
    """A sentence a visitor can act on; anything unexpected goes to the log instead."""
    if isinstance(error, (PhotoError, WeightsError)):
        return re.sub(r" \(\w+=[^)]*\)", "", str(error))  # Python arguments are no help on a page
    if type(error).__name__ == "OutOfMemoryError":
        return texts.OUT_OF_MEMORY
    log.error("A job failed", exc_info=error)
    return texts.UNEXPECTED


class Jobs:
    """Runs the pipeline for many visitors, one job at a time."""

    def __init__(self, pipeline):
        self.pipeline = pipeline
        self._model = threading.Lock()
        self._portraits = threading.Lock()
        self._stops: dict[str, threading.Event] = {}

    def portrait(self, photo: str | Path, crop: bool = True, face: int = 1) -> Portrait:
        """The aligned portrait alone, of face number `face` by size. Raises PhotoError."""
        data = Path(photo).read_bytes()  # not the path: error sentences name it, and it is of no use to a visitor
        with self._portraits:
            portrait = self.pipeline.make_portrait(data, crop=crop)
            if face > max(1, len(portrait.faces)):
                raise PhotoError(texts.no_such_face(face, len(portrait.faces)))
            return portrait if face == 1 else self.pipeline.make_portrait(data, crop=crop, face_index=face - 1)

    def stop(self, visitor: str) -> None:
        """Ends the visitor's job at its next step, if there is one."""
        if stop := self._stops.get(visitor):
            stop.set()

    def run(self, visitor: str, photo: str | Path, settings: Settings) -> Iterator[Update]:
        """Makes a head and tells about it on the way; the last update has stage "done".

        The files live until the iterator is finished or closed. Closing it stops the job at its next step.
        Raises what the pipeline raises, and Stopped.
        """
        stop, released, news = threading.Event(), threading.Event(), SimpleQueue()
        self._stops[visitor] = stop
        threading.Thread(target=self._work, args=(photo, settings, stop, released, news), daemon=True).start()
        try:
            while (item := news.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            stop.set()
            released.set()
            if self._stops.get(visitor) is stop:
                del self._stops[visitor]

    def _work(self, photo, settings: Settings, stop, released, news: SimpleQueue) -> None:
        try:
            waiting = False
            while not self._model.acquire(timeout=0.2):  # a stopped job may still be in its last step
                if stop.is_set():
                    raise Stopped
                if not waiting:
                    news.put(Update("waiting"))
                waiting = True
            try:
                with tempfile.TemporaryDirectory(prefix="facelift-") as folder:
                    self._make(photo, settings, stop, news, Path(folder))
                    news.put(None)
                    released.wait()
            finally:
                self._model.release()
        except BaseException as error:  # handed over to the visitor's thread
            news.put(error)

    def _make(self, photo, settings: Settings, stop, news: SimpleQueue, folder: Path) -> None:
        def check() -> None:
            if stop.is_set():
                raise Stopped

        started = time.perf_counter()
        check()
        news.put(Update("portrait"))
        portrait = self.portrait(photo, settings.crop, settings.face)
        portrait_seconds = time.perf_counter() - started
        check()
        portrait_file = folder / "portrait.png"
        portrait.image.save(portrait_file)
        news.put(Update("views", portrait=portrait_file))

        head = self.pipeline(
            portrait,
            seed=settings.seed,
            steps=settings.steps,
            guidance_scale=settings.guidance_scale,
            on_step=_Stepper(news, check, folder / "previews"),
        )
        check()
        news.put(Update("files", splat=head.gaussians.save(folder / "head.spz")))

        def filming(done: int, total: int) -> None:  # starts when all but film and report is written
            check()
            first = not (folder / "views.zip").exists()
            files = {"files": _files(folder), "views": _views(folder)} if first else {}
            news.put(Update("turntable", done / total, **files))

        seconds = {**head.report["seconds"], "portrait": portrait_seconds}
        head = replace(head, report={**head.report, "seconds": seconds})
        report = head.save(folder, formats=("ply", "splat", "spz"), progress=filming)
        news.put(Update("done", 1.0, portrait=portrait_file, views=_views(folder), files=_files(folder), report=report))


class _Stepper:
    """Turns denoising steps into updates, with a preview now and then, and stops when asked."""

    def __init__(self, news: SimpleQueue, check: Callable[[], None], folder: Path):
        self.news, self.check, self.folder, self.last = news, check, folder, 0.0

    def __call__(self, step) -> None:
        self.check()
        views, last_step = None, step.index == step.total
        if last_step or time.perf_counter() - self.last > PREVIEW_SECONDS:
            views = self.preview(step)
            self.last = time.perf_counter()
        self.news.put(Update("views", step.index / step.total, f"step {step.index} of {step.total}", views=views))
        if last_step:
            self.news.put(Update("gaussians"))

    def preview(self, step) -> list[Path]:
        """Files, as everything shown: Gradio writes arrays again while a browser still reads them."""
        self.folder.mkdir(exist_ok=True)
        paths = [self.folder / f"{step.index}_{name}.jpg" for name in VIEW_NAMES]
        for path, picture in zip(paths, step.preview(), strict=True):
            Image.fromarray(picture).convert("RGB").save(path, quality=88)
        return paths


def _views(folder: Path) -> list[Path]:
    return [folder / "views" / f"{i}_{name}.png" for i, name in enumerate(VIEW_NAMES)]


def _files(folder: Path) -> dict[str, Path]:
    """What of a saved head a visitor can download so far, with the pictures packed into one file."""
    pack = folder / "views.zip"
    if not pack.exists():
        with zipfile.ZipFile(pack, "w", zipfile.ZIP_STORED) as archive:
            for path in [folder / "portrait.png", *_views(folder)]:
                archive.write(path, path.relative_to(folder))
    return {name: folder / name for name in DOWNLOADS if (folder / name).exists()}
