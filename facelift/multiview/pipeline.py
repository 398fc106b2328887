"""From one portrait to the views of a rig by diffusion (paper, section 3.2): encode, prepare latents, denoise, decode."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..devices import Offload
from ..portrait.pose import HeadPose
from ..rendering import to_bytes
from ..stock import DDIMScheduler, UNet2DConditionModel
from .codec import PixelCodec, VAECodec
from .conditioning import Conditioner, Draw
from .deep import DeepFeatures
from .graph import GraphedUNet
from .sampling import EXACT, PRESETS, Preset, preset_named, solver


@dataclass(frozen=True)
class MultiViewConfig:
    """What the folder of a UNet does not say. Defaults are the release's.

    image_size: pixels a side that the model works at.
    keep_portrait: view 0 of the result is the portrait itself instead of its reconstruction.
    rig: which views, a name of `cameras.RIGS`.
    """

    num_views: int = 6
    image_size: int = 512
    steps: int = 50
    guidance_scale: float = 3.0
    eta: float = 1.0
    keep_portrait: bool = False
    rig: str = "six"


@dataclass(frozen=True)
class Condition:
    """What the UNet is told in the conditional half.

    latents: Shape (V, C, h, w), laid beside the noisy ones: the portrait, then what else the model takes.
    class_labels: Shape (V, ...). prompt_embeds: Shape (V, L, D).
    portrait_depth: Shape (S, S), ray depth of the portrait's surface, where the model finds it.
    noise: what a decoder adds at each of its sizes, where the model has one.
    """

    latents: Tensor
    class_labels: Tensor
    prompt_embeds: Tensor
    portrait_depth: Tensor | None = None
    noise: tuple[Tensor, ...] = ()


class GeneratedViews(NamedTuple):
    """views: Shape (V, 3 or 4, S, S), 0..1, in the order of the rig. portrait_depth: as of `Condition`."""

    views: Tensor
    portrait_depth: Tensor | None


@dataclass(frozen=True)
class DenoisingStep:
    """index counts from 1 to total. `preview()` decodes the current estimate of the clean views: uint8 (V, H, W, 3)."""

    index: int
    total: int
    preview: Callable[[], np.ndarray]


def seeded_noise(seed: int) -> Draw:
    """Noise from one CPU generator, so that a seed means the same noise on every device."""
    generator = torch.Generator("cpu").manual_seed(seed)
    return lambda shape: torch.randn(shape, generator=generator)


class MultiViewPipeline:
    """Composes stock diffusers parts; `facelift.multiview.released` builds it from a folder."""

    presets = tuple(PRESETS)  # names of those that are of use
    finds_depth = False  # of portraits, so that these can be drawn anew

    def __init__(
        self,
        unet: UNet2DConditionModel,
        scheduler: DDIMScheduler,
        codec: VAECodec | PixelCodec,
        conditioner: Conditioner,
        prompt_embeds: Tensor,
        config: MultiViewConfig,
    ):
        self.unet, self.scheduler, self.codec, self.conditioner, self.config = unet, scheduler, codec, conditioner, config
        self.prompt_embeds = prompt_embeds
        self.graph: GraphedUNet | None = None  # where set, it runs the UNet
        self.offload: Offload | None = None  # where set, its device is where the work is done
        self._twice: tuple[Tensor, Tensor] | None = None  # a text, and that of both halves of guidance

    @property
    def device(self) -> torch.device:
        return next(self.unet.parameters()).device if self.offload is None else self.offload.device  # diffusers' own looks at all of them

    @property
    def dtype(self) -> torch.dtype:
        return next(self.unet.parameters()).dtype

    def through_our_lens(self, portrait: Image.Image, focal: float) -> Image.Image | None:
        """A portrait (RGBA) by a lens of `focal` pixels as the models' own would show it; None where no depth is found, as here."""
        return None

    def from_the_front(self, portrait: Image.Image, pose: HeadPose) -> Image.Image | None:
        """A portrait (RGBA) of a turned head as a camera before its front would show it; None where no depth is found, as here."""
        return None

    def preset(self, name: str) -> Preset:
        """Raises SettingsError."""
        return preset_named(name, self.presets)

    def steps_of(self, preset: str) -> int:
        """How many steps a preset takes where nothing else is said. Raises SettingsError."""
        steps = self.preset(preset).steps
        return self.config.steps if steps is None else steps

    def pictures(self, portrait: Image.Image) -> Tensor:
        """Portrait on white (RGB, or RGBA whose colour is already on white) -> (1, codec.channels, S, S) in 0..1."""
        mode = "RGBA" if self.codec.channels == 4 else "RGB"
        if mode == "RGBA" and portrait.mode != "RGBA":
            raise ValueError("this model wants the portrait with its alpha channel (RGBA)")
        size = (self.config.image_size,) * 2
        bands = portrait.convert(mode).split()  # band by band: an RGBA resize would take the white away where alpha is 0
        pixels = np.stack([np.array(band.resize(size, Image.Resampling.LANCZOS)) for band in bands])
        return torch.from_numpy(pixels)[None].float() / 255

    @torch.inference_mode()
    def encode(self, portrait: Image.Image, draw: Draw) -> Condition:
        """The picture is encoded once and repeated for the views."""
        v = self.config.num_views
        labels = self.conditioner.class_labels(portrait.convert("RGB"), draw).to(self.device)
        latents = self.codec.encode(self.pictures(portrait).to(self.device)).expand(v, -1, -1, -1)
        dtype = self.dtype
        labels = labels.to(dtype) if labels.is_floating_point() else labels
        return Condition(latents.to(dtype), labels, self.prompt_embeds.to(self.device, dtype))

    def prepare_latents(self, condition: Condition, draw: Draw) -> Tensor:
        v, _, height, width = condition.latents.shape
        latents = draw((v, self.codec.latent_channels, height, width)).to(condition.latents)
        return latents * self.scheduler.init_noise_sigma

    def predict(
        self, latents: Tensor, t: Tensor, condition: Condition, guidance_scale: float, deep: DeepFeatures | None = None
    ) -> Tensor:
        """The UNet's output, guided. Guidance drops the picture, never the text (kit 3.2, steps 4 and 5).

        latents: Shape (V, C, h, w), noisy.
        t: Shape (). The timestep.
        guidance_scale: 1 asks the UNet only once.
        deep: of the sampling that this is a step of, where it keeps some.
        """
        x = torch.cat([latents, condition.latents], 1)
        labels, text = condition.class_labels, condition.prompt_embeds
        if guidance_scale == 1.0:
            output = self._unet(x, t, text, labels, deep)
        else:
            blank = torch.cat([latents, torch.zeros_like(condition.latents)], 1)
            labels = torch.cat([self.conditioner.unconditional(labels), labels])
            blind, seeing = self._unet(torch.cat([blank, x]), t, self._both(text), labels, deep).chunk(2)
            output = blind + guidance_scale * (seeing - blind)
        return output

    def _both(self, text: Tensor) -> Tensor:
        """One tensor for all steps, and for all photos where the text is one, so that what is made of it can be kept."""
        twice = self._twice
        if twice is None or twice[0] is not text:
            twice = self._twice = (text, torch.cat([text, text]))
        return twice[1]

    def _unet(self, x: Tensor, t: Tensor, text: Tensor, labels: Tensor, deep: DeepFeatures | None = None) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last) if x.device.type == "cpu" else x
        if deep is not None:
            return deep(self.unet, x, t, text, labels)
        if self.graph is not None:
            return self.graph(x, t, text, labels)
        return self.unet(x, t, text, class_labels=labels).sample

    @torch.inference_mode()
    def denoise(
        self,
        latents: Tensor,
        condition: Condition,
        steps: int,
        guidance_scale: float,
        eta: float,
        draw: Draw,
        on_step: Callable[[DenoisingStep], None] | None = None,
        preset: Preset = EXACT,
    ) -> Tensor:
        """By the preset's solver.

        latents: Shape (V, C, h, w), as of `prepare_latents`.
        steps: at least 1; the preset's own are not looked at.
        eta: of DDIM: 0 is deterministic; above, noise is drawn in every step, the last included.
        on_step: called after every step; what it raises ends the work.
        Returns clean latents, Shape (V, C, h, w).
        """
        way = solver(preset, self.scheduler, steps, eta, draw)
        deep = DeepFeatures(preset.deep_every) if preset.deep_every > 1 else None
        (low, high), last = preset.guided, self.scheduler.config["num_train_timesteps"] - 1
        for i, (t, there) in enumerate(zip(way.timesteps, way.timesteps.to(latents.device), strict=True)):
            scale = guidance_scale if low <= float(t) / last <= high else 1.0
            output = self.predict(latents, there, condition, scale, deep)
            latents, clean = way.step(output, t, latents)
            if on_step is not None:
                on_step(DenoisingStep(i + 1, steps, partial(self.preview, clean)))
        return latents

    @torch.inference_mode()
    def decode(self, latents: Tensor) -> Tensor:
        """(V, 3 or 4, S, S) in 0..1."""
        return self.codec.decode(latents)

    def preview(self, latents: Tensor) -> np.ndarray:
        """What clean latents show. uint8 (V, S, S, 3)."""
        return to_bytes(self.decode(latents))

    @torch.inference_mode()
    def __call__(
        self,
        portrait: Image.Image,
        seed: int = 4,
        steps: int | None = None,
        guidance_scale: float | None = None,
        on_step: Callable[[DenoisingStep], None] | None = None,
        preset: str = "exact",
    ) -> GeneratedViews:
        """portrait: on white, RGB, or RGBA where the model takes alpha.
        seed: of all noise.
        steps, guidance_scale: None is the preset's own, or else the weight set's.
        on_step: as of `denoise`.
        preset: a name of `presets`.
        Raises ValueError for impossible steps, SettingsError for a preset that there is not or that is of no use.
        """
        chosen = self.preset(preset)
        steps = self.steps_of(preset) if steps is None else steps
        guidance_scale = self.config.guidance_scale if guidance_scale is None else guidance_scale
        most = self.scheduler.config["num_train_timesteps"]
        if not 1 <= steps <= most:
            raise ValueError(f"steps must lie between 1 and {most}, not {steps}")
        draw = seeded_noise(seed)
        condition = self.encode(portrait, draw)
        latents = self.prepare_latents(condition, draw)
        latents = self.denoise(latents, condition, steps, guidance_scale, self.config.eta, draw, on_step, chosen)
        views = self.decode(latents).float()
        if self.config.keep_portrait:
            views = torch.cat([self.pictures(portrait).to(views), views[1:]])
        return GeneratedViews(views, condition.portrait_depth)
