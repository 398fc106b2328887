"""Detail that footprints blur: colours are sharpened until the renders show what the views showed.

A Gaussian spreads its pixel's colour over its neighbours, and layers of several views mix. Rendering each view from its own camera
shows what was lost; adding that to the colours, a few times, gives it back (van Cittert's iteration). Shapes and opacities stay.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from ...cameras import project
from ...gaussians import SH_C0
from ...rendering import drawer
from ..pixel_gaussians import GATED_LOGIT
from ..protocol import Context, Reconstruction
from .fusion import sample, sampling_grid

FARTHEST = 0.1  # colours leave the range of their picture by no more: along an outline that range says nothing
FAINTEST = -4.0  # logit
OPAQUE = 0.9  # alpha from which a pixel's colour is the subject's own
WRONG = 0.12  # mean error from which a render shows another surface than the picture, not the same one blurred


@dataclass(frozen=True)
class RecoverDetail:
    """`recover_detail` with these parameters."""

    name: ClassVar[str] = "recover_detail"

    rounds: int = 2
    gain: float = 1.3
    window: int = 9
    overshoot: float = 0.35

    def __call__(self, reconstruction: Reconstruction, context: Context) -> Reconstruction:
        return recover_detail(reconstruction, context, **asdict(self))


def recover_detail(
    reconstruction: Reconstruction, context: Context, rounds: int = 2, gain: float = 1.3, window: int = 9, overshoot: float = 0.35
) -> Reconstruction:
    """Changes colours alone: those of each view's Gaussians by its own picture, those of the free ones by the portrait.

    rounds: renders of all views, each followed by a correction of `gain` times what was lost.
    window: pixels of a view; what is missing evenly over it is tone, which the views settle among themselves, not detail.
    overshoot: how far a colour may leave those that its picture shows two pixels around it, as a share of their range. Where a picture is
        even nothing is sharpened, so errors of what stands in front of a surface leave no glow on it.
    """
    pixel, free = reconstruction.pixel, reconstruction.free
    views, portrait = context.views.float(), context.portrait.float()
    front = context.cameras[0].at_size(portrait.shape[-1])
    portrait_window = window * portrait.shape[-1] // views.shape[-1] // 2 * 2 + 1
    own, photo = pixel.sh0, free.sh0  # (1, V, H, W, 3), (N, 3)
    shown = pixel.opacities[0] > GATED_LOGIT
    with_own = shown.flatten(1).any(1)  # the front's may be among the free ones
    places = sampling_grid(*project(free.means, front)[:2], front)
    low, high = (x.permute(0, 2, 3, 1) for x in color_range(views[with_own], overshoot))
    photo_low, photo_high = (sample(x, places) for x in color_range(portrait[None], overshoot))
    everything = reconstruction.gaussians()
    visible = everything.opacities > FAINTEST  # what a render can show, without sorting out the rest by the filters
    draw_views = drawer(everything[visible], context.cameras[with_own])
    draw_photo = drawer(everything[visible], front) if len(photo) else None
    for _ in range(rounds):
        colors = painted(reconstruction, own, photo).gaussians().sh0[visible]
        missing = gain * lost_detail(views[with_own], draw_views(colors), window).permute(0, 2, 3, 1)
        sharpened = own.clone()
        sharpened[0, with_own] = (within(own[0, with_own] * SH_C0 + 0.5, missing, low, high) - 0.5) / SH_C0
        own = torch.where(shown[..., None], sharpened, own)
        if draw_photo is not None:
            missing = gain * lost_detail(portrait[None], draw_photo(colors), portrait_window)
            photo = (within(photo * SH_C0 + 0.5, sample(missing, places), photo_low, photo_high) - 0.5) / SH_C0
    return painted(reconstruction, own, photo)


def painted(reconstruction: Reconstruction, own: Tensor, photo: Tensor) -> Reconstruction:
    """In other colours. own: Shape (1, V, H, W, 3), of the pixels. photo: Shape (N, 3), of the free ones."""
    return replace(reconstruction, pixel=reconstruction.pixel._replace(sh0=own), free=replace(reconstruction.free, sh0=photo))


def lost_detail(pictures: Tensor, renders: Tensor, window: int) -> Tensor:
    """What renders lack that is finer than the window. Nothing where a picture is not opaque, less where a render is plainly wrong.

    pictures: Shape (V, 4, H, W), on white, with alpha. renders: Shape (V, 3, H, W). Returns Shape (V, 3, H, W).
    """
    known = (pictures[:, 3:] > OPAQUE).float()
    error = (pictures[:, :3] - renders) * known

    tone, wrong, share = box_mean(torch.cat([error, error.abs().mean(1, keepdim=True), known], 1), window).split([3, 1, 1], 1)
    share = share.clamp_min(1e-4)
    return (error - tone / share) * known / (1 + (wrong / share / WRONG) ** 4)


def box_mean(x: Tensor, window: int) -> Tensor:
    """Mean over window x window pixels, twice; zeros beyond the border. Running sums: wide windows cost no more. x: Shape (..., H, W)."""
    for dim in (-1, -2) * 2:
        sums = F.pad(x.transpose(dim, -1), (window // 2 + 1, window // 2)).cumsum(-1)
        x = ((sums[..., window:] - sums[..., :-window]) / window).transpose(dim, -1)
    return x


def color_range(pictures: Tensor, overshoot: float) -> tuple[Tensor, Tensor]:
    """Lowest and highest colour allowed at each pixel. pictures: Shape (V, 4, H, W). Returns two of Shape (V, 3, H, W)."""
    high, low = highest(pictures[:, :3]), -highest(-pictures[:, :3])
    more = (overshoot * (high - low)).clamp_max(FARTHEST)
    return low - more, high + more


def highest(x: Tensor) -> Tensor:
    """Of 5 x 5 pixels around each: along rows, then along columns, which is less to look at. x: Shape (..., H, W)."""
    return F.max_pool2d(F.max_pool2d(x, (1, 5), 1, (0, 2)), (5, 1), 1, (2, 0))


def within(colors: Tensor, missing: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """colors + missing, kept within the range as far as the colours were. All of Shape (..., 3)."""
    return torch.minimum(torch.maximum(colors + missing, torch.minimum(low, colors)), torch.maximum(high, colors))
