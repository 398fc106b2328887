"""Functions of arrays that several rooms share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import SupportsFloat

import numpy as np


def triple(values: Iterable[SupportsFloat]) -> tuple[float, float, float]:
    """Three numbers, as Python's own."""
    a, b, c = (float(v) for v in values)
    return a, b, c


def smoothstep(edge0, edge1, x) -> np.ndarray:
    """0 below `edge0`, 1 above `edge1`, smooth between, as in GLSL; `edge0` may be the greater one. Shape as x."""
    t = np.clip((x - edge0) / (edge1 - edge0), 0, 1)
    return t * t * (3 - 2 * t)


def to_pixels(points, view, intrinsics):
    """Where a camera sees points: columns and rows in pixels, from the picture's upper left corner, and z-depths, each of Shape (N,).

    points: Shape (N, 3).
    view: Shape (4, 4), from their world to the camera.
    intrinsics: fx, fy, cx, cy. All arrays are numpy's, or all torch's.
    """
    p = points @ view[:3, :3].T + view[:3, 3]
    fx, fy, cx, cy = intrinsics
    return p[:, 0] / p[:, 2] * fx + cx, p[:, 1] / p[:, 2] * fy + cy, p[:, 2]
