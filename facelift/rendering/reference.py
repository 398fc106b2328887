"""A slow, plain renderer to test the others against: dense, float64, one formula after another, gradients by autograd.

It shares no code with the other backends. Memory grows with Gaussians times pixels: use it for a few hundred Gaussians.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..cameras import Cameras
from ..gaussians import Gaussians


def rasterize(gaussians: Gaussians, cameras: Cameras) -> tuple[Tensor, Tensor]:
    """Colours before the background, Shape (V, 3, H, W), and transmittance, Shape (V, 1, H, W); float64."""
    gaussians = gaussians.to(torch.float64)
    pairs = [_rasterize_one(gaussians, cameras, view) for view in range(len(cameras))]
    return torch.stack([colors for colors, _ in pairs]), torch.stack([rest for _, rest in pairs])


def rotation_matrices(quats: Tensor) -> Tensor:
    """Shape (N, 4), w first, to (N, 3, 3)."""
    w, x, y, z = torch.nn.functional.normalize(quats, dim=1).unbind(1)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return torch.stack([torch.stack(row, 1) for row in rows], 1)


def _rasterize_one(gaussians: Gaussians, cameras: Cameras, view: int) -> tuple[Tensor, Tensor]:
    height, width = cameras.height, cameras.width
    fx, fy, cx, cy = cameras.intrinsics[view].double()
    c2w = cameras.c2w[view].double()
    rotation, centre = c2w[:3, :3].T, c2w[:3, 3]

    points = (gaussians.means - centre) @ rotation.T
    visible = points[:, 2] > 0.2
    gaussians, points = gaussians[visible], points[visible]
    order = points[:, 2].detach().argsort(stable=True)
    gaussians, points = gaussians[order], points[order]
    x, y, z = points.unbind(1)

    limit_x, limit_y = 1.3 * width / (2 * fx), 1.3 * height / (2 * fy)
    tx, ty, zero = (x / z).clamp(-limit_x, limit_x) * z, (y / z).clamp(-limit_y, limit_y) * z, torch.zeros_like(z)
    jacobian = torch.stack([torch.stack([fx / z, zero, -fx * tx / z**2], 1), torch.stack([zero, fy / z, -fy * ty / z**2], 1)], 1)
    axes = rotation_matrices(gaussians.quats) * gaussians.scales.exp()[:, None, :]
    covariance = jacobian @ rotation @ axes @ axes.mT @ rotation.T @ jacobian.mT + 0.3 * torch.eye(2, dtype=torch.float64)
    conic = torch.linalg.inv(covariance)
    u, v = fx * x / z + cx - 0.5, fy * y / z + cy - 0.5

    # alpha of every Gaussian at every pixel, (N, H, W)
    columns, rows = torch.arange(width, dtype=torch.float64), torch.arange(height, dtype=torch.float64)
    dx, dy = columns - u[:, None, None], rows[:, None] - v[:, None, None]
    a, b, c = (conic[:, i, j, None, None] for i, j in ((0, 0), (0, 1), (1, 1)))
    falloff = torch.exp(-0.5 * (a * dx**2 + c * dy**2) - b * dx * dy)
    alpha = (torch.sigmoid(gaussians.opacities)[:, None, None] * falloff).clamp(max=0.99)
    alpha = torch.where((alpha >= 1 / 255) & _in_touched_tiles(u, v, covariance, rows, columns), alpha, 0.0)

    through = torch.cumprod(1 - alpha, 0)
    before = torch.cat([torch.ones_like(through[:1]), through[:-1]])
    counts = through.detach() >= 1e-4  # a cumulative product only falls: the first that fails ends the pixel
    colors = torch.einsum("nhw,nc->chw", alpha * before * counts, gaussians.rgb)
    return colors, torch.where(counts, 1 - alpha, 1.0).prod(0, keepdim=True)


def _in_touched_tiles(u: Tensor, v: Tensor, covariance: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """True where a pixel lies in a 16 px tile that the square of ceil(3 sigma) about the splat touches. Shape (N, H, W)."""
    uu, uv, vv = covariance[:, 0, 0], covariance[:, 0, 1], covariance[:, 1, 1]
    mid = 0.5 * (uu + vv)
    largest = mid + (mid**2 - (uu * vv - uv**2)).clamp_min(0.1).sqrt()
    radius = (3 * largest.sqrt()).ceil()

    def touched(centre, pixels):
        tile = (pixels / 16).floor()
        return (tile >= ((centre - radius) / 16).floor()[:, None]) & (tile < ((centre + radius + 15) / 16).floor()[:, None])

    return touched(v, rows)[:, :, None] & touched(u, columns)[:, None, :]
