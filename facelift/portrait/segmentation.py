"""How probably each pixel shows a person: MediaPipe's selfie segmentation.

It has 256 px, so it is taken from several windows around the head, mirrored too, and averaged.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from .faces import Face
from .models import MediaPipeModels, mediapipe_image, mediapipe_models

SIDE = 256

Box = tuple[float, float, float, float]  # x0, y0, x1, y1 in pixels of the photo
Pixels = tuple[int, int, int, int]  # the same, whole


def person_probability(image: Image.Image, face: Face | None, region: Pixels, size: tuple[int, int]) -> np.ndarray:
    """The mean over all windows.

    image: RGB. face: the person to look at; without it, the region is the only window. region: the part that is needed.
    size: (width, height) at which it is wanted. Returns Shape (height, width), float32 0..1.
    """
    import cv2

    total = np.zeros(size[::-1], np.float32)
    weights = np.full_like(total, 1e-6)
    k = size[0] / (region[2] - region[0])
    models = mediapipe_models()
    with models.lock:
        for window in (clipped(window, image.size) for window in _windows(face, region, image.size)):
            pixels = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=window, reducing_gap=3.0))
            upright, mirrored = (_confidence(models, p) for p in (pixels, pixels[:, ::-1]))
            sx, sy = (k * (window[i + 2] - window[i]) / SIDE for i in (0, 1))
            place = np.array([[sx, 0, (window[0] - region[0]) * k + (sx - 1) / 2], [0, sy, (window[1] - region[1]) * k + (sy - 1) / 2]])
            weight = _feather(window, image.size)
            total += cv2.warpAffine(weight * (upright + mirrored[:, ::-1]) / 2, place, size, flags=cv2.INTER_CUBIC)
            weights += cv2.warpAffine(weight, place, size, flags=cv2.INTER_LINEAR)
    return np.clip(total / weights, 0, 1)


def clipped(box: Box, size: tuple[int, int]) -> Pixels:
    """A box within a picture of this size (width, height), at least a pixel large."""
    x0, y0 = min(max(0, int(box[0])), size[0] - 1), min(max(0, int(box[1])), size[1] - 1)
    return x0, y0, max(x0 + 1, min(size[0], int(box[2]))), max(y0 + 1, min(size[1], int(box[3])))


def _windows(face: Face | None, region: Pixels, size: tuple[int, int]) -> list[Box]:
    """Parts of the photo to segment: head and shoulders at three sizes, and the whole region where the face does not fill it."""
    windows: list[Box] = []
    if face is not None:
        (x, y), s = face.centre, face.size
        windows = [(x - k / 2 * s, y - up * s, x + k / 2 * s, y + (k - up) * s) for k, up in ((2.75, 1.5), (3.2, 1.5), (3.8, 1.6))]
    if face is None or region == (0, 0, *size):
        windows.append(region)
    return windows


def _confidence(models: MediaPipeModels, pixels: np.ndarray) -> np.ndarray:
    """The segmenter's mask, copied: its memory goes with the result it belongs to."""
    result = models.segmenter.segment(mediapipe_image(pixels))
    return result.confidence_masks[0].numpy_view().squeeze().copy()


def _feather(window: Pixels, size: tuple[int, int]) -> np.ndarray:
    """Weights that fall off towards the sides of a window, save where the photo ends there."""

    def ramp(low: int, high: int, end: int) -> np.ndarray:
        x = (np.arange(SIDE) + 0.5) / 32
        return np.minimum(np.where(low > 0, x, 1), np.where(high < end, x[::-1], 1)).clip(0, 1)

    return np.outer(ramp(window[1], window[3], size[1]), ramp(window[0], window[2], size[0])).astype(np.float32)
