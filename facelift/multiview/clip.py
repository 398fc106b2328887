"""What the released UNet is told of the picture: its CLIP embedding."""

from __future__ import annotations

import torch
from diffusers.pipelines.stable_diffusion import StableUnCLIPImageNormalizer
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from PIL import Image
from torch import Tensor
from transformers import CLIPImageProcessorPil, CLIPVisionModelWithProjection

from .conditioning import Draw


class ClipConditioner:
    """CLIP embedding of the portrait with noise of level 0, next to the embedding of that level (kit 3.2, steps 1 to 3)."""

    def __init__(
        self,
        processor: CLIPImageProcessorPil,
        encoder: CLIPVisionModelWithProjection,
        normalizer: StableUnCLIPImageNormalizer,
        noising: DDPMScheduler,
        num_views: int,
    ):
        self.processor, self.encoder, self.normalizer, self.noising, self.num_views = processor, encoder, normalizer, noising, num_views

    def image_embeds(self, portrait: Image.Image) -> Tensor:
        """Shape (1, D). The picture is encoded once; only the noise differs between the views."""
        pixels = self.processor(portrait, return_tensors="pt").pixel_values
        return self.encoder(pixels.to(self.encoder.device, self.encoder.dtype)).image_embeds

    def class_labels(self, portrait: Image.Image, draw: Draw) -> Tensor:
        """Shape (num_views, 2 D). Level 0 still adds noise (sigma about 0.0064), drawn anew for each view."""
        embeds = self.image_embeds(portrait).expand(self.num_views, -1)
        noise = draw(tuple(embeds.shape)).to(embeds.device, embeds.dtype)
        x = self.normalizer.scale(embeds)
        level = torch.zeros(self.num_views, dtype=torch.long, device=x.device)
        x = self.noising.add_noise(x, noise, level)  # type: ignore[arg-type]  # diffusers says IntTensor and takes any whole numbers
        x = self.normalizer.unscale(x)
        half = embeds.shape[1] // 2
        embedding = torch.cat([torch.ones(half), torch.zeros(embeds.shape[1] - half)])  # sinusoid of 0, cosines first
        return torch.cat([x, embedding.to(x).expand(self.num_views, -1)], 1)

    def unconditional(self, labels: Tensor) -> Tensor:
        return torch.zeros_like(labels)
