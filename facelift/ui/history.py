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
class HistoryEntry:
    """One finished head. directory: goes when the entry does."""

    directory: TemporaryDirectory
    report: dict

    @property
    def folder(self) -> Path:
        return Path(self.directory.name)

    @property
    def files(self) -> dict[str, Path]:
        return {name: self.folder / name for name in NAMES if (self.folder / name).exists()}

    @property
    def thumbnail(self) -> Path:
        return self.folder / "renders" / "5_front_left.png"


def keep(history: list[HistoryEntry], folder: Path, report: dict) -> list[HistoryEntry]:
    """history with a copy of a finished job's folder at the end; the oldest go when there are too many."""
    directory = tempfile.TemporaryDirectory(prefix="facelift_history-", ignore_cleanup_errors=True)
    shutil.copytree(folder, directory.name, dirs_exist_ok=True, ignore=shutil.ignore_patterns("previews"))
    return [*history, HistoryEntry(directory, report)][-KEPT:]


def drop(history: list[HistoryEntry]) -> None:
    for entry in history:
        entry.directory.cleanup()
