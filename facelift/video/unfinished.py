"""What of a long work is done already, so that work that was stopped, or killed, goes on where it was."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..files import write_whole

NAME = "unfinished.facelift"  # a folder within that of the results
SETTINGS = "settings.json"
SUFFIXES = (".npz", ".ply", ".png", ".json")


class Unfinished:
    """A folder of parts that are done; each appears whole or not at all."""

    def __init__(self, results: Path, about: dict):
        """results: the folder of the results. about: what parts depend on: those made for anything else are deleted."""
        self.folder = results / NAME
        self.folder.mkdir(parents=True, exist_ok=True)
        words = json.dumps(about, sort_keys=True)
        if not self._are_of(words):
            self._empty()
            write_whole(self.folder / SETTINGS, lambda path: path.write_text(words))

    def _are_of(self, words: str) -> bool:
        try:
            return (self.folder / SETTINGS).read_text() == words
        except (OSError, ValueError):
            return False

    def _empty(self) -> None:
        for path in self.folder.iterdir():
            if path.suffix in SUFFIXES:  # ours
                path.unlink()

    def remove(self) -> None:
        """The work is finished: all of it goes, but for what is not ours."""
        self._empty()
        if not any(self.folder.iterdir()):
            self.folder.rmdir()

    def arrays(self, name: str, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """Those that `make` returned under this name, now or before; damaged ones are made again."""
        path = self.folder / f"{name}.npz"
        try:
            return read_arrays(path)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            found = make()
            write_whole(path, lambda partial: np.savez(partial, **found))  # type: ignore[arg-type]  # its hints name a keyword of its own
            return found

    def read(self, name: str) -> dict[str, np.ndarray]:
        """Arrays that are there."""
        return read_arrays(self.folder / f"{name}.npz")


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
