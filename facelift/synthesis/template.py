"""The bust that every head is a variation of: MakeHuman's CC0 base mesh, its morph targets, and where things lie on it.

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

TEMPLATE = resource("assets/synthesis/template.npz")
PARTS = ("body", "teeth", "tongue", "lashes")
MASKS = ("lips", "eyelids", "ears", "inside_mouth", "face")
CENTER = np.array([0.0, -0.033, 0.745])  # of the skull; azimuths and elevations on the head are seen from here
POOL = 90_000  # places on the head where a hair may grow


@dataclass(frozen=True)
class RootPool:
    """Places spread evenly over the head (no mouth bag, no eye sockets). R of them.

    triangles: Shape (R, 3). Body vertices around each. barycentric: Shape (R, 3). rest: Shape (R, 3).
    azimuth, elevation: Shape (R,). Degrees seen from CENTER; azimuth 0 is the nose, positive to the subject's left.
    ears, lips: Shape (R,). Masks, 0..1.
    """

    triangles: np.ndarray
    barycentric: np.ndarray
    rest: np.ndarray
    azimuth: np.ndarray
    elevation: np.ndarray
    ears: np.ndarray
    lips: np.ndarray

    def on(self, vertices: np.ndarray, index: np.ndarray) -> np.ndarray:
        """Values of Shape (B, C) given at body vertices, at the chosen places. Shape (len(index), C)."""
        return (vertices[self.triangles[index]] * self.barycentric[index][..., None]).sum(1)


@dataclass(frozen=True, eq=False)
class Template:
    """C control vertices, S = C after one Catmull-Clark step (parts in the order of PARTS), B body vertices (the first of the S).

    control: Shape (C, 3). morphs: sparse (3 C, M), metres at weight 1; names: M of them, "nose/nose-scale-vert-incr".
    subdivide: sparse (S, C). rest: Shape (S, 3). triangles, ranges, uv: one per part. masks: Shape (B,) each, 0..1.
    eyes: control vertices of the left and the right eyeball. smooth: sparse (B, B), mean of a body vertex's neighbours.
    azimuth, elevation: Shape (B,), as in RootPool.
    """

    control: np.ndarray
    morphs: sp.csr_matrix
    names: tuple[str, ...]
    subdivide: sp.csr_matrix
    rest: np.ndarray
    triangles: dict[str, np.ndarray]
    ranges: dict[str, slice]
    uv: dict[str, np.ndarray]
    masks: dict[str, np.ndarray]
    eyes: tuple[np.ndarray, np.ndarray]
    smooth: sp.csr_matrix
    azimuth: np.ndarray
    elevation: np.ndarray
    pool: RootPool
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
def load_template(path: Path = TEMPLATE) -> Template:
    with np.load(path) as file:
        data = {name: file[name] for name in file.files}
    shape = (3 * len(data["control"]), len(data["names"]))
    morphs = sp.csr_matrix((data["morph_values"].astype(np.float32), data["morph_columns"], data["morph_rows"]), shape=shape)
    ranges, start = {}, 0
    for part, count in zip(PARTS, data["counts"], strict=True):
        ranges[part] = slice(start, start + int(count))
        start += int(count)
    subdivide = sp.csr_matrix((data["subdivide_values"], data["subdivide_columns"], data["subdivide_rows"]), shape=(start, shape[0] // 3))
    rest = subdivide @ data["rest"]
    triangles = {part: data[f"{part}_triangles"].astype(np.int32) for part in PARTS}
    masks = {name: data[f"mask_{name}"].astype(np.float32) / 255 for name in MASKS}
    body = rest[ranges["body"]]
    azimuth, elevation = angles(body)
    return Template(
        control=data["control"],
        morphs=morphs,
        names=tuple(str(n) for n in data["names"]),
        subdivide=subdivide,
        rest=rest,
        triangles=triangles,
        ranges=ranges,
        uv={part: data[f"{part}_uv"] for part in PARTS},
        masks=masks,
        eyes=(data["eye_left"], data["eye_right"]),
        smooth=neighbour_mean(triangles["body"], len(body)),
        azimuth=azimuth,
        elevation=elevation,
        pool=root_pool(body, triangles["body"], masks),
    )


def root_pool(rest: np.ndarray, triangles: np.ndarray, masks: dict[str, np.ndarray], count: int = POOL) -> RootPool:
    """Spreads `count` places evenly over the outside of the head by a low-discrepancy sequence."""
    corners = rest[triangles]
    center, normal = corners.mean(1), face_normals(rest, triangles)
    area = np.linalg.norm(normal, axis=1) / 2
    eye_line = 0.741  # height of the eyes at rest
    outward = (unit(normal) * unit(center - [0, CENTER[1] + 0.01, eye_line - 0.01])).sum(1) > -0.2
    usable = (center[:, 2] > eye_line - 0.20) & (np.abs(center[:, 0]) < 0.12) & (masks["inside_mouth"][triangles].mean(1) < 0.3) & outward
    cumulated = np.cumsum(area * usable)
    # R3 sequence: powers of the root of x^4 = x + 1
    sequence = (0.5 + np.arange(1, count + 1)[:, None] * 1.2207440846057596 ** -np.arange(1.0, 4.0)) % 1
    chosen = np.searchsorted(cumulated, sequence[:, 0] * cumulated[-1])
    s = np.sqrt(sequence[:, 1:2])
    barycentric = np.concatenate([1 - s, s * (1 - sequence[:, 2:]), s * sequence[:, 2:]], 1).astype(np.float32)
    chosen = triangles[chosen]
    places = (rest[chosen] * barycentric[..., None]).sum(1)
    return RootPool(chosen, barycentric, places, *angles(places), ears=masks["ears"][chosen].mean(1), lips=masks["lips"][chosen].mean(1))


def angles(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Azimuth and elevation in degrees of points (N, 3) seen from the centre of the skull."""
    d = points - CENTER
    return np.degrees(np.arctan2(d[:, 0], -d[:, 1])), np.degrees(np.arctan2(d[:, 2], np.hypot(d[:, 0], d[:, 1])))


def neighbour_mean(triangles: np.ndarray, count: int) -> sp.csr_matrix:
    a, b = (np.concatenate([triangles[:, i] for i in order]) for order in ((0, 1, 2), (1, 2, 0)))
    adjacent = sp.coo_matrix((np.ones(2 * len(a), np.float32), (np.r_[a, b], np.r_[b, a])), shape=(count, count)).tocsr()
    adjacent.data[:] = 1
    return (sp.diags(1 / np.maximum(np.asarray(adjacent.sum(1)).ravel(), 1)) @ adjacent).tocsr().astype(np.float32)


def face_normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Not normalised: their length is twice the area. Shape (T, 3)."""
    a, b, c = (vertices[triangles[:, i]] for i in range(3))
    return np.cross(b - a, c - a)


def unit(v: np.ndarray) -> np.ndarray:
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-9)
