"""The front view is a real photo, the other five are generated: where both show a surface, the photo wins.

Geometry only, nothing learned; switches of the compact weights, off for the released ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ...cameras import Cameras, on_rays, project, rays
from ...gaussians import SH_C0, Gaussians
from ..gslrm import GATED_LOGIT, PixelGaussians, flatten_gaussians, remove_white


@dataclass(frozen=True)
class FrontPriority:
    """Distances in world units (1 is about 19 cm).

    behind: Gaussians of views 1.. up to this far behind the front surface are dropped, and all before it.
    spacing: a surface counts only where neighbouring pixels' points are closer than this, i.e. where it is not steep.
    opacity_logit: the least opacity of a Gaussian that counts, in front and from behind: nobody is to be seen through.
    cover: one in front or from behind is at least this many point spacings wide (its largest two scales), so that nothing can be seen
        between; widest: the spacing up to which it grows. The side views' would bleed over the outlines.
    cover_hidden: the same for what the front surface hides from the front, which can bleed over no outline there; 0 leaves it as it is.
    steep: one whose neighbours' points are farther away than this is dropped: what stands so steep is a lattice, no surface.
    margin: what the front view shows as background is empty space, this many pixels away from the figure: nothing may stand there.
    """

    behind: float = 0.10
    spacing: float = 0.04
    opacity_logit: float = 2.94  # 0.95
    cover: float = 0.65
    cover_hidden: float = 0.5
    widest: float = 0.06
    steep: float = 0.08
    margin: int = 0


def point_spacing(means: Tensor) -> Tensor:
    """Distance to the farther horizontal or vertical neighbour. means: Shape (..., H, W, 3). Returns Shape (..., H, W)."""
    dx = (means[..., 1:, :] - means[..., :-1, :]).norm(dim=-1)
    dy = (means[..., 1:, :, :] - means[..., :-1, :, :]).norm(dim=-1)
    far = means.new_tensor(9.0)
    dx = torch.minimum(F.pad(dx, (1, 0), value=far), F.pad(dx, (0, 1), value=far))
    dy = torch.minimum(F.pad(dy, (0, 0, 1, 0), value=far), F.pad(dy, (0, 0, 0, 1), value=far))
    return torch.maximum(dx, dy)


def apply_front_priority(pixel: PixelGaussians, cameras: Cameras, rule: FrontPriority) -> PixelGaussians:
    """Changes opacities and scales from geometry alone. pixel: one sample, Shape (1, V, H, W, ...)."""
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
        figure = (opacities[0] > GATED_LOGIT).float()[None, None]
        figure = F.max_pool2d(figure, 2 * rule.margin + 1, 1, rule.margin)[0, 0] > 0
        dropped = inside & (gap < torch.where(counts[v, u], rule.behind, 0.0))  # what hides the photo's surface contradicts it
        dropped |= inside & ~figure[v, u]
        hidden = F.pad(inside & counts[v, u] & (gap > rule.behind), (0, 0, 0, 0, 1, 0))  # a front view hides nothing of itself
        cover = torch.where(firm[:, None, None], rule.cover, rule.cover_hidden * hidden)
        least = (cover * spacing.clamp_max(rule.widest)).log()[..., None]
    opaque = torch.where(solid, opacities.clamp_min(rule.opacity_logit), opacities)
    dropped = torch.cat([torch.zeros_like(dropped[:1]), dropped]) | (spacing > rule.steep)
    scales = pixel.scales[0]
    thinnest = torch.arange(3, device=scales.device) == scales.argmin(-1, keepdim=True)  # across the surface: stays thin
    covering = torch.where(thinnest, scales, torch.maximum(scales, least))
    return pixel._replace(opacities=torch.where(dropped, GATED_LOGIT, opaque)[None], scales=covering[None])


def place_front(pixel: PixelGaussians, cameras: Cameras, surface: Tensor, border: int = 6) -> PixelGaussians:
    """Moves the front view's Gaussians along their rays onto a surface that was found in the photo itself.

    Generated views show the relief of a face too softly for the reconstructor to find it again; along the outline, where they show the
    surface from the side, its own depth is the better one. pixel: one sample, Shape (1, V, H, W, ...). surface: Shape (H, W), distance
    along the pixel's ray from its point nearest to the origin. border: pixels from the outline over which one becomes the other.
    """
    figure = (pixel.opacities[:1, 0] > GATED_LOGIT).float()  # (1, H, W)
    inner = -F.max_pool2d(-figure, 2 * border + 1, 1, border)
    weight = F.avg_pool2d(inner, 2 * border + 1, 1, border)[0] * figure[0]
    front = torch.lerp(pixel.offset[:, :1], surface, weight)
    means = on_rays(front, *rays(cameras[0]))
    return pixel._replace(means=torch.cat([means, pixel.means[:, 1:]], 1), offset=torch.cat([front, pixel.offset[:, 1:]], 1))


def split_front(
    pixel: PixelGaussians, portrait: Tensor, low: Tensor, cameras: Cameras, patch_size: int
) -> tuple[PixelGaussians, Gaussians]:
    """Gives the front view the photo's full detail: each of its Gaussians becomes k x k smaller ones with the portrait's own pixels.

    Depth, rotation and opacity come from the Gaussian that is split; its colour is kept as a correction of the pixel colour.
    pixel: one sample, Shape (1, V, H, W, ...), made with a colour skip. portrait: Shape (4, kH, kW), on white, with alpha.
    low: Shape (4, H, W), what the reconstructor saw. Returns pixel without its front Gaussians, and the new ones.
    """
    size = portrait.shape[-1]
    k = size // low.shape[-1]
    camera = cameras[0].at_size(size)

    def repeat(t: Tensor) -> Tensor:
        return t.repeat_interleave(k, 0).repeat_interleave(k, 1)

    offset = pixel.offset[0, 0]
    smooth = F.interpolate(offset[None, None], scale_factor=k, mode="bilinear", align_corners=False)[0, 0]
    own = repeat(offset)
    offset = torch.where((smooth - own).abs() < 0.02, smooth, own)  # no points in mid-air between two depths
    means = on_rays(offset[None], *rays(camera))[0]
    correction = pixel.sh0[0, 0] - (remove_white(low.permute(1, 2, 0)) - 0.5) / SH_C0
    sh0 = (remove_white(portrait.permute(1, 2, 0)) - 0.5) / SH_C0 + repeat(correction)
    opacities = repeat(pixel.opacities[0, 0])
    opacities = torch.where(portrait[3] < 0.5, torch.full_like(opacities, GATED_LOGIT), opacities)
    scales = repeat(pixel.scales[0, 0]) - math.log(k)
    parts = (means, repeat(pixel.quats[0, 0]), scales, opacities, sh0, offset)
    front = flatten_gaussians(PixelGaussians(*(p[None, None] for p in parts)), patch_size)
    gated = pixel.opacities.clone()
    gated[:, 0] = GATED_LOGIT
    return pixel._replace(opacities=gated), front
