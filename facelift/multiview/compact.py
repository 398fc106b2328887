"""The compact view generator: a small stock UNet over folded RGBA pixels that also takes the warped views, in one step or a few.

`CompactViewGenerator` is what training trains and inference runs; `CompactMultiViewPipeline` is `MultiViewPipeline` around it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from ..cameras import view_rig
from ..portrait.pose import HeadPose
from ..stock import DDIMScheduler, UNet2DConditionModel
from .attention import ViewAttention, set_view_attention
from .codec import PixelCodec
from .conditioning import Draw, ViewIndexConditioner
from .decoder import ViewDecoder
from .deep import DeepFeatures
from .depth import PortraitDepth
from .lens import through_our_lens
from .pipeline import Condition, MultiViewConfig, MultiViewPipeline
from .tones import keep_tones
from .turned import front_portrait
from .warping import keep_seen, warped_views

FACTOR, CONTEXT = 8, 64  # pixels folded into channels, a side; width of the context token


def compact_unet(
    channels: tuple[int, ...] = (64, 128, 192, 256), image_size: int = 256, views: int = 6, attention: ViewAttention = "sparse"
) -> UNet2DConditionModel:
    """A new one with random weights.

    channels: of each level, multiples of 32.
    image_size: pixels a side that it works at.
    views: how many it makes.
    attention: between them, as of `MultiViewAttnProcessor`.
    """
    latent = PixelCodec(FACTOR).latent_channels
    inner = len(channels) - 2
    unet = UNet2DConditionModel(
        sample_size=image_size // FACTOR,
        in_channels=3 * latent,  # noisy, portrait, warped
        out_channels=latent + FACTOR**2,  # clean, gate
        block_out_channels=channels,
        layers_per_block=1,
        attention_head_dim=[max(1, c // 32) for c in channels],  # numbers of heads
        cross_attention_dim=CONTEXT,
        use_linear_projection=True,
        num_class_embeds=views,
        down_block_types=("DownBlock2D", *("CrossAttnDownBlock2D",) * inner, "DownBlock2D"),
        up_block_types=("UpBlock2D", *("CrossAttnUpBlock2D",) * inner, "UpBlock2D"),
    )
    return set_view_attention(unet, views, attention)


def compact_scheduler() -> DDIMScheduler:
    return DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type="sample", clip_sample=False,
        rescale_betas_zero_snr=True, timestep_spacing="trailing", set_alpha_to_one=True, steps_offset=0,
    )  # fmt: skip


class FeatureConv(nn.Conv2d):
    """A convolution that also hands on what it was given, behind what it makes: (N, out + in, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([super().forward(x), x], 1)

    @classmethod
    def around(cls, conv: nn.Conv2d) -> FeatureConv:
        """With the same weights."""
        new = cls(
            conv.in_channels, conv.out_channels, conv.kernel_size, padding=conv.padding, device="meta"  # type: ignore[arg-type]
        )  # fmt: skip  # torch's hints forget that the sizes of a Conv2d are pairs
        new.weight, new.bias = conv.weight, conv.bias
        return new


class CompactViewGenerator(nn.Module):
    """The UNet, the one learned context token a view has in place of a text prompt, and maybe a decoder for sharp pictures."""

    def __init__(self, unet: UNet2DConditionModel, prompt_embeds: Tensor | None = None, decoder: ViewDecoder | None = None):
        """prompt_embeds: Shape (V, 1, CONTEXT); random where not given. Raises ValueError for a decoder of other features."""
        super().__init__()
        self.views = unet.config["num_class_embeds"]
        self.unet, self.decoder = unet, decoder
        self.prompt_embeds = nn.Parameter(torch.randn(self.views, 1, CONTEXT) * 0.5 if prompt_embeds is None else prompt_embeds)
        if decoder is not None:
            if decoder.config.features != unet.conv_out.in_channels:
                raise ValueError(f"the decoder takes {decoder.config.features} features, the UNet has {unet.conv_out.in_channels}")
            unet.conv_out = FeatureConv.around(unet.conv_out)

    def forward(self, noisy: Tensor, condition: Tensor, warped: Tensor, timesteps: Tensor) -> Tensor:
        """noisy, condition, warped: Shape (B*V, C, h, w), views innermost.
        timesteps: Shape (B*V,).

        Returns the UNet's output in fp32, Shape (B*V, C + C / 4 and the features for a decoder, h, w).
        """
        b = len(noisy) // self.views
        x = torch.cat([noisy, condition, warped], 1).contiguous(memory_format=torch.channels_last)
        labels = torch.arange(self.views, device=x.device).repeat(b)
        return self.unet(x, timesteps, self.prompt_embeds.repeat(b, 1, 1), class_labels=labels).sample.float()

    def base(self, output: Tensor, warped: Tensor) -> Tensor:
        """What the UNet alone makes of its output: clean latents, Shape (B*V, C, h, w)."""
        return keep_seen(output[:, : warped.shape[1] * 5 // 4], warped)

    def clean_latents(self, output: Tensor, warped: Tensor, noise: Sequence[Tensor] = ()) -> Tensor:
        """The UNet's output -> clean latents, painted by the decoder where there is one. noise: of `decoder.noise_shapes`."""
        base = self.base(output, warped)
        if self.decoder is None:
            return base
        pictures = [F.pixel_shuffle(latents.float(), FACTOR) for latents in (base, warped)]
        painted, classes = self.decoder(self.decoder.features(output).float(), *pictures, noise)
        people = [each.split(self.views) for each in (painted, classes, pictures[1])]
        return F.pixel_unshuffle(torch.cat([keep_tones(*person) for person in zip(*people, strict=True)]), FACTOR)


class CompactMultiViewPipeline(MultiViewPipeline):
    presets = ("exact",)  # it takes a step or two anyway
    finds_depth = True

    def __init__(self, generator: CompactViewGenerator, scheduler: DDIMScheduler, config: MultiViewConfig, depth: PortraitDepth):
        """generator, scheduler: the UNet with all it needs, and the noise it was trained with.
        config: sizes and default settings.
        depth: finds the portrait's surface, which is warped to the other views and handed on with them.
        """
        codec = PixelCodec(config.image_size // generator.unet.config["sample_size"])
        conditioner = ViewIndexConditioner(config.num_views)
        super().__init__(generator.unet, scheduler, codec, conditioner, generator.prompt_embeds, config)
        self.generator, self.depth = generator, depth

    @torch.inference_mode()
    def through_our_lens(self, portrait: Image.Image, focal: float) -> Image.Image:
        return _picture(through_our_lens(_pixels(portrait), focal, self._depth))

    @torch.inference_mode()
    def from_the_front(self, portrait: Image.Image, pose: HeadPose) -> Image.Image:
        return _picture(front_portrait(_pixels(portrait), pose, self._depth))

    def _depth(self, pictures: Tensor) -> Tensor:
        """Ray depths of portraits of any size."""
        return self.depth(F.interpolate(pictures.to(self.device), size=(self.config.image_size,) * 2, mode="area"))

    @torch.inference_mode()
    def encode(self, portrait: Image.Image, draw: Draw) -> Condition:
        """portrait: RGBA. The portrait's latents and those of its warped views lie side by side."""
        pictures = self.pictures(portrait).to(self.device)
        portrait_depth = self.depth(pictures)[0]
        warped = warped_views(pictures[0].cpu(), portrait_depth.cpu(), view_rig(self.config.rig))
        latents = self.codec.encode(pictures).expand(self.config.num_views, -1, -1, -1)
        latents = torch.cat([latents, self.codec.encode(warped.to(latents))], 1).to(self.dtype)
        labels = self.conditioner.class_labels(portrait, draw).to(self.device)
        decoder = self.generator.decoder
        shapes = decoder.noise_shapes(len(latents), latents.shape[-1]) if decoder is not None else []
        noise = tuple(draw(shape).to(self.device) for shape in shapes)
        return Condition(latents, labels, self.prompt_embeds.to(self.device, self.dtype), portrait_depth, noise)

    def predict(
        self, latents: Tensor, t: Tensor, condition: Condition, guidance_scale: float, deep: DeepFeatures | None = None
    ) -> Tensor:
        """Clean latents: the model predicts the sample itself."""
        output = super().predict(latents, t, condition, guidance_scale, deep)
        return self.generator.clean_latents(output, condition.latents[:, self.codec.latent_channels :], condition.noise).to(latents)


def _pixels(picture: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255


def _picture(pixels: Tensor) -> Image.Image:
    return Image.fromarray((pixels.permute(1, 2, 0) * 255).round().byte().numpy())
