"""The turntable: one turn around the head as frames or as an H.264 film that browsers play."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ..cameras import turntable
from ..gaussians import Gaussians
from . import render, to_bytes

# 4:2:0 with its colours named (BT.709, sRGB), so that players do not guess; the index comes first, so that
# a page can start before the end is there.
ENCODING = {
    "-vf": "scale=out_color_matrix=bt709:out_range=tv:flags=accurate_rnd,setparams=color_primaries=bt709:color_trc=iec61966-2-1",
    "-c:v": "libx264", "-crf": "18", "-preset": "medium", "-pix_fmt": "yuv420p", "-movflags": "+faststart", "-f": "mp4",
}  # fmt: skip


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
    path = Path(path)
    if size < 2 or size % 2:
        raise ValueError(f"a film needs an even picture size, not {size}")
    if frames < 1:
        raise ValueError("a film needs at least one frame")
    encoder = _start_encoder(path, size, fps)
    assert encoder.stdin is not None
    try:
        for done, frame in enumerate(turntable_frames(gaussians, frames, size, backend), 1):
            encoder.stdin.write(frame)
            if progress:
                progress(done, frames)
        _, words = encoder.communicate()
    except BrokenPipeError:
        _, words = encoder.communicate()
    except BaseException:
        encoder.kill()
        encoder.communicate()
        path.unlink(missing_ok=True)
        raise
    if encoder.returncode:
        path.unlink(missing_ok=True)
        raise RuntimeError(f"ffmpeg could not write {path}: {words.decode(errors='replace').strip()}")
    return path


def _start_encoder(path: Path, size: int, fps: int) -> subprocess.Popen:
    """ffmpeg waiting for raw RGB frames on its standard input."""
    from imageio_ffmpeg import get_ffmpeg_exe

    source = {"-f": "rawvideo", "-pix_fmt": "rgb24", "-s": f"{size}x{size}", "-r": str(fps), "-i": "-"}
    options = [word for option in (*source.items(), *ENCODING.items()) for word in option]
    command = [get_ffmpeg_exe(), "-loglevel", "error", "-y", *options, str(path.absolute())]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
