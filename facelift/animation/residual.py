"""What a rig cannot say of a clip: patterns of colour on its Gaussians, and how much of each a frame has."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ..errors import MotionFileError
from ..gaussians import Gaussians
from .deltas import inflated

MOST_PATTERNS = 16
LARGEST_STEP = 1.0  # of sh0, for whole numbers of -127 to 127: more is no colour
SIZES = struct.Struct("<II")


@dataclass(frozen=True, eq=False)
class Residual:
    """Added to sh0: in frame t, of the Gaussian index[i], the sum over k of weights[t, k] * steps[k] * patterns[k, i].

    index: int32, Shape (n,), rising. patterns: int8, Shape (K, n, 3). steps: float32, Shape (K,). weights: float32, Shape (T, K), -1..1.
    """

    index: np.ndarray
    patterns: np.ndarray
    steps: np.ndarray
    weights: np.ndarray

    @property
    def bound(self) -> float:
        """How far whole steps may be off in sh0, at most, in any frame."""
        return float((np.abs(self.weights) @ self.steps).max(initial=0.0) / 2)

    def pack(self) -> bytes:
        about = SIZES.pack(len(self.steps), len(self.index))
        arrays = (np.diff(self.index, prepend=0).astype("<i4"), self.patterns, self.steps.astype("<f4"), self.weights.astype("<f4"))
        return zlib.compress(about + b"".join(np.ascontiguousarray(a).tobytes() for a in arrays), 9)

    @staticmethod
    def unpack(data: bytes, frames: int, gaussians: int) -> Residual:
        """Of a head of so many Gaussians that moves for so many frames. Raises MotionFileError."""
        count, n = SIZES.unpack(inflated(data, SIZES.size, rest=True))
        if not 0 < count <= MOST_PATTERNS or not 0 < n <= gaussians:
            raise MotionFileError("is damaged: its residual is of another head.")
        ends = SIZES.size + np.cumsum([0, 4 * n, 3 * n * count, 4 * count, 4 * count * frames])
        raw = inflated(data, int(ends[-1]))
        parts = [np.frombuffer(raw[a:b], kind) for a, b, kind in zip(ends, ends[1:], ("<i4", "i1", "<f4", "<f4"), strict=False)]
        index, weights = np.cumsum(parts[0], dtype=np.int64), parts[3].reshape(frames, count)
        if (np.diff(index) <= 0).any() or index[0] < 0 or index[-1] >= gaussians:
            raise MotionFileError("is damaged: its residual is of another head.")
        if not (np.abs(weights) <= 1.001).all() or not (np.abs(parts[2]) <= LARGEST_STEP).all():
            raise MotionFileError("is damaged: its residual makes no sense.")
        return Residual(index.astype(np.int32), parts[1].reshape(count, n, 3).copy(), parts[2].copy(), weights.copy())


class Painter:
    """Holds a residual as tensors."""

    def __init__(self, residual: Residual, device: torch.device | str = "cpu"):
        self.index = torch.as_tensor(residual.index, device=device).long()
        self.patterns = torch.as_tensor(residual.patterns, device=device)
        self.weights = torch.as_tensor(residual.weights * residual.steps, device=device)

    def change(self, frame: int) -> Tensor:
        """Of sh0, Shape (n, 3)."""
        found = torch.zeros(self.patterns.shape[1:], device=self.patterns.device)
        for weight, pattern in zip(self.weights[frame], self.patterns, strict=True):
            found += weight * pattern
        return found

    def __call__(self, gaussians: Gaussians, frame: int) -> Gaussians:
        return replace(gaussians, sh0=gaussians.sh0.index_add(0, self.index, self.change(frame)))
