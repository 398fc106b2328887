"""Alignment of a render to its target by facial landmarks: Algorithm 1 of FaceLift's supplement."""

from __future__ import annotations

import numpy as np


def similarity_from_landmarks(source: np.ndarray, target: np.ndarray) -> tuple[float, np.ndarray]:
    """Scale and translation that bring `source` nearest to `target` in the least squares of the centred points; no rotation.

    source, target: Shape (N, 2), pixels. Returns s and t, Shape (2,), with target ~ s * source + t.
    Raises ValueError for sets that do not match, or a source that is a single point.
    """
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    if source.shape != target.shape or source.ndim != 2 or source.shape[1] != 2:
        raise ValueError(f"landmarks must both have shape (N, 2), got {source.shape} and {target.shape}")
    centre, target_centre = source.mean(0), target.mean(0)
    spread = np.square(source - centre).sum()
    if spread < 1e-12:
        raise ValueError("landmarks that all lie on one point have no scale")
    scale = float(((source - centre) * (target - target_centre)).sum() / spread)
    return scale, target_centre - scale * centre


def warp(picture: np.ndarray, scale: float, translation: np.ndarray, size: tuple[int, int], background: int = 255) -> np.ndarray:
    """The picture moved so that its point p comes to s * p + t; points are pixels from the corner of the picture, not pixel centres.

    picture: uint8 (H, W, 3).
    scale, translation: s, and t of Shape (2,).
    size: width and height of the result.
    background: grey level of what comes in from outside.
    """
    import cv2

    shift = np.asarray(translation) + 0.5 * scale - 0.5  # OpenCV counts from the centre of the first pixel
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    return cv2.warpAffine(picture, matrix, size, borderMode=cv2.BORDER_CONSTANT, borderValue=(background,) * 3)


def align(picture: np.ndarray, landmarks: np.ndarray, target_landmarks: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The whole of Algorithm 1."""
    return warp(picture, *similarity_from_landmarks(landmarks, target_landmarks), size)
