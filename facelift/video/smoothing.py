"""What is measured in every frame, without gaps and without trembling."""

from __future__ import annotations

import numpy as np

SPEED_CUTOFF = 3.0  # Hz, of the low pass on speeds


def without_gaps(values: np.ndarray) -> np.ndarray:
    """Rows (T, D) that are NaN are drawn straight between their neighbours, and held at both ends. At least one row must be there."""
    seen = ~np.isnan(values).any(1)
    frames = np.arange(len(values))
    return np.stack([np.interp(frames, frames[seen], column[seen]) for column in values.T], 1)


def smoothed(values: np.ndarray, fps: float, cutoff: float, beta: float) -> np.ndarray:
    """One-euro filter (Casiez et al. 2012) of each column of (T, D), run forwards and backwards and averaged, so that nothing lags.

    cutoff: Hz, of what stands still. beta: Hz by which it rises for each unit a second of speed.
    """
    return (_one_euro(values, fps, cutoff, beta) + _one_euro(values[::-1], fps, cutoff, beta)[::-1]) / 2


def _one_euro(values: np.ndarray, fps: float, cutoff: float, beta: float) -> np.ndarray:
    found, speed = np.array(values, np.float64), np.zeros(values.shape[1])
    for t in range(1, len(values)):
        speed += _share(SPEED_CUTOFF, fps) * ((values[t] - values[t - 1]) * fps - speed)
        found[t] = found[t - 1] + _share(cutoff + beta * np.abs(speed), fps) * (values[t] - found[t - 1])
    return found


def _share(cutoff: np.ndarray | float, fps: float) -> np.ndarray | float:
    """Of a new value in a low pass of first order."""
    return 1 / (1 + fps / (2 * np.pi * cutoff))
