"""Upsampling of the front view: the views are small, the photo is not."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from ...cameras import Cameras, on_rays, rays
from ...gaussians import SH_C0, Gaussians, concatenate
from ..pixel_gaussians import GATED_LOGIT, PixelGaussians, flatten_gaussians, remove_white
from ..protocol import Context, Reconstruction


@dataclass(frozen=True)
class UpsampleInputView:
    """The front view's Gaussians leave the pixels of the views and come back among the free ones, k x k for each."""

    name: ClassVar[str] = "upsample_input_view"

    def __call__(self, reconstruction: Reconstruction, context: Context) -> Reconstruction:
        low = context.views[0].float()
        pixel, front = upsample_input_view(reconstruction.pixel, context.portrait, low, context.cameras, reconstruction.patch_size)
        return replace(reconstruction, free=concatenate([reconstruction.free, front]), pixel=pixel)


def upsample_input_view(
    pixel: PixelGaussians, portrait: Tensor, low: Tensor, cameras: Cameras, patch_size: int
) -> tuple[PixelGaussians, Gaussians]:
    """Gives the front view the photo's full detail: each of its Gaussians becomes k x k smaller ones with the portrait's own pixels.

    Depth, rotation and opacity come from the Gaussian that is split; its colour is kept as a correction of the pixel colour.

    pixel: one sample, Shape (1, V, H, W, ...), made with a colour skip.
    portrait: Shape (4, kH, kW), on white, with alpha.
    low: Shape (4, H, W), what the reconstructor saw.
    Returns pixel without its front Gaussians, and the new ones.
    """
    size = portrait.shape[-1]
    k = size // low.shape[-1]
    camera = cameras[0].at_size(size)

    def repeat(t: Tensor) -> Tensor:
        return t.repeat_interleave(k, 0).repeat_interleave(k, 1)

    ray_depth = pixel.ray_depth[0, 0]
    smooth = F.interpolate(ray_depth[None, None], scale_factor=k, mode="bilinear", align_corners=False)[0, 0]
    own = repeat(ray_depth)
    ray_depth = torch.where((smooth - own).abs() < 0.02, smooth, own)  # no points in mid-air between two depths
    means = on_rays(ray_depth[None], *rays(camera))[0]
    correction = pixel.sh0[0, 0] - (remove_white(low.permute(1, 2, 0)) - 0.5) / SH_C0
    sh0 = (remove_white(portrait.permute(1, 2, 0)) - 0.5) / SH_C0 + repeat(correction)
    opacities = repeat(pixel.opacities[0, 0])
    opacities = torch.where(portrait[3] < 0.5, torch.full_like(opacities, GATED_LOGIT), opacities)
    scales = repeat(pixel.scales[0, 0]) - math.log(k)
    parts = (means, repeat(pixel.quats[0, 0]), scales, opacities, sh0, ray_depth)
    front = flatten_gaussians(PixelGaussians(*(p[None, None] for p in parts)), patch_size)
    gated = pixel.opacities.clone()
    gated[:, 0] = GATED_LOGIT
    return pixel._replace(opacities=gated), front
