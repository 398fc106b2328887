"""Where a training run begins: averaged weights of another run, or those of a shipped weight set. And what a run says of itself."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor

from ..cameras import ViewRig, view_rig
from ..multiview.loading import stock_unet_config
from ..weights.tensors import read_tensors

SETTINGS = "settings.json"
BEFORE = {"rig": "six", "attention": "sparse", "image_size": 256}  # runs that do not say


def view_weights(path: Path, rig: ViewRig | None = None) -> dict[str, Tensor]:
    """For `multiview.compact.CompactViewGenerator`.

    path: a run, its last.pt, or a compact weight folder. rig: makes them those of its views, by name.
    """
    if run := checkpoint(path):
        weights = averaged(run)
    else:
        unet = read_tensors(path / "multiview" / "unet" / "diffusion_pytorch_model.safetensors")
        prompt = read_tensors(path / "multiview" / "prompt_embeds.safetensors")
        weights = {**{f"unet.{name}": value.float() for name, value in unet.items()}, **prompt}
        if (path / "multiview" / "decoder").is_dir():
            decoder = read_tensors(path / "multiview" / "decoder" / "model.safetensors")
            weights |= {f"decoder.{name}": value.float() for name, value in decoder.items()}
    if rig is not None:
        names = view_rig(run_settings(path)["rig"]).names
        rows = [names.index(name) if name in names else 0 for name in rig.names]  # a view it never saw starts as its first one
        weights |= {name: weights[name][rows] for name in ("prompt_embeds", "unet.class_embedding.weight")}
    return weights


def run_settings(path: Path) -> dict:
    """rig, attention and image_size of a run, its last.pt, or a compact weight folder."""
    if run := checkpoint(path):
        file = run.parent / SETTINGS
        return {**BEFORE, **(json.loads(file.read_text()) if file.is_file() else {})}
    settings = json.loads((path / "config.json").read_text())
    attention = stock_unet_config(json.loads((path / "multiview" / "unet" / "config.json").read_text()))[2]
    return {"rig": settings.get("rig", "six"), "attention": attention, "image_size": settings["multiview"]["image_size"]}


def keep_settings(folder: Path, settings: dict) -> None:
    """Writes them into a run's folder. Raises SystemExit where the run was begun with others."""
    file = folder / SETTINGS
    if file.is_file() and (before := json.loads(file.read_text())) != settings:
        raise SystemExit(f"{folder} was begun with {before}, not with {settings}: give another --out")
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(settings) + "\n")


def reconstructor_weights(path: Path) -> dict[str, Tensor]:
    """For `UNetReconstructor` or `CompactGSLRM`. path: a run, its last.pt, or a compact weight folder."""
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
