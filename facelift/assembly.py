"""From a weight set on disk to the parts of a `FaceLiftPipeline`."""

from __future__ import annotations

import json

import torch
from safetensors import SafetensorError

from .errors import WeightsError
from .gaussians import FilterPreset
from .multiview.attention import know_text
from .multiview.loading import load_compact
from .reconstruction.loading import load_compact_reconstructor, load_released_reconstructor
from .reconstruction.refine import read_refinements
from .weights.find import WeightSet, prompt_embeddings
from .weights.released import PIPELINE, rig_of

REPLACED = {"front_priority", "front_depth", "agreement", "detail"}  # switches before there were refinements


def assemble(weights: WeightSet, device: torch.device, dtype: torch.dtype | None = None) -> dict:
    """The arguments of `FaceLiftPipeline`.

    weights: as found by `weights.find.resolve`.
    device: where the models go.
    dtype: of the view generator; default fp16 for released weights on CUDA, else fp32.
    Raises WeightsError.
    """
    try:
        if weights.kind == "released":
            return assemble_released(weights, device, dtype or (torch.float16 if device.type == "cuda" else torch.float32))
        return assemble_compact(weights, device, dtype or torch.float32)
    except (OSError, KeyError, TypeError, ValueError, SafetensorError) as error:
        raise WeightsError(f"The weight set in {weights.folder} is incomplete or not understood: {error}") from error


def assemble_released(weights: WeightSet, device: torch.device, dtype: torch.dtype) -> dict:
    """MVDiffusion and GS-LRM as released, nothing refined. Parameters as of `assemble`. Raises WeightsError."""
    from .multiview.released import load_released  # with transformers, which the compact weights need not wait for

    folder = weights.folder
    multiview = load_released(folder / PIPELINE, prompt_embeddings(folder), device, dtype, rig_of(folder))
    know_text(multiview.unet)  # here and not when loading: trainings load, too
    reconstructor = load_released_reconstructor(folder, multiview.config.image_size, device)
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
