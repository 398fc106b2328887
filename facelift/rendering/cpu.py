"""The CPU renderer: compiled kernels behind one differentiable torch function.

The rules are those of the release's rasterizer family (reference kit, section 3.7). The same input gives the same bits for any number of
threads (`numba.set_num_threads`).
"""

from __future__ import annotations

import threading

import numpy as np
import torch
from torch import Tensor

from ..cameras import Cameras
from ..errors import BudgetError
from ..gaussians import SH_C0, Gaussians
from . import kernels, projection

_one_at_a_time = threading.Lock()  # numba's simplest thread pool aborts the process when two threads enter it


def rasterize(gaussians: Gaussians, cameras: Cameras, most_tiles: int) -> tuple[Tensor, Tensor]:
    """Colours before the background, Shape (V, 3, H, W), and transmittance, Shape (V, 1, H, W); float32.

    Raises BudgetError where the tiles touched by each Gaussian, 16x16 pixels of one view, sum up to more than most_tiles.
    """
    tensors = _tensors(gaussians)
    size = cameras.width, cameras.height
    images = torch.stack([_Rasterize.apply(*tensors, pose, *size, most_tiles) for pose in _poses(cameras)]).permute(0, 3, 1, 2)
    return images[:, :3], images[:, 3:]


class Shapes:
    """Gaussians projected and sorted into tiles once, to be drawn in any colours, without gradients. Parameters and errors: `rasterize`."""

    def __init__(self, gaussians: Gaussians, cameras: Cameras, most_tiles: int):
        self.size = cameras.width, cameras.height
        arrays = [t.detach().numpy() for t in _tensors(gaussians)]
        self.seen = [_seen(arrays, pose, *self.size, most_tiles) for pose in _poses(cameras)]

    def rasterize(self, sh0: Tensor) -> tuple[Tensor, Tensor]:
        """sh0: Shape (N, 3). Returns what `rasterize` does for Gaussians of these colours."""
        colors = np.fmax(0.0, SH_C0 * sh0.detach().to("cpu", torch.float64).numpy() + 0.5)
        images = []
        for splats, tiles in self.seen:
            splats[:, 6:] = colors
            with _one_at_a_time:
                images.append(torch.from_numpy(kernels.blend(splats, *tiles, *self.size)[0]))
        drawn = torch.stack(images).permute(0, 3, 1, 2)
        return drawn[:, :3], drawn[:, 3:]


def _tensors(gaussians: Gaussians) -> list[Tensor]:
    gaussians = gaussians.to("cpu", torch.float32)
    return [t.contiguous() for t in (gaussians.means, gaussians.quats, gaussians.scales, gaussians.opacities, gaussians.sh0)]


def _poses(cameras: Cameras) -> np.ndarray:
    """Shape (V, 16), as `projection` has them."""
    cameras = cameras.to("cpu")
    rotations, positions = cameras.c2w[:, :3, :3].flatten(1), cameras.c2w[:, :3, 3]
    return torch.cat([rotations, positions, cameras.intrinsics], 1).detach().double().numpy()


def _seen(arrays: list[np.ndarray], pose: np.ndarray, width: int, height: int, most_tiles: int) -> tuple[np.ndarray, tuple]:
    """Splats, and boxes, offsets and ids of tiles, as `kernels.blend` takes them."""
    with _one_at_a_time:
        depths, splats, boxes = projection.project(*arrays, pose, width, height)
        tiles = boxes, *kernels.bin_tiles(splats, boxes, projection.nearest_first(depths), width, height, most_tiles)
    if tiles[1][-1] > most_tiles:
        raise BudgetError(
            f"These Gaussians are too large together for a picture of {width}x{height}: they touch more than"
            f" {most_tiles:,} tiles of {kernels.TILE}x{kernels.TILE} pixels."
        )
    return splats, tiles


class _Rasterize(torch.autograd.Function):
    """Gaussians and one camera -> image (H, W, 4): colour and transmittance."""

    @staticmethod
    def forward(ctx, means, quats, scales, opacities, sh0, pose, width, height, most_tiles):
        ctx.save_for_backward(means, quats, scales, opacities, sh0)
        arrays = [t.detach().numpy() for t in (means, quats, scales, opacities, sh0)]
        splats, tiles = _seen(arrays, pose, width, height, most_tiles)
        with _one_at_a_time:
            image, last = kernels.blend(splats, *tiles, width, height)
        ctx.camera = pose, width, height
        ctx.picture = splats, tiles, image, last
        return torch.from_numpy(image)

    @staticmethod
    def backward(ctx, grad_image):
        arrays = [t.detach().numpy() for t in ctx.saved_tensors]
        pose, width, height = ctx.camera
        splats, tiles, image, last = ctx.picture
        grad_image = np.ascontiguousarray(grad_image.numpy())
        with _one_at_a_time:
            per_tile = kernels.blend_backward(splats, *tiles, width, height, image, last, grad_image)
            grad_splats = kernels.sum_over_tiles(per_tile, tiles[2], len(splats))
            grads = projection.project_backward(*arrays, pose, width, height, splats, tiles[0], grad_splats)
        return *(torch.from_numpy(g) for g in grads), None, None, None, None
