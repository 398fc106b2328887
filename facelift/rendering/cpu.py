"""The CPU renderer: projection in torch, so that gradients flow to every parameter, blending in compiled tiles.

The rules are those of the release's rasterizer family (reference kit, section 3.7).
"""

from __future__ import annotations

import math
import threading

import torch
from torch import Tensor

from ..cameras import Cameras
from ..gaussians import Gaussians
from . import kernels

NEAR = 0.2  # view depth
DILATION = 0.3  # square pixels, on both diagonal entries of the 2D covariance
JACOBIAN_LIMIT = 1.3  # times tan(fov / 2)
FAINTEST_LOGIT = math.log(1 / 254) - 1e-3  # below it alpha is under 1/255 everywhere

_one_at_a_time = threading.Lock()  # numba's simplest thread pool aborts the process when two threads enter it


def rasterize(gaussians: Gaussians, cameras: Cameras) -> tuple[Tensor, Tensor]:
    """Colours before the background, Shape (V, 3, H, W), and transmittance, Shape (V, 1, H, W); float32."""
    images = [_rasterize_one(gaussians, k, c, cameras.width, cameras.height) for k, c in zip(cameras.intrinsics, cameras.c2w, strict=True)]
    images = torch.stack(images).permute(0, 3, 1, 2)
    return images[:, :3], images[:, 3:]


def _rasterize_one(gaussians: Gaussians, intrinsics: Tensor, c2w: Tensor, width: int, height: int) -> Tensor:
    splats, radii, reach = project(gaussians, intrinsics.tolist(), c2w.tolist(), width, height)
    return _Blend.apply(splats, radii, reach, width, height)


def project(gaussians: Gaussians, intrinsics: list[float], c2w: list[list[float]], width: int, height: int) -> tuple[Tensor, Tensor, Tensor]:
    """Gaussians as splats on the picture, nearest first; those that cannot be seen are left out.

    Only operations that work on each Gaussian alone are used: no matrix products, whose rounding may depend on the thread count.
    Returns splats (M, 9) as `kernels` describes them, radii (M,) and reach (M, 2).
    """
    fx, fy, cx, cy = intrinsics
    (r00, r01, r02, px), (r10, r11, r12, py), (r20, r21, r22, pz) = c2w[:3]

    with torch.no_grad():
        x, y, z = gaussians.means.float().unbind(1)
        depth = (x - px) * r02 + (y - py) * r12 + (z - pz) * r22
        seen = ((depth > NEAR) & (gaussians.opacities > FAINTEST_LOGIT)).nonzero()[:, 0]
        order = seen[depth[seen].argsort(stable=True)]

    def columns(tensor: Tensor) -> Tensor:
        return tensor.index_select(0, order).float().t().contiguous()

    x, y, z = columns(gaussians.means)
    x, y, z = x - px, y - py, z - pz
    depth = x * r02 + y * r12 + z * r22
    tan_x, tan_y = (x * r00 + y * r10 + z * r20) / depth, (x * r01 + y * r11 + z * r21) / depth

    # The three scaled axes of each Gaussian: their world components, then view components, each (3, M).
    quats = columns(gaussians.quats)
    w, x, y, z = quats / quats.square().sum(0).clamp_min(1e-24).sqrt()
    scales = columns(gaussians.scales).exp()
    world_x = torch.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)]) * scales
    world_y = torch.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)]) * scales
    world_z = torch.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)]) * scales
    view_x = world_x * r00 + world_y * r10 + world_z * r20
    view_y = world_x * r01 + world_y * r11 + world_z * r21
    view_z = world_x * r02 + world_y * r12 + world_z * r22

    # The Jacobian of the projection, applied to the axes; their outer products add up to the covariance.
    limit_x, limit_y = JACOBIAN_LIMIT * width / (2 * fx), JACOBIAN_LIMIT * height / (2 * fy)
    axes_u = (view_x - tan_x.clamp(-limit_x, limit_x) * view_z) * (fx / depth)
    axes_v = (view_y - tan_y.clamp(-limit_y, limit_y) * view_z) * (fy / depth)
    uu = axes_u.square().sum(0) + DILATION
    uv = (axes_u * axes_v).sum(0)
    vv = axes_v.square().sum(0) + DILATION
    det = uu * vv - uv * uv

    opacities = torch.sigmoid(columns(gaussians.opacities[:, None])[0])
    colors = columns(gaussians.rgb)
    u, v = fx * tan_x + (cx - 0.5), fy * tan_y + (cy - 0.5)
    splats = torch.stack([u, v, vv / det, -uv / det, uu / det, opacities, *colors], 1)

    with torch.no_grad():
        mid = 0.5 * (uu + vv)
        radii = (3 * (mid + (mid * mid - det).clamp_min(0.1).sqrt()).sqrt()).ceil()
        sigmas = (2 * torch.log(opacities * 255)).clamp_min(0).sqrt()  # where alpha falls to 1/255
        reach = torch.stack([sigmas * uu.sqrt(), sigmas * vv.sqrt()], 1) + 0.01
    return splats, radii, reach


class _Blend(torch.autograd.Function):
    """splats (M, 9) -> image (H, W, 4): colour and transmittance."""

    @staticmethod
    def forward(ctx, splats, radii, reach, width, height):
        splats = splats.detach().numpy()
        with _one_at_a_time:
            boxes, offsets, ids = kernels.bin_tiles(splats, radii.numpy(), reach.numpy(), width, height)
            image, last = kernels.blend(splats, boxes, offsets, ids, width, height)
        ctx.saved = splats, boxes, offsets, ids, width, height, image, last
        return torch.from_numpy(image)

    @staticmethod
    def backward(ctx, grad_image):
        splats, _, _, ids, *_ = ctx.saved
        with _one_at_a_time:
            grads = kernels.blend_backward(*ctx.saved, grad_image.contiguous().numpy())
            grads = kernels.sum_over_tiles(grads, ids, len(splats))
        return torch.from_numpy(grads), None, None, None, None
