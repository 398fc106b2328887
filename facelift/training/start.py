"""Where a training run begins: averaged weights of another run, or those of a shipped weight set."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ..tensor_files import read_tensors


def view_weights(path: Path) -> dict[str, Tensor]:
    """For `views.CompactViewModel`. path: a run, its last.pt, or a compact weight folder."""
    if run := checkpoint(path):
        return averaged(run)
    unet = read_tensors(path / "multiview" / "unet" / "diffusion_pytorch_model.safetensors")
    prompt = read_tensors(path / "multiview" / "prompt_embeds.safetensors")
    return {**{f"unet.{name}": value.float() for name, value in unet.items()}, **prompt}


def reconstructor_weights(path: Path) -> dict[str, Tensor]:
    """For `UNetReconstructor` or `GSLRM`. path: a run, its last.pt, or a compact weight folder."""
    if run := checkpoint(path):
        return averaged(run)
    return {name: value.float() for name, value in read_tensors(path / "reconstructor" / "model.safetensors").items()}


def depth_weights(path: Path) -> dict[str, Tensor]:
    """For `multiview.portrait_depth.PortraitDepth`. path: a run, its last.pt, or a compact weight folder."""
    if run := checkpoint(path):
        return averaged(run)
    state = read_tensors(path / "multiview" / "depth" / "diffusion_pytorch_model.safetensors")
    return {f"unet.{name}": value.float() for name, value in state.items()}


def checkpoint(path: Path) -> Path | None:
    """last.pt of a run that is named by it or by its folder; None for another folder."""
    path = path / "last.pt" if path.is_dir() else path
    return path if path.is_file() else None


def averaged(path: Path) -> dict[str, Tensor]:
    return torch.load(path, weights_only=True, map_location="cpu")["ema"]


def widths(weights: dict[str, Tensor]) -> tuple[int, ...]:
    """Channels of each level of the UNet in a model's weights."""
    blocks = sorted(name for name in weights if name.startswith("unet.down_blocks.") and name.endswith(".resnets.0.conv2.weight"))
    return tuple(weights[name].shape[0] for name in blocks)
