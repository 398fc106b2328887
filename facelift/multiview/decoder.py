"""From the compact UNet's last features to sharp pictures: 32 -> 64 -> 128 -> 256 px, with noise at every size.

The UNet's folded 8x8 output is a mean, written in a basis of few patches. This paints what a mean cannot hold, and says what it shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CLASSES = ("background", "skin", "hair", "worn")  # as `synthesis.scene.CLASSES`
SKIPS = 9  # channels laid beside the features of every level: base RGBA, warped RGBA, noise


@dataclass(frozen=True)
class DecoderConfig:
    """features: channels of the UNet before its last layer. channels: at the UNet's size, then after each doubling."""

    features: int = 64
    channels: tuple[int, ...] = (96, 64, 48, 32)


class ViewDecoder(nn.Module):
    def __init__(self, config: DecoderConfig | None = None):
        super().__init__()
        self.config = config = config or DecoderConfig()
        channels = config.channels
        pairs = list(zip(channels[:-1], channels[1:], strict=True))
        self.conv_in = nn.Conv2d(config.features, channels[0], 3, padding=1)
        self.narrow = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in pairs)
        self.mix = nn.ModuleList(nn.Conv2d(b + SKIPS, b, 3, padding=1) for _, b in pairs)
        self.refine = nn.ModuleList(nn.Conv2d(b, b, 3, padding=1) for _, b in pairs)
        self.conv_out = nn.Conv2d(channels[-1], 5 + len(CLASSES), 3, padding=1)  # change of RGBA, gate, classes
        nn.init.zeros_(self.conv_out.weight)
        assert self.conv_out.bias is not None
        nn.init.zeros_(self.conv_out.bias)

    def noise_shapes(self, count: int, size: int) -> list[tuple[int, ...]]:
        """Of the noise that `forward` takes for `count` pictures whose features are `size` a side."""
        return [(count, 1, size * 2**level, size * 2**level) for level in range(1, len(self.config.channels))]

    def features(self, output: Tensor) -> Tensor:
        """What `forward` takes of a UNet's output that carries its last features behind it (`compact.FeatureConv`)."""
        return output[:, -self.config.features :]

    def forward(self, features: Tensor, base: Tensor, warped: Tensor, noise: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """features: Shape (N, C, h, w).
        base, warped: Shape (N, 4, k h, k w), RGBA, -1..1.
        noise: of `noise_shapes`, standard normal.

        Returns RGBA, Shape (N, 4, k h, k w), -1..1, where the warped colour may stay as far as a gate says, and class logits of as
        many pixels, Shape (N, 4, k h, k w).
        """
        last = torch.channels_last  # in which a CPU's wide convolutions take two thirds of the time
        x = F.leaky_relu(self.conv_in(features.contiguous(memory_format=last)), 0.1, inplace=True)
        for narrow, mix, refine, z in zip(self.narrow, self.mix, self.refine, noise, strict=True):
            x = F.interpolate(narrow(x), scale_factor=2, mode="bilinear", align_corners=False)
            skips = [p if p.shape[-1] == x.shape[-1] else F.interpolate(p, size=x.shape[-2:], mode="area") for p in (base, warped)]
            beside = torch.cat([*skips, z], 1).contiguous(memory_format=last)  # one planar tensor would turn all of them
            x = F.leaky_relu(mix(torch.cat([x, beside], 1)), 0.1, inplace=True)
            x = F.leaky_relu(refine(x), 0.1, inplace=True)
        change, gate, classes = self.conv_out(x).contiguous().split([4, 1, len(CLASSES)], 1)
        gate = torch.sigmoid(gate - 2) * (warped[:, 3:] > 0)
        painted = base + change
        return torch.cat([torch.lerp(painted[:, :3], warped[:, :3], gate), painted[:, 3:]], 1), classes
