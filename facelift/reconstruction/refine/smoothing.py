"""Depth smoothing: grain that was painted on a generated view is no relief, but a reconstructor takes it for one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
import torch.nn.functional as F

from ...cameras import Cameras, on_rays, rays
from ..pixel_gaussians import GATED_LOGIT, PixelGaussians
from ..protocol import Context, Reconstruction


@dataclass(frozen=True)
class SmoothDepths:
    """`smooth_depths` with these parameters."""

    name: ClassVar[str] = "smooth_depths"

    radius: int = 3
    edge: float = 0.05
    rounds: int = 2

    def __call__(self, reconstruction: Reconstruction, context: Context) -> Reconstruction:
        pixel = smooth_depths(reconstruction.pixel, context.cameras, self.radius, self.edge, self.rounds)
        return replace(reconstruction, pixel=pixel)


def smooth_depths(pixel: PixelGaussians, cameras: Cameras, radius: int = 3, edge: float = 0.05, rounds: int = 2) -> PixelGaussians:
    """Mean ray depth around each pixel of all views but the first, the photo.

    pixel: one sample, Shape (1, V, H, W, ...).
    radius: pixels to each side.
    edge: world units; what lies farther from the mean keeps its own depth.
    rounds: of averaging.
    """
    depth, shown = pixel.ray_depth[0, 1:, None], (pixel.opacities[0, 1:, None] > GATED_LOGIT).float()
    share = F.avg_pool2d(shown, 2 * radius + 1, 1, radius).clamp_min(1e-6)
    for _ in range(rounds):
        mean = F.avg_pool2d(depth * shown, 2 * radius + 1, 1, radius) / share
        depth = torch.where((shown > 0) & ((mean - depth).abs() < edge), mean, depth)
    ray_depth = torch.cat([pixel.ray_depth[:, :1], depth[None, :, 0]], 1)
    return pixel._replace(means=on_rays(ray_depth, *rays(cameras)), ray_depth=ray_depth)
