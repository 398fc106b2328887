"""The surface of a face and neck, with its parts: MakeHuman's CC0 base mesh, its morph targets, and where things lie on it.

Model space: metres, z up, the face looks to -y, x to the subject's left. `rest` positions are those of the average young adult; they
say where on the body a vertex lies whatever the identity, so masks, necklines and noise are functions of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from ..resources import resource

TEMPLATE = resource("assets/face/template.npz")
PARTS = ("body", "teeth", "tongue", "lashes")
MASKS = ("lips", "eyelids", "ears", "inside_mouth", "face")


@dataclass(frozen=True, eq=False)
class FaceTemplate:
    """C control vertices, S = C after one Catmull-Clark step (parts in the order of PARTS), B body vertices (the first of the S).

    control: Shape (C, 3). morphs: sparse (3 C, M), metres at weight 1; names: M of them, "nose/nose-scale-vert-incr"; face units are
    called "fu/jawOpen" ... subdivide: sparse (S, C). rest: Shape (S, 3). control_rest:
    Shape (C, 3), the control vertices of it. triangles, ranges, uv: one per part. masks: Shape (B,) each,
    0..1. eyes: control vertices of the left and the right eyeball.
    """

    control: np.ndarray
    morphs: sp.csr_matrix
    names: tuple[str, ...]
    subdivide: sp.csr_matrix
    rest: np.ndarray
    control_rest: np.ndarray
    triangles: dict[str, np.ndarray]
    ranges: dict[str, slice]
    uv: dict[str, np.ndarray]
    masks: dict[str, np.ndarray]
    eyes: tuple[np.ndarray, np.ndarray]
    _all_triangles: np.ndarray = field(init=False, repr=False)
    _faces_to_vertices: sp.csr_matrix = field(init=False, repr=False)

    @property
    def body(self) -> int:
        return self.ranges["body"].stop

    def index(self, name: str) -> int:
        return self.names.index(name)

    def normals(self, vertices: np.ndarray) -> np.ndarray:
        """Area-weighted vertex normals of all parts. Shape (S, 3)."""
        return unit(self._faces_to_vertices @ face_normals(vertices, self._all_triangles)).astype(np.float32)

    def __post_init__(self):
        triangles = np.concatenate([self.triangles[part] for part in PARTS])
        ones = np.ones(triangles.size, np.float32)
        columns = np.repeat(np.arange(len(triangles)), 3)
        matrix = sp.csr_matrix((ones, (triangles.ravel(), columns)), shape=(len(self.rest), len(triangles)))
        object.__setattr__(self, "_all_triangles", triangles)
        object.__setattr__(self, "_faces_to_vertices", matrix)


@lru_cache(maxsize=1)
def load_face_template(path: Path = TEMPLATE) -> FaceTemplate:
    with np.load(path) as file:
        data = {name: file[name] for name in file.files}
    shape = (3 * len(data["control"]), len(data["names"]))
    morphs = sp.csr_matrix((data["morph_values"].astype(np.float32), data["morph_columns"], data["morph_rows"]), shape=shape)
    ranges, start = {}, 0
    for part, count in zip(PARTS, data["counts"], strict=True):
        ranges[part] = slice(start, start + int(count))
        start += int(count)
    subdivide = sp.csr_matrix((data["subdivide_values"], data["subdivide_columns"], data["subdivide_rows"]), shape=(start, shape[0] // 3))
    return FaceTemplate(
        control=data["control"],
        morphs=morphs,
        names=tuple(str(n) for n in data["names"]),
        subdivide=subdivide,
        rest=subdivide @ data["rest"],
        control_rest=data["rest"],
        triangles={part: data[f"{part}_triangles"].astype(np.int32) for part in PARTS},
        ranges=ranges,
        uv={part: data[f"{part}_uv"] for part in PARTS},
        masks={name: data[f"mask_{name}"].astype(np.float32) / 255 for name in MASKS},
        eyes=(data["eye_left"], data["eye_right"]),
    )


def face_normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Not normalised: their length is twice the area. Shape (T, 3)."""
    a, b, c = (vertices[triangles[:, i]] for i in range(3))
    return np.cross(b - a, c - a)


def unit(v: np.ndarray) -> np.ndarray:
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-9)
