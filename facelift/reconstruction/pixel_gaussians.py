"""One Gaussian per pixel: how raw network outputs become Gaussians on the rays of posed views (GS-LRM, kit 3.4)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..cameras import on_rays
from ..gaussians import SH_C0, Gaussians

GAUSSIAN_CHANNELS = 14  # xyz 3, sh0 3, scale 3, rotation 4, opacity 1
DEPTH_RANGE = 1.8  # pixel Gaussians lie within this distance of the ray's point nearest to the origin
GATED_LOGIT = -10.0  # opacity logit of a background pixel


class PixelGaussians(NamedTuple):
    """Raw Gaussians in picture layout.

    means: Shape (B, V, H, W, 3). quats: Shape (B, V, H, W, 4). scales: Shape (B, V, H, W, 3). opacities: Shape (B, V, H, W).
    sh0: Shape (B, V, H, W, 3). ray_depth: Shape (B, V, H, W), distance along the pixel's ray from its point nearest to the origin.
    """

    means: Tensor
    quats: Tensor
    scales: Tensor
    opacities: Tensor
    sh0: Tensor
    ray_depth: Tensor


def activate_raw(raw: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Splits (..., 14) into xyz, sh0, scales (log), quats, opacities (logit), with the release's offsets (kit 3.4, step 6)."""
    xyz, sh0, scales, quats, opacities = raw.split([3, 3, 3, 4, 1], -1)
    return xyz, sh0, (scales - 2.3).clamp_max(-1.20), quats, opacities[..., 0] - 2.0


def free_gaussians(raw: Tensor) -> Gaussians:
    """Those that belong to no pixel, of one sample. raw: Shape (free, 14)."""
    xyz, sh0, scales, quats, opacities = activate_raw(raw)
    return Gaussians(xyz, quats, scales, opacities, sh0)


def decode_pixel_gaussians(
    raw: Tensor,
    images: Tensor,
    origins: Tensor,
    directions: Tensor,
    color_skip: bool = False,
    alpha_gate: bool = False,
    prior_depth: Tensor | None = None,
) -> PixelGaussians:
    """Places raw outputs along their rays, always in fp32 (half precision would quantise depth to 0.002).

    raw: Shape (B, V, H, W, 14).
    images: Shape (B, V, 3 or 4, H, W).
    origins, directions: Shape (V, 3, H, W).
    color_skip: the colour of a Gaussian is that of its pixel and what the network adds.
    alpha_gate: pixels with alpha below 0.5 make no Gaussian; the views must be RGBA.
    prior_depth: Shape (B, V, H, W), the ray depth that a raw 0 means; 0 by default.
    """
    xyz, sh0, scales, quats, opacities = activate_raw(raw.float())
    logit = xyz.mean(-1)
    if prior_depth is not None:
        logit = logit + torch.logit((prior_depth.float() / DEPTH_RANGE + 1) / 2, eps=1e-3)
    ray_depth = (2 * torch.sigmoid(logit) - 1) * DEPTH_RANGE
    means = on_rays(ray_depth, origins, directions)
    pixels = images.float().permute(0, 1, 3, 4, 2)
    if color_skip:
        sh0 = sh0 + (remove_white(pixels) - 0.5) / SH_C0
    if alpha_gate:
        opacities = torch.where(pixels[..., 3] < 0.5, torch.full_like(opacities, GATED_LOGIT), opacities)
    return PixelGaussians(means, quats, scales, opacities, sh0, ray_depth)


def remove_white(pixels: Tensor) -> Tensor:
    """Colour on white (..., 3), or with alpha (..., 4), -> the subject's own colour (..., 3)."""
    if pixels.shape[-1] == 3:
        return pixels
    alpha = pixels[..., 3:]
    return ((pixels[..., :3] - (1 - alpha)) / alpha.clamp_min(0.3)).clamp(0, 1)


def flatten_gaussians(pixel: PixelGaussians, patch_size: int, batch: int = 0) -> Gaussians:
    """One sample as a list of Gaussians in the release's order: view, patch row, patch column, row, column.

    pixel: Shape (B, V, H, W, ...).
    patch_size: pixels a side; divides H and W.
    batch: which sample.
    """

    def flat(t: Tensor) -> Tensor:
        t = t[batch]
        v, h, w, *rest = t.shape
        p = patch_size
        return t.view(v, h // p, p, w // p, p, *rest).transpose(2, 3).reshape(-1, *rest)

    return Gaussians(flat(pixel.means), flat(pixel.quats), flat(pixel.scales), flat(pixel.opacities), flat(pixel.sh0))
