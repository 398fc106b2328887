"""Faces in a photo of any size, with boxes as the release's detector (MTCNN) would draw them.

MediaPipe's face detector sees 128 px, so it finds no face smaller than an eighth of its picture. It therefore looks at the whole photo,
then at overlapping tiles of half the size, and so on; each find is confirmed and measured by the landmarks on a crop around it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import ceil

import numpy as np
from PIL import Image

from .models import MAX_FACES, MIN_CONFIDENCE, MediaPipeModels, mediapipe_image, mediapipe_models

TILE = 192  # pixels at which a tile is shown to the detector
SMALLEST_TILE = 240  # pixels of the photo: faces down to about 30 px
OVERLAP = 0.3  # of a tile: a face larger than that was found a step before
MIN_CONFIDENCE_IN_TILE = 0.65  # many tiles, many chances to be wrong


@dataclass(frozen=True)
class Face:
    """One face.

    box: x0, y0, x1, y1 in pixels of the upright photo, MTCNN-equivalent; may reach over the border.
    confidence: of the detector, 0..1; None if unknown.
    landmarks: Shape (478, 2), pixels; None if unknown.
    """

    box: tuple[float, float, float, float]
    confidence: float | None = None
    landmarks: np.ndarray | None = field(default=None, repr=False, compare=False)

    @property
    def centre(self) -> tuple[float, float]:
        return (self.box[0] + self.box[2]) / 2, (self.box[1] + self.box[3]) / 2

    @property
    def size(self) -> float:
        """Mean of width and height."""
        return ((self.box[2] - self.box[0]) + (self.box[3] - self.box[1])) / 2

    def shifted(self, x: float, y: float) -> Face:
        box = (self.box[0] + x, self.box[1] + y, self.box[2] + x, self.box[3] + y)
        return Face(box, self.confidence, None if self.landmarks is None else self.landmarks + (x, y))


def find_faces(image: Image.Image) -> tuple[Face, ...]:
    """All faces of an RGB picture, largest first, at most 8.

    Tiles one step finer than the first step that finds a face are searched too, so that the smaller faces of a group are offered.
    """
    faces: list[Face] = []
    last = False
    models = mediapipe_models()
    with models.lock:
        for tile in _tile_sizes(image.size):
            rough = _distinct(_detect(models, image, tile))[: 2 * MAX_FACES]
            faces = _distinct([*faces, *(_measure(models, image, face) for face in rough)])
            if last or (faces and tile < 4 * SMALLEST_TILE):
                break
            last = bool(faces)
    return tuple(sorted(faces, key=lambda face: -face.size)[:MAX_FACES])


def find_face_near(image: Image.Image, face: Face) -> Face | None:
    """The same face, measured anew in a changed copy of the photo."""
    x, y = (int(v - 1.5 * face.size) for v in face.centre)
    side = int(3 * face.size)
    around = (max(x, 0), max(y, 0), min(x + side, image.width), min(y + side, image.height))
    found = [f.shifted(*around[:2]) for f in find_faces(image.crop(around))]
    return max((f for f in found if _overlap(f, face) > 0.3), key=lambda f: _overlap(f, face), default=None)


def face_from_landmarks(points: np.ndarray, confidence: float | None = None) -> Face:
    """The MTCNN-equivalent box of 478 landmarks, Shape (478, 2), by a fit on 96 crops of 32 faces (size error 4.1 % RMS)."""
    low, high = points.min(0), points.max(0)
    side = (high - low).mean()
    cx, cy = (low + high) / 2 - np.array([0.010, 0.067]) * side
    half_width, half_height = 0.915 * side / 2, 1.197 * side / 2
    box = (float(cx - half_width), float(cy - half_height), float(cx + half_width), float(cy + half_height))
    return Face(box, confidence, points)


def _detect(models: MediaPipeModels, image: Image.Image, tile: int) -> list[Face]:
    """Rough faces of one tile size, most certain first."""
    least = MIN_CONFIDENCE if tile >= max(image.size) else MIN_CONFIDENCE_IN_TILE
    k = min(1.0, TILE / tile)
    small = image.resize([max(1, round(side * k)) for side in image.size], Image.Resampling.BILINEAR, reducing_gap=2.0)
    found: list[tuple[float, Face]] = []
    for x, y, part in _tiles(np.asarray(small), round(tile * k)):
        for d in models.detector.detect(mediapipe_image(part)).detections:
            b, confidence = d.bounding_box, float(d.categories[0].score)
            box = ((b.origin_x + x) / k, (b.origin_y + y) / k, (b.origin_x + b.width + x) / k, (b.origin_y + b.height + y) / k)
            if confidence >= least:
                found.append((confidence, Face(box, confidence)))
    return [face for _, face in sorted(found, key=lambda pair: -pair[0])]


def _measure(models: MediaPipeModels, image: Image.Image, rough: Face) -> Face | None:
    """The face by its landmarks, or None where there turns out to be none."""
    x, y = (int(v - 1.25 * rough.size) for v in rough.centre)
    side = int(2.5 * rough.size)
    around = (max(x, 0), max(y, 0), min(x + side, image.width), min(y + side, image.height))
    part = image.crop(around)
    size = np.array(part.size)
    part.thumbnail((512, 512), Image.Resampling.BILINEAR)
    faces = []
    for landmarks in models.landmarker.detect(mediapipe_image(np.asarray(part))).face_landmarks:
        points = np.array([(p.x, p.y) for p in landmarks]) * size + around[:2]
        faces.append(face_from_landmarks(points, rough.confidence))
    return max((f for f in faces if _overlap(f, rough) > 0.3), key=lambda f: _overlap(f, rough), default=None)


def _tile_sizes(size: tuple[int, int]) -> Iterator[int]:
    tile = max(size)
    yield tile
    while (tile := tile // 2) >= SMALLEST_TILE:
        yield tile


def _tiles(pixels: np.ndarray, tile: int) -> Iterator[tuple[int, int, np.ndarray]]:
    """Square tiles, evenly spread and overlapping, that cover the picture."""

    def starts(length: int) -> list[int]:
        count = max(1, ceil((length - tile) / (tile * (1 - OVERLAP))) + 1)
        return [round(i * (length - tile) / (count - 1)) if count > 1 else 0 for i in range(count)]

    for y in starts(pixels.shape[0]):
        for x in starts(pixels.shape[1]):
            yield x, y, pixels[y : y + tile, x : x + tile]


def _overlap(a: Face, b: Face) -> float:
    """Intersection over union."""
    width = min(a.box[2], b.box[2]) - max(a.box[0], b.box[0])
    height = min(a.box[3], b.box[3]) - max(a.box[1], b.box[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(f.box[2] - f.box[0]) * (f.box[3] - f.box[1]) for f in (a, b)]
    return width * height / (sum(areas) - width * height)


def _distinct(faces: Iterable[Face | None]) -> list[Face]:
    """Each face once: the first of those that overlap."""
    kept: list[Face] = []
    for face in faces:
        if face is not None and all(_overlap(face, other) < 0.3 for other in kept):
            kept.append(face)
    return kept
