"""View selection: where several generated views show the same place, those that see it squarely keep it.

Along its outline a view sees the surface at a grazing angle: its colours there are mixed with the background and its grain is stretched.
Geometry only, nothing learned.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from ...cameras import Cameras
from ..pixel_gaussians import GATED_LOGIT, PixelGaussians
from ..protocol import Context, Reconstruction
from .fusion import Surfaces, at_pixels


@dataclass(frozen=True)
class SelectViews:
    """`select_views` with these parameters."""

    name: ClassVar[str] = "select_views"

    margin: float = 0.1
    tolerance: float = 0.1
    border: int = 4
    facing: float = 0.3

    def __call__(self, reconstruction: Reconstruction, context: Context) -> Reconstruction:
        return replace(reconstruction, pixel=select_views(reconstruction.pixel, context.cameras, **asdict(self)))


def select_views(
    pixel: PixelGaussians, cameras: Cameras, margin: float = 0.1, tolerance: float = 0.1, border: int = 4, facing: float = 0.3
) -> PixelGaussians:
    """Drops Gaussians of all views but the first, the photo, whose place another of them sees better.

    pixel: one sample, Shape (1, V, H, W, ...).
    margin: by how much the other view's cosine to the surface must be larger.
    tolerance: how far apart the two surfaces may be to count as one, world units.
    facing: surfaces that face the photo's camera at more than this cosine keep all they have: they close the gaps of the photo's own.
    border: pixels from its outline within which a view counts as seeing nothing squarely; the picture's border is no outline.
    """
    means, shown = pixel.means[0], pixel.opacities[0] > GATED_LOGIT
    surfaces = Surfaces(means, shown, cameras)
    chosen = shown & (torch.arange(len(shown), device=shown.device) > 0)[:, None, None]
    view, points, normal = chosen.nonzero()[:, 0], means[chosen], at_pixels(surfaces.normals, chosen)
    inside = -F.max_pool2d(-shown.float()[:, None], 2 * border + 1, 1, border)  # (V, 1, H, W)
    own = (F.normalize(surfaces.origins[view] - points, dim=-1) * normal).sum(-1) * inside[:, 0][chosen]
    best = torch.zeros_like(own)
    for other in range(1, len(cameras)):
        towards, gap, (its_normal, its_inside) = surfaces.seen(other, points, surfaces.normals, inside)
        agrees = (gap.abs() < tolerance) & ((its_normal * normal).sum(-1) > 0.5) & (view != other)
        best = torch.maximum(best, torch.where(agrees, (towards * normal).sum(-1) * its_inside[:, 0], 0.0))
    kept = shown.clone()
    photo = (F.normalize(surfaces.origins[0] - points, dim=-1) * normal).sum(-1)
    kept[chosen] = (best <= own + margin) | (photo > facing)
    kept &= opened(kept, border) | ~opened(shown, border)  # shreds of an outline whose surface went to another view go, too
    kept[0] = shown[0]
    return pixel._replace(opacities=torch.where(kept[None], pixel.opacities, GATED_LOGIT))


def opened(mask: Tensor, width: int) -> Tensor:
    """Without what is less than about 2 `width` wide. mask, returns: Shape (V, H, W), bool."""
    inside = -F.max_pool2d(-mask.float()[:, None], 2 * width + 1, 1, width)
    return F.max_pool2d(inside, 2 * width + 1, 1, width)[:, 0] > 0.5
