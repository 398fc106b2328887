"""From a weight set on disk to the parts of a `FaceLiftPipeline`."""

from __future__ import annotations

import json

import torch
from safetensors import SafetensorError
from torch import nn

from .devices import Offload
from .errors import SettingsError, WeightsError
from .gaussians import FilterPreset
from .multiview.attention import know_text
from .multiview.loading import load_compact
from .reconstruction.loading import load_compact_reconstructor, load_released_reconstructor
from .reconstruction.refine import read_refinements
from .weights.find import WeightSet, prompt_embeddings
from .weights.released import PIPELINE, rig_of

REPLACED = {"front_priority", "front_depth", "agreement", "detail"}  # switches before there were refinements


def assemble(weights: WeightSet, device: torch.device, dtype: torch.dtype | None = None, offload: bool = False) -> dict:
    """The arguments of `FaceLiftPipeline`.

    weights: as found by `weights.find.resolve`.
    device: where the models go.
    dtype: of the view generator; default fp16 for released weights on CUDA, else fp32.
    offload: each of the released networks is on the device only while it works.
    Raises WeightsError, and SettingsError for what small weights have no use for.
    """
    if offload and weights.kind != "released":
        raise SettingsError(f"Only released weights are large enough to be offloaded, and these are {weights.name}: leave it out.")
    try:
        if weights.kind == "released":
            dtype = dtype or (torch.float16 if device.type == "cuda" else torch.float32)
            return assemble_released(weights, device, dtype, offload)
        return assemble_compact(weights, device, dtype or torch.float32)
    except (OSError, KeyError, TypeError, ValueError, SafetensorError) as error:
        raise WeightsError(f"The weight set in {weights.folder} is incomplete or not understood: {error}") from error


def assemble_released(weights: WeightSet, device: torch.device, dtype: torch.dtype, offload: bool = False) -> dict:
    """MVDiffusion and GS-LRM as released, nothing refined. Parameters as of `assemble`. Raises WeightsError."""
    from .multiview import released  # with transformers, which the compact weights need not wait for

    folder, home = weights.folder, torch.device("cpu") if offload else device
    multiview = released.load_released(folder / PIPELINE, prompt_embeddings(folder), home, dtype, rig_of(folder))
    know_text(multiview.unet)  # here and not when loading: trainings load, too
    reconstructor = load_released_reconstructor(folder, multiview.config.image_size, home)
    if offload:
        assert isinstance(reconstructor, nn.Module)
        released.offload(multiview, reconstructor, Offload(device))
    return {"multiview": multiview, "reconstructor": reconstructor, "weights": weights}


def assemble_compact(weights: WeightSet, device: torch.device, dtype: torch.dtype) -> dict:
    """What the folder's config.json names. Parameters as of `assemble`. Raises OSError, KeyError, TypeError or ValueError."""
    settings = json.loads((weights.folder / "config.json").read_text())
    if old := sorted(REPLACED & settings.keys()):
        raise ValueError(f"its config.json has {', '.join(old)}, which a list of refinements has replaced: export it again")
    views = {**settings["multiview"], "rig": settings.get("rig", "six")}
    return {
        "multiview": load_compact(weights.folder / "multiview", views, device, dtype),
        "reconstructor": load_compact_reconstructor(weights.folder, settings["reconstructor"], device),
        "weights": weights,
        "refinements": read_refinements(settings.get("refinements", [])),
        "finish": read_refinements(settings.get("finish", [])),
        "filters": FilterPreset(**settings.get("filters", {})),
    }
