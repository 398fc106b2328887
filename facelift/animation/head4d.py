"""`.head4d`: a head that moves, in one file.

    "HEAD4D01", uint32 length of a JSON header, the header, blocks

Little endian. `kind` "rig": the blocks are a .headrig file, the track, of a few bytes a frame, and, where the header has `residual`, what
colours are beyond the rig's (`residual.py`). `kind` "deltas": the first block is the first state, then one a frame (`deltas.py`), whose
errors are at most `bounds`: means in world units, turns in radians, the others in what .ply files hold, but opacities in 0..1.
"""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeGuard

import numpy as np
import torch

from ..errors import BudgetError, MotionFileError, RigFileError
from ..face.units import UNITS
from ..files import write_whole
from ..gaussians import Gaussians
from . import deltas
from .deltas import BOUNDS, KEYS_EVERY, Base, State, base_of, gaussians_of, inflated, state_of
from .drive import Driver
from .files import MOST, NOTE, from_planes, planes, save_rig, unpack
from .head_rig import HeadRig
from .residual import Painter, Residual
from .track import FARTHEST, MOST_FPS, MOST_FRAMES, MOST_GAZE, Track

MAGIC = b"HEAD4D01"
LARGEST_FILE, LARGEST_HEADER = 2**30, 2**22  # bytes
STEPS = {"weights": 1 / 255, "rotation": 1 / 32767, "translation": 1e-4, "gaze": 2e-3}  # of a track's numbers
WIDTHS = {"weights": len(UNITS), "rotation": 4, "translation": 3, "gaze": 2}
LIMITS = {"weights": 1.0, "rotation": 1.0, "translation": FARTHEST, "gaze": MOST_GAZE}


class MovingHead(Protocol):
    """The Gaussians of each frame, all of one number and order."""

    @property
    def fps(self) -> float: ...
    def __len__(self) -> int: ...
    def __getitem__(self, frame: int) -> Gaussians: ...


class DrivenHead:
    """A rig and what it does. residual: what its colours are beyond that in each frame, or None."""

    def __init__(self, rig: HeadRig, track: Track, device: torch.device | str = "cpu", residual: Residual | None = None):
        self.rig, self.track, self.residual, self._driver = rig, track, residual, Driver(rig, device)
        self._painter = None if residual is None else Painter(residual, device)

    @property
    def fps(self) -> float:
        return self.track.fps

    def __len__(self) -> int:
        return len(self.track)

    def __getitem__(self, frame: int) -> Gaussians:
        frame = in_range(frame, len(self))
        with torch.inference_mode():
            gaussians = self._driver(self.track[frame])
            return gaussians if self._painter is None else self._painter(gaussians, frame)


class KeptHead:
    """Frames kept as differences: the one after the last one read takes one block, another as many as there are since its key frame."""

    def __init__(self, fps: float, base: Base, keys: list[int], frames: list[bytes]):
        self.fps, self._base, self._keys, self._frames = fps, base, keys, frames
        self._last: tuple[int, State] | None = None

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, frame: int) -> Gaussians:
        frame = in_range(frame, len(self))
        key = max(k for k in self._keys if k <= frame)
        at, state = (key, None) if self._last is None or not key <= self._last[0] <= frame else (self._last[0] + 1, self._last[1])
        for i in range(at, frame + 1):
            state = deltas.unpack(self._frames[i], self._base, None if i in self._keys else state)
        assert state is not None
        self._last = frame, state
        return gaussians_of(self._base, state)


def in_range(frame: int, count: int) -> int:
    """Raises IndexError, which ends iteration too."""
    if not -count <= frame < count:
        raise IndexError(f"frame {frame} of {count}")
    return frame % count


def save_driven(rig: HeadRig, track: Track, path: str | Path, residual: Residual | None = None) -> Path:
    """The track's numbers are rounded to STEPS, a residual is kept as it is."""

    def blocks(partial: Path) -> Iterator[bytes]:
        beside = partial.with_name(f"{partial.name}.headrig")
        try:
            yield save_rig(rig, beside).read_bytes()
        finally:
            beside.unlink(missing_ok=True)
        parts = []
        for name, step in STEPS.items():
            if (values := getattr(track, name)) is not None:
                whole = np.rint(np.asarray(values, np.float64) / step).clip(-(2**15), 2**15 - 1).astype(np.int32)
                parts.append(planes(np.diff(whole, axis=0, prepend=0).astype("<i4")))
        yield zlib.compress(b"".join(parts), 9)
        if residual is not None:
            yield residual.pack()

    kept = [name for name in STEPS if getattr(track, name) is not None]
    about: dict[str, Any] = {"kind": "rig", "fps": track.fps, "frames": len(track), "track": kept}
    if residual is not None:
        about["residual"] = {"patterns": len(residual.steps), "bounds": {"sh0": round(residual.bound, 6)}}
    return write(path, about, blocks)


def save_deltas(frames: Iterable[Gaussians], fps: float, path: str | Path) -> Path:
    """The Gaussians of each frame, all of one number and order, within BOUNDS. Raises ValueError for none, or of another number."""
    about: dict[str, Any] = {"kind": "deltas", "fps": fps, "bounds": BOUNDS}

    def blocks(_: Path) -> Iterator[bytes]:
        base, before, count = None, None, 0
        for gaussians in frames:
            if base is None:
                base = base_of(gaussians)
                yield base.pack()
            if len(gaussians) != len(base.means):
                raise ValueError(f"frame {count} has {len(gaussians)} Gaussians, the first one {len(base.means)}")
            state = state_of(base, gaussians, before)
            yield deltas.pack(state, None if count % KEYS_EVERY == 0 else before)
            before, count = state, count + 1
        if base is None:
            raise ValueError("a moving head needs a frame")
        about.update(frames=count, gaussians=len(base.means), keys=list(range(0, count, KEYS_EVERY)))

    return write(path, about, blocks)


def write(path: str | Path, about: dict[str, Any], blocks: Callable[[Path], Iterator[bytes]]) -> Path:
    """blocks: given the path of the partial file, yields them; what is known after the last may be added to `about` until then."""

    def everything(partial: Path) -> None:
        body = list(blocks(partial))
        header = {"format": "head4d", "version": 1, "note": NOTE, **about, "blocks": [len(block) for block in body]}
        words = json.dumps(header).encode()
        with partial.open("wb") as file:
            file.write(MAGIC + struct.pack("<I", len(words)) + words)
            file.writelines(body)

    write_whole(Path(path), everything)
    return Path(path)


def load_head4d(path: str | Path, device: torch.device | str = "cpu") -> DrivenHead | KeptHead:
    """Raises MotionFileError for a file that is none or damaged, BudgetError for one that is too large, and FileNotFoundError."""
    path = Path(path)
    if path.stat().st_size > LARGEST_FILE:
        raise BudgetError(f"{path.name} is too large: at most {LARGEST_FILE // 2**20} MB are read.")
    try:
        header, blocks = parse(path.read_bytes())
        if header["kind"] == "rig":
            rig, track = unpack(blocks[0]), parse_track(header, blocks[1])
            return DrivenHead(rig, track, device, Residual.unpack(blocks[2], len(track), len(rig)) if len(blocks) > 2 else None)
        return kept(header, blocks)
    except RigFileError as error:
        raise MotionFileError(f"{path.name} holds a rig that {error}") from None
    except (MotionFileError, BudgetError) as error:
        raise type(error)(f"{path.name} {error}") from None


def parse(data: bytes) -> tuple[dict[str, Any], list[bytes]]:
    """The header, checked, and the blocks."""
    start = len(MAGIC) + 4
    if not data.startswith(MAGIC) or len(data) < start:
        raise MotionFileError("is no moving head.")
    length = struct.unpack_from("<I", data, len(MAGIC))[0]
    try:
        header = json.loads(data[start : start + min(length, LARGEST_HEADER)])
    except ValueError:
        raise MotionFileError("is damaged: its header cannot be read.") from None
    if not isinstance(header, dict) or header.get("format") != "head4d" or header.get("version") != 1:
        raise MotionFileError("is no moving head of version 1.")
    fps, frames, sizes, kind = (header.get(name) for name in ("fps", "frames", "blocks", "kind"))
    if isinstance(fps, bool) or not isinstance(fps, int | float) or not math.isfinite(fps) or not 0 < fps <= MOST_FPS:
        raise MotionFileError("is damaged: it has no fps.")
    if not whole(frames, 1):
        raise MotionFileError("is damaged: it does not say how many frames it has.")
    if frames > MOST_FRAMES:
        raise BudgetError(f"holds {frames:,} frames; at most {MOST_FRAMES:,} are read.")
    wanted = {"rig": 2 + ("residual" in header), "deltas": frames + 1}.get(kind if isinstance(kind, str) else "")
    if wanted is None or not isinstance(sizes, list) or len(sizes) != wanted or not all(whole(size, 0) for size in sizes):
        raise MotionFileError("is damaged: its header names other blocks than it has.")
    ends = start + length + np.cumsum([0, *sizes], dtype=np.int64)
    if ends[-1] != len(data):
        raise MotionFileError("is cut short, or longer than its header says.")
    return header, [data[a:b] for a, b in zip(ends, ends[1:], strict=False)]


def whole(value: object, least: int) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def parse_track(header: dict[str, Any], block: bytes) -> Track:
    names, frames = header.get("track"), header["frames"]
    if not isinstance(names, list) or "weights" not in names or [name for name in STEPS if name in names] != names:
        raise MotionFileError("is damaged: its track has no weights.")
    raw = inflated(block, sum(WIDTHS[name] for name in names) * frames * 4)
    found, at = {}, 0
    for name in names:
        size = WIDTHS[name] * frames * 4
        values = np.cumsum(from_planes(raw[at : at + size], "<i4", (frames, WIDTHS[name])), axis=0, dtype=np.int64) * STEPS[name]
        if np.abs(values).max() > LIMITS[name] * 1.001 or (name == "rotation" and np.linalg.norm(values, axis=1).min() < 1e-3):
            raise MotionFileError(f"is damaged: its {name} makes no sense.")
        found[name], at = values, at + size
    return Track(float(header["fps"]), found.pop("weights").clip(0, 1), **found)


def kept(header: dict[str, Any], blocks: list[bytes]) -> KeptHead:
    count, keys = header.get("gaussians"), header.get("keys")
    if not whole(count, 1):
        raise MotionFileError("is damaged: it does not say how many Gaussians it has.")
    if count > MOST["gaussians"]:
        raise BudgetError(f"holds {count:,} Gaussians; at most {MOST['gaussians']:,} are read.")
    if not isinstance(keys, list) or not all(whole(key, 0) and key < len(blocks) - 1 for key in keys) or 0 not in keys:
        raise MotionFileError("is damaged: it has no key frames.")
    return KeptHead(float(header["fps"]), Base.unpack(blocks[0], count), keys, blocks[1:])
