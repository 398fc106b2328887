"""The Gaussian that a pixel should become when depth is known exactly: the reconstructor's direct supervision."""

from __future__ import annotations

import math

import numpy as np

from ..compiled import compiled

# columns: ray_depth, weight, r, g, b, qw, qx, qy, qz, log scale x3
COLUMNS = 12


@compiled(fastmath=True)
def _difference(points, valid, y, x, dy, dx, out):
    """Tangent along (dy, dx) from whichever neighbour is nearer in space, so that it never crosses a depth edge."""
    best = 1e9
    for sign in (-1, 1):
        yy, xx = y + sign * dy, x + sign * dx
        if 0 <= yy < valid.shape[0] and 0 <= xx < valid.shape[1] and valid[yy, xx]:
            length = 0.0
            for c in range(3):
                length += (points[c, yy, xx] - points[c, y, x]) ** 2
            if length < best:
                best = length
                for c in range(3):
                    out[c] = sign * (points[c, yy, xx] - points[c, y, x])
    return best < 1e8


@compiled(fastmath=True)
def _targets(rgba, ray_depth, points, directions, distance, camera_quats, focal, tangent, normal_scale, out):
    views, _, height, width = rgba.shape
    dx, dy, n = np.zeros(3), np.zeros(3), np.zeros(3)
    for v in range(views):
        valid = ray_depth[v] < 5
        for y in range(height):
            for x in range(width):
                o = out[v, y, x]
                if not valid[y, x] or rgba[v, 3, y, x] < 0.5:
                    continue
                alpha = rgba[v, 3, y, x]
                o[0], o[1] = ray_depth[v, y, x], 1.0
                for c in range(3):
                    o[2 + c] = min(1.0, max(0.0, (rgba[v, c, y, x] - (1 - alpha)) / alpha))
                cos = 0.0
                if _difference(points[v], valid, y, x, 0, 1, dx) and _difference(points[v], valid, y, x, 1, 0, dy):
                    n[0] = dx[1] * dy[2] - dx[2] * dy[1]
                    n[1] = dx[2] * dy[0] - dx[0] * dy[2]
                    n[2] = dx[0] * dy[1] - dx[1] * dy[0]
                    length = math.sqrt(n[0] ** 2 + n[1] ** 2 + n[2] ** 2) + 1e-20
                    for c in range(3):
                        cos -= n[c] / length * directions[v, c, y, x]
                    sign = 1.0 if cos > 0 else -1.0
                    for c in range(3):
                        n[c] *= sign / length
                    cos = abs(cos)
                d0, d1, d2 = directions[v, 0, y, x], directions[v, 1, y, x], directions[v, 2, y, x]
                if cos < 0.05:
                    n[0], n[1], n[2], cos = -d0, -d1, -d2, 1.0
                # smallest rotation from the viewing direction onto the normal, after the camera's own frame: a continuous choice
                w1, x1, y1, z1 = 1 + cos, -d1 * n[2] + d2 * n[1], -d2 * n[0] + d0 * n[2], -d0 * n[1] + d1 * n[0]
                k = 1 / math.sqrt(w1 * w1 + x1 * x1 + y1 * y1 + z1 * z1)
                w1, x1, y1, z1 = w1 * k, x1 * k, y1 * k, z1 * k
                w2, x2, y2, z2 = camera_quats[v, 0], camera_quats[v, 1], camera_quats[v, 2], camera_quats[v, 3]
                o[5] = w1 * w2 - x1 * x2 - y1 * y2 - z1 * z2
                o[6] = w1 * x2 + x1 * w2 + y1 * z2 - z1 * y2
                o[7] = w1 * y2 - x1 * z2 + y1 * w2 + z1 * x2
                o[8] = w1 * z2 + x1 * y2 - y1 * x2 + z1 * w2
                footprint = distance[v, y, x] / focal
                o[9] = o[10] = math.log(footprint * tangent / math.sqrt(max(cos, 0.25)))
                o[11] = math.log(footprint * normal_scale)


def quaternions(rotations: np.ndarray) -> np.ndarray:
    """Rotation matrices (N, 3, 3) -> unit quaternions w, x, y, z (N, 4)."""
    from scipy.spatial.transform import Rotation

    return np.roll(Rotation.from_matrix(rotations).as_quat(), 1, axis=-1)


def pixel_targets(rgba, ray_depth, origins, directions, c2w, focal: float, tangent: float = 0.4, normal_scale: float = 0.15) -> np.ndarray:
    """rgba (V, 4, H, W) on white, ray_depth (V, H, W), origins and directions (V, 3, H, W), c2w (V, 4, 4), all numpy.

    Returns (V, H, W, 12) in the order of `COLUMNS`; weight 0 where there is no surface.
    """
    nearest = -(origins * directions).sum(1)
    distance = ray_depth + nearest
    points = origins + distance[:, None] * directions
    out = np.zeros((*ray_depth.shape, COLUMNS), np.float32)
    _targets(rgba, ray_depth, points, directions, distance, quaternions(c2w[:, :3, :3]), focal, tangent, normal_scale, out)
    return out
