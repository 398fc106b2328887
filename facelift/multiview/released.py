"""Builds a `MultiViewPipeline` from a folder of the released diffusers layout, component by component."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import torch
from diffusers.models import AutoencoderKL
from diffusers.pipelines.stable_diffusion import StableUnCLIPImageNormalizer
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from torch import Tensor, nn
from transformers import CLIPImageProcessorPil, CLIPVisionModelWithProjection

from ..devices import Offload, placed
from ..stock import DDIMScheduler
from .clip import ClipConditioner
from .codec import VAECodec
from .loading import load_unet
from .pipeline import MultiViewConfig, MultiViewPipeline

RELEASED_SCHEDULER = dict(
    beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type="v_prediction", clip_sample=False,
    set_alpha_to_one=False, steps_offset=1, timestep_spacing="leading",
)  # fmt: skip  # what a scheduler_config.json leaves out (kit, section 2)


def load_released(folder: Path, prompt_embeds: Tensor, device: torch.device, dtype: torch.dtype, rig: str = "six") -> MultiViewPipeline:
    """folder: a diffusers pipeline folder (`mvdiffusion/pipeckpts`). The text encoder and tokenizer in it are not needed.
    prompt_embeds: Shape (V, 77, D), of the views.
    device, dtype: of all models in it.
    rig: of the views that the UNet makes.
    """
    unet, num_views = load_unet(folder / "unet", dtype)
    vae = _whole(AutoencoderKL, folder / "vae", torch_dtype=dtype, low_cpu_mem_usage=False).eval().requires_grad_(False).to(device)
    encoder = _whole(CLIPVisionModelWithProjection, folder / "image_encoder", dtype=dtype).eval().requires_grad_(False).to(device)
    normalizer = StableUnCLIPImageNormalizer.from_pretrained(folder / "image_normalizer", torch_dtype=dtype, low_cpu_mem_usage=False).to(
        device
    )
    processor = CLIPImageProcessorPil.from_pretrained(folder / "feature_extractor")
    noising = DDPMScheduler.from_pretrained(folder / "image_noising_scheduler")
    values = {k: v for k, v in json.loads((folder / "scheduler" / "scheduler_config.json").read_text()).items() if not k.startswith("_")}
    known = inspect.signature(DDIMScheduler.__init__).parameters
    scheduler = DDIMScheduler(**{**RELEASED_SCHEDULER, **{k: v for k, v in values.items() if k in known}})
    codec = VAECodec(vae)
    return MultiViewPipeline(
        placed(unet, device, torch.preserve_format), scheduler, codec,
        ClipConditioner(processor, encoder, normalizer, noising, num_views), prompt_embeds.to(device, dtype),
        MultiViewConfig(num_views=num_views, image_size=unet.config["sample_size"] * codec.factor, rig=rig),
    )  # fmt: skip


def offload(multiview: MultiViewPipeline, reconstructor: nn.Module, keeper: Offload) -> None:
    """Has CLIP, VAE, UNet and the reconstructor, all loaded to the CPU, come to the keeper's device only while they work.

    A preview of a denoising step moves VAE and UNet twice.
    """
    conditioner, codec = multiview.conditioner, multiview.codec
    assert isinstance(conditioner, ClipConditioner) and isinstance(codec, VAECodec)
    for net in (conditioner.encoder, codec.vae, multiview.unet, reconstructor):
        keeper.watch(net)
    conditioner.normalizer.to(keeper.device)  # two vectors
    multiview.prompt_embeds = multiview.prompt_embeds.to(keeper.device)
    multiview.offload = keeper


def _whole(kind: Any, folder: Path, **options) -> Any:
    """A stock model of which no weight was made up. Raises ValueError."""
    model, found = kind.from_pretrained(folder, output_loading_info=True, **options)
    if found["missing_keys"]:
        raise ValueError(f"{folder.name} lacks the weights {', '.join(sorted(found['missing_keys'])[:3])}")
    return model
