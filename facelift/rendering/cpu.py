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
from ..gaussians import Gaussians
from . import kernels, projection

_one_at_a_time = threading.Lock()  # numba's simplest thread pool aborts the process when two threads enter it


def rasterize(gaussians: Gaussians, cameras: Cameras, most_tiles: int) -> tuple[Tensor, Tensor]:
    """Colours before the background, Shape (V, 3, H, W), and transmittance, Shape (V, 1, H, W); float32.

    Raises BudgetError where the tiles touched by each Gaussian, 16x16 pixels of one view, sum up to more than most_tiles.
    """
    gaussians, cameras = gaussians.to("cpu", torch.float32), cameras.to("cpu")
    tensors = [t.contiguous() for t in (gaussians.means, gaussians.quats, gaussians.scales, gaussians.opacities, gaussians.sh0)]
    rotations, positions = cameras.c2w[:, :3, :3].flatten(1), cameras.c2w[:, :3, 3]
    poses = torch.cat([rotations, positions, cameras.intrinsics], 1).detach().double().numpy()
    images = torch.stack([_Rasterize.apply(*tensors, pose, cameras.width, cameras.height, most_tiles) for pose in poses])
    images = images.permute(0, 3, 1, 2)
    return images[:, :3], images[:, 3:]


class _Rasterize(torch.autograd.Function):
    """Gaussians and one camera -> image (H, W, 4): colour and transmittance."""

    @staticmethod
    def forward(ctx, means, quats, scales, opacities, sh0, pose, width, height, most_tiles):
        ctx.save_for_backward(means, quats, scales, opacities, sh0)
        arrays = [t.detach().numpy() for t in (means, quats, scales, opacities, sh0)]
        with _one_at_a_time:
            depths, splats, boxes = projection.project(*arrays, pose, width, height)
            tiles = boxes, *kernels.bin_tiles(splats, boxes, projection.nearest_first(depths), width, height, most_tiles)
            if tiles[1][-1] > most_tiles:
                raise BudgetError(
                    f"These Gaussians are too large together for a picture of {width}x{height}: they touch more than"
                    f" {most_tiles:,} tiles of {kernels.TILE}x{kernels.TILE} pixels."
                )
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
