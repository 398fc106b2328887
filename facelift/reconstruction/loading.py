"""Builds the reconstructor that a weight set names."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor, nn

from ..weights.released import gslrm_state_dict
from ..weights.tensors import fill, read_tensors, without_weights
from .compact_gslrm import CompactGSLRM, CompactGSLRMConfig
from .gslrm import GSLRM, config_from_state
from .lgm import LGM, LGMConfig
from .protocol import Reconstructor
from .unet import UNetReconstructor, UNetReconstructorConfig

RECONSTRUCTORS = {  # by the type in a compact weight set's config.json
    "unet": (UNetReconstructor, UNetReconstructorConfig),
    "gslrm": (CompactGSLRM, CompactGSLRMConfig),
    "lgm": (LGM, LGMConfig),
}


def load_released_reconstructor(folder: Path, image_size: int, device: torch.device) -> Reconstructor:
    """GS-LRM of a folder of the released layout. Raises WeightsError."""
    state = gslrm_state_dict(folder)
    settings = folder / "gslrm" / "config.json"  # only fine-tunes with another head width need one
    head_width = json.loads(settings.read_text())["head_width"] if settings.is_file() else 64
    return assigned(GSLRM, config_from_state(state, image_size, head_width), state, device)


def load_compact_reconstructor(folder: Path, settings: dict, device: torch.device) -> Reconstructor:
    """folder: with `reconstructor/model.safetensors`.
    settings: `reconstructor` of its config.json: a type and fields of its config.

    Raises KeyError, TypeError, ValueError or OSError for what is not understood or not there.
    """
    kind, config_class = RECONSTRUCTORS[settings["type"]]
    config = config_class(**{name: value for name, value in settings.items() if name != "type"})
    return assigned(kind, config, read_tensors(folder / "reconstructor" / "model.safetensors"), device)


def assigned(kind: type[nn.Module], config, state: dict[str, Tensor], device: torch.device):
    """A model made without initialising its weights first.

    kind, config: its class and that one's settings.
    state: its weights; fp16 is widened.
    """
    with without_weights():
        module = kind(config)
    fill(module, {name: tensor.float() for name, tensor in state.items()}, assign=True)
    return module.eval().requires_grad_(False).to(device)
