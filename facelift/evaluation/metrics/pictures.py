"""Differences of pictures in closed form: PSNR, SSIM, CIEDE2000, depth. Batched, on the device of the tensors."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

WHITE_D65 = (0.95047, 1.0, 1.08883)
RGB_TO_XYZ = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))


def psnr(a: Tensor, b: Tensor, mask: Tensor | None = None) -> Tensor:
    """Peak signal-to-noise ratio in decibels, at most 100.

    a, b: Shape (N, 3, H, W), 0..1.
    mask: Shape (N, H, W) bool, where to look.
    Returns Shape (N,); NaN where a mask is empty.
    """
    error = (a - b).square().mean(1)
    if mask is None:
        error = error.flatten(1).mean(1)
    else:
        error = (error * mask).flatten(1).sum(1) / mask.flatten(1).sum(1)
    return -10 * torch.log10(error.clamp_min(1e-10))


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Structural similarity (Wang et al. 2004): Gaussian window of sigma 1.5 and 11 px, mean over channels and the inside of the picture.

    a, b: Shape (N, 3, H, W), 0..1, at least 11 px a side. Returns Shape (N,).
    """
    if min(a.shape[-2:]) < 11:
        raise ValueError(f"SSIM needs pictures of at least 11 px, got {tuple(a.shape[-2:])}")
    channels = a.shape[1]
    x = torch.arange(11, dtype=torch.float64, device=a.device) - 5
    window = torch.exp(-(x**2) / (2 * 1.5**2))
    window = (window / window.sum()).float().expand(channels, 1, 1, -1)

    def blur(t: Tensor) -> Tensor:
        return F.conv2d(F.conv2d(t, window, groups=channels), window.transpose(2, 3), groups=channels)

    a, b = a.float(), b.float()
    mean_a, mean_b = blur(a), blur(b)
    var_a, var_b, cov = blur(a * a) - mean_a**2, blur(b * b) - mean_b**2, blur(a * b) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    similarity = (2 * mean_a * mean_b + c1) * (2 * cov + c2) / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
    return similarity.flatten(1).mean(1)


def depth_error(ray_depth: Tensor, truth: Tensor, surface: Tensor) -> Tensor:
    """Mean absolute difference along the rays where there is a surface, in world units (one is about 19 cm).

    ray_depth, truth: Shape (V, H, W).
    surface: Shape (V, H, W) bool.
    Returns Shape (V,); NaN for a view without surface.
    """
    gap = (ray_depth - truth).abs() * surface
    return gap.flatten(1).sum(1) / surface.flatten(1).sum(1)


def lab(rgb: Tensor) -> Tensor:
    """sRGB 0..1, Shape (..., 3) -> CIE L*a*b* under D65, Shape (..., 3), float64."""
    rgb = rgb.double()
    linear = torch.where(rgb > 0.04045, ((rgb + 0.055) / 1.055).clamp_min(0) ** 2.4, rgb / 12.92)
    xyz = linear @ rgb.new_tensor(RGB_TO_XYZ).T / rgb.new_tensor(WHITE_D65)
    f = torch.where(xyz > 0.008856, xyz.clamp_min(1e-12) ** (1 / 3), 7.787 * xyz + 16 / 116)
    x, y, z = f.unbind(-1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)


def delta_e(a: Tensor, b: Tensor) -> Tensor:
    """CIEDE2000 colour difference (Sharma et al. 2005) of L*a*b* colours, Shape (..., 3) each. Returns Shape (...)."""
    (l1, a1, b1), (l2, a2, b2) = a.double().unbind(-1), b.double().unbind(-1)
    chroma = (torch.hypot(a1, b1) + torch.hypot(a2, b2)) / 2
    g = 0.5 * (1 - torch.sqrt(chroma**7 / (chroma**7 + 25.0**7)))
    a1, a2 = (1 + g) * a1, (1 + g) * a2
    c1, c2 = torch.hypot(a1, b1), torch.hypot(a2, b2)
    h1, h2 = torch.rad2deg(torch.atan2(b1, a1)) % 360, torch.rad2deg(torch.atan2(b2, a2)) % 360
    grey = c1 * c2 == 0
    turn = (h2 - h1 + 180) % 360 - 180
    turn = torch.where(grey, torch.zeros_like(turn), turn)
    dl, dc, dh = l2 - l1, c2 - c1, 2 * torch.sqrt(c1 * c2) * torch.sin(torch.deg2rad(turn) / 2)
    mean_l, mean_c = (l1 + l2) / 2, (c1 + c2) / 2
    mean_h = torch.where(grey, h1 + h2, (h1 + turn / 2) % 360)
    t = (
        1
        - 0.17 * torch.cos(torch.deg2rad(mean_h - 30))
        + 0.24 * torch.cos(torch.deg2rad(2 * mean_h))
        + 0.32 * torch.cos(torch.deg2rad(3 * mean_h + 6))
        - 0.20 * torch.cos(torch.deg2rad(4 * mean_h - 63))
    )
    sl = 1 + 0.015 * (mean_l - 50) ** 2 / torch.sqrt(20 + (mean_l - 50) ** 2)
    sc, sh = 1 + 0.045 * mean_c, 1 + 0.015 * mean_c * t
    rotation = -torch.sin(torch.deg2rad(60 * torch.exp(-(((mean_h - 275) / 25) ** 2))))
    rotation = rotation * 2 * torch.sqrt(mean_c**7 / (mean_c**7 + 25.0**7))
    return torch.sqrt((dl / sl) ** 2 + (dc / sc) ** 2 + (dh / sh) ** 2 + rotation * (dc / sc) * (dh / sh))
