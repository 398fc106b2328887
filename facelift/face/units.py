"""Face units: the 52 things a face can do, by ARKit's names, and how MediaPipe reads them in a picture."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..portrait.models import mediapipe_image, mediapipe_models
from ..portrait.pose import rotation_of


def _sides(*names: str) -> tuple[str, ...]:
    return tuple(name + side for name in names for side in ("Left", "Right"))


UNITS = (
    *_sides("browDown"), "browInnerUp", *_sides("browOuterUp"), "cheekPuff", *_sides("cheekSquint"),
    *_sides("eyeBlink", "eyeLookDown", "eyeLookIn", "eyeLookOut", "eyeLookUp", "eyeSquint", "eyeWide"),
    "jawForward", "jawLeft", "jawOpen", "jawRight", "mouthClose", *_sides("mouthDimple", "mouthFrown"), "mouthFunnel", "mouthLeft",
    *_sides("mouthLowerDown", "mouthPress"), "mouthPucker", "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower",
    "mouthShrugUpper", *_sides("mouthSmile", "mouthStretch", "mouthUpperUp", "noseSneer"), "tongueOut",
)  # fmt: skip


@dataclass(frozen=True)
class FaceReading:
    """What one picture shows of a face.

    landmarks: Shape (478, 3). Pixels; the third is depth on the same scale, smaller is nearer. weights: Shape (52,), 0..1, of UNITS as
    read (`FaceModel.calibrated` takes off what is read in a face at rest). rotation: Shape (3, 3). Of the head, seen from a front
    camera, in the axes of our world. confidence: of the face detector, 0..1.
    """

    landmarks: np.ndarray = field(repr=False)
    weights: np.ndarray = field(repr=False)
    rotation: np.ndarray
    confidence: float


def unit_weights(**values: float) -> np.ndarray:
    """Shape (52,). A name without its side sets both: unit_weights(jawOpen=0.5, eyeBlink=1). Raises ValueError for an unknown name."""
    weights = np.zeros(len(UNITS))
    for name, value in values.items():
        for unit in sided(name):
            weights[UNITS.index(unit)] = value
    return weights


def sided(name: str) -> tuple[str, ...]:
    """The units of a name with or without its side. Raises ValueError for an unknown one."""
    found = (name,) if name in UNITS else tuple(name + side for side in ("Left", "Right"))
    if any(unit not in UNITS for unit in found):
        raise ValueError(f"{name!r} is no face unit")
    return found


def read_face(picture: np.ndarray) -> FaceReading | None:
    """The most prominent face of an RGB picture, uint8 (H, W, 3); None where there is none. `tongueOut` is never read."""
    models, image = mediapipe_models(), mediapipe_image(picture)
    with models.lock:
        found = models.face_reader.detect(image)
        boxes = models.detector.detect(image).detections if found.face_landmarks else []
    if not found.face_landmarks:
        return None
    height, width = picture.shape[:2]
    landmarks = np.array([(p.x * width, p.y * height, p.z * width) for p in found.face_landmarks[0]])
    scores = {score.category_name: score.score for score in found.face_blendshapes[0]}
    rotation = rotation_of(found.facial_transformation_matrixes[0])
    confidence = max((box.categories[0].score for box in boxes), default=0.0)
    return FaceReading(landmarks, np.array([scores.get(unit, 0.0) for unit in UNITS]), rotation, float(confidence))
