"""Portraits taken through other lenses than the models know: drawn anew as 50 degrees of view would show the same head.

The models take a face to be seen from half a metre. From further away (a telephoto lens), or from nearer, its parts have other
proportions. With the portrait's own depth each of its pixels can be moved to where the models' camera would see it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ..cameras import FOCAL_512, RADIUS, on_rays, orbit, rays
from .warping import push_pull

FACE = 0.5  # world units by which the face stands before the head's middle: a crop gives it one size, whatever the lens
ROUNDS = 3  # the depth of a portrait is found again in what it becomes
ALMOST = 0.03  # of the focal length: lenses that near the models' own are theirs
METRES = 0.19  # of a world unit


def through_our_lens(portrait: Tensor, focal: float, depth: Callable[[Tensor], Tensor]) -> Tensor:
    """A portrait as the models' own camera would have taken it.

    portrait: Shape (4, S, S), colour on white and alpha, 0..1.
    focal: of the lens it was taken with, in pixels of a portrait of 512.
    depth: finds ray depths, Shape (B, s, s), of portraits (B, 4, s, s), as `PortraitDepth`, at any size.
    Returns Shape (4, S, S).
    """
    ratio, distance = focal / FOCAL_512, _distance(focal)
    size, drawn = portrait.shape[-1], portrait
    across = (torch.arange(size, device=portrait.device) + 0.5) / size * 2 - 1
    y, x = torch.meshgrid(across, across, indexing="ij")
    for _ in range(ROUNDS):
        forward = _forward(drawn, depth)
        scale = ratio * (RADIUS - forward) / (distance - forward)
        at = torch.stack([x * scale, y * scale], -1)[None]
        drawn = F.grid_sample(portrait[None], at, "bicubic", "border", align_corners=False)[0].clamp(0, 1)
    return drawn


def is_other_lens(focal: float) -> bool:
    """Whether the lens of a portrait differs enough from the models' own."""
    return abs(focal / FOCAL_512 - 1) > ALMOST


def drawn_anew(focal: float) -> str:
    """What is told of a portrait that was drawn anew."""
    away = _distance(focal) * METRES
    return f"By its lens the photo was taken from {away:.1f} m away: it was drawn anew as from half a metre, for true proportions."


def _distance(focal: float) -> float:
    """World units from the lens to the head's middle: those at which the face has the size that a crop gives it."""
    return FACE + focal / FOCAL_512 * (RADIUS - FACE)


def _forward(portrait: Tensor, depth: Callable[[Tensor], Tensor]) -> Tensor:
    """How far the surface stands before the head's middle, smooth, and beyond the outline as at it. Shape (S, S), world units."""
    found = depth(portrait[None])
    camera = orbit([0.0], size=found.shape[-1])
    points = on_rays(found.cpu(), *rays(camera))[0]
    known = (F.interpolate(portrait[None, 3:].cpu(), size=found.shape[-1:] * 2, mode="area") > 0.9).float()
    forward = push_pull((-points[None, ..., 1]).expand(1, 3, -1, -1), known)[:, :1]
    forward = torch.where(known.amax() > 0, forward, torch.zeros_like(forward))
    for _ in range(2):  # steps of the outline would tear the picture
        forward = F.avg_pool2d(F.pad(forward, (4,) * 4, mode="replicate"), 9, 1)
    return F.interpolate(forward, size=portrait.shape[-1:] * 2, mode="bilinear", align_corners=False)[0, 0].to(portrait)
