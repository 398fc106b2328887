"""Turning a photo so that its face is upright: pictures stored sideways or upside down without saying so, and tilted heads.

On an upside-down face, landmarks look upright too: they are guesses there. So all four turns are tried, and it counts how sure the face
detector is and how far its own points of eyes, nose and mouth agree with the landmarks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from .faces import Face, find_faces
from .models import MediaPipeModels, mediapipe_image, mediapipe_models

Box = tuple[float, float, float, float]

TILTED = 15  # degrees of roll that stay: six sigma of the tilt that training heads have (2.5), and how people tilt heads in photos
ZOOMS = (1.8, 2.4)  # faces across, of the pictures that are looked at
SIZE = 320  # pixels of those
SURE = 0.72  # certainty from which on an upright face needs no comparing; of 40 heads the wrong turn reached 0.64
LEAST, BETTER = 0.4, 0.1  # certainty that another turn must have, and by how much it must win
UPSIDE = -1.0  # certainty where no face is, or one that lies on its side
SIDEWAYS = 55  # degrees of roll from which on a face is not upright
FACE = 500  # pixels of a face beyond which a photo is reduced before an oblique turn: a portrait shows 194
# Points of MediaPipe's mesh that the detector has too: eyes (the subject's right first), nose, mouth; the sides of the face.
POINTS, SIDES, CORNERS = ((33, 133, 159, 145), (263, 362, 386, 374), (1,), (13, 14)), (234, 454), (33, 263)


@dataclass(frozen=True)
class Turn:
    """degrees: clockwise. scale: before turning. size: (width, height) of the photo before both."""

    degrees: float
    scale: float
    size: tuple[int, int]

    @property
    def oblique(self) -> bool:
        return self.degrees % 90 != 0

    def __call__(self, image: Image.Image) -> Image.Image:
        """The whole photo, turned; beyond its border its outermost pixels go on, in RGBA clear ones."""
        if not self.oblique:
            return _quarters(image, round(self.degrees / 90))
        import cv2

        pixels = np.asarray(self._reduced(image))
        border = cv2.BORDER_CONSTANT if image.mode in ("RGBA", "L") else cv2.BORDER_REPLICATE
        return Image.fromarray(cv2.warpAffine(pixels, self._matrix(), self._turned_size(), flags=cv2.INTER_CUBIC, borderMode=border))

    def within(self) -> Image.Image:
        """Where the turned picture shows the photo, mode L."""
        return self(Image.new("L", self.size, 255))

    def back(self, box: Box) -> Box:
        """A box of the turned picture -> the box of the same middle and size in the photo."""
        x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        width, height = (box[2] - box[0]) / self.scale, (box[3] - box[1]) / self.scale
        inverse = np.linalg.inv(np.vstack([self._matrix(), [0, 0, 1]]))
        x, y = ((inverse @ [x, y, 1])[:2] / self.scale).tolist()
        if round(self.degrees / 90) % 2:
            width, height = height, width
        return x - width / 2, y - height / 2, x + width / 2, y + height / 2

    def _reduced(self, image: Image.Image) -> Image.Image:
        size = self._reduced_size()
        return image if size == image.size else image.resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0)

    def _reduced_size(self) -> tuple[int, int]:
        return max(1, round(self.size[0] * self.scale)), max(1, round(self.size[1] * self.scale))

    def _turned_size(self) -> tuple[int, int]:
        angle, (width, height) = math.radians(self.degrees), self._reduced_size()
        cos, sin = abs(math.cos(angle)), abs(math.sin(angle))
        return round(width * cos + height * sin), round(width * sin + height * cos)

    def _matrix(self) -> np.ndarray:
        """From pixels of the reduced photo to those of the turned one. Shape (2, 3)."""
        angle, (w, h), (tw, th) = math.radians(self.degrees), self._reduced_size(), self._turned_size()
        cos, sin = math.cos(angle), math.sin(angle)
        shift_x, shift_y = tw / 2 - cos * w / 2 + sin * h / 2, th / 2 - sin * w / 2 - cos * h / 2
        return np.array([[cos, -sin, shift_x], [sin, cos, shift_y]])


def find_turn(image: Image.Image, faces: Sequence[Face], least: float = LEAST) -> Turn | None:
    """What makes the largest face of an RGB photo upright; None where it is, or where there is none.

    faces: those found in the photo as it is. Tilts of up to 15 degrees stay.
    least: certainty that a turn must have, where the photo may well show no face.
    """
    quarter = 0
    while not faces and quarter < 3:
        quarter += 1
        faces = find_faces(_quarters(image, quarter))
    if not faces:
        return None
    face = faces[0]
    more, roll, sure = _surest(_quarters(image, quarter), face)
    if sure < least:
        return None
    degrees = 90 * (quarter + more) - (roll if abs(roll) > TILTED else 0)
    degrees = (degrees + 180) % 360 - 180
    if degrees == 0:
        return None
    scale = min(1.0, FACE / face.size) if degrees % 90 else 1.0
    return Turn(degrees, scale, image.size)


def certainty(pictures: Sequence[Image.Image]) -> float:
    """How surely a face that RGB pictures show is upright, -1 to 1: the mean of them. LEAST may be believed, SURE needs no comparing."""
    models = mediapipe_models()
    with models.lock:
        return _judged(models, list(pictures))[0]


def _surest(image: Image.Image, face: Face) -> tuple[int, float, float]:
    """Quarter turns clockwise that make a face upright, its roll then in degrees clockwise, and how certain that is."""
    (x, y), models = face.centre, mediapipe_models()
    pictures = []
    for zoom in ZOOMS:
        box = _inside(x, y, zoom * face.size / 2, image.size)
        pictures.append(image.resize((SIZE, SIZE), Image.Resampling.BILINEAR, box=box, reducing_gap=3.0))
    with models.lock:
        certainty, roll = _judged(models, pictures)
        if certainty >= SURE:
            return 0, roll, certainty
        found = []
        for quarter in range(4):
            turned = [_quarters(picture, quarter) for picture in pictures]
            found.append(_judged(models, [*turned, *(picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for picture in turned)]))
    best = max(range(4), key=lambda quarter: found[quarter][0])
    if found[best][0] < max(LEAST, found[0][0] + BETTER):
        best = 0
    return best, found[best][1] if found[best][0] >= LEAST else 0.0, found[best][0]


def _judged(models: MediaPipeModels, pictures: list[Image.Image]) -> tuple[float, float]:
    """Mean certainty and roll. Of four pictures, the latter two are mirrored."""
    certainties, rolls = zip(*(_certainty(models, picture) for picture in pictures), strict=True)
    signed = [-roll if i >= len(ZOOMS) else roll for i, roll in enumerate(rolls) if certainties[i] > UPSIDE]
    return float(np.mean(certainties)), float(np.median(signed)) if signed else 0.0


def _inside(x: float, y: float, half: float, size: tuple[int, int]) -> Box:
    """A square of the photo around a point, smaller where the border is near."""
    half = max(2.0, min(half, max(x, size[0] - x), max(y, size[1] - y), min(size) / 2))
    x, y = min(max(x, half), size[0] - half), min(max(y, half), size[1] - half)
    return x - half, y - half, x + half, y + half


def _certainty(models: MediaPipeModels, picture: Image.Image) -> tuple[float, float]:
    """How surely the face in a picture is upright, and its roll in degrees; UPSIDE where it is not."""
    shown = mediapipe_image(np.asarray(picture))
    detections, meshes = models.detector.detect(shown).detections, models.landmarker.detect(shown).face_landmarks
    if not detections or not meshes:
        return UPSIDE, 0.0
    best = max(detections, key=lambda d: d.categories[0].score)
    points = np.array([(p.x, p.y) for p in best.keypoints[: len(POINTS)]])
    mesh = np.array([(p.x, p.y) for p in meshes[0]])
    mine = np.array([mesh[list(where)].mean(0) for where in POINTS])
    apart = np.linalg.norm(mine - points, axis=1).mean() / np.linalg.norm(mesh[SIDES[0]] - mesh[SIDES[1]])
    x, y = mesh[CORNERS[1]] - mesh[CORNERS[0]]
    roll = math.degrees(math.atan2(y, x))
    return (UPSIDE, 0.0) if abs(roll) > SIDEWAYS else (float(best.categories[0].score - 2 * apart), roll)


def _quarters(image: Image.Image, clockwise: int) -> Image.Image:
    turns = (None, Image.Transpose.ROTATE_270, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_90)
    turn = turns[clockwise % 4]
    return image if turn is None else image.transpose(turn)
