"""A convolutional reconstructor behind GS-LRM's interface: posed views -> one Gaussian per pixel.

A diffusers UNet over folded pixels with dense attention across views, in the spirit of LGM (arXiv 2402.05054). Small ones learn from
far fewer samples than a small GS-LRM, so the compact weights use it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..cameras import Cameras, plucker_channels, rays
from ..multiview.attention import set_view_attention
from ..stock import UNet2DConditionModel
from .pixel_gaussians import GAUSSIAN_CHANNELS, PixelGaussians, decode_pixel_gaussians, flatten_gaussians
from .protocol import Reconstruction
from .visual_hull import hulls

CONTEXT = 32


@dataclass(frozen=True)
class UNetReconstructorConfig:
    image_size: int = 256
    patch_size: int = 8  # pixels folded into channels
    channels: tuple[int, ...] = (128, 128, 192, 256)
    in_channels: int = 11  # RGBA, ray direction, nearest point, hull
    num_views: int = 6
    color_skip: bool = True
    alpha_gate: bool = True
    hull: bool = True  # depths are relative to the visual hull of the views, which the network also sees


class UNetReconstructor(nn.Module):
    def __init__(self, config: UNetReconstructorConfig):
        super().__init__()
        self.config = config
        folded = config.patch_size**2
        inner = len(config.channels) - 2
        self.unet = UNet2DConditionModel(
            sample_size=config.image_size // config.patch_size,
            in_channels=config.in_channels * folded,
            out_channels=GAUSSIAN_CHANNELS * folded,
            block_out_channels=tuple(config.channels),
            layers_per_block=1,
            attention_head_dim=[max(1, c // 32) for c in config.channels],  # numbers of heads
            cross_attention_dim=CONTEXT,
            use_linear_projection=True,
            down_block_types=("DownBlock2D", *("CrossAttnDownBlock2D",) * inner, "DownBlock2D"),
            up_block_types=("UpBlock2D", *("CrossAttnUpBlock2D",) * inner, "UpBlock2D"),
        )
        set_view_attention(self.unet, config.num_views, "dense")
        self.context = nn.Parameter(torch.zeros(1, 1, CONTEXT))

    def predict(self, images: Tensor, cameras: Cameras, hull: Tensor | None = None) -> Tensor:
        """images: Shape (B, V, C, H, W), 0..1.
        hull: Shape (B, V, H, W), its ray depth.
        Returns raw values (B, V, H, W, 14).
        """
        b, v, _, h, w = images.shape
        plucker = plucker_channels(*rays(cameras)).expand(b, -1, -1, -1, -1)
        channels = [images * 2 - 1, plucker.to(images.dtype)]
        if hull is not None:
            channels.append(hull[:, :, None].to(images.dtype))
        x = torch.cat(channels, 2).flatten(0, 1)
        x = F.pixel_unshuffle(x, self.config.patch_size).contiguous(memory_format=torch.channels_last)
        steps = torch.zeros(len(x), dtype=torch.long, device=x.device)
        raw = self.unet(x, steps, self.context.expand(len(x), -1, -1)).sample.float()
        return F.pixel_shuffle(raw, self.config.patch_size).view(b, v, GAUSSIAN_CHANNELS, h, w).permute(0, 1, 3, 4, 2)

    def forward(self, images: Tensor, cameras: Cameras, hull: Tensor | None = None) -> PixelGaussians:
        """images: Shape (B, V, C, H, W).
        hull: Shape (B, V, H, W), the visual hull's ray depth, found here where not given.
        """
        config = self.config
        if config.hull and hull is None:
            hull = hulls(images, cameras)
        raw = self.predict(images, cameras, hull)
        return decode_pixel_gaussians(raw, images, *rays(cameras), config.color_skip, config.alpha_gate, hull)

    @torch.inference_mode()
    def reconstruct(self, images: Tensor, cameras: Cameras) -> Reconstruction:
        """images: Shape (V, C, H, W), 0..1. No free Gaussians. See `protocol.Reconstructor`."""
        pixel, patch_size = self(images[None], cameras), self.config.patch_size
        return Reconstruction(flatten_gaussians(pixel, patch_size)[:0], pixel, patch_size)
