"""Compiled projection of Gaussians to splats on the picture, and its gradient.

Written out for one Gaussian at a time in float64, so that the result does not depend on the number of threads (vectorised library
functions round differently at the end of each thread's share). A camera is an array of 16: the rows of c2w's rotation, its position,
fx, fy, cx, cy. Arrays are indexed as [world or view axis, axis of the Gaussian].
"""

from __future__ import annotations

import math

import numba
import numpy as np
import torch

from ..compiled import compiled
from ..gaussians import SH_C0
from .kernels import MIN_ALPHA, TILE

NEAR = 0.2  # view depth
DILATION = 0.3  # square pixels, on both diagonal entries of the 2D covariance
JACOBIAN_LIMIT = 1.3  # times tan(fov / 2), on x/z and y/z, in the Jacobian only
FAINTEST_LOGIT = math.log(1 / 254) - 1e-3  # just under the logit of 1/255: below it alpha is under its limit everywhere
CHUNK = 2048


def nearest_first(depths: np.ndarray) -> np.ndarray:
    """Indices of the Gaussians that may be seen, by depth; ties by index."""
    seen = np.flatnonzero(depths)
    bits = torch.from_numpy(depths[seen]).view(torch.int32)  # positive floats are in the order of their bits, and integers sort faster
    return seen[bits.argsort(stable=True).numpy()]


@compiled()
def _depth(mean, camera):
    return camera[2] * (mean[0] - camera[9]) + camera[5] * (mean[1] - camera[10]) + camera[8] * (mean[2] - camera[11])


@compiled()
def _rotation(quat, rotation):
    """Fills a rotation matrix from a unit quaternion, w first."""
    w, x, y, z = quat[0], quat[1], quat[2], quat[3]
    rotation[0, 0], rotation[0, 1], rotation[0, 2] = 1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)
    rotation[1, 0], rotation[1, 1], rotation[1, 2] = 2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)
    rotation[2, 0], rotation[2, 1], rotation[2, 2] = 2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)


@compiled()
def _rotation_backward(quat, grad_rotation, grad_quat):
    w, x, y, z = quat[0], quat[1], quat[2], quat[3]
    d = grad_rotation
    grad_quat[0] = 2 * (x * (d[2, 1] - d[1, 2]) + y * (d[0, 2] - d[2, 0]) + z * (d[1, 0] - d[0, 1]))
    grad_quat[1] = 2 * (y * (d[0, 1] + d[1, 0]) + z * (d[0, 2] + d[2, 0]) + w * (d[2, 1] - d[1, 2])) - 4 * x * (d[1, 1] + d[2, 2])
    grad_quat[2] = 2 * (x * (d[0, 1] + d[1, 0]) + z * (d[1, 2] + d[2, 1]) + w * (d[0, 2] - d[2, 0])) - 4 * y * (d[0, 0] + d[2, 2])
    grad_quat[3] = 2 * (x * (d[0, 2] + d[2, 0]) + y * (d[1, 2] + d[2, 1]) + w * (d[1, 0] - d[0, 1])) - 4 * z * (d[0, 0] + d[1, 1])


@compiled()
def _project_one(mean, quat, scale, camera, width, height, point, unit_quat, sigma, rotation, view_axes, picture_axes):
    """Fills the scratch arrays for one Gaussian and returns the quaternion's length, the two clamped tangents and the 2D covariance.

    point (3,): position in view space. sigma (3,): standard deviations. view_axes (3, 3): its three axes times sigma in view space.
    picture_axes (2, 3): the same on the picture, in pixels.
    """
    square = 0.0
    for i in range(4):
        unit_quat[i] = quat[i]
        square += unit_quat[i] * unit_quat[i]
    length = math.sqrt(max(1e-24, square))
    for i in range(4):
        unit_quat[i] /= length
    _rotation(unit_quat, rotation)
    for i in range(3):
        point[i] = 0.0
        sigma[i] = math.exp(np.float64(scale[i]))
        for k in range(3):
            view_axes[i, k] = 0.0
    for j in range(3):
        for i in range(3):
            to_view = camera[3 * j + i]
            point[i] += to_view * (mean[j] - camera[9 + j])
            for k in range(3):
                view_axes[i, k] += to_view * rotation[j, k] * sigma[k]
    limit_x, limit_y = JACOBIAN_LIMIT * width / (2 * camera[12]), JACOBIAN_LIMIT * height / (2 * camera[13])
    tan_x = min(max(point[0] / point[2], -limit_x), limit_x)
    tan_y = min(max(point[1] / point[2], -limit_y), limit_y)
    uu, uv, vv = DILATION, 0.0, DILATION
    for k in range(3):
        picture_axes[0, k] = camera[12] / point[2] * (view_axes[0, k] - tan_x * view_axes[2, k])
        picture_axes[1, k] = camera[13] / point[2] * (view_axes[1, k] - tan_y * view_axes[2, k])
        uu += picture_axes[0, k] * picture_axes[0, k]
        uv += picture_axes[0, k] * picture_axes[1, k]
        vv += picture_axes[1, k] * picture_axes[1, k]
    return length, tan_x, tan_y, uu, uv, vv


@compiled()
def _span(centre, radius, reach, size):
    """The pixels first, last + 1 along one side: within `reach`, and in the tiles that centre +- radius touches."""
    if not (abs(centre) < 1e9 and radius < 1e9):  # also not a number
        return 0, 0
    low = max(0.0, TILE * np.floor((centre - radius) / TILE), np.ceil(centre - reach - 0.01))
    high = min(size, TILE * np.floor((centre + radius + (TILE - 1)) / TILE), np.floor(centre + reach + 0.01) + 1)
    return (int(low), int(high)) if low < high else (0, 0)


@compiled(parallel=True)
def project(means, quats, scales, opacities, sh0, camera, width, height):
    """Gaussians as one camera sees them.

    means, quats, scales, opacities, sh0: as of `Gaussians`.
    camera: Shape (16,), as above.
    width, height: of the picture, pixels.

    Returns depths (N,), splats (N, 9), as `kernels` describes them, and boxes (N, 4), the pixels each may paint.
    A depth of 0 marks what cannot be seen (too near, too faint, not a number); its box is empty and its splat is not set.
    """
    count = len(means)
    depths, splats = np.zeros(count, np.float32), np.empty((count, 9), np.float32)
    boxes = np.zeros((count, 4), np.int32)
    for chunk in numba.prange((count + CHUNK - 1) // CHUNK):
        point, unit_quat, sigma, rotation = np.empty(3), np.empty(4), np.empty(3), np.empty((3, 3))
        view_axes, picture_axes = np.empty((3, 3)), np.empty((2, 3))
        for n in range(chunk * CHUNK, min(count, (chunk + 1) * CHUNK)):
            depth = _depth(means[n], camera)
            if not (NEAR < depth < np.inf and opacities[n] > FAINTEST_LOGIT):
                continue
            depths[n] = depth
            _, _, _, uu, uv, vv = _project_one(
                means[n], quats[n], scales[n], camera, width, height, point, unit_quat, sigma, rotation, view_axes, picture_axes
            )
            det = uu * vv - uv * uv
            opacity = 1 / (1 + math.exp(-np.float64(opacities[n])))
            splats[n, 0] = camera[12] * point[0] / point[2] + camera[14] - 0.5
            splats[n, 1] = camera[13] * point[1] / point[2] + camera[15] - 0.5
            splats[n, 2], splats[n, 3], splats[n, 4] = vv / det, -uv / det, uu / det
            splats[n, 5] = opacity
            for i in range(3):
                splats[n, 6 + i] = max(0.0, SH_C0 * sh0[n, i] + 0.5)
            mid = 0.5 * (uu + vv)
            radius = np.ceil(3 * math.sqrt(mid + math.sqrt(max(0.1, mid * mid - det))))
            sigmas = math.sqrt(max(0.0, 2 * math.log(opacity / MIN_ALPHA)))  # beyond, alpha is under its limit
            boxes[n, 0], boxes[n, 1] = _span(splats[n, 0], radius, sigmas * math.sqrt(uu), width)
            boxes[n, 2], boxes[n, 3] = _span(splats[n, 1], radius, sigmas * math.sqrt(vv), height)
    return depths, splats, boxes


@compiled(parallel=True)
def project_backward(means, quats, scales, opacities, sh0, camera, width, height, splats, boxes, grad_splats):
    """Gradient of `project`: of means, quats, scales, opacities and sh0, in their shapes; 0 for what is not in the picture.

    splats, boxes: what it returned.
    grad_splats: Shape (N, 9).
    """
    d_means, d_quats, d_scales = np.zeros_like(means), np.zeros_like(quats), np.zeros_like(scales)
    d_opacities, d_sh0 = np.zeros_like(opacities), np.zeros_like(sh0)
    count = len(means)
    for chunk in numba.prange((count + CHUNK - 1) // CHUNK):
        point, unit_quat, sigma, rotation = np.empty(3), np.empty(4), np.empty(3), np.empty((3, 3))
        view_axes, picture_axes = np.empty((3, 3)), np.empty((2, 3))
        d_point, d_view_axes, d_rotation, d_unit_quat = np.empty(3), np.empty((3, 3)), np.empty((3, 3)), np.empty(4)
        for n in range(chunk * CHUNK, min(count, (chunk + 1) * CHUNK)):
            if boxes[n, 0] == boxes[n, 1] or boxes[n, 2] == boxes[n, 3]:
                continue
            length, tan_x, tan_y, uu, uv, vv = _project_one(
                means[n], quats[n], scales[n], camera, width, height, point, unit_quat, sigma, rotation, view_axes, picture_axes
            )
            x, y, z = point[0] / point[2], point[1] / point[2], point[2]
            du, dv = grad_splats[n, 0], grad_splats[n, 1]
            da, db, dc = grad_splats[n, 2], 0.5 * grad_splats[n, 3], grad_splats[n, 4]

            # covariance = conic^-1, so its gradient is -conic G conic
            det = uu * vv - uv * uv
            a, b, c = vv / det, -uv / det, uu / det
            d_uu = -(a * a * da + 2 * a * b * db + b * b * dc)
            d_vv = -(b * b * da + 2 * b * c * db + c * c * dc)
            d_uv = -2 * (a * b * da + (a * c + b * b) * db + b * c * dc)

            # axes on the picture -> axes in view space, tangents, depth
            d_tan_x, d_tan_y, d_point[2] = 0.0, 0.0, 0.0
            for k in range(3):
                p, q = picture_axes[0, k], picture_axes[1, k]
                dp, dq = 2 * d_uu * p + d_uv * q, 2 * d_vv * q + d_uv * p
                d_view_axes[0, k] = dp * camera[12] / z
                d_view_axes[1, k] = dq * camera[13] / z
                d_view_axes[2, k] = -d_view_axes[0, k] * tan_x - d_view_axes[1, k] * tan_y
                d_tan_x -= d_view_axes[0, k] * view_axes[2, k]
                d_tan_y -= d_view_axes[1, k] * view_axes[2, k]
                d_point[2] -= (dp * p + dq * q) / z
            dx = camera[12] * du + (d_tan_x if tan_x == x else 0.0)
            dy = camera[13] * dv + (d_tan_y if tan_y == y else 0.0)
            d_point[0], d_point[1] = dx / z, dy / z
            d_point[2] -= (dx * x + dy * y) / z

            # view space -> world
            for j in range(3):
                d_mean = 0.0
                for k in range(3):
                    d_mean += camera[3 * j + k] * d_point[k]
                    d_axis = 0.0
                    for i in range(3):
                        d_axis += camera[3 * j + i] * d_view_axes[i, k]
                    d_rotation[j, k] = d_axis * sigma[k]
                d_means[n, j] = d_mean
            for k in range(3):
                d_scales[n, k] = d_rotation[0, k] * rotation[0, k] + d_rotation[1, k] * rotation[1, k] + d_rotation[2, k] * rotation[2, k]
            _rotation_backward(unit_quat, d_rotation, d_unit_quat)
            along = 0.0
            for i in range(4):
                along += unit_quat[i] * d_unit_quat[i]
            for i in range(4):
                d_quats[n, i] = (d_unit_quat[i] - along * unit_quat[i]) / length

            opacity = np.float64(splats[n, 5])
            d_opacities[n] = grad_splats[n, 5] * opacity * (1 - opacity)
            for i in range(3):
                if splats[n, 6 + i] > 0:
                    d_sh0[n, i] = SH_C0 * grad_splats[n, 6 + i]
    return d_means, d_quats, d_scales, d_opacities, d_sh0
