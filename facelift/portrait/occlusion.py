"""What hides part of a face: a hand, a mask, a scarf, dark glasses.

Landmarks are guesses where something lies over the face, so they land elsewhere each time the picture is turned and zoomed a little.
And where the lips should be, nothing is redder than around. The mouth needs both signs, since lips may be pale and photos blurred.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from .faces import Face
from .models import MediaPipeModels, mediapipe_image, mediapipe_models

VARIATIONS = ((0, 1.6, 0, 0), (0, 1.9, 0.05, -0.04), (12, 1.6, 0, 0.03), (-12, 1.7, -0.04, 0), (0, 1.4, 0, 0))  # turn, size, right, down
VARIATION_SIZE = 256
UNSTEADY_MOUTH, UNSTEADY_EYE = 0.0040, 0.0075  # mean deviation of landmarks, in face widths
RED, COLOURED = 3.0, 6.0  # of Lab: lips against their surroundings; skin against grey
DARK = 0.5  # of the brightness of the skin
# Points of MediaPipe's mesh, the subject's right side first.
SIDES = (234, 454)
MOUTH = (13, 14, 61, 291, 0, 17, 37, 267, 84, 314, 78, 308, 152, 148, 377, 200)
LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
AROUND_LIPS = ((164, 167, 393), (200, 199, 175, 18))
EYES = ((33, 133, 159, 145, 160, 144, 158, 153), (263, 362, 386, 374, 387, 373, 385, 380))
BELOW_EYES = ((110, 24, 23, 230), (339, 254, 253, 450))
CHEEKS, LOW_CHEEKS, FOREHEAD = (117, 346, 118, 347, 50, 280), (205, 425, 207, 427), (151, 108, 337, 9)


def occlusion(photo: Image.Image, face: Face) -> str | None:
    """What is hidden: "glasses" (both eyes, by something dark), "mouth", "eye" or None.

    photo: RGB.
    face: with landmarks, seen nearly from the front: of a face turned away, the far side is a guess too.
    Raises ValueError for a face without landmarks.
    """
    if face.landmarks is None:
        raise ValueError("occlusion is read from landmarks, and the face has none")
    part, points = _around(photo, face.landmarks)
    colours = _colours(part, points)
    skin = [colours(place) for place in (CHEEKS, FOREHEAD)]
    bright = min(colours(LOW_CHEEKS)[0], skin[1][0])
    if all(colours(eye)[0] < DARK * bright for eye in BELOW_EYES):
        return "glasses"
    steady = _deviation(part, points)
    red = colours(LIPS, inside=True)[1] - np.mean([colours(place)[1] for place in AROUND_LIPS])
    coloured = max(np.hypot(a, b) for _, a, b in skin) > COLOURED  # else a grey photo, whose lips tell nothing
    if coloured and red < RED and steady[list(MOUTH)].mean() > UNSTEADY_MOUTH:
        return "mouth"
    return "eye" if max(steady[list(eye)].mean() for eye in EYES) > UNSTEADY_EYE else None


def _around(photo: Image.Image, landmarks: np.ndarray, most: int = 512) -> tuple[np.ndarray, np.ndarray]:
    """The face with room around it, at most 512 px: pixels, Shape (H, W, 3), and the landmarks in them."""
    middle, side = (landmarks.min(0) + landmarks.max(0)) / 2, np.ptp(landmarks, axis=0).max()
    (left, top), (right, bottom) = np.clip([middle - side, middle + side], 0, photo.size).astype(int).tolist()
    part = photo.crop((left, top, right, bottom))
    size = np.array(part.size)
    part.thumbnail((most, most), Image.Resampling.BILINEAR)
    return np.asarray(part), (landmarks - (left, top)) * np.array(part.size) / size


def _colours(pixels: np.ndarray, points: np.ndarray) -> Callable[..., np.ndarray]:
    """A function that tells the median Lab colour near some landmarks, or inside the outline they make."""
    import cv2

    lab = cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    width = np.linalg.norm(points[SIDES[0]] - points[SIDES[1]])

    def median(place: tuple[int, ...], inside: bool = False) -> np.ndarray:
        mask = np.zeros(lab.shape[:2], np.uint8)
        if inside:
            cv2.fillPoly(mask, [points[list(place)].round().astype(np.int32)], 1)
        for x, y in () if inside else points[list(place)]:
            cv2.circle(mask, (round(x), round(y)), max(1, round(0.02 * width)), 1, -1)
        seen = lab[mask > 0]
        return np.median(seen, axis=0) if len(seen) else np.zeros(3)

    return median


def _deviation(pixels: np.ndarray, points: np.ndarray) -> np.ndarray:
    """How far each landmark strays between variations of the picture, in face widths. Shape (478,); infinite where not found again."""
    import cv2

    middle, side = (points.min(0) + points.max(0)) / 2, np.ptp(points, axis=0).max()
    found, models = [], mediapipe_models()
    with models.lock:
        for turn, size, right, down in VARIATIONS:
            zoom = VARIATION_SIZE / (size * side)
            place = cv2.getRotationMatrix2D(tuple(middle + np.array([right, down]) * side), turn, zoom)
            place[:, 2] += VARIATION_SIZE / 2 - middle - np.array([right, down]) * side
            varied = cv2.warpAffine(pixels, place, (VARIATION_SIZE, VARIATION_SIZE), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
            if (seen := _landmarks(models, varied)) is not None:
                found.append((seen - place[:, 2]) @ np.linalg.inv(place[:, :2]).T)
    if len(found) < 2:
        return np.full(len(points), np.inf)
    shapes = np.stack(found)
    shapes -= shapes.mean(1, keepdims=True)
    return np.linalg.norm(shapes - shapes.mean(0), axis=-1).mean(0) / np.linalg.norm(points[SIDES[0]] - points[SIDES[1]])


def _landmarks(models: MediaPipeModels, varied: np.ndarray) -> np.ndarray | None:
    """Of the face nearest to the middle. Shape (478, 2), pixels."""
    faces = [np.array([(p.x, p.y) for p in face]) for face in models.landmarker.detect(mediapipe_image(varied)).face_landmarks]
    return min(faces, key=lambda face: np.abs(face.mean(0) - 0.5).sum()) * VARIATION_SIZE if faces else None
