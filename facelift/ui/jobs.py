"""One head at a time, in a thread that can be stopped: what the page and its API share."""

from __future__ import annotations

import logging
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from queue import SimpleQueue

import torch
from PIL import Image

from ..errors import BudgetError, ClipError, MeshError, PhotoError, ResourceError, WeightsError
from ..export.mesh import save_mesh
from ..export.viewer_page import save_viewer
from ..gaussians import Gaussians
from ..portrait import Portrait
from . import texts
from .aligner import CropAdjustment, adjusted
from .downloads import NAMES, pack_views, save_webp, write_report

log = logging.getLogger(__name__)
PREVIEW_SECONDS = 0.7  # at most this often: a browser shows no more, and the released model must decode each one


@dataclass(frozen=True)
class Settings:
    """What a visitor may choose; None takes the default of the weight set. face: 1 is the largest in the photo.

    extras: whether the files that only the page offers are made too (animated picture, viewer page).
    """

    seed: int = 4
    steps: int | None = None
    guidance_scale: float | None = None
    crop: bool = True
    face: int = 1
    adjustment: CropAdjustment = CropAdjustment()
    extras: bool = True


@dataclass(frozen=True)
class Update:
    """News of a running job. Fields left None have not changed.

    stage: a key of `texts.STAGES`; "done" is that of a `Finished`.
    fraction: of the stage, 0 to 1.
    portrait, views, splat: picture and splat files to show.
    files: what can be downloaded by now, by file name.
    seconds_left: a guess, None where there is no ground for one.
    """

    stage: str
    fraction: float = 0.0
    detail: str = ""
    portrait: Path | None = None
    views: list[Path] | None = None
    splat: Path | None = None
    files: dict[str, Path] = field(default_factory=dict)
    seconds_left: float | None = None


@dataclass(frozen=True, kw_only=True)
class Finished(Update):
    """The last update. folder: where all files are."""

    stage: str = "done"
    fraction: float = 1.0
    report: dict
    folder: Path


News = SimpleQueue[Update | BaseException | None]  # from the thread that works: updates, then None or the error that ended it


class Stopped(Exception):
    """The visitor pressed Stop or left."""


def sentence_for(error: BaseException) -> str:
    """A sentence a visitor can act on; anything unexpected goes to the log instead."""
    if isinstance(error, (PhotoError, ClipError, WeightsError, MeshError, BudgetError, ResourceError)):
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
        self._stops: dict[str | None, threading.Event] = {}
        self._spent: dict[str, float] = {}  # seconds of each stage of the last job, to guess how long the next will take

    def portrait(self, photo: str | Path, crop: bool = True, face: int = 1, adjustment: CropAdjustment | None = None) -> Portrait:
        """The aligned portrait alone, of face number `face` by size, moved as `adjustment` says. Raises PhotoError."""
        data = Path(photo).read_bytes()  # not the path: error sentences name it, and it is of no use to a visitor
        with self._portraits:
            portrait = self.pipeline.make_portrait(data, crop=crop)
            if face > max(1, len(portrait.faces)):
                raise PhotoError(texts.no_such_face(face, len(portrait.faces)))
            if face > 1:
                portrait = self.pipeline.make_portrait(data, crop=crop, face_index=face - 1)
            return adjusted(data, portrait, adjustment or CropAdjustment())

    def stop(self, visitor: str | None) -> None:
        """Ends the visitor's job at its next step, if there is one."""
        if stop := self._stops.get(visitor):
            stop.set()

    def run(self, visitor: str | None, photo: str | Path, settings: Settings) -> Iterator[Update]:
        """Makes a head and tells about it on the way; the last update is a `Finished`.

        visitor: the session, None for those without; one job each can be stopped.
        photo: its file.

        The files live until the iterator is finished or closed. Closing it stops the job at its next step.
        Raises what the pipeline raises, and Stopped.
        """
        stop, released = threading.Event(), threading.Event()
        news: News = SimpleQueue()
        self._stops[visitor] = stop
        threading.Thread(target=self._work, args=(photo, settings, stop, released, news), daemon=True).start()
        try:
            yield from _told(news)
        finally:
            stop.set()
            released.set()
            if self._stops.get(visitor) is stop:
                del self._stops[visitor]

    def _work(self, photo: str | Path, settings: Settings, stop: threading.Event, released: threading.Event, news: News) -> None:
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

    def _make(self, photo: str | Path, settings: Settings, stop: threading.Event, news: News, folder: Path) -> None:
        clock = _Clock(self._spent)

        def tell(stage: str, fraction: float = 0.0, detail: str = "", **news_of_it) -> None:
            if stop.is_set():
                raise Stopped
            news.put(Update(stage, fraction, detail, seconds_left=clock.left(stage, fraction), **news_of_it))

        tell("portrait")
        portrait = self.portrait(photo, settings.crop, settings.face, settings.adjustment)
        portrait_file = folder / "portrait.png"
        portrait.image.save(portrait_file)
        tell("views", portrait=portrait_file)
        head = self.pipeline(
            portrait,
            seed=settings.seed,
            steps=settings.steps,
            guidance_scale=settings.guidance_scale,
            on_step=_Stepper(tell, folder / "previews", self.pipeline.rig.names),
        )
        tell("files", splat=head.gaussians.save(folder / "head.spz"), portrait=portrait_file)

        def filming(done: int, total: int) -> None:  # starts when all but film and report is written
            if (folder / "views.zip").exists():
                return tell("turntable", done / total)
            pack_views(folder)
            if settings.extras:
                save_viewer(folder / "head.spz", folder / "head.html", portrait_file)
            tell("turntable", done / total, files=_files(folder), views=views_of(folder))

        head = replace(head, report={**head.report, "seconds": {**head.report["seconds"], "portrait": clock.spent["portrait"]}})
        report = head.save(folder, formats=("ply", "splat", "spz"), progress=filming)
        report = {**report, **_moved(settings.adjustment)}
        if settings.extras:
            save_webp(folder / "turntable.mp4", folder / "turntable.webp")
        write_report(report, folder)
        clock.left("done", 1.0)
        self._spent = clock.spent
        news.put(Finished(portrait=portrait_file, views=views_of(folder), files=_files(folder), report=report, folder=folder))


def make_mesh(folder: Path, device: torch.device | str) -> Iterator[Update]:
    """Adds head.glb to the folder of a finished head, beside whatever job runs. Closing the iterator ends the work.

    Raises MeshError.
    """
    stop, path = threading.Event(), folder / "head.glb"
    news: News = SimpleQueue()
    started = time.perf_counter()

    def tell(done: int, total: int) -> None:
        if stop.is_set():
            raise Stopped
        left = (time.perf_counter() - started) * (total - done) / done if done > 2 else None
        news.put(Update("mesh", done / total, seconds_left=left))

    def work() -> None:
        try:
            part = path.with_suffix(".part.glb")  # a mesh that is there is whole
            save_mesh(Gaussians.load(folder / "head.ply").to(device), part, tell).rename(path)
            news.put(None)
        except BaseException as error:  # handed over to the visitor's thread
            news.put(error)

    threading.Thread(target=work, daemon=True).start()
    try:
        yield from _told(news)
    finally:
        stop.set()


def _told(news: News) -> Iterator[Update]:
    while (item := news.get()) is not None:
        if isinstance(item, BaseException):
            raise item
        yield item


def _moved(adjustment: CropAdjustment) -> dict:
    """For the report: how the crop was moved, if it was."""
    return {} if adjustment == CropAdjustment() else {"crop_moved": asdict(adjustment)}


class _Clock:
    """Measures stages as they pass, and guesses what is left from this job's pace and the last job's later stages."""

    def __init__(self, before: dict[str, float]):
        self.before = before
        self.spent: dict[str, float] = {}
        self.stage: str | None = None
        self.since = time.perf_counter()

    def left(self, stage: str, fraction: float) -> float | None:
        now = time.perf_counter()
        if stage != self.stage:
            if self.stage:
                self.spent[self.stage] = now - self.since
            self.stage, self.since = stage, now
        stages = list(texts.STAGES)
        later = stages[stages.index(stage) + 1 :] if stage in stages else []
        after = sum(self.before.get(name, 0.0) for name in later)
        if fraction > 0.05:
            return (now - self.since) * (1 - fraction) / fraction + after
        return self.before[stage] + after if stage in self.before else None


class _Stepper:
    """Turns denoising steps into updates, with a preview now and then, and stops when asked."""

    def __init__(self, tell: Callable[..., None], folder: Path, names: tuple[str, ...]):
        self.tell, self.folder, self.names, self.last = tell, folder, names, 0.0

    def __call__(self, step) -> None:
        views, last_step = None, step.index == step.total
        if last_step or time.perf_counter() - self.last > PREVIEW_SECONDS:
            views = self.preview(step)
            self.last = time.perf_counter()
        self.tell("views", step.index / step.total, f"step {step.index} of {step.total}", views=views)
        if last_step:
            self.tell("gaussians")

    def preview(self, step) -> list[Path]:
        """Files, as everything shown: Gradio writes arrays again while a browser still reads them."""
        self.folder.mkdir(exist_ok=True)
        paths = [self.folder / f"{step.index}_{name}.jpg" for name in self.names]
        for path, picture in zip(paths, step.preview(), strict=True):
            Image.fromarray(picture).convert("RGB").save(path, quality=88)
        return paths


def views_of(folder: Path) -> list[Path]:
    return sorted((folder / "views").glob("*.png"))  # 0_front.png, 1_front_right.png, ...


def _files(folder: Path) -> dict[str, Path]:
    """What of a head a visitor can download so far."""
    return {name: folder / name for name in NAMES if (folder / name).exists()}
