"""What a reader of posed pictures is: it knows cameras and names at once, and reads pictures when they are asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from PIL import Image

from ..results import LeftOut
from ..rig import look_at_point
from .base import BadItem, BenchmarkError


@dataclass(frozen=True)
class PosedView:
    """picture: reads it, as RGBA where the data set has a mask; raises BadItem. c2w: Shape (4, 4), OpenCV axes. file: where it lies."""

    name: str
    c2w: np.ndarray
    picture: Callable[[], Image.Image]
    file: Path


@dataclass(frozen=True)
class PosedCase:
    """centre: Shape (3,), where the head is in the data set's world."""

    input: PosedView
    tests: tuple[PosedView, ...]
    centre: np.ndarray
    left_out: tuple[LeftOut, ...] = ()


class Layout(ABC):
    title: ClassVar[str]
    needs: ClassVar[str]
    published: ClassVar[tuple[str, ...]] = ()

    def __init__(self, folder: Path, input_view: str | None = None):
        """Raises BenchmarkError for a folder without any case."""
        self.folder, self.input_view = Path(folder), input_view
        self.missing: list[LeftOut] = []
        self.cases = self.find()
        if not self.cases:
            raise BenchmarkError(f"{folder} does not hold {self.title}: {self.needs}")

    @abstractmethod
    def find(self) -> list[str]:
        """Names of cases; what should be there and is not goes to `missing`."""

    @abstractmethod
    def load(self, name: str) -> PosedCase:
        """Raises BadItem where the case cannot be used at all."""


def assemble(
    view: Callable[[str], PosedView], front: str, tests: Sequence[str], centre: Callable[[list[PosedView]], np.ndarray]
) -> PosedCase:
    """The case from its views; test views with bad cameras are left out, a bad input view raises BadItem."""
    start, good, bad = view(front), [], []
    for name in tests:
        try:
            good.append(view(name))
        except BadItem as error:
            bad.append(LeftOut(name, str(error)))
    if not good:
        raise BadItem(f"no test view has a camera ({bad[0].reason})" if bad else "there are no test views")
    return PosedCase(start, tuple(good), centre([start, *good]), tuple(bad))


def only_one(homes: Sequence[Path], name: str) -> tuple[list[Path], list[LeftOut]]:
    """The first of several folders that hold the same subject; the others are named."""
    return list(homes[:1]), [LeftOut(name, f"{other} holds it too; {homes[0]} was taken") for other in homes[1:]]


def look_at_cameras(views: list[PosedView]) -> np.ndarray:
    try:
        return look_at_point(np.stack([v.c2w for v in views]))
    except ValueError as error:
        raise BadItem(str(error)) from error
