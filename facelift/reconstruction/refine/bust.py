"""The lower edge of a bust: cut by a smooth surface, softly, where the views' borders left needles and smears."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from ..pixel_gaussians import GATED_LOGIT
from ..protocol import Context, Reconstruction

SIGMAS = 2.0  # of a Gaussian that have to stay above the cut
THINNEST = 0.05  # of its size, to which a Gaussian is shrunk at most


@dataclass(frozen=True)
class CutBust:
    """`cut_bust` with these parameters."""

    name: ClassVar[str] = "cut_bust"

    height: float = -1.22
    trough: float = 0.9
    soft: float = 0.05

    def __call__(self, reconstruction: Reconstruction, context: Context) -> Reconstruction:
        free, pixel = reconstruction.free, reconstruction.pixel
        scales, opacities = cut_bust(free.means, free.quats, free.scales, free.opacities, **asdict(self))
        free = replace(free, scales=scales, opacities=opacities)
        scales, opacities = cut_bust(pixel.means, pixel.quats, pixel.scales, pixel.opacities, **asdict(self))
        return replace(reconstruction, free=free, pixel=pixel._replace(scales=scales, opacities=opacities))


def cut_bust(
    means: Tensor, quats: Tensor, scales: Tensor, opacities: Tensor, height: float = -1.22, trough: float = 0.9, soft: float = 0.05
) -> tuple[Tensor, Tensor]:
    """New scales and opacities: nothing below z = height + trough y^2, and nothing above reaches below.

    That is about where the lower borders of the front and back views cut the body, so the front keeps nearly all of the photo.

    means, scales: Shape (..., 3). quats: Shape (..., 4), not normalised. opacities: Shape (...,), logits.
    height, soft: world units; within `soft` above the cut the opacity falls to nothing.
    trough: 1 / world units, how much the edge rises towards chest and back.
    """
    above = means[..., 2] - (height + trough * means[..., 1].square())
    w, i, j, k = F.normalize(quats, dim=-1).unbind(-1)
    down = torch.stack([2 * (i * k - w * j), 2 * (j * k + w * i), 1 - 2 * (i * i + j * j)], -1)  # the world's z in the Gaussian's axes
    extent = (down * scales.exp()).norm(dim=-1)  # standard deviation along z
    shrunk = (above.clamp_min(0) / SIGMAS / extent.clamp_min(1e-6)).clamp(THINNEST, 1).log()
    scales = scales + shrunk[..., None]
    share = (above / soft).clamp(0, 1)
    share = share * share * (3 - 2 * share)
    faded = torch.logit(torch.sigmoid(opacities) * share, eps=1e-6)
    return scales, torch.where(share < 1, torch.where(share > 0, faded, GATED_LOGIT), opacities)
