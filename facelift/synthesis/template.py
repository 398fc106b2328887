"""The bust that every head is a variation of: the face's template, and what heads need beyond it: neighbours, and places for hair."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
import scipy.sparse as sp

from ..face.template import MASKS, PARTS, FaceTemplate, face_normals, load_face_template, unit

__all__ = ["MASKS", "PARTS", "RootPool", "Template", "angles", "face_normals", "load_template", "neighbour_mean", "unit"]

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
class Template(FaceTemplate):
    """smooth: sparse (B, B), mean of a body vertex's neighbours. azimuth, elevation: Shape (B,), as in RootPool."""

    smooth: sp.csr_matrix
    azimuth: np.ndarray
    elevation: np.ndarray
    pool: RootPool


@lru_cache(maxsize=1)
def load_template() -> Template:
    face = load_face_template()
    parts = {f.name: getattr(face, f.name) for f in fields(face) if f.init}
    body, triangles = face.rest[: face.body], face.triangles["body"]
    azimuth, elevation = angles(body)
    smooth, pool = neighbour_mean(triangles, len(body)), root_pool(body, triangles, face.masks)
    return Template(**parts, smooth=smooth, azimuth=azimuth, elevation=elevation, pool=pool)


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
