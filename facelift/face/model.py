"""How people's faces differ and what they do, on the template, and where MediaPipe's landmarks lie on it.

`assets/face/model.npz` is made by `python -m facelift.synthesis.build_face` from drawn identities and our own renders.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.sparse as sp

from ..resources import resource
from .anatomy import settle_mouth
from .template import FaceTemplate, load_face_template
from .units import UNITS

MODEL = "assets/face/model.npz"
SEEN_RESPONSE, LEAST_RESPONSE = 0.2, 0.4  # of a reading, to a unit at 1


@dataclass(frozen=True, eq=False)
class FaceModel:
    """K ways in which people differ, 52 face units, C control vertices, S vertices, 468 landmarks.

    mean: Shape (C, 3). The average face, metres. identities: Shape (K, C, 3). Moves at score 1, which is one standard deviation; they
    neither carry the eyes away nor scale the head. units: Shape (52, C, 3). Moves at weight 1.
    on_landmarks: sparse (468, C). spread: Shape (468,). Metres by which landmarks lie elsewhere from face to face.
    neutral: Shape (52,). What MediaPipe reads in a face at rest. response: Shape (52,). How far its reading rises when the unit goes to 1.
    """

    template: FaceTemplate
    mean: np.ndarray
    identities: np.ndarray
    units: np.ndarray
    on_landmarks: sp.csr_matrix
    spread: np.ndarray
    neutral: np.ndarray
    response: np.ndarray

    def control(self, identity: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Control vertices (C, 3) of scores (K,) and unit weights (52,)."""
        return self.mean + np.tensordot(identity, self.identities, 1) + np.tensordot(weights, self.units, 1)

    def surface(self, control: np.ndarray) -> np.ndarray:
        """All vertices (S, 3), teeth and the mouth's lining in their places."""
        vertices = self.template.subdivide @ control
        settle_mouth(vertices, self.template)
        return vertices

    def moves(self) -> np.ndarray:
        """Of all vertices by the units, float32, Shape (52, S, 3)."""
        return np.stack([self.template.subdivide @ unit for unit in self.units]).astype(np.float32)

    def calibrated(self, reading: np.ndarray) -> np.ndarray:
        """MediaPipe's weights (52,) without what it reads in a face at rest."""
        return np.clip((reading - self.neutral) / (1 - self.neutral), 0, 1)

    def performed(self, reading: np.ndarray) -> np.ndarray:
        """How far from rest MediaPipe's weights (..., 52) show the units to be; below 0 or above 1 too. What it hardly sees is left on its
        own scale, and none is enlarged more than LEAST_RESPONSE says: noise would be, too."""
        return (reading - self.neutral) / reading_scale(self.neutral, self.response)


def reading_scale(neutral: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Shape (52,). What a unit at 1 adds to a reading."""
    return np.where(response > SEEN_RESPONSE, np.maximum(response, LEAST_RESPONSE), 1 - neutral)


def load_reading_scale() -> dict[str, float]:
    """That of the model, by unit, without loading the rest of it."""
    with np.load(resource(MODEL)) as file:
        scale = reading_scale(*(file[name].astype(np.float64) for name in ("neutral", "response")))
    return {unit: round(float(value), 4) for unit, value in zip(UNITS, scale, strict=True)}


@lru_cache(maxsize=1)
def load_face_model() -> FaceModel:
    template = load_face_template()
    with np.load(resource(MODEL)) as file:
        data = {name: file[name] for name in file.files}
    mean, identities = shape_space(template, data["mean"].astype(np.float32), data["components"].astype(np.float32))
    columns = [template.index(f"fu/{unit}") for unit in UNITS]
    units = np.ascontiguousarray(template.morphs[:, columns].toarray().T.reshape(len(UNITS), -1, 3))
    places = on_places(template, data["triangles"], data["barycentric"].astype(np.float64))
    spread, neutral, response = (data[name].astype(np.float64) for name in ("spread", "neutral", "response"))
    return FaceModel(template, mean, identities, units, places, spread, neutral, response)


def shape_space(template: FaceTemplate, mean: np.ndarray, components: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The average face and the moves, from morph weights.

    mean: Shape (M,). components: Shape (K, M). What moves the eyes or the distance between them is taken off, as a fit finds place and
    size apart. Returns Shape (C, 3) and Shape (K, C, 3).
    """
    middle = template.control + (template.morphs @ mean).reshape(-1, 3)
    moves = (template.morphs @ components.T).T.reshape(len(components), -1, 3)
    left, right = template.eyes
    eyes = (middle[left].mean(0) + middle[right].mean(0)) / 2
    apart = (middle[left] - middle[right]).mean(0)[0]
    shift = (moves[:, left].mean(1) + moves[:, right].mean(1)) / 2
    widening = (moves[:, left].mean(1) - moves[:, right].mean(1))[:, 0] / apart
    moves = moves - shift[:, None] - widening[:, None, None] * (middle - eyes)
    return middle.astype(np.float32), moves.astype(np.float32)


def on_places(template: FaceTemplate, triangles: np.ndarray, barycentric: np.ndarray) -> sp.csr_matrix:
    """From control vertices to places on the body: sparse (N, C). triangles: Shape (N,), of the body. barycentric: Shape (N, 3)."""
    corners = template.triangles["body"][triangles]
    rows = np.repeat(np.arange(len(corners)), 3)
    pick = sp.csr_matrix((barycentric.ravel(), (rows, corners.ravel())), shape=(len(corners), len(template.rest)))
    return (pick @ template.subdivide).tocsr()
