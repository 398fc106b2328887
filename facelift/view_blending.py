"""Generated views paint the same hair a little lighter or darker each; where their Gaussians meet, that shows as bands.

Every Gaussian takes the tone on which the views that see its place agree, and keeps its own detail. Geometry only, nothing learned; a
switch of the compact weights, off for the released ones.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .cameras import Cameras
from .gaussians import SH_C0
from .gslrm import GATED_LOGIT, PixelGaussians

COARSE = 4  # pixels a side of a cell whose mean, with its neighbours', is a tone; what differs within is detail
NOWHERE = 99.0  # distance to a surface where there is none


def cell_means(values: Tensor, known: Tensor) -> Tensor:
    """Of what is known in and around each cell. values: Shape (V, H, W, 3). known: Shape (V, H, W). Shape (V, 3, H / 4, W / 4)."""
    weight = known.float()[:, None]
    share, sums = (F.avg_pool2d(F.avg_pool2d(x, COARSE), 3, 1, 1) for x in (weight, values.permute(0, 3, 1, 2) * weight))
    return sums / share.clamp_min(1e-6)


def cell_normals(places: Tensor, origins: Tensor) -> Tensor:
    """Towards the view's own camera. places: Shape (V, 3, h, w), means of points. origins: Shape (V, 3). Shape (V, 3, h, w)."""
    right, down = places.diff(dim=3, append=places[..., -1:]), places.diff(dim=2, append=places[..., -1:, :])
    normals = F.normalize(torch.cross(right, down, dim=1), dim=1)
    towards = origins[:, :, None, None] - places
    return normals * (normals * towards).sum(1, keepdim=True).sign()


def blend_views(pixel: PixelGaussians, cameras: Cameras, tolerance: float = 0.3) -> PixelGaussians:
    """Changes colours of all views but the first, the photo. pixel: one sample, Shape (1, V, H, W, ...).

    A view counts for a place by how squarely it faces it and by how near its own surface is; at `tolerance`, in world units, not at all.
    """
    means, kept = pixel.means[0], pixel.opacities[0] > GATED_LOGIT
    height, width = kept.shape[1:]
    origins = cameras.c2w[:, :3, 3]
    tones = cell_means(SH_C0 * pixel.sh0[0] + 0.5, kept)
    normals = cell_normals(cell_means(means, kept), origins)
    surfaces = torch.where(kept, (means - origins[:, None, None]).norm(dim=-1), NOWHERE)[:, None]

    chosen = kept & (torch.arange(len(kept), device=kept.device) > 0)[:, None, None]
    view, points = chosen.nonzero()[:, 0], means[chosen]
    own, normal = (F.interpolate(m, scale_factor=COARSE, mode="bilinear").permute(0, 2, 3, 1)[chosen] for m in (tones, normals))
    total, mixed = torch.full_like(points[:, :1], 1e-4), 1e-4 * own
    for u in range(len(cameras)):
        local = (points - origins[u]) @ cameras.c2w[u, :3, :3]
        fx, fy, cx, cy = cameras.intrinsics[u]
        across, below = (fx * local[:, 0] / local[:, 2] + cx) / width, (fy * local[:, 1] / local[:, 2] + cy) / height
        grid = 2 * torch.stack([across, below], -1)[None, None] - 1
        tone, surface = (F.grid_sample(m[u : u + 1], grid, align_corners=False)[0, :, 0].T for m in (tones, surfaces))
        near = 1 - (surface[:, 0] - local.norm(dim=-1)).abs() / tolerance
        faces = (F.normalize(origins[u] - points, dim=-1) * normal).sum(-1)
        weight = torch.where(view == u, 1.0, near.clamp(0, 1)) * faces.clamp_min(0)
        total, mixed = total + weight[:, None], mixed + weight[:, None] * tone
    sh0 = pixel.sh0.clone()
    sh0[0, chosen] += (mixed / total - own) / SH_C0
    return pixel._replace(sh0=sh0)
