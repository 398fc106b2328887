"""Where hair grows: the edge of the hair around the head and how thick it is inside."""

from __future__ import annotations

import numpy as np

from ..template import smoothstep

# The edge as elevation over azimuth, both in degrees seen from the middle of the skull: forehead, temple, sideburn, around the ear, nape.
EDGE_AZIMUTH = np.array([0, 22, 40, 50, 56, 60, 63, 68, 72, 95, 104, 115, 140, 180.0])
EDGE_ELEVATION = np.array([33, 34.5, 33, 27, 14, -3, -14, -14, 5, 6, -6, -28, -40, -45.0])


def hairline(azimuth: np.ndarray, recession: float = 0.0, shift: float = 0.0) -> np.ndarray:
    """Elevation of the edge of the hair. recession: 0..1, bays at the temples. shift: degrees the middle lies higher."""
    a = np.abs(azimuth)
    edge = np.interp(a, EDGE_AZIMUTH, EDGE_ELEVATION) + shift * np.exp(-((a / 45) ** 2))
    return edge + recession * (34 * np.exp(-(((a - 32) / 17) ** 2)) + 14 * np.exp(-((a / 28) ** 2)))


def waves(points: np.ndarray, rng: np.random.Generator, frequency: float, octaves: int = 3) -> np.ndarray:
    """Smooth noise of points (N, 3): sums of sines, about -1..1. frequency: radians per metre. Shape (N,)."""
    total = np.zeros(len(points), np.float32)
    for i in range(octaves):
        direction = rng.normal(0, frequency * 1.7**i, 3)
        total += np.sin(points @ direction + rng.uniform(0, 6.28)).astype(np.float32) * 0.7**i
    return total / 1.6


def bald_crown(azimuth: np.ndarray, elevation: np.ndarray) -> np.ndarray:
    """1 where the top is bald and a wreath of hair is left below. Shape as azimuth."""
    return smoothstep(6, 30, elevation + 0.5 * np.clip(60 - np.abs(azimuth), 0, 60))
