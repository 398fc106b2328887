"""Films: pictures as H.264 that browsers play."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

# 4:2:0 with its colours named (BT.709, sRGB), so that players do not guess; the index comes first, so that
# a page can start before the end is there.
ENCODING = {
    "-vf": "scale=out_color_matrix=bt709:out_range=tv:flags=accurate_rnd,setparams=color_primaries=bt709:color_trc=iec61966-2-1",
    "-c:v": "libx264", "-crf": "18", "-preset": "medium", "-pix_fmt": "yuv420p", "-movflags": "+faststart", "-f": "mp4",
}  # fmt: skip


def save_film(
    frames: Iterable[np.ndarray],
    path: str | Path,
    size: int,
    fps: float,
    progress: Callable[[int], None] | None = None,
    comment: str | None = None,
) -> Path:
    """Films uint8 pictures (size, size, 3) as an .mp4 (H.264, yuv420p) and returns its path.

    size: side of a picture in pixels, even.
    progress: called with the frames done; what it, or `frames`, raises ends the film and removes the file.
    comment: kept in the file.
    Raises ValueError for an odd size and RuntimeError, with ffmpeg's words, if the film cannot be written.
    """
    path = Path(path)
    if size < 2 or size % 2:
        raise ValueError(f"a film needs an even picture size, not {size}")
    encoder = _start_encoder(path, size, fps, comment)
    assert encoder.stdin is not None
    try:
        for done, frame in enumerate(frames, 1):
            encoder.stdin.write(frame)
            if progress:
                progress(done)
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


def _start_encoder(path: Path, size: int, fps: float, comment: str | None) -> subprocess.Popen:
    """ffmpeg waiting for raw RGB frames on its standard input."""
    from imageio_ffmpeg import get_ffmpeg_exe

    source = {"-f": "rawvideo", "-pix_fmt": "rgb24", "-s": f"{size}x{size}", "-r": f"{fps:g}", "-i": "-"}
    named = {"-metadata": f"comment={comment}"} if comment else {}
    options = [word for option in (*source.items(), *named.items(), *ENCODING.items()) for word in option]
    command = [get_ffmpeg_exe(), "-loglevel", "error", "-y", *options, str(path.absolute())]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
