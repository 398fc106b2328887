"""Pictures of heads, and sheets of pictures."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ..cameras import Cameras
from ..gaussians import Gaussians
from ..rendering import render, to_bytes


def draw(head: Gaussians, cameras: Cameras) -> np.ndarray:
    """uint8 (V, H, W, 3)."""
    return to_bytes(render(head, cameras.to(head.means.device)).rgb)


def stacked(rows: list[np.ndarray]) -> np.ndarray:
    """uint8 (h, w, 3) each, of any width -> one above the other, white at the right."""
    width = max(r.shape[1] for r in rows)
    return np.concatenate([np.pad(r, ((0, 0), (0, width - r.shape[1]), (0, 0)), constant_values=255) for r in rows])


def row(pictures: np.ndarray, side: int = 160) -> np.ndarray:
    """uint8 (V, H, W, 3) -> (side, V * side, 3)."""
    return np.concatenate([np.array(Image.fromarray(p).resize((side, side), Image.Resampling.LANCZOS)) for p in pictures], 1)
