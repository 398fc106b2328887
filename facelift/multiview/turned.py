"""A portrait of a face that is turned, drawn anew as from the front, where the view generator knows heads from.

The depth found in the portrait is that of a face from the front, so landmarks correct it. Then each pixel can be moved to where a camera
in front sees it. What the portrait hides is the mirror picture of what it shows: heads are nearly symmetric.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from ..cameras import Cameras, on_rays, orbit, project, rays
from ..face.fit import spread_out
from ..face.surface import head_surface, symmetric_places
from ..portrait.pose import HeadPose
from .warping import SPACING, eroded, push_pull, warp_portrait

SQUARE = 0.35  # cosine to the photo's camera below which the mirror picture shows skin better
BEARD = 0.12  # world units by which what was found must stand before neck and chest to hide them
SEAM = 15  # pixels of 512 over which one becomes the other
COARSE, REACHES = 64, (0.12, 0.06, 0.03)  # pixels a side, and over how much of half a picture its bending is smooth
GAP = 16  # pixels of 512: holes that narrow belong to the person


def front_portrait(portrait: Tensor, pose: HeadPose, depth: Callable[[Tensor], Tensor]) -> Tensor:
    """portrait: Shape (4, S, S), colour on white and alpha, 0..1, of a head that `pose` says how it is held.
    depth: finds ray depths, Shape (B, s, s), of portraits (B, 4, S, S), as `PortraitDepth`, at any size.
    Returns Shape (4, S, S).
    """
    size, azimuth = portrait.shape[-1], pose.azimuth
    found = corrected_depth(portrait, pose, depth)
    cosine = facing(found, portrait.shape[-1])
    cameras, close = orbit([azimuth, 0.0], size=size), SPACING * found.shape[-1] / size
    landmarks, places, middle = symmetric_places(pose)
    cameras.c2w[1, 0, 3] += middle
    found = F.interpolate(found[None, None], size=(size, size), mode="bilinear", align_corners=False)[0, 0]
    seen = warp_portrait(portrait, found, cameras, close)[1]
    square = warp_portrait(torch.cat([cosine.expand(3, -1, -1), portrait[3:]]), found, cameras, close)[1, :1]
    seen, square = _settled(torch.cat([seen, square])[None], landmarks, places, cameras[1])[0].split([4, 1])
    known = (seen[3:] > 0.5).float()
    own = known * (square > SQUARE).float()
    mirrored = own.flip(-1)
    missing = ((1 - own) * torch.maximum(mirrored, 1 - known))[None]  # the mirror picture may know it
    weight = F.avg_pool2d(F.pad(missing, (SEAM // 2,) * 4, mode="replicate"), SEAM, 1)[0] * known.flip(-1)
    weight = torch.where(known > 0, weight, known.flip(-1))
    colours = torch.lerp(seen[:3], seen[:3].flip(-1), weight)
    either = torch.maximum(known, known.flip(-1))[None]
    inside = without_holes(eroded(F.max_pool2d(either, 2 * GAP + 1, 1, GAP), GAP))
    colours = torch.where(either > 0, colours[None], push_pull(colours[None], either))
    alpha = F.avg_pool2d(inside, 3, 1, 1)
    return torch.cat([colours * alpha + 1 - alpha, alpha], 1)[0].clamp(0, 1)


def _settled(pictures: Tensor, landmarks: np.ndarray, places: np.ndarray, camera: Cameras) -> Tensor:
    """Pictures (1, C, S, S) bent so that landmarks come to their places, both as a camera sees them, Shape (468, 3)."""
    size = pictures.shape[-1]
    (u, v, _), (x, y, _) = (project(torch.from_numpy(points).float(), camera) for points in (landmarks, places))
    there, left = torch.stack([x, y], 1).numpy() / size * 2 - 1, torch.stack([u - x, v - y], 1).numpy() / size * 2
    across = (np.arange(COARSE) + 0.5) / COARSE * 2 - 1
    grid = np.stack(np.meshgrid(across, across), -1).reshape(-1, 2)
    total = np.zeros_like(grid)
    for reach in REACHES:
        total += spread_out(grid, there, left, reach)
        left = left - spread_out(there, there, left, reach)
    field = torch.from_numpy(total.reshape(1, COARSE, COARSE, 2)).float().permute(0, 3, 1, 2)
    field = F.interpolate(field, size=(size, size), mode="bilinear", align_corners=False).permute(0, 2, 3, 1)
    own = F.affine_grid(torch.eye(2, 3)[None], [1, 1, size, size], align_corners=False)
    return F.grid_sample(pictures, own + field, "bilinear", "border", align_corners=False)


def corrected_depth(portrait: Tensor, pose: HeadPose, depth: Callable[[Tensor], Tensor]) -> Tensor:
    """Ray depth, Shape (s, s): that of the face model where it shows, around it what was found, brought to the model's."""
    found = depth(portrait[None]).cpu()
    size = found.shape[-1]
    alpha = F.interpolate(portrait[None, 3:].cpu(), size=(size, size), mode="area")
    (model, above), person = (each[None, None] for each in head_surface(pose, alpha[0, 0])), alpha > 0.9
    both = (above & person).float()
    off = torch.where(both > 0, model - found[None], torch.zeros_like(model))
    beyond = push_pull(off.expand(1, 3, -1, -1), both)[:, :1]
    smooth = F.avg_pool2d(F.pad(beyond, (4,) * 4, mode="replicate"), 9, 1)
    depth_beyond = found[None] + smooth
    hidden = model - depth_beyond > BEARD
    body = torch.where(model.isfinite() & ~hidden, model, depth_beyond)
    body = F.avg_pool2d(F.pad(body, (2,) * 4, mode="replicate"), 5, 1)
    return torch.where(both > 0, model, body)[0, 0]


def facing(ray_depth: Tensor, size: int) -> Tensor:
    """Cosine between the surface of a portrait and the rays to it, Shape (1, size, size). ray_depth: Shape (s, s)."""
    camera = orbit([0.0], size=ray_depth.shape[-1])
    origins, directions = rays(camera)
    points = on_rays(ray_depth[None], origins, directions)[0].permute(2, 0, 1)
    right, down = np.gradient(points.numpy(), axis=(2, 1))
    normal = F.normalize(torch.linalg.cross(torch.from_numpy(right), torch.from_numpy(down), dim=0), dim=0)
    cosine = (normal * directions[0]).sum(0).abs()
    return F.interpolate(cosine[None, None], size=(size, size), mode="bilinear", align_corners=False)[0]


def without_holes(mask: Tensor) -> Tensor:
    """What no background reaches from above or the sides belongs to the person. mask, returns: Shape (1, 1, S, S), 0 or 1."""
    empty = np.pad(mask[0, 0].numpy() < 0.5, ((1, 0), (1, 1)), constant_values=True)
    outside = ndimage.label(empty)[0]
    return torch.from_numpy(outside != outside[0, 0])[1:, 1:-1].to(mask)[None, None]
