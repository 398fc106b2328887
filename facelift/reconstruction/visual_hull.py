"""Where each pixel's ray first meets the space that all silhouettes allow: a depth that needs no learning.

With six good mattes it is right to about a centimetre but for hollows, so the compact reconstructor starts from it.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..cameras import Cameras, rays
from ..compiled import compiled

REACH = 1.0  # the hull is sought within this distance of the ray's point nearest to the origin
SAMPLES = 48
REFINEMENTS = 4


@compiled()
def _allowed(alpha, viewmats, intrinsics, x, y, z):
    """Whether no view shows background at a point. Beyond a picture its border goes on."""
    views, height, width = alpha.shape
    for k in range(views):
        m, (fx, fy, cx, cy) = viewmats[k], intrinsics[k]
        depth = m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3]
        u = int(np.floor(fx * (m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3]) / depth + cx))
        v = int(np.floor(fy * (m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3]) / depth + cy))
        if alpha[k, min(max(v, 0), height - 1), min(max(u, 0), width - 1)] < 0.5:
            return False
    return True


@compiled()
def _carve(alpha, origins, directions, viewmats, intrinsics, reach, samples, refinements, out):
    views, height, width = out.shape
    for v in range(views):
        for y in range(height):
            for x in range(width):
                o, d = origins[v, :, y, x], directions[v, :, y, x]
                nearest = -(o[0] * d[0] + o[1] * d[1] + o[2] * d[2])
                for s in range(samples):
                    near, far = (2 * s - samples) * reach / samples, (2 * s + 2 - samples) * reach / samples
                    t = nearest + far
                    if not _allowed(alpha, viewmats, intrinsics, o[0] + t * d[0], o[1] + t * d[1], o[2] + t * d[2]):
                        continue
                    for _ in range(refinements):
                        middle = (near + far) / 2
                        t = nearest + middle
                        if _allowed(alpha, viewmats, intrinsics, o[0] + t * d[0], o[1] + t * d[1], o[2] + t * d[2]):
                            far = middle
                        else:
                            near = middle
                    out[v, y, x] = far
                    break


def hull_depth(alpha: Tensor, cameras: Cameras, grid: int = 64) -> Tensor:
    """alpha: Shape (V, H, W), 0..1, of these cameras.
    grid: rays a side; what lies between is interpolated.

    Returns Shape (V, H, W): the ray depth of the visual hull. Where a ray misses the hull, what its neighbours say.
    """
    coarse = cameras.at_size(grid)
    origins, directions = (r.double().cpu().numpy() for r in rays(coarse))
    out = np.full((len(cameras), grid, grid), np.nan)
    _carve(
        alpha.detach().float().cpu().numpy(), origins, directions, cameras.viewmats.double().cpu().numpy(),
        cameras.intrinsics.double().cpu().numpy(), REACH, SAMPLES, REFINEMENTS, out,
    )  # fmt: skip
    known = inpaint_depth(torch.from_numpy(out).float())
    return F.interpolate(known[:, None], size=alpha.shape[-2:], mode="bilinear")[:, 0].to(alpha.device)


def hulls(views: Tensor, cameras: Cameras) -> Tensor:
    """`hull_depth` of each sample. views: Shape (B, V, 4, H, W), colour and alpha. Returns Shape (B, V, H, W)."""
    return torch.stack([hull_depth(sample[:, 3], cameras) for sample in views])


def inpaint_depth(values: Tensor) -> Tensor:
    """Spreads known values (V, H, W) over the unknown (nan) ones around them, ring by ring; 0 where a view knows nothing."""
    known = (~values.isnan()).float()[:, None]
    filled = values.nan_to_num(0.0)[:, None]
    while known.any() and not known.flatten(1).any(1).logical_not().logical_or(known.flatten(1).all(1)).all():
        weight = F.avg_pool2d(known, 3, 1, 1)
        mean = F.avg_pool2d(filled * known, 3, 1, 1) / weight.clamp_min(1e-6)
        filled = torch.where(known > 0, filled, torch.where(weight > 0, mean, filled))
        known = (weight > 0).float()
    return filled[:, 0]
