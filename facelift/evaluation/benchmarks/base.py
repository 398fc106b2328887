"""What every benchmark is: a list of named items and a way to measure a weight set on one of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...pipeline import FaceLiftPipeline
from ...resources import resource
from ..metrics import PairMetrics
from ..results import CaseResult, LeftOut

EXAMPLES = resource("assets/examples")


class BenchmarkError(RuntimeError):
    """A data set that is not there or not understood; the message says where to get it and which files are needed."""


class BadItem(ValueError):
    """One item that cannot be used; the message names the file. The run goes on with the rest."""


@dataclass(frozen=True)
class Measured:
    """sheet: uint8 (H, W, 3), one row of pictures to look at, the truth first."""

    result: CaseResult
    sheet: np.ndarray
    left_out: tuple[LeftOut, ...] = ()


class Benchmark(ABC):
    """name: on the command line. published: tables that a report stands beside. rank: the column that sorts cases."""

    name: str
    title: str
    published: tuple[str, ...] = ()
    rank: ClassVar[str]
    notes: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def items(self) -> Sequence[str]:
        """Names, in a fixed order."""

    def left_out(self) -> Sequence[LeftOut]:
        """What `items` had to skip already."""
        return ()

    @abstractmethod
    def measure(self, name: str, pipe: FaceLiftPipeline, metrics: PairMetrics) -> Measured:
        """Raises BadItem."""

    def overall(self) -> dict[str, float]:
        """Numbers of all items together, after the last was measured."""
        return {}
