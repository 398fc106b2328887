"""The last heads of one visitor, kept a while so that they can be compared."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from .downloads import NAMES

KEPT = 4


@dataclass(frozen=True)
class HistoryEntry:
    """One finished head. folder: where its files are, until they are swept."""

    folder: Path
    report: dict

    @property
    def files(self) -> dict[str, Path]:
        return {name: self.folder / name for name in NAMES if (self.folder / name).exists()}

    @property
    def thumbnail(self) -> Path:
        return self.folder / "renders" / "5_front_left.png"


def keep(history: list[HistoryEntry], folder: Path, report: dict, kept: int = KEPT) -> list[HistoryEntry]:
    """history with a finished head at the end; the oldest go, with their files, when there are more than `kept`."""
    entries = [entry for entry in history if entry.folder != folder and entry.folder.is_dir()] + [HistoryEntry(folder, report)]
    for old in entries[:-kept]:
        shutil.rmtree(old.folder, ignore_errors=True)
    return entries[-kept:]
