"""Pictures of Gaussians: gsplat on CUDA, our own renderer on a CPU, one function for both."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ..cameras import Cameras
from ..gaussians import Gaussians

BACKENDS = ("auto", "cpu", "gsplat")
MOST_TILES = 2**28  # touched in one view on a CPU: 1 GB of indices, a hundred times what a head of 400,000 Gaussians at 1024 px takes


@dataclass(frozen=True)
class Rendering:
    """rgb: Shape (V, 3, H, W), on the background; at least 0, may exceed 1. alpha: Shape (V, 1, H, W). backend: what drew it."""

    rgb: Tensor
    alpha: Tensor
    backend: str


def render(
    gaussians: Gaussians,
    cameras: Cameras,
    background: float = 1.0,
    backend: str = "auto",
    most_tiles: int = MOST_TILES,
) -> Rendering:
    """Draws Gaussians as each camera sees them.

    background: grey level behind the head, 0 to 1.
    backend: "cpu" (compiled, any machine), "gsplat" (CUDA), or "auto": gsplat where the Gaussians are on a CUDA device and gsplat
        loads, else cpu. `Rendering.backend` says which it was; a warning says why gsplat could not serve a CUDA device.
    most_tiles: tiles of 16x16 pixels that all Gaussians together may touch in one view; it bounds time and memory on a CPU alone.
    Both rgb and alpha are differentiable in all Gaussian tensors, and are on the device of the Gaussians.
    Rules: reference kit, section 3.7 (EWA splatting, pixel centres at integers, 0.3 px^2 dilation, no opacity compensation).

    Raises ValueError for an unknown backend, RuntimeError where gsplat cannot run and BudgetError for more than most_tiles.
    """
    if backend not in BACKENDS:
        raise ValueError(f"unknown rendering backend {backend!r}: choose one of {', '.join(BACKENDS)}")
    if backend == "auto":
        backend = _best_backend(gaussians)
    if gaussians.shN is not None:  # colours of their own for every camera
        position = cameras.c2w[:, :3, 3]
        each = [render(gaussians.seen_from(position[v]), cameras[v], background, backend, most_tiles) for v in range(len(cameras))]
        return Rendering(torch.cat([r.rgb for r in each]), torch.cat([r.alpha for r in each]), backend)
    if backend == "gsplat":
        from . import cuda

        drawn = cuda.rasterize(gaussians, cameras)
    else:
        from . import cpu

        drawn = cpu.rasterize(gaussians, cameras, most_tiles)
    device = gaussians.means.device
    colors, transmittance = (t.to(device) for t in drawn)
    return Rendering(colors + background * transmittance, 1 - transmittance, backend)


def drawer(gaussians: Gaussians, cameras: Cameras, background: float = 1.0) -> Callable[[Tensor], Tensor]:
    """For pictures of the same shapes in several colours: from sh0, Shape (N, 3), to rgb as of `render`, without gradients.

    On a CPU the shapes are projected and sorted once. Raises as `render` does.
    """
    if gaussians.shN is not None or _best_backend(gaussians) != "cpu":
        return lambda sh0: render(replace(gaussians, sh0=sh0), cameras, background).rgb.detach()
    from . import cpu

    shapes = cpu.Shapes(gaussians, cameras, MOST_TILES)

    def draw(sh0: Tensor) -> Tensor:
        colors, transmittance = (t.to(sh0.device) for t in shapes.rasterize(sh0))
        return colors + background * transmittance

    return draw


def to_bytes(pictures: Tensor) -> np.ndarray:
    """Pictures in 0..1, Shape (..., 3 or 4, H, W) -> uint8 (..., H, W, 3): clipped and rounded; a fourth band is left out."""
    colors = pictures.detach()[..., :3, :, :].float().clamp(0, 1)
    return (colors * 255).round().byte().movedim(-3, -1).cpu().contiguous().numpy()


def _best_backend(gaussians: Gaussians) -> str:
    if not gaussians.means.is_cuda:
        return "cpu"
    from .cuda import why_unusable

    if reason := why_unusable():
        warnings.warn(f"rendering on the CPU: {reason}", RuntimeWarning, stacklevel=3)
        return "cpu"
    return "gsplat"
