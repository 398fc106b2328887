"""Triangles met by pixels and by points."""

from __future__ import annotations

import numba
import numpy as np
from scipy.spatial import cKDTree

from ..compiled import compiled

NEIGHBOURS = 16  # triangles whose centres are nearest to a point, among which its own is sought


def project(points: np.ndarray, c2w: np.ndarray, intrinsics: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (N, 2) and z-depths (N,) of world points (N, 3). c2w: Shape (4, 4). intrinsics: Shape (4,)."""
    local = (points - c2w[:3, 3]) @ c2w[:3, :3]
    return local[:, :2] / local[:, 2:] * intrinsics[:2] + intrinsics[2:], local[:, 2]


def rasterise(pixels: np.ndarray, depths: np.ndarray, triangles: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The nearest triangle behind each pixel centre: its index (S, S), -1 for none, and barycentric coordinates (S, S, 3).

    pixels: Shape (V, 2). depths: Shape (V,). triangles: Shape (T, 3).
    """
    return _rasterise(np.asarray(pixels, np.float64), np.asarray(depths, np.float64), np.asarray(triangles, np.int32), size)


@compiled()
def _rasterise(pixels, depths, triangles, size):
    found = np.full((size, size), -1, np.int32)
    nearest = np.full((size, size), np.inf)
    coordinates = np.zeros((size, size, 3))
    for t in range(len(triangles)):
        a, b, c = triangles[t]
        ax, ay, bx, by, cx, cy = pixels[a, 0], pixels[a, 1], pixels[b, 0], pixels[b, 1], pixels[c, 0], pixels[c, 1]
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if abs(area) < 1e-12:
            continue
        left, right = max(0, int(np.ceil(min(ax, bx, cx) - 0.5))), min(size - 1, int(np.floor(max(ax, bx, cx) - 0.5)))
        top, bottom = max(0, int(np.ceil(min(ay, by, cy) - 0.5))), min(size - 1, int(np.floor(max(ay, by, cy) - 0.5)))
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                px, py = x + 0.5 - ax, y + 0.5 - ay
                v, w = (px * (cy - ay) - (cx - ax) * py) / area, ((bx - ax) * py - px * (by - ay)) / area
                u = 1 - v - w
                if u < -1e-9 or v < -1e-9 or w < -1e-9:
                    continue
                depth = u * depths[a] + v * depths[b] + w * depths[c]
                if depth < nearest[y, x]:
                    nearest[y, x], found[y, x] = depth, t
                    coordinates[y, x, 0], coordinates[y, x, 1], coordinates[y, x, 2] = u, v, w
    return found, coordinates


def nearest_triangles(points: np.ndarray, vertices: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each point (N, 3) the nearest triangle, barycentric coordinates (N, 3) of its nearest place, and the distance (N,)."""
    points, vertices = (np.ascontiguousarray(a, np.float64) for a in (points, vertices))
    triangles = np.ascontiguousarray(triangles, np.int32)
    tree = cKDTree(vertices[triangles].mean(1), balanced_tree=False, compact_nodes=False)
    _, candidates = tree.query(points, k=min(NEIGHBOURS, len(triangles)), workers=2)
    return _nearest(points, vertices, triangles, candidates.reshape(len(points), -1).astype(np.int32))


@compiled(parallel=True)
def _nearest(points, vertices, triangles, candidates):
    n = len(points)
    found, coordinates, distance = np.zeros(n, np.int32), np.zeros((n, 3)), np.zeros(n)
    for i in numba.prange(n):
        best = np.inf
        for k in range(candidates.shape[1]):
            t = candidates[i, k]
            a, b, c = vertices[triangles[t, 0]], vertices[triangles[t, 1]], vertices[triangles[t, 2]]
            u, v, w = _closest(points[i], a, b, c)
            away = 0.0
            for d in range(3):
                away += (points[i, d] - u * a[d] - v * b[d] - w * c[d]) ** 2
            if away < best:
                best, found[i] = away, t
                coordinates[i, 0], coordinates[i, 1], coordinates[i, 2] = u, v, w
        distance[i] = np.sqrt(best)
    return found, coordinates, distance


@compiled()
def _closest(p, a, b, c):
    """Barycentric coordinates of the place in a triangle that is nearest to p: a corner, a place on an edge, or the foot inside."""
    ab, ac, ap, bp, cp = b - a, c - a, p - a, p - b, p - c
    d1, d2 = _dot(ab, ap), _dot(ac, ap)
    d3, d4 = _dot(ab, bp), _dot(ac, bp)
    d5, d6 = _dot(ab, cp), _dot(ac, cp)
    if d1 <= 0 and d2 <= 0:
        return 1.0, 0.0, 0.0
    if d3 >= 0 and d4 <= d3:
        return 0.0, 1.0, 0.0
    if d6 >= 0 and d5 <= d6:
        return 0.0, 0.0, 1.0
    va, vb, vc = d3 * d6 - d5 * d4, d5 * d2 - d1 * d6, d1 * d4 - d3 * d2
    if vc <= 0 and d1 >= 0 and d3 <= 0:
        t = d1 / (d1 - d3)
        return 1 - t, t, 0.0
    if vb <= 0 and d2 >= 0 and d6 <= 0:
        t = d2 / (d2 - d6)
        return 1 - t, 0.0, t
    if va <= 0 and d4 - d3 >= 0 and d5 - d6 >= 0:
        t = (d4 - d3) / ((d4 - d3) + (d5 - d6))
        return 0.0, 1 - t, t
    total = va + vb + vc
    if total <= 0:  # no area
        return 1.0, 0.0, 0.0
    return va / total, vb / total, vc / total


@compiled()
def _dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
