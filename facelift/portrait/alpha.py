"""Whether a photo's transparency cuts a person out: profile pictures, screenshots and bars beside a picture have some that does not."""

from __future__ import annotations

import numpy as np
from PIL import Image

from .faces import Face
from .foreground import continued
from .matte import Cutout
from .photo import on_white
from .segmentation import clipped, person_probability

SIDE = 256  # pixels of the longer side at which outlines are compared
NEAR = 0.08  # of the face: so far the outlines of transparency and person may be apart
FOLLOWS = 0.75  # share of the outline that must be near: of cut-outs 0.92 and more are, of circles and frames 0.63 and less


def given_alpha(image: Image.Image, face: Face | None, matting: str = "auto") -> Cutout | None:
    """The person as the photo's transparency cuts them out; None where it has none or, for "auto", where it follows nobody.

    image: RGB or RGBA. face: the largest, None where none was found. Other mattings than "auto", "alpha" and "none" make their own.
    """
    if image.mode != "RGBA" or matting not in ("auto", "alpha", "none"):
        return None
    if matting == "auto" and face is not None and not _follows(image, face):
        return None
    alpha = image.getchannel("A")
    return Cutout(on_white(image), alpha, "alpha channel")


def _follows(image: Image.Image, face: Face) -> bool:
    """Whether the outline of the transparency around a face is a person's."""
    import cv2

    (x, y), s = face.centre, face.size
    view = clipped((x - 1.9 * s, y - 1.6 * s, x + 1.9 * s, y + 2.2 * s), image.size)
    k = SIDE / max(view[2] - view[0], view[3] - view[1])
    size = (max(1, round((view[2] - view[0]) * k)), max(1, round((view[3] - view[1]) * k)))
    alpha = np.asarray(image.getchannel("A").resize(size, Image.Resampling.BILINEAR, box=view))
    opaque = (alpha > 127).astype(np.uint8)
    person = (person_probability(on_white(image), face, view, size) > 0.5).astype(np.uint8)
    outline, wanted = (cv2.morphologyEx(mask, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0 for mask in (opaque, person))
    if not outline.any():
        return False  # nothing is cut out here
    distance = cv2.distanceTransform((~wanted).astype(np.uint8), cv2.DIST_L2, 5)
    return bool((distance[outline] < NEAR * s * k).mean() >= FOLLOWS)


def opaque(image: Image.Image) -> Image.Image:
    """RGBA to RGB, the colours around continued over what is clear: against white, a disk of background looks like part of the person."""
    alpha = image.getchannel("A")
    k = SIDE / max(image.size)
    size = (max(1, round(image.width * k)), max(1, round(image.height * k)))
    small = np.asarray(image.convert("RGB").resize(size, Image.Resampling.BOX), np.float32) / 255
    known = (np.asarray(alpha.resize(size, Image.Resampling.BOX)) > 250).astype(np.float32)
    filled = Image.fromarray(np.rint(255 * continued(small, known).clip(0, 1)).astype(np.uint8)).resize(image.size)
    filled.paste(image.convert("RGB"), (0, 0), alpha)
    return filled
