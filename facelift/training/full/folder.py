"""The weight folder that a training starts from and writes: the released layout, `mvdiffusion/pipeckpts/` and `gslrm/*.pt`."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TypedDict

import torch
from diffusers.models import UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor

from ...cameras import view_rig
from ...files import write_whole
from ...multiview.attention import ViewAttention, set_view_attention
from ...multiview.loading import load_unet, stock_unet_config
from ...reconstruction.gslrm import GSLRM, GSLRMConfig, config_from_state
from ...weights.cache import WeightsError
from ...weights.released import PIPELINE, SETTINGS, checkpoints, gslrm_state_dict, rig_of
from ..initial import init_gslrm
from ..loop import widened

COMPONENTS = (
    "unet", "vae", "image_encoder", "image_normalizer", "feature_extractor",
    "image_noising_scheduler", "scheduler", "text_encoder", "tokenizer",
)  # fmt: skip
UNET_FILE = "diffusion_pytorch_model.safetensors"


def widened_unet(unet: UNet2DConditionModel, num_views: int = 6) -> UNet2DConditionModel:
    """The same function with twice the input channels: those of the condition begin at zero (kit 3.3)."""
    config = dict(unet.config) | {"in_channels": 2 * unet.config["in_channels"]}
    wide = UNet2DConditionModel(**{k: v for k, v in config.items() if not k.startswith("_")})
    wide.load_state_dict(widened(unet.state_dict(), wide))
    return set_view_attention(wide, num_views, "sparse")


def pipeline_of(folder: Path) -> Path:
    """Of a weight folder of the released layout, or an SD-2.1-unCLIP one, which is one itself."""
    return folder / PIPELINE if (folder / PIPELINE).is_dir() else folder


class ViewSettings(TypedDict):
    """Which views a UNet makes, a name of `cameras.RIGS`, and what they know of each other."""

    rig: str
    attention: ViewAttention


def views_of(folder: Path) -> ViewSettings:
    """folder: as of `pipeline_of`. Raises WeightsError, and OSError, KeyError or ValueError for a damaged config."""
    config = json.loads((pipeline_of(folder) / "unet" / "config.json").read_text())
    return {"rig": rig_of(folder), "attention": stock_unet_config(config)[2]}


def start_folder(base: Path, weights: Path, rig: str | None = None, attention: ViewAttention | None = None) -> None:
    """Makes `weights` from `base`, once: a folder of the released layout, or an SD-2.1-unCLIP one, whose UNet is widened.

    rig, attention: those of `base` by default; an SD folder's are six and sparse. What is there stays. Raises WeightsError.
    """
    target = weights / PIPELINE
    if target.is_dir():
        return
    source = pipeline_of(base)
    if missing := [name for name in COMPONENTS if not (source / name).is_dir()]:
        raise WeightsError(f"{base} is neither of the released layout nor an SD-2.1-unCLIP folder: {missing[0]}/ is missing.")
    partial = target.with_name("pipeckpts.partial")
    shutil.rmtree(partial, ignore_errors=True)
    for name in COMPONENTS[1:]:
        shutil.copytree(source / name, partial / name)
    if (source / "model_index.json").is_file():
        shutil.copy(source / "model_index.json", partial)
    if (base / "gslrm").is_dir() and base != weights:
        shutil.copytree(base / "gslrm", weights / "gslrm", dirs_exist_ok=True)
    views = views_of(base)
    rig, attention = rig or views["rig"], attention or views["attention"]
    unet, _ = load_unet(source / "unet", torch.float32)
    if unet.config["in_channels"] == unet.config["out_channels"]:
        unet = widened_unet(unet)
    across = {"num_views": len(view_rig(rig)), "multiview_attention": attention != "none", "sparse_mv_attention": attention == "sparse"}
    write_unet(partial / "unet", unet.state_dict(), dict(unet.config) | across)
    write_whole(weights / SETTINGS, lambda path: path.write_text(json.dumps({"rig": rig}) + "\n"))
    os.replace(partial, target)


def write_unet(folder: Path, state: dict[str, Tensor], config: dict) -> None:
    """config: of a stock UNet or a released one, with what it says about views; it gains the release's block names."""

    def multiview(block: str) -> str:
        return block.replace("CrossAttnUpBlock2D", "CrossAttnUpBlockMV2D").replace("CrossAttnDownBlock2D", "CrossAttnDownBlockMV2D")

    config = {k: v for k, v in config.items() if not k.startswith("_")} | {"_class_name": "UNetMV2DConditionModel"}
    config |= {key: [multiview(block) for block in config[key]] for key in ("down_block_types", "up_block_types")}
    config["mid_block_type"] = "UNetMidBlockMV2DCrossAttn"
    write_whole(folder / UNET_FILE, lambda path: save_file({k: v.detach().cpu().contiguous() for k, v in state.items()}, path))
    write_whole(folder / "config.json", lambda path: path.write_text(json.dumps(config, indent=2) + "\n"))


def write_trained_unet(weights: Path, state: dict[str, Tensor]) -> None:
    folder = weights / PIPELINE / "unet"
    write_unet(folder, state, json.loads((folder / "config.json").read_text()))


def start_reconstructor(weights: Path, config: GSLRMConfig, fresh: bool) -> tuple[GSLRMConfig, dict[str, Tensor], int]:
    """Sizes, weights and number of updates of the folder's newest checkpoint, or, `fresh`, of a new model of sizes `config`.

    Raises WeightsError where a checkpoint is wanted and none is there.
    """
    newest = newest_update(weights)
    if fresh:
        return config, init_gslrm(GSLRM(config)).state_dict(), newest
    state = gslrm_state_dict(weights)
    settings = weights / "gslrm" / "config.json"
    head_width = json.loads(settings.read_text())["head_width"] if settings.is_file() else 64
    return config_from_state(state, config.image_size, head_width), {k: v.float() for k, v in state.items()}, newest


def newest_update(weights: Path) -> int:
    """The number in the newest checkpoint's name; 0 where there is none."""
    if not any((weights / "gslrm").glob("*.pt")):
        return 0
    digits = checkpoints(weights)[-1].stem.rpartition("_")[2]
    return int(digits) if digits.isdigit() else 0


def write_reconstructor(weights: Path, state: dict[str, Tensor], config: GSLRMConfig, update: int) -> Path:
    """Adds a checkpoint, named so that it is the newest, and the head width, which shapes do not tell. Returns its path."""
    folder = weights / "gslrm"
    folder.mkdir(parents=True, exist_ok=True)
    content = {"model": {k: v.detach().cpu() for k, v in state.items()}, "fwdbwd_pass_step": update, "param_update_step": update}
    path = folder / f"ckpt_{update:016d}.pt"
    write_whole(folder / "config.json", lambda p: p.write_text(json.dumps({"head_width": config.head_width}) + "\n"))
    write_whole(path, lambda p: torch.save(content, p))
    return path
