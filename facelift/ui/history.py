"""The last heads of one visitor, kept a while so that they can be compared."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from .downloads import NAMES

KEPT = 4
KEEP_SECONDS = 3600


@dataclass(frozen=True)
class Take:
    """One finished head. place: a folder that goes when the take does."""

    place: TemporaryDirectory
    report: dict

    @property
    def folder(self) -> Path:
        return Path(self.place.name)

    @property
    def files(self) -> dict[str, Path]:
        return {name: self.folder / name for name in NAMES if (self.folder / name).exists()}

    @property
    def thumbnail(self) -> Path:
        return self.folder / "renders" / "5_front_left.png"


def keep(takes: list[Take], folder: Path, report: dict) -> list[Take]:
    """takes with a copy of a finished job's folder at the end; the oldest go when there are too many."""
    place = tempfile.TemporaryDirectory(prefix="facelift_take-", ignore_cleanup_errors=True)
    shutil.copytree(folder, place.name, dirs_exist_ok=True, ignore=shutil.ignore_patterns("previews"))
    return [*takes, Take(place, report)][-KEPT:]


def drop(takes: list[Take]) -> None:
    for take in takes:
        take.place.cleanup()
