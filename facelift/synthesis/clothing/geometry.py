"""Small tools clothes and accessories are made with: sheets, tubes, cuts along a curve, and carrying a design from rest to a body."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.spatial import cKDTree

from ..scene import Mesh
from ..template import face_normals, unit

Piece = tuple[np.ndarray, np.ndarray, np.ndarray]  # vertices and normals, Shape (V, 3), triangles, Shape (T, 3)


def vertex_normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Area-weighted, of length 1 however small the triangles; upwards where they have no area at all. Shape (V, 3)."""
    faces = face_normals(vertices, triangles)
    total = np.stack([np.bincount(triangles.ravel(), np.repeat(faces[:, c], 3), len(vertices)) for c in range(3)], 1)
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return np.where(length > 0, total / np.where(length > 0, length, 1), [0.0, 0.0, 1.0])


def sheet_triangles(rows: int, columns: int, closed: bool = False) -> np.ndarray:
    """Triangles of a grid of points (rows, columns), flattened. closed: the last column joins the first."""
    across = np.arange(columns if closed else columns - 1)
    a = (np.arange(rows - 1)[:, None] * columns + across).ravel()
    b = (np.arange(rows - 1)[:, None] * columns + (across + 1) % columns).ravel()
    c, d = a + columns, b + columns
    return np.stack([a, b, c, b, d, c], 1).reshape(-1, 3)


def sheet(points: np.ndarray, closed: bool = False, inside: np.ndarray | None = None) -> Piece:
    """Vertices, normals and triangles of a grid of points, Shape (rows, columns, 3).

    Normals face outward: away from the sheet's own middle, or its last rows away from the point `inside`.
    """
    vertices = points.reshape(-1, 3)
    rows, columns, _ = points.shape
    triangles = sheet_triangles(rows, columns, closed)
    judged = triangles if inside is None else triangles[-len(triangles) // 3 :]
    middle = vertices.mean(0) if inside is None else inside
    if (face_normals(vertices, judged) * (vertices[judged].mean(1) - middle)).sum() < 0:
        triangles = triangles[:, ::-1]
    return vertices, vertex_normals(vertices, triangles), triangles


def tube(
    path: np.ndarray, radius: float | np.ndarray, closed: bool = False, sides: int = 6, flat: float = 1.0, up=(0.1, 1.0, 0.15)
) -> Piece:
    """Vertices, normals and triangles of a tube around points (N, 3). flat < 1 makes it a band, thin across `up`."""
    forward = np.roll(path, -1, 0) - np.roll(path, 1, 0) if closed else np.gradient(path, axis=0)
    across = unit(np.cross(forward, np.asarray(up, float)))
    depth = unit(np.cross(forward, across))
    angle = np.arange(sides) * 2 * np.pi / sides
    radius = np.broadcast_to(radius, len(path))[:, None, None]
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    ring = path[:, None] + radius * (cos * across[:, None] + flat * sin * depth[:, None])
    normals = unit(flat * cos * across[:, None] + sin * depth[:, None])
    triangles = sheet_triangles(len(path), sides, True)
    if closed:
        last = (len(path) - 1) * sides
        side, following = np.arange(sides), (np.arange(sides) + 1) % sides
        seam = np.stack([last + side, last + following, side, last + following, following, side], 1).reshape(-1, 3)
        triangles = np.concatenate([triangles, seam])
    return ring.reshape(-1, 3), normals.reshape(-1, 3), triangles


def join(parts: Sequence[Piece]) -> Piece:
    """Several as one."""
    starts = np.cumsum([0] + [len(part[0]) for part in parts])
    triangles = [part[2] + start for part, start in zip(parts, starts, strict=False)]
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts]), np.concatenate(triangles)


def solid(
    part: Piece, color, gloss: float = 1.0, roughness: float = 0.5, rest: np.ndarray | None = None, kind: str = "solid", **more
) -> Mesh:
    """A mesh of one colour (linear RGB). more: the other fields of `Mesh`."""
    vertices, normals, triangles = part
    albedo = np.tile(np.asarray(color, np.float32), (len(vertices), 1))
    rest = vertices if rest is None else rest
    float32 = [np.asarray(x, np.float32) for x in (vertices, normals, rest)]
    return Mesh(kind, float32[0], float32[1], triangles.astype(np.int32), albedo, float32[2], gloss, roughness, **more)


def cut(arrays: tuple[np.ndarray, ...], triangles: np.ndarray, inside: Callable[[np.ndarray], np.ndarray]):
    """Keeps the part of a mesh where inside(arrays[0]) > 0, cut smoothly.

    arrays: per-vertex values, Shape (V, C) each, interpolated at the cut. Returns (arrays, triangles, edge), unused vertices dropped;
    edge: indices of the vertices made along the cut.
    """
    value = inside(arrays[0])
    corner = value[triangles] > 0
    count = corner.sum(1)
    crossing = triangles[(count == 1) | (count == 2)]
    flags = corner[(count == 1) | (count == 2)]
    odd_in = flags.sum(1) == 1
    first = np.where(odd_in, flags.argmax(1), (~flags).argmax(1))
    a, b, c = (np.take_along_axis(crossing, (first[:, None] + k) % 3, 1)[:, 0] for k in range(3))
    ends = np.concatenate([np.stack([a, b], 1), np.stack([a, c], 1)])
    pairs, which = np.unique(np.sort(ends, 1), axis=0, return_inverse=True)
    which = which.ravel() + len(value)
    t = crossing_place(arrays[0][pairs[:, 0]], arrays[0][pairs[:, 1]], value[pairs], inside)[:, None]
    arrays = tuple(np.concatenate([x, x[pairs[:, 0]] * (1 - t) + x[pairs[:, 1]] * t]) for x in arrays)
    ab, ac = which[: len(a)], which[len(a) :]
    tips = np.stack([a, ab, ac], 1)[odd_in]
    left, right = np.stack([ab, b, c], 1)[~odd_in], np.stack([ab, c, ac], 1)[~odd_in]
    triangles = np.concatenate([triangles[count == 3], tips, left, right])
    used = np.unique(triangles)
    renamed = np.full(len(arrays[0]), -1)
    renamed[used] = np.arange(len(used))
    return tuple(x[used] for x in arrays), renamed[triangles], renamed[np.arange(len(value), len(arrays[0]))]


def crossing_place(start: np.ndarray, end: np.ndarray, values: np.ndarray, inside: Callable) -> np.ndarray:
    """Where along each edge `inside` is zero, 0..1, by bisection. Shape (E,)."""
    low, high = np.zeros(len(start)), np.ones(len(start))
    for _ in range(7):
        middle = (low + high) / 2
        value = inside(start + (end - start) * middle[:, None])
        same = (value > 0) == (values[:, 0] > 0)
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return (low + high) / 2


class Carrier:
    """Carries points designed at rest to where the same place of a body or garment has gone.

    Each point follows its nearest vertices, smoothly weighted, and keeps its offset from them.
    """

    def __init__(self, rest: np.ndarray, rest_normals: np.ndarray, tree: cKDTree | None = None):
        self.rest, self.rest_normals = rest, rest_normals
        self.tree = tree or cKDTree(rest)

    def weights(self, points: np.ndarray, neighbours: int = 12) -> tuple[np.ndarray, np.ndarray]:
        distance, index = self.tree.query(points, neighbours)
        scale = distance[:, -1:] + 1e-6
        weight = np.clip(1 - (distance / scale) ** 2, 1e-6, None) ** 2
        return index, weight / weight.sum(1, keepdims=True)

    def snap(self, points: np.ndarray, lift=0.0) -> np.ndarray:
        """Points (N, 3) near the rest surface, moved onto it and `lift` metres out of it."""
        for _ in range(2):
            height, normal = self.height(points)
            points = points - normal * height[:, None]
        return points + normal * np.broadcast_to(lift, len(points))[:, None]

    def clear(self, points: np.ndarray, lift=0.0, ceiling=np.inf) -> np.ndarray:
        """Points (N, 3) less than `lift` or more than `ceiling` metres out of the rest surface, brought to these heights."""
        height, normal = self.height(points)
        return points + normal * (np.clip(height, lift, ceiling) - height)[:, None]

    def height(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Metres over the rest surface, Shape (N,), and its normals there, Shape (N, 3)."""
        index, weight = self.weights(points)
        normal = unit((self.rest_normals[index] * weight[..., None]).sum(1))
        return (((points[:, None] - self.rest[index]) * normal[:, None]).sum(2) * weight).sum(1), normal

    def carry(self, points: np.ndarray, vertices: np.ndarray) -> np.ndarray:
        """Points (N, 3) given at rest, on the surface that has these vertices now."""
        index, weight = self.weights(points)
        return points + ((vertices[index] - self.rest[index]) * weight[..., None]).sum(1)
