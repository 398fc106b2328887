"""Weights that training begins with when there are none."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..reconstruction.compact_gslrm import CompactGSLRM
from ..reconstruction.gslrm import GSLRM
from ..reconstruction.pixel_gaussians import GAUSSIAN_CHANNELS
from ..reconstruction.unet import UNetReconstructor


def plausible_raw(hull: bool, focal: float) -> Tensor:
    """Raw values (14,) of a plausible head: opaque, one footprint wide, on the visual hull or half a unit in front of the origin.

    focal: pixels.
    """
    raw = torch.zeros(GAUSSIAN_CHANNELS)
    if not hull:
        raw[0:3] = -0.57  # sigmoid -> ray depth about -0.5
    raw[6:9] = torch.tensor(0.45 * 2.2 / focal).log() + 2.3
    raw[9] = 1.0  # quaternion w
    raw[13] = 4.0  # opacity about 0.88
    return raw


def init_gslrm(model: GSLRM) -> GSLRM:
    """Normal(0, 0.02), residual outputs scaled down by depth."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.02)
    for name, weight in model.transformer_layers.named_parameters():
        if name.endswith(("attn.fc.weight", "mlp.mlp.2.weight")):
            weight.data /= (2 * model.config.layers) ** 0.5
    return model


def init_compact_gslrm(model: CompactGSLRM, focal: float) -> CompactGSLRM:
    """As `init_gslrm`, at a plausible head."""
    raw = plausible_raw(model.config.hull, focal)
    out = init_gslrm(model).pixel_gaussian_decoder[1]
    assert isinstance(out, nn.Linear)
    out.bias.data.copy_(raw.repeat(model.config.patch_size**2))
    return model


@torch.no_grad()
def init_unet(model: UNetReconstructor, focal: float) -> UNetReconstructor:
    """At a plausible head."""
    raw = plausible_raw(model.config.hull, focal)
    out = model.unet.conv_out
    out.weight.mul_(0.3)
    out.bias.copy_(raw[:, None].expand(-1, model.config.patch_size**2).reshape(-1))  # pixel_shuffle: channel outermost
    return model
