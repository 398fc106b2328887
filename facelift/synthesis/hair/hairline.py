"""Where hair grows: the edge of the hair around the head and how thick it is inside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...arrays import smoothstep

# The edge as elevation over azimuth, both in degrees seen from the middle of the skull: forehead, temple, sideburn, around the ear, nape.
EDGE_AZIMUTH = np.array([0, 22, 40, 50, 56, 60, 63, 68, 72, 95, 104, 115, 140, 180.0])
EDGE_ELEVATION = np.array([33, 34.5, 33, 27, 14, -3, -14, -14, 5, 6, -6, -28, -40, -45.0])


@dataclass(frozen=True)
class Hairline:
    """recession: 0..1, bays at the temples. shift: degrees the middle lies higher; peak: degrees its very middle dips (a widow's peak).
    width: of the forehead, 1 is average."""

    recession: float = 0.0
    shift: float = 0.0
    peak: float = 0.0
    width: float = 1.0


def draw_hairline(rng: np.random.Generator, male: bool, recession: tuple[float, float]) -> Hairline:
    low, high = recession
    return Hairline(
        recession=rng.uniform(low, high) if male or low > 0 else 0.0,
        shift=rng.normal(-0.5 if male else -3.5, 2.3),
        peak=rng.uniform(0, 6) if rng.random() < 0.35 else 0.0,
        width=float(np.clip(rng.normal(1, 0.035), 0.93, 1.07)),
    )


def hairline(azimuth: np.ndarray, line: Hairline) -> np.ndarray:
    """Elevation of the edge of the hair, degrees."""
    a = np.abs(azimuth)
    stretch = 1 + (line.width - 1) * np.clip((66 - a) / 12, 0, 1)  # not at the ears
    edge = np.interp(a / stretch, EDGE_AZIMUTH, EDGE_ELEVATION)
    edge += line.shift * np.exp(-((a / 45) ** 2)) - line.peak * np.exp(-((a / 8) ** 2))
    return edge + line.recession * (34 * np.exp(-(((a - 32) / 17) ** 2)) + 14 * np.exp(-((a / 28) ** 2)))


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
