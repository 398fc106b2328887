"""The person's own colours where the background shines through: without them an outline on white keeps a fringe of the old background.

Colours of both sides are carried over the boundary band from where they are sure, coarse to fine (an idea of Germer et al. 2020); what
they do not explain of a pixel is the foreground's, as far as alpha goes (Forte 2021).
"""

from __future__ import annotations

import numpy as np

SURE = 0.95  # of alpha; 1 - SURE on the other side


def foreground(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """pixels: Shape (H, W, 3), 0..1. alpha: Shape (H, W), 0..1. Returns Shape (H, W, 3), float32 0..1; any colour where alpha is 0."""
    import cv2

    inside, outside = (cv2.erode(sure.astype(np.float32), np.ones((3, 3))) for sure in (alpha > SURE, alpha < 1 - SURE))
    mine, other, a = continued(pixels, inside), continued(pixels, outside), alpha[..., None]
    return (mine + a * (pixels - a * mine - (1 - a) * other)).clip(0, 1)


def continued(colours: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Colours continued smoothly to where they are not known. colours: Shape (H, W, 3). known: Shape (H, W), 0..1, float32."""
    import cv2

    height, width = known.shape
    weighted = colours * known[..., None]
    if min(height, width) <= 2:
        return np.broadcast_to(weighted.sum((0, 1)) / (known.sum() + 1e-6), colours.shape).astype(np.float32)
    half = ((width + 1) // 2, (height + 1) // 2)
    share = cv2.resize(known, half, interpolation=cv2.INTER_AREA)
    coarse = cv2.resize(weighted, half, interpolation=cv2.INTER_AREA) / np.maximum(share, 1e-6)[..., None]
    coarse = cv2.resize(continued(coarse, np.minimum(2 * share, 1)), (width, height), interpolation=cv2.INTER_LINEAR)
    return weighted + coarse * (1 - known[..., None])
