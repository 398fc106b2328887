"""Where the work of all visitors runs, and whether it passes there."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from ..devices import resolve_device
from ..pipeline import FaceLiftPipeline
from ..serving.worker import Here, Runner, Worker, ping
from ..weights.find import resolve
from .filming import Projectionist
from .making import Portraits

log = logging.getLogger(__name__)
TRY_AFTER = 120.0  # seconds without work, after which a lane is tried
TRY_SECONDS = 60.0
SPARE = 60.0  # seconds that nothing may pass beyond the longest work


@dataclass(frozen=True)
class Runners:
    """Where work runs, by lane: each does one thing at a time."""

    head: Runner
    portrait: Runner
    drawing: Runner
    film: Runner

    @classmethod
    def here(cls, pipeline) -> Runners:
        """In threads of this process."""
        return cls(*(Here(pipeline) for _ in range(4)))

    @classmethod
    def processes(cls, weights: str, device: str, offload: bool = False) -> Runners:
        """Each in a process of its own, that for heads at once. Raises WeightsError, ResourceError, ValueError, WorkerError."""
        head = Worker("head", partial(FaceLiftPipeline.from_pretrained, weights, device=device, offload=offload))
        head.start()
        portraits = partial(Portraits, resolve(weights, resolve_device(device)).kind == "compact")
        return cls(head, Worker("portrait", portraits), Worker("drawing", portraits), Worker("film", Projectionist))

    def lanes(self) -> dict[str, Runner]:
        return {"head": self.head, "portrait": self.portrait, "drawing": self.drawing, "film": self.film}

    def close(self) -> None:
        for runner in self.lanes().values():
            runner.close()


class Watch:
    """When work last passed through each lane, by the clock that nobody sets."""

    def __init__(self, runners: Runners, longest: Mapping[str, float]):
        """longest: seconds that work may take, by lane."""
        self.runners, self.longest = runners, longest
        self.passed = dict.fromkeys(runners.lanes(), time.monotonic())
        self._tried: set[str] = set()

    def note(self, lane: str) -> float:
        """Work has passed; the time."""
        self.passed[lane] = time.monotonic()
        return self.passed[lane]

    def since(self, lane: str) -> float:
        """Seconds since work last passed."""
        return time.monotonic() - self.passed[lane]

    def stuck(self) -> dict[str, str]:
        """Lanes through which nothing passed for longer than work may take there, with a word on it."""
        idle = {lane: self.since(lane) for lane in self.longest}
        return {
            lane: f"nothing passed for {seconds:.0f} s"
            for lane, seconds in idle.items()
            if seconds > self.longest[lane] + TRY_AFTER + SPARE
        }

    def try_lanes(self) -> None:
        """Sends a tiny piece of work through each lane through which nothing passed lately, and waits for none."""
        for lane, runner in self.runners.lanes().items():
            if self.since(lane) > TRY_AFTER and lane not in self._tried:
                self._tried.add(lane)
                threading.Thread(target=self._try, args=(lane, runner), daemon=True).start()

    def _try(self, lane: str, runner: Runner) -> None:
        try:
            runner.call(ping, seconds=TRY_SECONDS, tell=lambda news: None, stop=threading.Event())
            self.note(lane)
        except Exception:
            log.exception("a lane does not work")
        finally:
            self._tried.discard(lane)
