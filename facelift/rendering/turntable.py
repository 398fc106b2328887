"""The turntable: one turn around the head as frames or as an H.264 film that browsers play; and other paths of the camera."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ..cameras import orbit
from ..gaussians import Gaussians
from . import render, to_bytes
from .film import save_film

SWING, NOD = 40.0, 25.0  # degrees from the front, at most


def path_angles(path: str, frames: int) -> list[tuple[float, float]]:
    """Azimuth and elevation of each frame, in degrees; the end joins the start.

    path: "turn" goes once around, "swing" to both sides and back, "nod" up, down and back. Raises ValueError for another.
    """
    turns = [i / frames for i in range(frames)]
    if path == "turn":
        return [(360.0 * t, 0.0) for t in turns]
    if path == "swing":
        return [(SWING * math.sin(2 * math.pi * t), 0.0) for t in turns]
    if path == "nod":
        return [(0.0, NOD * math.sin(2 * math.pi * t)) for t in turns]
    raise ValueError(f"no camera path is called {path!r}")


def path_frames(gaussians: Gaussians, path: str, frames: int, size: int, backend: str = "auto") -> Iterator[np.ndarray]:
    """As `turntable_frames`, along any path. What a path passes on its way back was drawn on its way there."""
    gaussians = gaussians.detach()
    drawn: dict[tuple[float, float], np.ndarray] = {}
    for azimuth, elevation in path_angles(path, frames):
        place = round(azimuth, 3), round(elevation, 3)
        picture = drawn.pop(place, None)
        if picture is None:
            picture = to_bytes(render(gaussians, orbit([azimuth], elevation, size), backend=backend).rgb[0])
            if path != "turn":
                drawn[place] = picture
        yield picture


def turntable_frames(gaussians: Gaussians, frames: int, size: int, backend: str = "auto") -> Iterator[np.ndarray]:
    """uint8 (size, size, 3) pictures of one turn from the front over the subject's left, at eye level, on white.

    frames: how many.
    backend: as of `render`.
    """
    return path_frames(gaussians, "turn", frames, size, backend)


def save_turntable(
    gaussians: Gaussians,
    path: str | Path,
    frames: int,
    size: int,
    fps: int = 30,
    progress: Callable[[int, int], None] | None = None,
    backend: str = "auto",
) -> Path:
    """Films one turn as an .mp4 (H.264, yuv420p) and returns its path.

    frames: how many the turn has.
    size: side of the picture in pixels, even.
    fps: frames a second.
    progress: called with (frames done, frames in all); what it raises ends the film and removes the file.
    backend: as of `render`.
    Raises ValueError for an odd size or no frames and RuntimeError, with ffmpeg's words, if the film cannot be written.
    """
    if frames < 1:
        raise ValueError("a film needs at least one frame")
    told = (lambda done: progress(done, frames)) if progress else None
    return save_film(turntable_frames(gaussians, frames, size, backend), path, size, fps, told)
