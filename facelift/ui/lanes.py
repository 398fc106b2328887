"""Where the work of all visitors runs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from ..pipeline import FaceLiftPipeline
from ..serving.worker import Here, Runner, Worker
from .filming import Projectionist
from .making import Portraits


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
        return cls(head, Worker("portrait", Portraits), Worker("drawing", Portraits), Worker("film", Projectionist))

    def lanes(self) -> dict[str, Runner]:
        return {"head": self.head, "portrait": self.portrait, "drawing": self.drawing, "film": self.film}

    def close(self) -> None:
        for runner in self.lanes().values():
            runner.close()
