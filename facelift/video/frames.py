"""The pictures of a clip one by one, at a chosen rate, upright: any codec that ffmpeg reads."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np

from ..choices import CLIP_FPS, CLIP_SECONDS
from ..errors import ClipError

LONGEST_SIDE = 1280  # pixels; larger pictures are reduced
MOST_PIXELS = 8192 * 8192  # of a picture in the file
MOST_FPS, MOST_SECONDS = 60.0, 600.0
# Of pictures with or without sound, and of sound alone; playlists and the like, which name other files, are none.
CONTAINERS = "mov,matroska,avi,mpegts,mpeg,flv,asf,ogg,gif,h264,hevc,ivf,m4v,mjpeg,mxf,yuv4mpegpipe,rm,dv,wav,mp3,flac,aac"
FILTERS = (
    "fps={fps}:eof_action=pass,"  # of whatever rate, steady or not
    "scale=trunc(iw*sar+.5):ih,setsar=1,"  # pixels that are no squares
    "scale='min({side},iw)':'min({side},ih)':force_original_aspect_ratio=decrease:flags=area"
)


@dataclass
class Clip:
    """Iterating yields RGB pictures, uint8 (H, W, 3), all of one size, turned as the file says; none is kept.

    fps: at which pictures are taken, up to 60. seconds: more is cut off, up to 600.
    cut, damaged: whether there was more, and whether some of it could not be decoded; known after the last picture.
    Iterating raises ClipError, with a sentence, for what is no clip or has no picture. Raises ValueError for an fps or seconds beyond.
    """

    path: Path
    fps: float = CLIP_FPS
    seconds: float = CLIP_SECONDS
    cut: bool = field(default=False, init=False)
    damaged: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        if not 0 < self.fps <= MOST_FPS or not 0 < self.seconds <= MOST_SECONDS:
            raise ValueError(f"a clip is read at up to {MOST_FPS:.0f} pictures a second, for up to {MOST_SECONDS:.0f} seconds")

    def __len__(self) -> int:
        """The most pictures that come."""
        return max(1, round(self.fps * self.seconds))

    def __iter__(self) -> Iterator[np.ndarray]:
        path, count = Path(self.path), 0
        if not path.is_file():
            raise ClipError(f"{path.name} is not a file.")
        if not path.stat().st_size:
            raise ClipError(f"{path.name} is empty.")
        with tempfile.TemporaryFile() as words:
            decoder = self._decoder(path, words)
            assert decoder.stdout is not None
            try:
                while (picture := _next_picture(decoder.stdout)) is not None:
                    if count == len(self):
                        self.cut = True
                        break
                    count += 1
                    yield picture
                if not self.cut:
                    decoder.wait()
            finally:
                decoder.kill()
                decoder.stdout.close()
                decoder.wait()
            words.seek(0)
            said = words.read().decode(errors="replace")
        if not count:
            raise ClipError(f"{path.name} {_what_is_wrong(said)}")
        self.damaged = bool(said.strip()) and not self.cut

    def _decoder(self, path: Path, words: IO[bytes]) -> subprocess.Popen:
        """ffmpeg, which writes pictures with their sizes on its standard output."""
        from imageio_ffmpeg import get_ffmpeg_exe

        options = {
            "-loglevel": "error", "-protocol_whitelist": "file", "-format_whitelist": CONTAINERS, "-max_pixels": str(MOST_PIXELS),
            "-i": f"file:{path.absolute()}", "-map": "0:V:0", "-vf": FILTERS.format(fps=self.fps, side=LONGEST_SIDE),
            "-frames:v": str(len(self) + 1), "-fps_mode": "passthrough", "-pix_fmt": "rgb24", "-c:v": "ppm", "-f": "image2pipe",
        }  # fmt: skip
        command = [get_ffmpeg_exe(), "-nostdin", *(word for option in options.items() for word in option), "-"]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=words)


def _next_picture(stream: IO[bytes]) -> np.ndarray | None:
    """Of a stream of binary PPM files; None at its end, or where it is cut short."""
    if stream.readline().strip() != b"P6":
        return None
    width, height = map(int, stream.readline().split())
    stream.readline()
    data = stream.read(width * height * 3)
    return np.frombuffer(data, np.uint8).reshape(height, width, 3) if len(data) == width * height * 3 else None


def _what_is_wrong(said: str) -> str:
    """A sentence without its subject, of what ffmpeg said."""
    if "matches no streams" in said:
        return "has no moving picture, only sound or a cover."
    if "max_pixels" in said or "Picture size" in said:
        return f"has pictures that are too large: at most {MOST_PIXELS // 1_000_000} megapixels are read."
    return "is no clip that can be read, or is damaged."
