"""What would make a photo better, told from the photo and its face. Advice only: nothing is refused."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from .faces import Face
from .occlusion import occlusion
from .pose import HeadPose

SMALL, DARK, BRIGHT, TURNED = 90, 55, 235, 20  # pixels, grey levels of 255, degrees
SIDEWAYS = 60  # degrees: from here on landmarks are guesses
FRONTAL = 15  # degrees: up to here something before the face can be told from a face seen from the side
LITTLE_ROOM = "There is little room above the face: the top of the head will be guessed."
OCCLUDED = {
    "mouth": "Something seems to cover the mouth: without hand, mask or scarf before it, it need not be guessed.",
    "eye": "Something seems to cover an eye: a photo with both eyes free gives a better head.",
    "glasses": "Dark glasses hide the eyes: without them the head gets eyes of its own.",
}
EYES = 33, 263  # of MediaPipe's mesh: the outer corners, the subject's right first


def advice(photo: Image.Image, face: Face, pose: HeadPose | None = None, followed: bool = False) -> list[str]:
    """Sentences about a face of a photo, the weightiest first; empty where all is well.

    pose: of the face, where it is known.
    followed: the portrait takes it into account.
    """
    found = []
    if face.landmarks is not None:
        turned = abs(pose.azimuth) if pose else 0.0
        if turned > TURNED:
            how = f"about {5 * round(turned / 5)} degrees" if turned < SIDEWAYS else "far"
            better = "the front was drawn from its side, what it hides mirrored; " if followed else ""
            found.append(f"The face is turned {how} away: {better}a photo from the front gives a better head.")
        if face.size >= SMALL and turned < FRONTAL and (what := occlusion(photo.convert("RGB"), face)):
            found.append(OCCLUDED[what])
    if face.size < SMALL:
        found.append(f"The face is only {face.size:.0f} pixels wide in the photo: a closer one shows more detail.")
    x0, y0, x1, y1 = face.box
    if min(x0, y0) < -0.05 * face.size or x1 > photo.width + 0.05 * face.size or y1 > photo.height + 0.05 * face.size:
        found.append("The face is cut off by the border of the photo: what is missing will be guessed.")
    elif y0 < 0.25 * face.size:
        found.append(LITTLE_ROOM)
    light = brightness(photo, face)
    if light < DARK:
        found.append("The face is dark: more light in front of it helps.")
    elif light > BRIGHT:
        found.append("The face is overexposed: softer light helps.")
    return found


def roll(points: np.ndarray) -> float:
    """How far a head is tilted, in degrees clockwise in the picture, from the line of the eyes."""
    x, y = points[EYES[1]] - points[EYES[0]]
    return math.degrees(math.atan2(y, x))


def brightness(photo: Image.Image, face: Face) -> float:
    """Median grey level within the face box."""
    box = [max(0, round(v)) for v in face.box]
    part = photo.convert("RGB").crop((box[0], box[1], min(box[2], photo.width), min(box[3], photo.height))).convert("L")
    return float(np.median(np.asarray(part))) if min(part.size) > 0 else 128.0
