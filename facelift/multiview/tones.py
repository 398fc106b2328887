"""Hair and skin that the portrait does not show get the tint of what it shows of them.

The generator knows the light on a hidden side better than the tint of this person's hair, which no mean over people can tell.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .decoder import CLASSES

TINTED = ("skin", "hair")
STRENGTH = 0.8  # of 36 held-out heads, most of what is between the tints is mistaken: 0.5 to 0.9 are nearly alike
DARKEST = 0.12  # luma below which colour has no tint to speak of
FEW_SEEN, FEW_HIDDEN = 300, 200  # pixels of 256 x 256 that tell no tint
SOLID, SURELY_SEEN = 0.9, 0.8  # of alpha, -1..1
SEAM = 9  # pixels over which it begins, at 256
LUMA = (0.299, 0.587, 0.114)


def keep_tones(painted: Tensor, classes: Tensor, warped: Tensor) -> Tensor:
    """painted: Shape (V, 4, H, W), RGBA, -1..1, the views of one portrait; the first is left as it is.
    classes: Shape (V, 4, H, W), logits of `CLASSES`.
    warped: Shape (V, 4, H, W), RGBA, -1..1, what the portrait shows of each view.

    Returns painted with hue and saturation moved towards what is seen of the same class; light and dark stay.
    """
    rgb = painted[1:, :3] / 2 + 0.5
    luma = (rgb * rgb.new_tensor(LUMA)[:, None, None]).sum(1)
    kind, seen, solid = classes[1:].argmax(1), warped[1:, 3] > SURELY_SEEN, painted[1:, 3] > SOLID
    share = painted.shape[-1] ** 2 / 256**2
    seam = max(1, round(SEAM * painted.shape[-1] / 256)) | 1

    def tint(where: Tensor) -> Tensor:
        """Colour in relation to its luma: RGB of what is at a mean luma of 1."""
        colour = rgb.movedim(1, -1)[where].mean(0)
        return colour / luma[where].mean().clamp_min(0.05)

    change = torch.zeros_like(rgb)
    for name in TINTED:
        here = kind == CLASSES.index(name)
        known = here & seen & solid
        if known.sum() < FEW_SEEN * share or luma[known].mean() < DARKEST:
            continue
        wanted = tint(known)
        for view in range(len(rgb)):
            hidden = torch.zeros_like(here)
            hidden[view] = here[view] & ~seen[view]
            if (hidden[view] & solid[view]).sum() < FEW_HIDDEN * share:
                continue
            weight = F.avg_pool2d(hidden[view].to(rgb)[None], seam, 1, seam // 2)
            change[view] += STRENGTH * weight * luma[view] * (wanted - tint(hidden & solid))[:, None, None]
    return torch.cat([painted[:1], torch.cat([(rgb + change) * 2 - 1, painted[1:, 3:]], 1)])
