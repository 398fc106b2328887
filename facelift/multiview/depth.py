"""How far the surface in a portrait lies from the camera: what `warping` needs to show the photo's pixels to the other cameras.

A stock UNet2DModel over folded pixels.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..stock import UNet2DModel

CHANNELS = 6  # RGBA, column, row


class PortraitDepth(nn.Module):
    def __init__(self, unet: UNet2DModel):
        super().__init__()
        self.unet = unet
        self.factor = math.isqrt(unet.config["in_channels"] // CHANNELS)

    def forward(self, portraits: Tensor) -> Tensor:
        """portraits: Shape (B, 4, H, W), colour on white and alpha, 0..1.

        Returns Shape (B, H, W): ray depth of the front camera, in world units.
        Where alpha is 0 it means nothing.
        """
        b, _, h, w = portraits.shape
        rows = torch.linspace(-1, 1, h, device=portraits.device).view(1, 1, h, 1).expand(b, 1, h, w)
        columns = torch.linspace(-1, 1, w, device=portraits.device).view(1, 1, 1, w).expand(b, 1, h, w)
        x = F.pixel_unshuffle(torch.cat([portraits * 2 - 1, columns, rows], 1), self.factor)
        raw = self.unet(x.contiguous(memory_format=torch.channels_last), 0).sample.float()
        return F.pixel_shuffle(raw, self.factor)[:, 0]


def depth_unet(channels: tuple[int, ...], factor: int = 4, image_size: int = 256) -> UNet2DModel:
    """A new one, with attention at all but the two finest levels. channels: of each level, multiples of 32."""
    attends = [level > 1 for level in range(len(channels))]
    return UNet2DModel(
        sample_size=image_size // factor,
        in_channels=CHANNELS * factor**2,
        out_channels=factor**2,
        block_out_channels=channels,
        layers_per_block=1,
        attention_head_dim=32,
        norm_num_groups=16,
        down_block_types=tuple("AttnDownBlock2D" if a else "DownBlock2D" for a in attends),
        up_block_types=tuple("AttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attends)),
    )
