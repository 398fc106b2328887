"""UNets of either layout, and the compact pipeline, from a folder."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import torch

from ..devices import placed
from ..stock import DDIMScheduler, UNet2DConditionModel, UNet2DModel
from ..weights.tensors import fill, read_tensors, without_weights
from .attention import ViewAttention, set_view_attention
from .compact import CompactMultiViewPipeline, CompactViewGenerator
from .decoder import DecoderConfig, ViewDecoder
from .depth import PortraitDepth
from .pipeline import MultiViewConfig


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
    with without_weights():
        unet = UNet2DConditionModel(**config)
    state = read_tensors(folder / "diffusion_pytorch_model.safetensors")
    fill(unet, {k: v.to(dtype) for k, v in state.items()}, assign=True)
    return set_view_attention(unet.eval().requires_grad_(False), num_views, mode), num_views


def load_compact(folder: Path, settings: dict, device: torch.device, dtype: torch.dtype) -> CompactMultiViewPipeline:
    """folder: `unet/`, `scheduler/`, `depth/`, `prompt_embeds.safetensors`, maybe `decoder/`.
    settings: the fields of `MultiViewConfig`, the number of views excepted.
    device: of all models; dtype: of the UNet's weights alone.
    """
    unet, num_views = load_unet(folder / "unet", dtype)
    prompt_embeds = read_tensors(folder / "prompt_embeds.safetensors")["prompt_embeds"]
    memory_format = torch.channels_last if device.type == "cpu" else torch.contiguous_format
    unet = placed(unet, device, memory_format)
    generator = CompactViewGenerator(unet, prompt_embeds, load_decoder(folder / "decoder", device)).requires_grad_(False)
    depth = placed(load_depth(folder / "depth").eval().requires_grad_(False), device, memory_format)
    scheduler = DDIMScheduler(**settings_of(folder / "scheduler" / "scheduler_config.json"))  # its from_pretrained imports all schedulers
    return CompactMultiViewPipeline(generator, scheduler, MultiViewConfig(num_views=num_views, **settings), depth)


def settings_of(file: Path) -> dict:
    """What a class of diffusers was made with, as it writes it."""
    return {key: value for key, value in json.loads(file.read_text()).items() if not key.startswith("_")}


def load_depth(folder: Path) -> PortraitDepth:
    """A stock UNet2DModel folder. Always fp32."""
    with without_weights():
        unet = UNet2DModel(**settings_of(folder / "config.json"))
    state = read_tensors(folder / "diffusion_pytorch_model.safetensors")
    fill(unet, {name: value.float() for name, value in state.items()}, assign=True)
    return PortraitDepth(unet)


def load_decoder(folder: Path, device: torch.device) -> ViewDecoder | None:
    """folder: `config.json`, the fields of `DecoderConfig`, and `model.safetensors`; None where there is none. Always fp32."""
    if not folder.is_dir():
        return None
    settings = json.loads((folder / "config.json").read_text())
    decoder = ViewDecoder(DecoderConfig(**{**settings, "channels": tuple(settings["channels"])}))
    fill(decoder, {name: value.float() for name, value in read_tensors(folder / "model.safetensors").items()})
    return placed(decoder.eval().requires_grad_(False), device)
