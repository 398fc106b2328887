"""Builds a `MultiViewPipeline` from a folder: the released diffusers layout, component by component, or the compact one."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import torch
from diffusers.models import AutoencoderKL, UNet2DConditionModel, UNet2DModel
from diffusers.pipelines.stable_diffusion import StableUnCLIPImageNormalizer
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from safetensors.torch import load_file
from torch import Tensor
from transformers import CLIPImageProcessorPil, CLIPVisionModelWithProjection

from ..devices import placed
from ..weights.tensors import read_tensors
from .attention import ViewAttention, set_view_attention
from .codec import VAECodec
from .compact import CompactMultiViewPipeline, CompactViewGenerator
from .conditioning import ClipConditioner
from .decoder import DecoderConfig, ViewDecoder
from .depth import PortraitDepth
from .pipeline import MultiViewConfig, MultiViewPipeline

RELEASED_SCHEDULER = dict(
    beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type="v_prediction", clip_sample=False,
    set_alpha_to_one=False, steps_offset=1, timestep_spacing="leading",
)  # fmt: skip  # what a scheduler_config.json leaves out (kit, section 2)


def stock_unet_config(config: dict) -> tuple[dict, int, ViewAttention]:
    """A released UNet config -> (that of a stock UNet2DConditionModel, number of views, attention across views)."""
    known = inspect.signature(UNet2DConditionModel.__init__).parameters
    stock = {key: value for key, value in config.items() if key in known and not key.startswith("_")}

    def plain(block: str) -> str:
        return {"UNetMidBlockMV2DCrossAttn": "UNetMidBlock2DCrossAttn"}.get(block, block.replace("MV2D", "2D"))

    for key in ("down_block_types", "up_block_types"):
        stock[key] = tuple(plain(b) for b in config[key])
    stock["mid_block_type"] = plain(config.get("mid_block_type", "UNetMidBlock2DCrossAttn"))
    mode: ViewAttention = "none"
    if config.get("multiview_attention", True):
        mode = "sparse" if config.get("sparse_mv_attention", True) else "dense"
    return stock, config.get("num_views", 6), mode


def load_unet(folder: Path, dtype: torch.dtype) -> tuple[UNet2DConditionModel, int]:
    """Any UNet folder, with attention across views in place. Returns it with its number of views."""
    config, num_views, mode = stock_unet_config(json.loads((folder / "config.json").read_text()))
    with torch.device("meta"):
        unet = UNet2DConditionModel(**config)
    state = read_tensors(folder / "diffusion_pytorch_model.safetensors")
    unet.load_state_dict({k: v.to(dtype) for k, v in state.items()}, assign=True)
    return set_view_attention(unet.eval().requires_grad_(False), num_views, mode), num_views


def load_released(folder: Path, prompt_embeds: Tensor, device: torch.device, dtype: torch.dtype, rig: str = "six") -> MultiViewPipeline:
    """folder: a diffusers pipeline folder (`mvdiffusion/pipeckpts`). The text encoder and tokenizer in it are not needed.
    prompt_embeds: Shape (V, 77, D), of the views.
    device, dtype: of all models in it.
    rig: of the views that the UNet makes.
    """
    unet, num_views = load_unet(folder / "unet", dtype)
    vae = AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=dtype, low_cpu_mem_usage=False).eval().requires_grad_(False).to(device)
    encoder = CLIPVisionModelWithProjection.from_pretrained(folder / "image_encoder", dtype=dtype).eval().requires_grad_(False).to(device)
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


def load_compact(folder: Path, settings: dict, device: torch.device, dtype: torch.dtype) -> CompactMultiViewPipeline:
    """folder: `unet/`, `scheduler/`, `depth/`, `prompt_embeds.safetensors`, maybe `decoder/`.
    settings: the fields of `MultiViewConfig`, the number of views excepted.
    device: of all models; dtype: of the UNet's weights alone.
    """
    unet, num_views = load_unet(folder / "unet", dtype)
    prompt_embeds = load_file(folder / "prompt_embeds.safetensors")["prompt_embeds"]
    memory_format = torch.channels_last if device.type == "cpu" else torch.contiguous_format
    unet = placed(unet, device, memory_format)
    generator = CompactViewGenerator(unet, prompt_embeds, load_decoder(folder / "decoder", device)).requires_grad_(False)
    depth = PortraitDepth(UNet2DModel.from_pretrained(folder / "depth", torch_dtype=torch.float32, low_cpu_mem_usage=False))
    depth = placed(depth.eval().requires_grad_(False), device, memory_format)
    scheduler = DDIMScheduler.from_pretrained(folder / "scheduler")
    return CompactMultiViewPipeline(generator, scheduler, MultiViewConfig(num_views=num_views, **settings), depth)


def load_decoder(folder: Path, device: torch.device) -> ViewDecoder | None:
    """folder: `config.json`, the fields of `DecoderConfig`, and `model.safetensors`; None where there is none. Always fp32."""
    if not folder.is_dir():
        return None
    settings = json.loads((folder / "config.json").read_text())
    decoder = ViewDecoder(DecoderConfig(**{**settings, "channels": tuple(settings["channels"])}))
    decoder.load_state_dict({name: value.float() for name, value in read_tensors(folder / "model.safetensors").items()})
    return decoder.eval().requires_grad_(False).to(device)
