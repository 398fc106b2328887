"""Multi-view fusion. Views that were generated apart put the same hair in slightly different places and tint it differently.

Where their Gaussians meet, that shows as bands and double outlines. Here they settle on what most of them say: a smooth shift of each
view's surface, a smooth change of its colours; what is finer than that stays each view's own. Geometry only, nothing learned.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from ...cameras import Cameras, on_rays, project, rays
from ...gaussians import SH_C0
from ..pixel_gaussians import GATED_LOGIT, PixelGaussians
from ..protocol import Context, Reconstruction

CELL = 4  # pixels a side; what varies within a cell and its neighbours is detail
NOWHERE = 99.0  # distance to a surface where there is none


@dataclass(frozen=True)
class FuseDepths:
    """`fuse_depths` with these parameters."""

    name: ClassVar[str] = "fuse_depths"

    tolerance: float = 0.2
    farthest: float = 0.08
    grazing: float = 0.5

    def __call__(self, reconstruction: Reconstruction, context: Context) -> Reconstruction:
        return replace(reconstruction, pixel=fuse_depths(reconstruction.pixel, context.cameras, **asdict(self)))


@dataclass(frozen=True)
class FuseColors:
    """`fuse_colors` with these parameters."""

    name: ClassVar[str] = "fuse_colors"

    tolerance: float = 0.3

    def __call__(self, reconstruction: Reconstruction, context: Context) -> Reconstruction:
        return replace(reconstruction, pixel=fuse_colors(reconstruction.pixel, context.cameras, self.tolerance))


def cell_means(values: Tensor, known: Tensor) -> Tensor:
    """Of what is known in and around each cell. values: Shape (V, H, W, C). known: Shape (V, H, W), bool. Shape (V, C, H/4, W/4)."""
    weight = known.float()[:, None]
    share, sums = (F.avg_pool2d(F.avg_pool2d(x, CELL), 3, 1, 1) for x in (weight, values.permute(0, 3, 1, 2) * weight))
    return sums / share.clamp_min(1e-6)


def at_pixels(cells: Tensor, chosen: Tensor) -> Tensor:
    """cells: Shape (V, C, H/4, W/4). chosen: Shape (V, H, W), bool. Shape (N, C)."""
    return F.interpolate(cells, scale_factor=CELL, mode="bilinear").permute(0, 2, 3, 1)[chosen]


def sampling_grid(x: Tensor, y: Tensor, camera: Cameras) -> Tensor:
    """Pixels of a picture as `sample` takes them. x, y: Shape (N,). Returns Shape (1, 1, N, 2)."""
    return 2 * torch.stack([x / camera.width, y / camera.height], -1)[None, None] - 1


def sample(picture: Tensor, grid: Tensor) -> Tensor:
    """picture: Shape (1, C, H, W) of any size. grid: Shape (1, 1, N, 2). Returns Shape (N, C)."""
    return F.grid_sample(picture, grid, align_corners=False)[0, :, 0].T


class Surfaces:
    """What each view knows of the surface it shows. means: Shape (V, H, W, 3). shown: Shape (V, H, W), bool."""

    def __init__(self, means: Tensor, shown: Tensor, cameras: Cameras):
        self.cameras, self.origins = cameras, cameras.c2w[:, :3, 3]
        self.distances = torch.where(shown, (means - self.origins[:, None, None]).norm(dim=-1), NOWHERE)[:, None]
        places = cell_means(means, shown)
        right, down = places.diff(dim=3, append=places[..., -1:]), places.diff(dim=2, append=places[..., -1:, :])
        normals = F.normalize(torch.cross(right, down, dim=1), dim=1)
        towards = self.origins[:, :, None, None] - places
        self.normals = normals * (normals * towards).sum(1, keepdim=True).sign()  # (V, 3, H/4, W/4), towards the view's camera

    def seen(self, view: int, points: Tensor, *pictures: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        """points: Shape (N, 3). pictures: Shape (V, C, h, w) of any sizes.

        Returns unit vectors to the view's camera (N, 3); how far behind the points it sees its surface (N,); its pictures there (N, C).
        """
        camera = self.cameras[view]
        x, y, distance = project(points, camera)
        grid = sampling_grid(x, y, camera)
        sampled = [sample(p[view][None], grid) for p in (self.distances, *pictures)]
        return (self.origins[view] - points) / distance[:, None], sampled[0][:, 0] - distance, sampled[1:]


def fuse_depths(
    pixel: PixelGaussians, cameras: Cameras, tolerance: float = 0.2, farthest: float = 0.08, grazing: float = 0.5
) -> PixelGaussians:
    """Moves Gaussians along their rays to the mean of the surfaces that the views show there. pixel: one sample, Shape (1, V, H, W, ...).

    A view counts by how squarely it faces a place and how near its surface is; at `tolerance`, in world units, not at all. farthest: the
    longest move. grazing: surfaces seen at less than this cosine are moved as if it were this.
    """
    means, shown = pixel.means[0], pixel.opacities[0] > GATED_LOGIT
    surfaces = Surfaces(means, shown, cameras)
    view, points, normal = shown.nonzero()[:, 0], means[shown], at_pixels(surfaces.normals, shown)
    own = F.normalize(surfaces.origins[view] - points, dim=-1)
    squarely = (own * normal).sum(-1).clamp_min(grazing)
    total, inward = squarely, torch.zeros_like(squarely)
    for other in range(len(cameras)):
        towards, gap, (its_normal,) = surfaces.seen(other, points, surfaces.normals)
        faces = (towards * normal).sum(-1).clamp_min(0)
        weight = faces * (its_normal * normal).sum(-1).clamp_min(0) * (1 - gap.abs() / tolerance).clamp_min(0) * (view != other)
        total, inward = total + weight, inward + weight * gap * faces
    moves = torch.zeros_like(shown, dtype=means.dtype)
    moves[shown] = (inward / total / squarely).clamp(-farthest, farthest)
    ray_depth = pixel.ray_depth.clone()
    ray_depth[0, shown] += at_pixels(cell_means(moves[..., None], shown), shown)[:, 0]
    return pixel._replace(means=on_rays(ray_depth, *rays(cameras)), ray_depth=ray_depth)


def fuse_colors(pixel: PixelGaussians, cameras: Cameras, tolerance: float = 0.3) -> PixelGaussians:
    """Gives all views but the first, the photo, the mean colours of the views around each place. Parameters as above."""
    means, shown = pixel.means[0], pixel.opacities[0] > GATED_LOGIT
    surfaces, colors = Surfaces(means, shown, cameras), cell_means(SH_C0 * pixel.sh0[0] + 0.5, shown)
    chosen = shown & (torch.arange(len(shown), device=shown.device) > 0)[:, None, None]
    view, points = chosen.nonzero()[:, 0], means[chosen]
    own = at_pixels(colors, chosen)
    total, mixed = torch.full_like(points[:, :1], 1e-4), 1e-4 * own
    for other in range(len(cameras)):
        towards, gap, (color, normal) = surfaces.seen(other, points, colors, surfaces.normals)
        weight = torch.where(view == other, 1.0, (1 - gap.abs() / tolerance).clamp_min(0)) * (towards * normal).sum(-1).clamp_min(0)
        total, mixed = total + weight[:, None], mixed + weight[:, None] * color
    sh0 = pixel.sh0.clone()
    sh0[0, chosen] += (mixed / total - own) / SH_C0
    return pixel._replace(sh0=sh0)
