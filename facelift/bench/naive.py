"""The system done the plain way on the same weights: what the other numbers are compared with."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ..multiview.clip import ClipConditioner
from ..multiview.codec import VAECodec
from ..multiview.conditioning import Draw
from ..multiview.deep import DeepFeatures
from ..multiview.pipeline import Condition, MultiViewPipeline
from ..stock import AttnProcessor2_0, BasicTransformerBlock
from .models import VIEWS, System, converted


class DoubledFront:
    """Attention of all views to [the front view's tokens, their own], the front view to its own twice."""

    def __call__(self, attn, hidden_states: Tensor, encoder_hidden_states=None, attention_mask=None, temb=None) -> Tensor:
        bv, n, _ = hidden_states.shape

        def split(t: Tensor) -> Tensor:
            return t.view(bv, t.shape[1], attn.heads, -1).transpose(1, 2)

        def doubled(t: Tensor) -> Tensor:
            front = t.view(bv // VIEWS, VIEWS, n, -1)[:, :1].expand(-1, VIEWS, -1, -1).reshape(bv, n, -1)
            return split(torch.cat([front, t], 1))

        q, k, v = attn.to_q(hidden_states), attn.to_k(hidden_states), attn.to_v(hidden_states)
        out = F.scaled_dot_product_attention(split(q), doubled(k), doubled(v))
        return attn.to_out[1](attn.to_out[0](out.transpose(1, 2).reshape(bv, n, -1)))


class RepeatedConditioner(ClipConditioner):
    def image_embeds(self, portrait: Image.Image) -> Tensor:
        pixels = self.processor([portrait] * self.num_views, return_tensors="pt").pixel_values
        return self.encoder(pixels.to(self.encoder.device, self.encoder.dtype)).image_embeds


class PlainLayout(MultiViewPipeline):
    """Nothing laid out for the device."""

    def _unet(self, x: Tensor, t: Tensor, text: Tensor, labels: Tensor, deep: DeepFeatures | None = None) -> Tensor:
        return self.unet(x, t, text, class_labels=labels).sample


class NaivePipeline(PlainLayout):
    """Encodes the portrait once a view."""

    @torch.no_grad()
    def encode(self, portrait: Image.Image, draw: Draw) -> Condition:
        labels = self.conditioner.class_labels(portrait.convert("RGB"), draw).to(self.device)
        latents = self.codec.encode(self.pictures(portrait).to(self.device).repeat(self.config.num_views, 1, 1, 1))
        return Condition(latents.to(self.dtype), labels.to(self.dtype), self.prompt_embeds.to(self.device, self.dtype))


def naive(system: System, original: System) -> System:
    """The system of a format, done plainly. original: in fp32, as it was made; GS-LRM keeps its weights and runs under autocast."""
    dtype, old, plain = system.dtype, system.multiview, original.multiview
    assert isinstance(old.conditioner, ClipConditioner) and isinstance(plain.codec, VAECodec)
    unet, vae = converted(plain.unet, dtype), converted(plain.codec.vae, dtype)
    for module in unet.modules():
        if isinstance(module, BasicTransformerBlock):
            module.attn1.set_processor(DoubledFront())  # type: ignore[arg-type]  # takes any callable
            module.attn2.set_processor(AttnProcessor2_0())  # type: ignore[arg-type]
    parts = (getattr(old.conditioner, name) for name in ("processor", "encoder", "normalizer", "noising", "num_views"))
    conditioner = RepeatedConditioner(*parts)
    multiview = NaivePipeline(unet, old.scheduler, VAECodec(vae, VIEWS), conditioner, old.prompt_embeds, old.config)
    return replace(system, multiview=multiview, reconstructor=original.reconstructor)


def reconstruct_naively(system: System, images: Tensor, cameras) -> tuple[Tensor, Tensor]:
    """As of `models.reconstruct_raw`, fp32 weights under autocast."""
    half = system.dtype != torch.float32
    with torch.autocast(images.device.type, system.dtype if half else torch.bfloat16, enabled=half):
        return system.reconstructor.predict(images[None, :, :3], cameras)
