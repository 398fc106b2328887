"""Depth from six silhouettes alone."""

from __future__ import annotations

import torch

from facelift.cameras import rays, six_views
from facelift.reconstruction.visual_hull import hull_depth, inpaint_depth


def silhouettes(radius: float, size: int = 128):
    """A ball at the origin: its six mattes and the true offsets (Shape (6, H, W), nan beside it)."""
    origins, directions = rays(six_views(size))
    nearest = origins - (origins * directions).sum(1, keepdim=True) * directions
    inside = radius**2 - nearest.square().sum(1)
    return (inside > 0).float(), torch.where(inside > 0, -inside.clamp_min(0).sqrt(), torch.nan)


def test_a_ball_is_found_and_never_undercut():
    alpha, truth = silhouettes(0.6)
    offsets = hull_depth(alpha, six_views(128))
    gap = (offsets - truth)[alpha > 0]
    middle = torch.zeros(128, 128, dtype=torch.bool)
    middle[44:84, 44:84] = True  # away from the rim, where the coarse grid interpolates over the edge
    assert gap.reshape(-1).nanmedian() < 0.01  # a hull is never behind the surface but for the grid
    assert (offsets - truth)[:, middle].abs().mean() < 0.06  # eight corners of the intersection stick out
    assert offsets.isfinite().all()


def test_a_foreground_cut_by_the_border_goes_on_beyond_it():
    alpha, _ = silhouettes(0.6)
    alpha[:, 64:] = alpha[:, 63:64]  # straight down and out of every picture
    cameras = six_views(128)
    origins, directions = rays(cameras)
    depth = hull_depth(alpha, cameras) - (origins * directions).sum(1)
    points = (origins + depth[:, None] * directions)[:, :, 120, 64]
    assert (points[:, :2].norm(dim=1) - 0.65).abs().max() < 0.1 and points[:, 2].max() < -0.8


def test_a_view_that_contradicts_the_others_leaves_finite_depth():
    alpha, _ = silhouettes(0.6)
    alpha[3] = 0
    assert (hull_depth(alpha, six_views(128)) == 0).all()
    values = torch.full((2, 5, 5), torch.nan)
    values[0, 2, 2] = 0.3
    assert torch.allclose(inpaint_depth(values), torch.stack([torch.full((5, 5), 0.3), torch.zeros(5, 5)]))
