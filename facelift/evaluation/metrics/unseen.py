"""How sharp, clean and whole the sides are that no photo shows: gradients, a grid of 8 pixels, loose pieces."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...portrait.crop import FACE_CENTRE, FACE_SIZE, SIZE
from .faces import face_in

PERIOD = 8  # pixels that the view generators fold into one
MARGIN = 8  # pixels from the outline that are left out
FEWEST = 200  # pixels
COVERED = 0.1  # alpha from which a pixel belongs to a piece


def sharpness(a: Tensor, b: Tensor) -> Tensor:
    """Gradients of a, as a share of those of b: below 1 is blurred, above is noise. a, b: Shape (N, 3, H, W). Returns Shape (N,)."""
    return _gradients(a) / _gradients(b)


def grid(pictures: Tensor, alpha: Tensor) -> Tensor:
    """Correlation of what is finer than the period with itself one period aside and below, inside the alpha: 1 is nothing but a grid.

    pictures: Shape (N, 3, H, W).
    alpha: Shape (N, H, W), 0..1.
    Returns Shape (N,); NaN where nothing is far enough inside.
    """
    blurred = F.avg_pool2d(pictures, PERIOD + 1, 1, PERIOD // 2, count_include_pad=False)
    fine, inside = pictures - blurred, eroded(alpha)
    product, square = torch.zeros(len(pictures)), torch.zeros(len(pictures))
    for axis in (-1, -2):
        end = fine.shape[axis] - PERIOD
        first, second = fine.narrow(axis, 0, end), fine.narrow(axis, PERIOD, end)
        both = (inside.narrow(axis, 0, end) & inside.narrow(axis, PERIOD, end))[:, None]
        product += (first * second * both).flatten(1).sum(1).cpu()
        square += (0.5 * (first.square() + second.square()) * both).flatten(1).sum(1).cpu()
    return product / square


def sharpness_beside_photo(front: np.ndarray, alpha: np.ndarray, turned: Iterable[tuple[np.ndarray, np.ndarray]]) -> float | None:
    """Fine detail of the head in renders from the sides and back, as a share of the portrait's own around its face; mean over renders.

    Detail is the root of the mean squared Laplacian, above the chin. None where the portrait shows no face, or little beside it.
    front, alpha: uint8 (H, W, 3), the portrait, and (H, W), 0..1.
    turned: pictures and alphas, as large.
    """
    face = face_in(front)
    if face is None or face.landmarks is None:
        return None
    inner = np.zeros(alpha.shape, np.uint8)
    cv2.fillConvexPoly(inner, cv2.convexHull(face.landmarks[:, :2].round().astype(np.int32)), 1)
    own = _detail(front, _head(alpha) & (inner == 0))
    found = [_detail(picture, _head(a)) for picture, a in turned]
    known = [value for value in found if value is not None]
    return float(np.mean(known) / own) if own and known else None


def loose_pieces(alphas: np.ndarray) -> float:
    """Share of a render's alpha that hangs together with its largest piece nowhere, in per cent; of the worst render.

    alphas: Shape (V, H, W), 0..1. An empty render has no pieces.
    """
    worst = 0.0
    for alpha in alphas:
        count, labels = cv2.connectedComponents((alpha > COVERED).astype(np.uint8), connectivity=8)
        weights = np.bincount(labels.ravel(), alpha.ravel(), count)[1:]  # 0 is the background
        if len(weights) > 1:
            worst = max(worst, 100 * (1 - weights.max() / weights.sum()))
    return float(worst)


def eroded(alpha: Tensor) -> Tensor:
    """Where everything within the margin is covered. alpha: Shape (N, H, W), 0..1. Returns bool, as large."""
    return F.avg_pool2d(alpha[:, None], 2 * MARGIN + 1, 1, MARGIN)[:, 0] > 0.99


def _gradients(pictures: Tensor) -> Tensor:
    across, down = (pictures.diff(dim=axis).abs().flatten(1).sum(1) for axis in (-1, -2))
    return across + down


def _head(alpha: np.ndarray) -> np.ndarray:
    """Well inside the foreground, above the usual chin. Shape (H, W), bool."""
    inside = eroded(torch.from_numpy(np.asarray(alpha, np.float32))[None])[0].numpy()
    inside[round((FACE_CENTRE[1] + 0.55 * FACE_SIZE) * alpha.shape[0] / SIZE) :] = False
    return inside


def _detail(picture: np.ndarray, where: np.ndarray) -> float | None:
    if where.sum() < FEWEST:
        return None
    laplacian = cv2.Laplacian(picture.astype(np.float32) / 255, cv2.CV_32F)
    return float(np.sqrt(np.square(laplacian[where]).mean()))
