"""The face-aligned 512 px crop, number for number as the release computes it (reference kit 3.1).

The release truncates twice, so a border row or column may stay background; the models were trained with that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

SIZE = 512
FACE_SIZE = 194.2749650813705  # mean of width and height of the face box, in the portrait
FACE_CENTRE = (251.83270369057132, 280.0133630862363)
RELEASE_CONFIDENCE = 0.8  # of an MTCNN box; must be exceeded
WHOLE_RESIZE_LIMIT = 16_000_000  # pixels; beyond, only the part needed is resampled


@dataclass(frozen=True)
class Crop:
    """How a picture becomes a portrait: resize it, cut a window out, paste that on the background.

    scale: portrait pixels per photo pixel. scaled_size: (width, height) of the resized picture.
    crop_in_scaled: (left, top, right, bottom) in the resized picture. paste_at: (left, top) in the portrait.
    """

    scale: float
    scaled_size: tuple[int, int]
    crop_in_scaled: tuple[int, int, int, int]
    paste_at: tuple[int, int]


def crop_window(width: int, height: int, box: tuple[float, float, float, float]) -> Crop:
    """The crop that puts a face box (x0, y0, x1, y1; pixels) at the place and size the models know.

    Sums of box coordinates are float32, in this order, as the release takes them from its detector; the rest is float64.
    """
    x0, y0, x1, y1 = (np.float32(v) for v in box)
    scale = FACE_SIZE / (float(x1 - x0 + y1 - y0) / 2)
    scaled = (int(width * scale), int(height * scale))
    ox = FACE_CENTRE[0] - int(float(x0 + x1) / 2 * scale)
    oy = FACE_CENTRE[1] - int(float(y0 + y1) / 2 * scale)
    window = (int(max(0, -ox)), int(max(0, -oy)), int(min(scaled[0], SIZE - ox)), int(min(scaled[1], SIZE - oy)))
    return Crop(scale, scaled, window, (int(max(0, ox)), int(max(0, oy))))


def apply_crop(image: Image.Image, crop: Crop, background: tuple[int, ...] | int = (255, 255, 255)) -> Image.Image:
    """Portrait of 512x512 in the mode of image; background is a colour of that mode."""
    portrait = Image.new(image.mode, (SIZE, SIZE), background)
    left, top, right, bottom = crop.crop_in_scaled
    if right <= left or bottom <= top:
        return portrait
    if crop.scaled_size[0] * crop.scaled_size[1] <= WHOLE_RESIZE_LIMIT:
        window = image.resize(crop.scaled_size, Image.Resampling.BICUBIC).crop(crop.crop_in_scaled)
    else:
        kx, ky = image.width / crop.scaled_size[0], image.height / crop.scaled_size[1]
        part = (left * kx, top * ky, min(right * kx, image.width), min(bottom * ky, image.height))
        window = image.resize((right - left, bottom - top), Image.Resampling.BICUBIC, box=part)
    portrait.paste(window, crop.paste_at)
    return portrait


def fit_square(image: Image.Image, background: tuple[int, ...] | int = (255, 255, 255)) -> Image.Image:
    """The whole picture, centred on a 512x512 square of the background: never squashed."""
    k = SIZE / max(image.size)
    width, height = (max(1, round(side * k)) for side in image.size)
    square = Image.new(image.mode, (SIZE, SIZE), background)
    square.paste(image.resize((width, height), Image.Resampling.BICUBIC), ((SIZE - width) // 2, (SIZE - height) // 2))
    return square


def select_face(boxes: np.ndarray | None, confidences: np.ndarray | None, threshold: float = RELEASE_CONFIDENCE) -> int | None:
    """Index of the largest box whose confidence exceeds threshold; the first of equals; None if there is none.

    boxes: Shape (N, 4). x0, y0, x1, y1.
    confidences: Shape (N,); taken as float32, as detectors give them, so that 0.8 exceeds 0.8 as it does in the release.
    """
    if boxes is None or len(boxes) == 0:
        return None
    boxes = np.asarray(boxes, dtype=np.float64)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    areas[np.asarray(confidences, dtype=np.float32).astype(np.float64) <= threshold] = -1
    best = int(areas.argmax())
    return best if areas[best] >= 0 else None
