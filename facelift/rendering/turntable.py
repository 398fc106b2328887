"""The turntable: one turn around the head as frames or as an H.264 film that browsers play."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ..cameras import turntable
from ..gaussians import Gaussians
from . import render, to_bytes
from .film import save_film


def turntable_frames(gaussians: Gaussians, frames: int, size: int, backend: str = "auto") -> Iterator[np.ndarray]:
    """Yields uint8 (size, size, 3) pictures of one turn from the front over the subject's left, at eye level, on white.

    frames: how many.
    backend: as of `render`.
    """
    cameras = turntable(frames, size)
    gaussians = gaussians.detach()
    for frame in range(frames):
        yield to_bytes(render(gaussians, cameras[frame], backend=backend).rgb[0])


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
