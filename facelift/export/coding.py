"""What splat formats have in common: parts as arrays, bytes, and how much is read."""

from __future__ import annotations

import numpy as np

from ..errors import BudgetError

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # means, quats, scales, opacities, sh0


def within(most: int, count: int) -> None:
    """Raises BudgetError for more than most."""
    if count > most:
        raise BudgetError(f"holds {count:,} Gaussians or more; at most {most:,} are read")


def to_bytes(values: np.ndarray) -> np.ndarray:
    return np.rint(values).clip(0, 255).astype(np.uint8)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits.astype(np.float64)))


def logit_of_byte(byte: np.ndarray) -> np.ndarray:
    """Of an opacity in 0..255."""
    alpha = byte.clip(0.5, 254.5) / 255  # the middle of what rounds to 0 and to 255, so that the logit is finite
    return np.log(alpha / (1 - alpha))


def unit(quats: np.ndarray) -> np.ndarray:
    return quats / np.linalg.norm(quats, axis=1, keepdims=True).clip(1e-12)
