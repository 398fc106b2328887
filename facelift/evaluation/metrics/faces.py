"""Who is in a picture: face embeddings, the identity measures made of them, landmarks, second faces.

Every embedder gives one vector a picture, or None where it finds no face; measures leave such pictures out and say how many they used.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from itertools import combinations
from typing import Protocol

import numpy as np
from PIL import Image

from ...portrait import Face, find_faces
from .files import ARCFACE_ONNX, Unavailable, locate, packaged

REID_THRESHOLD = 0.6  # Gen3D-Face section 4
ARCFACE_TEMPLATE = ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041))  # of 112 px
FIVE_POINTS = (468, 473, 1, 61, 291)  # MediaPipe's irises, tip of the nose, corners of the mouth, left to right in the picture


@dataclass(frozen=True)
class Seen:
    """vector: of the face; None where none was found. by: which detector found it."""

    vector: np.ndarray | None
    by: str | None


class FaceEmbedder(Protocol):
    """A network that knows faces again."""

    name: str

    def __call__(self, picture: np.ndarray) -> Seen:
        """picture: uint8 (H, W, 3)."""
        ...

    def distance(self, a: np.ndarray, b: np.ndarray) -> float:
        """Of the vectors of two faces."""
        ...


@lru_cache(maxsize=64)
def largest_face(picture: bytes, size: tuple[int, int]) -> Face | None:
    """Of RGB bytes; remembered, because several metrics ask for the same picture."""
    faces = find_faces(Image.frombytes("RGB", size, picture))
    return faces[0] if faces else None


def face_in(picture: np.ndarray) -> Face | None:
    """Largest face that MediaPipe sees. picture: uint8 (H, W, 3)."""
    return largest_face(np.ascontiguousarray(picture).tobytes(), (picture.shape[1], picture.shape[0]))


class DlibFaces:
    """128 numbers a face from dlib's ResNet; Euclidean distances below 0.6 mean the same person (99.38 % on LFW, says dlib)."""

    name = "dlib"

    def __init__(self):
        try:
            dlib = import_module("dlib")
        except ImportError as error:
            raise Unavailable("needs the package dlib-bin: pip install -r requirements-eval.txt") from error
        self.rectangle = dlib.rectangle
        self.detector = dlib.get_frontal_face_detector()
        models = {k: str(packaged("face_recognition_models", f"models/{v}")) for k, v in self.files.items()}
        self.shape = dlib.shape_predictor(models["shape"])
        self.network = dlib.face_recognition_model_v1(models["network"])

    files = {"shape": "shape_predictor_5_face_landmarks.dat", "network": "dlib_face_recognition_resnet_model_v1.dat"}

    def __call__(self, picture: np.ndarray) -> Seen:
        """picture: uint8 (H, W, 3). The frontal detector of dlib looks first; where it is blind, MediaPipe's box serves."""
        picture = np.ascontiguousarray(picture)
        boxes, by = self.detector(picture, 1), "dlib"
        if not boxes:
            face, by = face_in(picture), "mediapipe"
            if face is None:
                return Seen(None, None)
            boxes = [self.rectangle(*_dlib_box(face))]
        box = max(boxes, key=lambda b: b.area())
        return Seen(np.array(self.network.compute_face_descriptor(picture, self.shape(picture, box))), by)

    @staticmethod
    def distance(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.linalg.norm(a - b))


class DeepFaceArcFace:
    """ArcFace as FaceLift measures it: through the DeepFace package, with its own detector and cosine distance."""

    name = "ArcFace (DeepFace)"

    def __init__(self):
        try:
            self.deepface = import_module("deepface").DeepFace
            self.deepface.build_model("ArcFace")
        except ImportError as error:
            raise Unavailable("needs the package deepface 0.0.103, which brings tensorflow: pip install deepface==0.0.103") from error
        except Exception as error:  # its downloads fail in many ways
            raise Unavailable(f"DeepFace could not load ArcFace's weights: {type(error).__name__}") from error

    def __call__(self, picture: np.ndarray) -> Seen:
        try:
            found = self.deepface.represent(picture[..., ::-1], model_name="ArcFace", enforce_detection=True)
        except ValueError:  # what DeepFace raises where it finds no face
            return Seen(None, None)
        return Seen(np.array(found[0]["embedding"]), "opencv")

    @staticmethod
    def distance(a: np.ndarray, b: np.ndarray) -> float:
        return 1 - cosine(a, b)


class OnnxArcFace:
    """Any ArcFace network as an ONNX file (see `ARCFACE_ONNX`), on faces aligned by MediaPipe's landmarks."""

    name = "ArcFace (ONNX)"

    def __init__(self):
        import onnxruntime

        self.session = onnxruntime.InferenceSession(str(locate(ARCFACE_ONNX)), providers=["CPUExecutionProvider"])

    def __call__(self, picture: np.ndarray) -> Seen:
        face = face_in(picture)
        if face is None or face.landmarks is None:
            return Seen(None, None)
        crop = aligned_face(picture, face.landmarks[list(FIVE_POINTS)])
        x = ((crop.astype(np.float32) - 127.5) / 127.5).transpose(2, 0, 1)[None]
        return Seen(self.session.run(None, {self.session.get_inputs()[0].name: x})[0][0], "mediapipe")

    distance = DeepFaceArcFace.distance


def load_dlib(*_: object) -> DlibFaces:
    """Raises Unavailable."""
    return DlibFaces()


def load_arcface(*_: object) -> DeepFaceArcFace | OnnxArcFace:
    """DeepFace where it is installed, as the paper; else an ONNX file. Raises Unavailable."""
    reasons = []
    for kind in (DeepFaceArcFace, OnnxArcFace):
        try:
            return kind()
        except Unavailable as reason:
            reasons.append(str(reason))
    raise Unavailable("; or ".join(reasons))


def aligned_face(picture: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The face at 112 px with its five points, Shape (5, 2), on ArcFace's template: least squares over rotation, scale and shift."""
    import cv2

    source, target = points[:, 0] + 1j * points[:, 1], np.array(ARCFACE_TEMPLATE) @ (1, 1j)
    centred = source - source.mean()
    turn = (centred.conj() @ (target - target.mean())) / (centred.conj() @ centred).real
    shift = target.mean() - turn * source.mean()
    matrix = np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])
    return cv2.warpAffine(picture, matrix, (112, 112))


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def output_to_output(vectors: list[np.ndarray]) -> float | None:
    """Mean cosine similarity of all pairs of views made from one photo (Gen3D-Face section 4). None for fewer than two faces."""
    pairs = [cosine(a, b) for a, b in combinations(vectors, 2)]
    return float(np.mean(pairs)) if pairs else None


def input_to_output(photo: np.ndarray | None, vectors: list[np.ndarray]) -> float | None:
    """Mean cosine similarity of the photo and every view made from it (Gen3D-Face section 4). None without faces."""
    return float(np.mean([cosine(photo, v) for v in vectors])) if photo is not None and vectors else None


def reid(distances: list[float]) -> tuple[float, float] | None:
    """Share of pairs below the threshold of 0.6, and their mean Euclidean distance (Gen3D-Face section 4). None without pairs."""
    return (float(np.mean([d < REID_THRESHOLD for d in distances])), float(np.mean(distances))) if distances else None


def landmark_error(a: np.ndarray, b: np.ndarray) -> float | None:
    """Mean distance of MediaPipe's landmarks in two pictures, in per cent of the distance of the second one's irises.

    a, b: uint8 (H, W, 3), the same size. None where either shows no face.
    """
    first, second = face_in(a), face_in(b)
    if first is None or second is None or first.landmarks is None or second.landmarks is None:
        return None
    eyes = np.linalg.norm(second.landmarks[468] - second.landmarks[473])
    return float(100 * np.linalg.norm(first.landmarks - second.landmarks, axis=1).mean() / eyes)


def janus(pictures: list[np.ndarray]) -> float:
    """Share of views from behind in which MediaPipe finds a face: 0 is right, 1 is a second face on the back of the head."""
    return float(np.mean([face_in(p) is not None for p in pictures]))


def _dlib_box(face: Face) -> tuple[int, int, int, int]:
    """MTCNN's box -> one as dlib's detector draws it: a square around brows and chin."""
    (x, y), half = face.centre, 0.5 * face.size
    return round(x - half), round(y - 0.9 * half), round(x + half), round(y + 1.1 * half)
