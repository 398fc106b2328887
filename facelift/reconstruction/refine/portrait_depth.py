"""The front view's Gaussians stand where the portrait's own depth puts them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from ...cameras import Cameras, on_rays, rays
from ..pixel_gaussians import GATED_LOGIT, PixelGaussians
from ..protocol import Context, Reconstruction


@dataclass(frozen=True)
class PlaceAtPortraitDepth:
    """Does nothing where nobody found the portrait's depth. border: pixels, as of `place_input_view`."""

    name: ClassVar[str] = "place_at_portrait_depth"

    border: int = 6

    def __call__(self, reconstruction: Reconstruction, context: Context) -> Reconstruction:
        if context.portrait_depth is None:
            return reconstruction
        return replace(
            reconstruction, pixel=place_input_view(reconstruction.pixel, context.cameras, context.portrait_depth, self.border)
        )


def place_input_view(pixel: PixelGaussians, cameras: Cameras, portrait_depth: Tensor, border: int = 6) -> PixelGaussians:
    """Moves the front view's Gaussians along their rays onto a surface that was found in the photo itself.

    Generated views show the relief of a face too softly for the reconstructor to find it again; along the outline, where they show the
    surface from the side, its own depth is the better one.

    pixel: one sample, Shape (1, V, H, W, ...).
    portrait_depth: Shape (H, W), ray depth.
    border: pixels from the outline over which one becomes the other.
    """
    foreground = (pixel.opacities[:1, 0] > GATED_LOGIT).float()  # (1, H, W)
    inner = -F.max_pool2d(-foreground, 2 * border + 1, 1, border)
    weight = F.avg_pool2d(inner, 2 * border + 1, 1, border)[0] * foreground[0]
    front = torch.lerp(pixel.ray_depth[:, :1], portrait_depth, weight)
    means = on_rays(front, *rays(cameras[0]))
    return pixel._replace(
        means=torch.cat([means, pixel.means[:, 1:]], 1), ray_depth=torch.cat([front, pixel.ray_depth[:, 1:]], 1)
    )
