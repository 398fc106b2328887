"""How a head is held before the camera, and where a portrait of a turned one belongs.

A crop centres the face and gives it one size. Of a head that is turned the face lies beside the head's middle and looks narrow, so the
crop asks where the face would lie, and how large it would be, if the camera went around the head to its front.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from ..cameras import FOCAL_512, RADIUS
from .crop import FACE_CENTRE, FACE_SIZE, SIZE, Crop
from .faces import Face, face_from_landmarks
from .models import mediapipe_image, mediapipe_models

TURNED, PROFILE = 22.0, 70.0  # degrees between which a portrait is taken as one from the side; beyond, landmarks are guesses
FORWARD = 0.45  # world units by which the middle of the landmarks stands before the middle of the head
NARROWER = 0.15  # of a turned face, times the squared sine: landmarks of its far side are guessed too far away
AROUND = 3.0  # sizes of a face that are looked at
_TO_WORLD = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # from MediaPipe's axes: y up, z to the camera

Box = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class HeadPose:
    """landmarks: Shape (478, 3). Pixels; the third is depth on the same scale, smaller is nearer.
    rotation: Shape (3, 3). Of the head, seen from a front camera, in the axes of our world.
    """

    landmarks: np.ndarray
    rotation: np.ndarray

    @property
    def azimuth(self) -> float:
        """Where around the head the camera stands, degrees as of `cameras.orbit`: positive where it sees the subject's left side."""
        x, y, _ = self.rotation @ (0, -1, 0)
        return -math.degrees(math.atan2(x, -y))

    @property
    def turned(self) -> bool:
        """Whether the portrait is one from the side."""
        return TURNED <= abs(self.azimuth) <= PROFILE

    def in_crop(self, crop: Crop) -> HeadPose:
        """In pixels of the portrait that a crop makes."""
        shift = np.subtract(crop.paste_at, crop.crop_in_scaled[:2])
        return replace(self, landmarks=self.landmarks * crop.scale + (*shift, 0))

    def moved(self, matrix: np.ndarray) -> HeadPose:
        """In a picture that was shifted, zoomed and turned. matrix: Shape (3, 3), from pixels of this one to those of that."""
        zoom = float(np.hypot(*matrix[:2, 0]))
        points = np.concatenate([self.landmarks[:, :2] @ matrix[:2, :2].T + matrix[:2, 2], zoom * self.landmarks[:, 2:]], 1)
        (cos, _), (sin, _) = matrix[:2, :2] / zoom  # clockwise in the picture, about the axis along which the camera looks
        return HeadPose(points, np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]]) @ self.rotation)

    def box(self) -> Box:
        """For `crop_window`: a square that puts the head where a camera at `azimuth` sees it, its front being a usual portrait."""
        middle, angle = self.landmarks.mean(0), math.radians(self.azimuth)
        x, y, z = (self.landmarks - middle).T
        front = face_from_landmarks(np.stack([math.cos(angle) * x - math.sin(angle) * z, y], 1))
        scale = FACE_SIZE / front.size * (1 + NARROWER * math.sin(angle) ** 2)
        place = (np.array(FACE_CENTRE) - scale * np.array(front.centre) - SIZE / 2) * (RADIUS - FORWARD) / FOCAL_512
        right = place[0] * math.cos(angle) - FORWARD * math.sin(angle)  # world units, along the axes of the photo's camera
        away = RADIUS - place[0] * math.sin(angle) - FORWARD * math.cos(angle)
        seen = SIZE / 2 + FOCAL_512 * np.array([right, place[1]]) / away
        scale *= (RADIUS - FORWARD) / away
        (cx, cy), half = middle[:2] + (np.array(FACE_CENTRE) - seen) / scale, FACE_SIZE / scale / 2
        return float(cx - half), float(cy - half), float(cx + half), float(cy + half)


def head_pose(image: Image.Image, face: Face) -> HeadPose | None:
    """Of one face of an RGB picture; None where it cannot be told."""
    (x, y), half = face.centre, AROUND * face.size / 2
    around = (max(0, int(x - half)), max(0, int(y - half)), min(image.width, int(x + half)), min(image.height, int(y + half)))
    part = image.convert("RGB").crop(around)
    size = np.array(part.size, np.float64)
    part.thumbnail((SIZE, SIZE), Image.Resampling.BILINEAR)
    models = mediapipe_models()
    with models.lock:
        found = models.face_reader.detect(mediapipe_image(np.asarray(part)))
    if not found.face_landmarks:
        return None
    points = np.array([(p.x * size[0], p.y * size[1], p.z * size[0]) for p in found.face_landmarks[0]]) + (*around[:2], 0)
    return HeadPose(points, rotation_of(found.facial_transformation_matrixes[0]))


def rotation_of(matrix: np.ndarray) -> np.ndarray:
    """MediaPipe's transformation (4, 4) -> the head's rotation (3, 3) in the axes of our world."""
    u, _, vt = np.linalg.svd(_TO_WORLD @ np.asarray(matrix, np.float64)[:3, :3] @ _TO_WORLD.T)
    return u @ vt
