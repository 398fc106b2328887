"""The front view is a real photo, the other five are generated: where both show a surface, the photo wins."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .cameras import Cameras
from .gslrm import GATED_LOGIT, PixelGaussians


@dataclass(frozen=True)
class FrontPriority:
    """Distances in world units (1 is about 19 cm).

    behind, before: Gaussians of views 1.. this close to the front surface are dropped.
    spacing: the front surface counts only where neighbouring pixels' points are closer than this, i.e. where it is not steep.
    opacity_logit: the least opacity of a front Gaussian that counts.
    """

    behind: float = 0.10
    before: float = 0.25
    spacing: float = 0.025
    opacity_logit: float = 2.94  # 0.95


def point_spacing(means: Tensor) -> Tensor:
    """Distance to the farther horizontal or vertical neighbour. means: Shape (H, W, 3). Returns Shape (H, W)."""
    dx = (means[:, 1:] - means[:, :-1]).norm(dim=-1)
    dy = (means[1:] - means[:-1]).norm(dim=-1)
    far = means.new_tensor(9.0)
    dx = torch.minimum(F.pad(dx, (1, 0), value=far), F.pad(dx, (0, 1), value=far))
    dy = torch.minimum(F.pad(dy, (0, 0, 1, 0), value=far), F.pad(dy, (0, 0, 0, 1), value=far))
    return torch.maximum(dx, dy)


def apply_front_priority(pixel: PixelGaussians, cameras: Cameras, rule: FrontPriority) -> PixelGaussians:
    """Changes opacities only, from geometry alone. pixel: one sample, Shape (1, V, H, W, ...)."""
    means, opacities = pixel.means[0], pixel.opacities[0]
    with torch.no_grad():
        camera = cameras[0]
        height, width = opacities.shape[1:]
        rotation, origin = camera.c2w[0, :3, :3], camera.c2w[0, :3, 3]
        fx, fy, cx, cy = camera.intrinsics[0]
        surface = (means[0] - origin).norm(dim=-1)  # (H, W)
        counts = (opacities[0] > 0) & (point_spacing(means[0]) < rule.spacing)
        local = (means[1:] - origin) @ rotation  # (V-1, H, W, 3) in the front camera
        u = (fx * local[..., 0] / local[..., 2] + cx).floor().long()
        v = (fy * local[..., 1] / local[..., 2] + cy).floor().long()
        inside = (u >= 0) & (u < width) & (v >= 0) & (v < height)
        u, v = u.clamp(0, width - 1), v.clamp(0, height - 1)
        gap = local.norm(dim=-1) - surface[v, u]
        dropped = inside & counts[v, u] & (gap < rule.behind) & (gap > -rule.before)
    front = torch.where(counts, opacities[0].clamp_min(rule.opacity_logit), opacities[0])
    others = torch.where(dropped, torch.full_like(opacities[1:], GATED_LOGIT), opacities[1:])
    return pixel._replace(opacities=torch.cat([front[None], others])[None])
