"""How pictures become what the UNet denoises: the VAE's latents, or the pixels themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from diffusers.models import AutoencoderKL


class VAECodec:
    """Pictures (B, 3, H, W) in 0..1 <-> scaled latents; encoding takes the mode of the posterior (kit 3.2, step 4)."""

    channels = 3

    def __init__(self, vae: AutoencoderKL, at_once: int = 1):
        """at_once: pictures decoded together; six at 512 px need gigabytes."""
        self.vae, self.at_once = vae, at_once
        self.factor = 2 ** (len(vae.config["block_out_channels"]) - 1)
        self.latent_channels = vae.config["latent_channels"]

    def encode(self, pictures: Tensor) -> Tensor:
        return self.vae.encode((pictures * 2 - 1).to(self.vae.dtype)).latent_dist.mode() * self.vae.config["scaling_factor"]

    def decode(self, latents: Tensor) -> Tensor:
        scaled = latents.to(self.vae.dtype) / self.vae.config["scaling_factor"]
        decoded = [self.vae.decode(some).sample for some in scaled.split(self.at_once)]
        return (torch.cat(decoded).float() / 2 + 0.5).clamp(0, 1)


class PixelCodec:
    """RGBA pictures (B, 4, H, W) in 0..1 <-> pixels folded into channels; lossless and without weights."""

    channels = 4

    def __init__(self, factor: int):
        self.factor = factor
        self.latent_channels = self.channels * factor * factor

    def encode(self, pictures: Tensor) -> Tensor:
        return F.pixel_unshuffle(pictures * 2 - 1, self.factor)

    def decode(self, latents: Tensor) -> Tensor:
        """Where the decoded alpha says background, the colour is made white."""
        pictures = (F.pixel_shuffle(latents.float(), self.factor) / 2 + 0.5).clamp(0, 1)
        color, alpha = pictures[:, :3], pictures[:, 3:]
        foreground = ((alpha - 0.1) / 0.3).clamp(0, 1)
        return torch.cat([1 - (1 - color) * foreground, alpha], 1)
