"""What the page and its API have done for visitors: who waits, where it runs, how long it may take, where the files go."""

from __future__ import annotations

import errno
import logging
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from ..errors import (
    BudgetError,
    BusyError,
    ClipError,
    DeadlineError,
    MeshError,
    PhotoError,
    ResourceError,
    SettingsError,
    SplatFileError,
    WeightsError,
    WorkerError,
)
from ..portrait import Portrait
from ..serving.line import Line, Place
from ..serving.metrics import Metrics
from ..serving.settings import ServiceSettings
from ..serving.sharing import Shares
from ..serving.visitors import Visitors
from ..serving.worker import Runner, Stopped
from . import texts
from .aligner import CropAdjustment
from .filming import Film, make_film
from .lanes import Runners, Watch
from .making import (
    Facts,
    Finished,
    Settings,
    Update,
    draw_splats,
    expected,
    facts,
    make_head,
    make_mesh,
    make_portrait,
    restore_head,
)
from .moving import make_moving

log = logging.getLogger(__name__)
TOLD = (
    PhotoError, ClipError, SettingsError, WeightsError, MeshError, BudgetError, ResourceError, BusyError, DeadlineError, WorkerError,
)  # fmt: skip
News = SimpleQueue[Update | BaseException | None]  # from the thread that works: updates, then None or the error that ended it


def sentence_for(error: BaseException) -> str:
    """A sentence a visitor can act on; anything unexpected goes to the log instead."""
    if isinstance(error, TOLD):
        said = re.sub(r" \(\w+=[^)]*\)", "", str(error))  # Python arguments are no help on a page
        return said.replace("turn the face crop off", texts.NO_CROP)
    if type(error).__name__ == "OutOfMemoryError":
        return texts.OUT_OF_MEMORY
    if isinstance(error, MemoryError):
        return texts.TOO_LARGE
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return texts.FULL
    if isinstance(error, SplatFileError):
        return texts.NO_SPLATS
    log.error("A job failed", exc_info=error)
    return texts.UNEXPECTED


class Replaced(Stopped):
    """The visitor wants another head instead."""


class _Stop(threading.Event):
    replaced = False


class Jobs:
    """Runs the pipeline for many visitors: one head at a time, and beside it one portrait, one drawing and one film."""

    def __init__(self, runners: Runners, visitors: Visitors, settings: ServiceSettings, metrics: Metrics | None = None):
        self.runners, self.visitors, self.settings = runners, visitors, settings
        self.metrics = metrics or Metrics()
        self.shares = Shares(visitors.root, settings.link_seconds, settings.links_each, settings.links)
        self.line = Line(settings.heads_waiting, settings.heads_each)
        longest = settings.head_seconds, settings.portrait_seconds, settings.mesh_seconds, settings.film_seconds
        self.watch = Watch(runners, dict(zip(runners.lanes(), longest, strict=True)))
        self._working: set[object] = set()
        self.facts: Facts = runners.head.call(facts, seconds=settings.head_seconds, tell=_deaf, stop=threading.Event())
        self._stops: dict[str, _Stop] = {}
        self._pace: dict[str, float] = {}  # of the last head, as `Finished` has it
        self._left: dict[Place, tuple[float, float]] = {}  # seconds that those in the line should take, and since when

    def portrait(self, photo: str | Path, crop: bool = True, face: int = 1, adjustment: CropAdjustment | None = None) -> Portrait:
        """The aligned portrait alone, of face number `face` by size, moved as `adjustment` says. Raises PhotoError."""
        data = Path(photo).read_bytes()  # not the path: error sentences name it, and it is of no use to a visitor
        wanted = data, crop, face, adjustment or CropAdjustment()
        return self._run("portrait", self.runners.portrait, make_portrait, wanted, self.settings.portrait_seconds)

    def picture(self, splats: str, azimuth: float, elevation: float, size: int, path: Path) -> None:
        """Draws a splat file. Raises SplatFileError, BudgetError, OSError."""
        self._run("drawing", self.runners.drawing, draw_splats, (splats, azimuth, elevation, size, path), self.settings.render_seconds)

    def mesh(self, folder: Path) -> Iterator[Update]:
        """Adds head.glb to the folder of a finished head, beside whatever job runs. Closing the iterator ends the work.

        Raises MeshError.
        """
        arguments = folder, self.facts.device
        yield from self._told("drawing", self.runners.drawing, make_mesh, arguments, self.settings.mesh_seconds, threading.Event())

    def film(self, folder: Path, film: Film | None = None) -> Iterator[Update]:
        """Adds a film to the folder of a finished head, beside whatever job runs: its turntable, or one of the visitor's own."""
        arguments = folder, film, self.settings.film_length, self.facts.device
        yield from self._told("film", self.runners.film, make_film, arguments, self.settings.film_seconds, threading.Event())

    def restore(self, visitor: str, splats: bytes, portrait: bytes, report: dict) -> Path:
        """The files of a head that only a visitor's browser still has; their folder. Raises SplatFileError, BudgetError, PhotoError."""
        with self.visitors.working(visitor) as folder:
            self._run("drawing", self.runners.drawing, restore_head, (splats, portrait, report, folder), self.settings.mesh_seconds)
            return folder

    def motion(self, folder: Path, clip: str | None) -> Iterator[Update | tuple[str, ...]]:
        """Adds what makes a finished head move, and a clip's motion; last what is to be said of the clip. Raises PhotoError, ClipError."""
        yield from self._told("drawing", self.runners.drawing, make_moving, (folder, clip), self.settings.mesh_seconds, threading.Event())

    def stop(self, visitor: str, replaced: bool = False) -> bool:
        """Ends the visitor's job at its next step; whether there was one. replaced: it ends as `Replaced`."""
        stop = self._stops.get(visitor)
        if stop is not None:
            stop.replaced = replaced
            stop.set()
        return stop is not None

    def runs(self, visitor: str) -> bool:
        """Whether a job of theirs was begun and nothing has told it to end."""
        stop = self._stops.get(visitor)
        return stop is not None and not stop.is_set()

    def forget(self, visitor: str) -> None:
        """Ends the visitor's job and deletes all that is theirs."""
        self.stop(visitor)
        self.visitors.forget(visitor)

    def run(self, visitor: str, client: str, photo: str | Path, settings: Settings) -> Iterator[Update]:
        """Makes a head and tells about it on the way; the last update is a `Finished`.

        visitor: the session; one job each can be stopped.
        client: whose places in the line it takes.
        photo: its file.

        The files live until the visitor leaves, or for as long as the settings say. Closing the iterator stops the job at its next step.
        Raises what the pipeline raises, BusyError, DeadlineError and Stopped.
        """
        data, stop = Path(photo).read_bytes(), _Stop()
        place = self.line.enter(client)
        self._stops[visitor] = stop
        self._expects(place, sum(expected(self._pace, settings.steps or self.facts.default_steps).values()) or None)
        try:
            while before := place.before:
                yield Update("waiting", detail=texts.place(before), seconds_left=self._wait(place))
                if stop.is_set():
                    raise Stopped
                self.line.wait(1.0)
            with self.visitors.working(visitor) as folder:
                arguments = data, settings, folder, self._pace
                for update in self._told("head", self.runners.head, make_head, arguments, self.settings.head_seconds, stop):
                    self._expects(place, update.seconds_left)
                    if isinstance(update, Finished):
                        self._pace = update.pace
                        for stage, seconds in expected(update.pace, update.report["steps"]).items():
                            self.metrics.took("facelift_stage_seconds", seconds, stage=stage)
                    yield update
        except Stopped:
            raise (Replaced if stop.replaced else Stopped) from None
        finally:
            stop.set()
            place.leave()
            self._left.pop(place, None)
            if self._stops.get(visitor) is stop:
                del self._stops[visitor]

    def _expects(self, place: Place, seconds: float | None) -> None:
        """How long one in the line should still take once it is its turn."""
        if seconds is not None:
            self._left[place] = seconds, time.monotonic()

    def _wait(self, place: Place) -> float | None:
        """Seconds until its turn, where it is known of all that are served first how long they take."""
        now, total = time.monotonic(), 0.0
        for i, other in enumerate(self.line.ahead(place)):
            if other not in self._left:
                return None
            seconds, since = self._left[other]
            total += max(1.0, seconds - (now - since)) if i == 0 else seconds
        return total

    @property
    def working(self) -> bool:
        """Whether anything is done for a visitor now."""
        return bool(self._working)

    def not_ready(self) -> dict[str, str]:
        """What is wrong, by lane."""
        return {"service": "ending"} if self.line.closed else self.watch.stuck()

    def _told(self, lane: str, runner: Runner, work, arguments: tuple, seconds: float, stop: threading.Event) -> Iterator[Any]:
        """Runs work in a thread and yields its news, and what it returns, if that is one of them."""
        news: News = SimpleQueue()

        def run() -> None:
            try:
                result = self._run(lane, runner, work, arguments, seconds, news.put, stop)
                news.put(result)
                news.put(None)
            except BaseException as error:  # handed over to the visitor's thread
                news.put(error)

        threading.Thread(target=run, daemon=True).start()
        try:
            while (item := news.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                if not stop.is_set():  # news from before, which would be told after the visitor heard that it ended
                    yield item
            if stop.is_set():
                raise Stopped
        finally:
            stop.set()

    def _run(
        self, lane: str, runner: Runner, work, arguments: tuple, seconds: float, tell=None, stop: threading.Event | None = None
    ) -> Any:  # what the work returns
        started, how, this = time.monotonic(), "failed", object()
        self._working.add(this)
        try:
            result = runner.call(work, *arguments, seconds=seconds, tell=tell or _deaf, stop=stop or threading.Event())
            how = "done"
            self.metrics.took("facelift_lane_seconds", self.watch.note(lane) - started, lane=lane)
            return result
        except Stopped:
            how = "stopped"
            raise
        except DeadlineError:
            how = "too_long"
            raise
        except (PhotoError, ClipError, SettingsError, MeshError, BudgetError, SplatFileError):
            how = "refused"
            self.watch.note(lane)
            raise
        except Exception:
            if stop is not None and stop.is_set():  # its files may be gone already
                how = "stopped"
                raise Stopped from None
            raise
        finally:
            self._working.discard(this)
            self.metrics.count("facelift_jobs_total", lane=lane, result=how)


def _deaf(update: Update) -> None:
    """Nobody listens."""
