"""Where a training run begins: averaged weights of another run, or those of a shipped weight set."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor


def view_weights(path: Path) -> dict[str, Tensor]:
    """For `views.CompactViewModel`. path: a run's last.pt, or a compact weight folder."""
    if path.is_file():
        return averaged(path)
    unet = load_file(path / "multiview" / "unet" / "diffusion_pytorch_model.safetensors")
    prompt = load_file(path / "multiview" / "prompt_embeds.safetensors")
    return {**{f"unet.{name}": value.float() for name, value in unet.items()}, **prompt}


def reconstructor_weights(path: Path) -> dict[str, Tensor]:
    """For `UNetReconstructor`. path: a run's last.pt, or a compact weight folder."""
    if path.is_file():
        return averaged(path)
    return {name: value.float() for name, value in load_file(path / "reconstructor" / "model.safetensors").items()}


def averaged(path: Path) -> dict[str, Tensor]:
    return torch.load(path, weights_only=True, map_location="cpu")["ema"]


def widths(weights: dict[str, Tensor]) -> tuple[int, ...]:
    """Channels of each level of the UNet in a model's weights."""
    blocks = sorted(name for name in weights if name.startswith("unet.down_blocks.") and name.endswith(".resnets.0.conv2.weight"))
    return tuple(weights[name].shape[0] for name in blocks)
