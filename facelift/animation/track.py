"""Tracks: what a head does over time, and the JSON they are kept in."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import TrackError
from ..face.units import UNITS
from ..files import write_whole

LARGEST_FILE = 64 * 2**20  # bytes
MOST_FRAMES = 36_000  # 20 minutes at 30 a second
MOST_FPS = 240.0
FARTHEST = 3.0  # world units
MOST_GAZE = 60.0  # degrees
WIDTHS = {"rotation": 4, "translation": 3, "gaze": 2}
DIGITS = 5


@dataclass(frozen=True)
class Pose:
    """One frame. weights: Shape (52,), 0..1, of UNITS, absolute: a face that does nothing is 0. rotation: w x y z, of the head relative
    to the photo, in the world's axes. translation: world units, of everything. gaze: degrees to the subject's left and up, relative to the
    photo's; None: as the units eyeLook... say."""

    weights: np.ndarray
    rotation: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0)
    translation: tuple[float, float, float] = (0.0, 0.0, 0.0)
    gaze: tuple[float, float] | None = None


@dataclass(frozen=True, eq=False)
class Track:
    """T frames, each as a Pose says. weights: Shape (T, 52). rotation, translation, gaze: Shape (T, 4), (T, 3), (T, 2), or None."""

    fps: float
    weights: np.ndarray
    rotation: np.ndarray | None = None
    translation: np.ndarray | None = None
    gaze: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.weights)

    def __getitem__(self, frame: int) -> Pose:
        w, x, y, z = (1.0, 0.0, 0.0, 0.0) if self.rotation is None else (float(v) for v in self.rotation[frame])
        a, b, c = (0.0, 0.0, 0.0) if self.translation is None else (float(v) for v in self.translation[frame])
        gaze = None if self.gaze is None else (float(self.gaze[frame][0]), float(self.gaze[frame][1]))
        return Pose(self.weights[frame], (w, x, y, z), (a, b, c), gaze)

    def save(self, path: str | Path) -> Path:
        table: dict[str, Any] = {"fps": self.fps, "units": list(UNITS), "weights": np.round(self.weights, DIGITS).tolist()}
        for name in WIDTHS:
            if (values := getattr(self, name)) is not None:
                table[name] = np.round(values, DIGITS + 1).tolist()
        write_whole(Path(path), lambda partial: partial.write_text(json.dumps(table)))
        return Path(path)

    @staticmethod
    def load(path: str | Path) -> Track:
        """Raises TrackError with what is wrong, and FileNotFoundError."""
        path = Path(path)
        if path.stat().st_size > LARGEST_FILE:
            raise TrackError(f"{path.name} is too large for a track: at most {LARGEST_FILE // 2**20} MB are read.")
        try:
            table = json.loads(path.read_bytes())
        except (ValueError, RecursionError):
            raise TrackError(f"{path.name} is no track: it is not JSON, or is cut short.") from None
        try:
            return parse(table)
        except TrackError as error:
            raise TrackError(f"{path.name} {error}") from None


def parse(table: object) -> Track:
    """A track of parsed JSON. Raises TrackError."""
    if not isinstance(table, dict):
        raise TrackError('is no track: it needs "fps", "units" and "weights".')
    if missing := [name for name in ("fps", "units", "weights") if name not in table]:
        raise TrackError(f"is no track: it has no {', '.join(missing)}.")
    fps, units = table["fps"], table["units"]
    if isinstance(fps, bool) or not isinstance(fps, int | float) or not math.isfinite(fps) or not 0 < fps <= MOST_FPS:
        raise TrackError(f"has an fps that is no number above 0 and up to {MOST_FPS:.0f}.")
    if not isinstance(units, list) or not all(isinstance(unit, str) for unit in units):
        raise TrackError("has units that are no list of names.")
    if absent := [unit for unit in UNITS if unit not in units]:
        raise TrackError(f"lacks {len(absent)} of the {len(UNITS)} units: {', '.join(absent[:4])}{' ...' if len(absent) > 4 else ''}.")
    if len(units) != len(UNITS):
        strange = [unit for unit in units if unit not in UNITS]
        raise TrackError(f"names a unit twice, or one that is none: {strange[0] if strange else 'twice'}.")
    weights = numbers(table["weights"], "weights", len(UNITS))
    if weights.min() < -1e-6 or weights.max() > 1 + 1e-6:
        raise TrackError("has weights that are not between 0 and 1.")
    order = [units.index(unit) for unit in UNITS]
    parts = {name: numbers(table[name], name, width, len(weights)) for name, width in WIDTHS.items() if table.get(name) is not None}
    if "rotation" in parts and np.linalg.norm(parts["rotation"], axis=1).min() < 1e-3:
        raise TrackError("has a rotation whose four numbers are all 0.")
    for name, most in (("translation", FARTHEST), ("gaze", MOST_GAZE)):
        if name in parts and np.abs(parts[name]).max() > most:
            raise TrackError(f"has a {name} beyond {most:.0f}.")
    return Track(float(fps), weights[:, order].clip(0, 1), **parts)


def numbers(value: object, name: str, width: int, count: int | None = None) -> np.ndarray:
    """Shape (T, width). Raises TrackError for other shapes, what is no number, and too many frames."""
    if not isinstance(value, list) or not value:
        raise TrackError(f"has no frames in its {name}.")
    if len(value) > MOST_FRAMES:
        raise TrackError(f"has {len(value):,} frames; at most {MOST_FRAMES:,} are read.")
    if count is not None and len(value) != count:
        raise TrackError(f"has {len(value)} frames of {name}, but {count} of weights.")
    for frame, row in enumerate(value):
        if not isinstance(row, list) or len(row) != width:
            raise TrackError(f"needs {width} numbers in frame {frame} of its {name}.")
        if not all(isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v) for v in row):
            raise TrackError(f"has something that is no finite number in frame {frame} of its {name}.")
    return np.array(value, np.float64)
