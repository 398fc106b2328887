"""The CUDA renderer: gsplat with the settings nearest to our rules.

Three rules are gsplat's own and cannot be set: alpha is capped at 0.999, not 0.99; a splat is cut where its alpha falls under 1/255, not
at 3 sigma; and the Jacobian's limit is shifted with the principal point.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from ..cameras import Cameras
from ..gaussians import Gaussians


@functools.cache
def why_unusable() -> str | None:
    """Why gsplat cannot draw here, or None if it can. The first call may compile gsplat's kernels, which takes minutes."""
    if not torch.cuda.is_available():
        return "there is no CUDA device"
    try:
        from gsplat.cuda._backend import _C
    except Exception as error:  # a missing package, or whatever a failed build raises
        return f"gsplat does not load ({type(error).__name__}: {error})"
    return None if _C is not None else "gsplat found no CUDA toolkit to build its kernels with"


def rasterize(gaussians: Gaussians, cameras: Cameras) -> tuple[Tensor, Tensor]:
    """Colours before the background, Shape (V, 3, H, W), and transmittance, Shape (V, 1, H, W).

    Gaussians that are on the CPU are drawn on the current CUDA device. Raises RuntimeError where gsplat cannot run.
    """
    if reason := why_unusable():
        raise RuntimeError(f"the gsplat renderer cannot be used: {reason}. Use backend='cpu'.")
    from gsplat import rasterization

    device = gaussians.means.device if gaussians.means.is_cuda else torch.device("cuda")
    gaussians, cameras = gaussians.to(device, torch.float32), cameras.to(device)
    colors, alphas, _ = rasterization(
        gaussians.means,
        gaussians.quats,
        gaussians.scales.exp(),
        torch.sigmoid(gaussians.opacities),
        gaussians.rgb,
        cameras.viewmats.float(),
        cameras.Ks.float(),
        cameras.width,
        cameras.height,
        near_plane=0.2,
        eps2d=0.3,
        packed=True,
        rasterize_mode="classic",
    )
    return colors.permute(0, 3, 1, 2), 1 - alphas.permute(0, 3, 1, 2)
