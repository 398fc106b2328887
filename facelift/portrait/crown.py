"""The top of a head that the photo's border cut off, completed: the outline rounded off, the hair below the border mirrored up into it.

It is a guess, and said to be one; without it heads are flat on top from all sides.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from .crop import FACE_SIZE, Crop
from .faces import Face

COMPLETED = "The border of the photo cuts the head: its top was completed by a guess."
FOREHEAD = 10  # of MediaPipe's mesh: the middle of the face's upper end
CUT = 0.35  # of a face's size: a wider outline at the border is cut hair, not the tip of it
TOPS = (62.0, 118.0)  # rows of the portrait between which heads end
ROUND = 1.05  # height of the dome to its half width, where its sides stand upright
SLOPE = 40  # rows below the border that tell how the outline goes on
EDGE = 2.5  # pixels over which the outline fades
INSIDE = 0.94  # of the way from the middle of the head to its outline: from there on out is no pure hair


def complete_crown(image: Image.Image, alpha: Image.Image, crop: Crop, face: Face) -> tuple[Image.Image, Image.Image] | None:
    """Image and alpha of a portrait with its top completed; None where the border cuts no hair, or the face as well.

    image: RGB on white. alpha: L.
    crop, face: of the portrait; the border is where the photo begins.
    """
    if face.landmarks is None:
        return None
    rows, border = np.asarray(alpha) / 255.0, crop.paste_at[1]
    forehead = float(face.landmarks[FOREHEAD, 1]) * crop.scale - crop.crop_in_scaled[1] + border  # where hair ends
    start = border + 2  # the row at the border itself is mixed with white
    if border < 8 or start + SLOPE >= rows.shape[0] or forehead - start < 6:
        return None
    spans = [_span(rows[y]) for y in range(start, start + SLOPE)]
    if spans[0] is None or spans[0][1] - spans[0][0] < CUT * FACE_SIZE:
        return None
    left, right = np.array([span or spans[0] for span in spans], float).T
    middle, half = (left[0] + right[0]) / 2, (right[0] - left[0]) / 2
    slope = max(0.0, float(np.polyfit(np.arange(SLOPE), (right - left) / 2, 1)[0]))
    turn = ROUND * slope / np.hypot(1, ROUND * slope)  # sine of how far up the dome the border cuts
    radius = half / np.sqrt(1 - turn**2)
    top = float(np.clip(start - ROUND * radius * (1 - turn), *TOPS))
    top = min(top, start - 6.0)
    return _filled(np.asarray(image, np.float32), rows, start, top, middle, half, turn, min(0.75 * (forehead - start), SLOPE - 1))


def _span(row: np.ndarray) -> tuple[int, int] | None:
    """The first and last column that the head covers around its middle."""
    solid = np.flatnonzero(row > 0.5)
    if not len(solid):
        return None
    pieces = np.split(solid, np.flatnonzero(np.diff(solid) > 3) + 1)
    longest = max(pieces, key=len)
    return int(longest[0]), int(longest[-1])


def _filled(
    pixels: np.ndarray, rows: np.ndarray, start: int, top: float, middle: float, half: float, turn: float, band: float
) -> tuple[Image.Image, Image.Image]:
    """band: rows below `start` that are hair and are mirrored, to and fro where more are needed."""
    pixels, rows = pixels.copy(), rows.copy()
    columns = np.arange(rows.shape[1])
    radius = half / np.sqrt(1 - turn**2)
    for y in range(max(0, int(top) - 2), start):
        height = turn + (1 - turn) * (start - y) / (start - top)  # turn at the border, 1 on top of the ellipse
        width = radius * np.sqrt(max(0.0, 1 - height**2))
        covered = np.clip((1 - np.hypot((columns - middle) / radius, height)) * radius / EDGE + 0.5, 0, 1)
        depth = (start - y) % (2 * band)
        source = start + min(depth, 2 * band - depth)
        below = int(source)
        span = _span(rows[below]) or (middle - half, middle + half)
        share = np.clip((columns - middle) / max(width, 1.0), -1, 1) * INSIDE
        at = (span[0] + span[1]) / 2 + share * (span[1] - span[0]) / 2
        blend = source - below
        colour = sum(
            weight * np.stack([np.interp(at, columns, pixels[below + k, :, c]) for c in range(3)], 1)
            for k, weight in ((0, 1 - blend), (1, blend))
        )
        pixels[y] = covered[:, None] * colour + (1 - covered[:, None]) * 255
        rows[y] = covered
    return Image.fromarray(np.rint(pixels).clip(0, 255).astype(np.uint8)), Image.fromarray(np.rint(rows * 255).astype(np.uint8))
