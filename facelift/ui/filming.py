"""Films of a finished head, in a lane of their own: functions that a `serving.worker` runs, maybe in another process."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch

from ..errors import SettingsError
from ..files import write_whole_files
from ..gaussians import Gaussians
from ..rendering.film import save_film
from ..rendering.turntable import path_frames
from .downloads import save_webp
from .making import Portraits, Tell, Update

FPS = 30
PATHS = ("turn", "swing", "nod")
SIZES = (256, 512, 720, 1080)
LONGEST = 12.0  # seconds
TURNTABLE = "turntable.mp4"


@dataclass(frozen=True)
class Film:
    """path: "turn", "swing" or "nod". seconds: that it plays. size: of its picture, pixels a side."""

    path: str = "turn"
    seconds: float = 2.0
    size: int = 256

    @property
    def name(self) -> str:
        return f"film_{self.path}_{self.seconds:g}s_{self.size}.mp4"

    @classmethod
    def read(cls, values: object) -> Film:
        """From a browser. Raises SettingsError."""
        told = values if isinstance(values, dict) else {}
        path, seconds, size = told.get("along"), told.get("seconds"), told.get("size")  # "path" would be a file's, to Gradio
        if path not in PATHS or size not in SIZES or not isinstance(seconds, (int, float)) or not 1 <= seconds <= LONGEST:
            paths, sizes = (", ".join(map(str, known)) for known in (PATHS, SIZES))
            raise SettingsError(f"A film has a path ({paths}), plays for 1 to {LONGEST:g} seconds, and has a size ({sizes}).")
        return cls(path, round(float(seconds), 1), int(size))


class Projectionist(Portraits):
    """What a process for films needs: to be in nobody's way."""

    def __init__(self) -> None:
        super().__init__()
        with suppress(OSError, AttributeError):  # not on Windows
            os.nice(10)


def make_film(pipeline, tell: Tell, folder: Path, film: Film | None, length: float, device: torch.device | str) -> None:
    """Adds a film to the folder of a finished head.

    film: its name is the file's; None for the turntable, of which an animated picture is made too, for chats that play no films.
    length: seconds that the turntable plays.
    """
    on_gpu = torch.device(device).type == "cuda"
    wanted, name = (film, film.name) if film else (Film("turn", length * (3 if on_gpu else 1), 512 if on_gpu else 256), TURNTABLE)
    started, frames = time.perf_counter(), max(2, round(wanted.seconds * FPS))

    def say(done: int) -> None:
        left = (time.perf_counter() - started) * (frames - done) / done if done > 2 else None
        tell(Update("turntable", done / frames, seconds_left=left))

    tell(Update("turntable"))
    gaussians = Gaussians.load(folder / "head.ply").to(device)

    def write(aside: Path) -> None:
        save_film(path_frames(gaussians, wanted.path, frames, wanted.size), aside / name, wanted.size, FPS, say)
        if film is None:
            save_webp(aside / name, aside / "turntable.webp")

    write_whole_files(folder, write)
