"""Input-view visibility: the front view is a real photo, the others are generated; where both show a surface, the photo wins.

Geometry only, nothing learned.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from ...cameras import Cameras, project
from ..pixel_gaussians import GATED_LOGIT, PixelGaussians
from ..protocol import Context, Reconstruction


@dataclass(frozen=True)
class InputViewVisibility:
    """Distances in world units (1 is about 19 cm).

    behind: Gaussians of views 1.. up to this far behind the front surface are dropped, and all before it.
    spacing: a surface counts only where neighbouring pixels' points are closer than this, i.e. where it is not steep.
    opacity_logit: the least opacity of a Gaussian that counts, in front and from behind: nobody is to be seen through.
    cover: one in front or from behind is at least this many point spacings wide (its largest two scales), so that nothing can be seen
        between; widest: the spacing up to which it grows. The side views' would bleed over the outlines.
    cover_hidden: the same for what the front surface hides from the front, which can bleed over no outline there; 0 leaves it as it is.
    steep: one whose neighbours' points are farther away than this is dropped: what stands so steep is a lattice, no surface.
    margin: what the front view shows as background is empty space, this many pixels away from the foreground: nothing may stand there.
    """

    name: ClassVar[str] = "input_view_visibility"

    behind: float = 0.10
    spacing: float = 0.04
    opacity_logit: float = 2.94  # 0.95
    cover: float = 0.65
    cover_hidden: float = 0.5
    widest: float = 0.06
    steep: float = 0.08
    margin: int = 0

    def __call__(self, reconstruction: Reconstruction, context: Context) -> Reconstruction:
        return replace(reconstruction, pixel=prefer_input_view(reconstruction.pixel, context.cameras, self))


def point_spacing(means: Tensor) -> Tensor:
    """Distance to the farther horizontal or vertical neighbour. means: Shape (..., H, W, 3). Returns Shape (..., H, W)."""
    dx = (means[..., 1:, :] - means[..., :-1, :]).norm(dim=-1)
    dy = (means[..., 1:, :, :] - means[..., :-1, :, :]).norm(dim=-1)
    far = 9.0
    dx = torch.minimum(F.pad(dx, (1, 0), value=far), F.pad(dx, (0, 1), value=far))
    dy = torch.minimum(F.pad(dy, (0, 0, 1, 0), value=far), F.pad(dy, (0, 0, 0, 1), value=far))
    return torch.maximum(dx, dy)


def prefer_input_view(pixel: PixelGaussians, cameras: Cameras, rule: InputViewVisibility) -> PixelGaussians:
    """Changes opacities and scales from geometry alone; differentiable. pixel: one sample, Shape (1, V, H, W, ...)."""
    means, opacities = pixel.means[0], pixel.opacities[0]
    with torch.no_grad():
        camera = cameras[0]
        height, width = opacities.shape[1:]
        surface = (means[0] - camera.c2w[0, :3, 3]).norm(dim=-1)  # (H, W)
        forward = cameras.c2w[:, :3, 2]
        firm = (forward @ forward[0]).abs() > 0.99  # the front, and what is seen from behind: neither lets the other shine through
        spacing = point_spacing(means)
        solid = (opacities > 0) & (spacing < rule.spacing) & firm[:, None, None]
        counts = solid[0]
        x, y, distance = project(means[1:], camera)  # (V-1, H, W) in the front picture
        u, v = x.floor().long(), y.floor().long()
        inside = (u >= 0) & (u < width) & (v >= 0) & (v < height)
        u, v = u.clamp(0, width - 1), v.clamp(0, height - 1)
        gap = distance - surface[v, u]
        foreground = (opacities[0] > GATED_LOGIT).float()[None, None]
        foreground = F.max_pool2d(foreground, 2 * rule.margin + 1, 1, rule.margin)[0, 0] > 0
        dropped = inside & (gap < torch.where(counts[v, u], rule.behind, 0.0))  # what hides the photo's surface contradicts it
        dropped |= inside & ~foreground[v, u]
        hidden = F.pad(inside & counts[v, u] & (gap > rule.behind), (0, 0, 0, 0, 1, 0))  # a front view hides nothing of itself
        cover = torch.where(firm[:, None, None], rule.cover, rule.cover_hidden * hidden)
        least = (cover * spacing.clamp_max(rule.widest)).log()[..., None]
    opaque = torch.where(solid, opacities.clamp_min(rule.opacity_logit), opacities)
    dropped = torch.cat([torch.zeros_like(dropped[:1]), dropped]) | (spacing > rule.steep)
    scales = pixel.scales[0]
    thinnest = torch.arange(3, device=scales.device) == scales.argmin(-1, keepdim=True)  # across the surface: stays thin
    covering = torch.where(thinnest, scales, torch.maximum(scales, least))
    return pixel._replace(opacities=torch.where(dropped, GATED_LOGIT, opaque)[None], scales=covering[None])
