"""Warped views: the portrait's own surface as the other cameras see it, which a small view generator takes beside its noise.

With the depth of the portrait (`depth.py`) the generator has only to paint what stays hidden.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..cameras import Cameras, ViewRig, on_rays, orbit, rays
from ..compiled import compiled

GUESSED = 0.45  # alpha of what a warped view only suggests; below the half that counts as seen
SPACING = 0.04  # world units between neighbouring pixels' points; a steeper surface is left to the generator


@compiled()
def _draw_surface(colors, points, valid, viewmat, intrinsics, spacing, out, depth):
    """Draws the pixel grid as a mesh, its outside only, with a depth test. colors: (H, W, 3), points: (H, W, 3), out: (4, h, w)."""
    height, width = valid.shape
    fx, fy, cx, cy = intrinsics
    u, v, z = np.zeros((height, width)), np.zeros((height, width)), np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            if valid[y, x]:
                p = points[y, x]
                z[y, x] = viewmat[2, 0] * p[0] + viewmat[2, 1] * p[1] + viewmat[2, 2] * p[2] + viewmat[2, 3]
                u[y, x] = fx * (viewmat[0, 0] * p[0] + viewmat[0, 1] * p[1] + viewmat[0, 2] * p[2] + viewmat[0, 3]) / z[y, x] + cx
                v[y, x] = fy * (viewmat[1, 0] * p[0] + viewmat[1, 1] * p[1] + viewmat[1, 2] * p[2] + viewmat[1, 3]) / z[y, x] + cy
    for y in range(height - 1):
        for x in range(width - 1):
            for half in range(2):
                ya, xa = y + half, x + half
                yb, xb = y + half, x + 1 - half  # the order keeps both halves turned the same way
                yc, xc = y + 1 - half, x + half
                if not (valid[ya, xa] and valid[yb, xb] and valid[yc, xc]):
                    continue
                ab = ac = 0.0
                for k in range(3):
                    ab += (points[yb, xb, k] - points[ya, xa, k]) ** 2
                    ac += (points[yc, xc, k] - points[ya, xa, k]) ** 2
                if max(ab, ac) > spacing**2:
                    continue
                ua, va, ub, vb, uc, vc = u[ya, xa], v[ya, xa], u[yb, xb], v[yb, xb], u[yc, xc], v[yc, xc]
                area = (ub - ua) * (vc - va) - (uc - ua) * (vb - va)
                if area <= 0.0:  # seen from behind
                    continue
                left, right = max(0, int(np.ceil(min(ua, ub, uc) - 0.5))), min(out.shape[2] - 1, int(np.floor(max(ua, ub, uc) - 0.5)))
                top, bottom = max(0, int(np.ceil(min(va, vb, vc) - 0.5))), min(out.shape[1] - 1, int(np.floor(max(va, vb, vc) - 0.5)))
                for py in range(top, bottom + 1):
                    for px in range(left, right + 1):
                        wb = ((px + 0.5 - ua) * (vc - va) - (uc - ua) * (py + 0.5 - va)) / area
                        wc = ((ub - ua) * (py + 0.5 - va) - (px + 0.5 - ua) * (vb - va)) / area
                        wa = 1.0 - wb - wc
                        if wa < 0.0 or wb < 0.0 or wc < 0.0:
                            continue
                        d = wa * z[ya, xa] + wb * z[yb, xb] + wc * z[yc, xc]
                        if d < depth[py, px]:
                            depth[py, px] = d
                            for k in range(3):
                                out[k, py, px] = wa * colors[ya, xa, k] + wb * colors[yb, xb, k] + wc * colors[yc, xc, k]
                            out[3, py, px] = 1.0


def push_pull(colors: Tensor, known: Tensor) -> Tensor:
    """Fills the unknown with what lies around it, coarser the farther away (push-pull).

    colors: Shape (V, 3, H, W).
    known: Shape (V, 1, H, W), 0 or 1.
    Returns Shape (V, 3, H, W), white where a picture knows nothing.
    """
    if min(colors.shape[-2:]) < 2:
        return torch.where(known > 0, colors, torch.ones_like(colors))
    share = F.avg_pool2d(known, 2)
    coarse = push_pull(F.avg_pool2d(colors * known, 2) / share.clamp_min(1e-6), (share > 0).float())
    return torch.where(known > 0, colors, F.interpolate(coarse, size=colors.shape[-2:], mode="bilinear", align_corners=False))


def eroded(mask: Tensor, width: int) -> Tensor:
    """What lies more than `width` pixels inside; the picture's border is no outline. mask, returns: Shape (V, 1, H, W), 0 or 1."""
    return -F.max_pool2d(-mask, 2 * width + 1, 1, width)


def median(colors: Tensor, size: int = 9) -> Tensor:
    """Median filter, `size` pixels a side. colors, returns: Shape (V, 3, H, W), 0..1."""
    pictures = (colors * 255).round().clamp(0, 255).byte().permute(0, 2, 3, 1).contiguous().numpy()
    return torch.stack([torch.from_numpy(cv2.medianBlur(p, size)) for p in pictures]).permute(0, 3, 1, 2).float() / 255


def inpaint(colors: Tensor, known: Tensor) -> Tensor:
    """Fills the unknown with the typical colours near it, and with none from an outline, where backlight and background show.

    Shapes as of `push_pull`.
    """
    inside = eroded(known, max(1, colors.shape[-1] // 85))
    inside = torch.where(inside.amax((1, 2, 3), keepdim=True) > 0, inside, known)
    return torch.where(known > 0, colors, push_pull(median(push_pull(colors, inside)), inside))


def boundary_band(mask: Tensor, width: int) -> Tensor:
    """The outermost pixels, those at the picture's border not counted. mask, returns: Shape (V, 1, H, W), 0 or 1."""
    return mask * (1 - eroded(mask, width))


def view_from_behind(portrait: Tensor) -> Tensor:
    """The mirrored outline, filled from a band well inside it. portrait, returns: Shape (4, H, W), alpha GUESSED or 0."""
    mirrored, size = portrait.flip(-1)[None], portrait.shape[-1]
    inside = eroded((mirrored[:, 3:] > 0.9).float(), max(1, size // 85))
    typical = median(push_pull(mirrored[:, :3], inside))
    filled = push_pull(typical, boundary_band(inside, size // 42))
    return torch.cat([filled, (mirrored[:, 3:] > 0.5) * GUESSED], 1)[0]


def warp_portrait(portrait: Tensor, ray_depth: Tensor, cameras: Cameras, spacing: float = SPACING) -> Tensor:
    """The portrait's surface as the other cameras see it; itself in front, from behind the colours of its boundary band.

    portrait: Shape (4, H, W), colour on white and alpha, 0..1.
    ray_depth: Shape (H, W), of the front surface.
    cameras: V of them, of the portrait's size, the front one first.
    spacing: world units between neighbouring pixels' points, at most; steeper surface is left out.
    Returns Shape (V, 4, H, W). Alpha 1 is seen, with colours inpainted from there; GUESSED is suggested; 0 unknown.
    """
    points = on_rays(ray_depth[None], *rays(cameras[0]))[0].double().numpy()
    valid = (portrait[3] > 0.9).numpy()  # pixels of one surface only, not mixed with the background
    colors = np.ascontiguousarray(portrait[:3].permute(1, 2, 0).numpy())
    viewmats, intrinsics = cameras.viewmats.double().numpy(), cameras.intrinsics.double().numpy()
    forward = cameras.c2w[:, :3, 2]
    warped = [portrait]
    for view in range(1, len(cameras)):
        if forward[view] @ forward[0] < -0.99:  # from behind the surface shows nothing but its inside
            warped.append(view_from_behind(portrait))
            continue
        drawn = np.concatenate([np.ones((3, *valid.shape), np.float32), np.zeros((1, *valid.shape), np.float32)])
        _draw_surface(colors, points, valid, viewmats[view], intrinsics[view], spacing, drawn, np.full(valid.shape, np.inf))
        seen = torch.from_numpy(drawn)[None]
        warped.append(torch.cat([inpaint(seen[:, :3], seen[:, 3:]), seen[:, 3:]], 1)[0])
    return torch.stack(warped)


def warped_views(portrait: Tensor, ray_depth: Tensor, rig: ViewRig) -> Tensor:
    """`warp_portrait` for the views of a rig, which need not begin with the portrait's own. Shape (V, 4, H, W)."""
    size = portrait.shape[-1]
    if rig.starts_with_photo:
        return warp_portrait(portrait, ray_depth, rig.cameras(size))
    return warp_portrait(portrait, ray_depth, orbit((0.0, *rig.azimuths), (0.0, *rig.elevations), size))[1:]


def keep_seen(output: Tensor, warped: Tensor) -> Tensor:
    """Clean latents from the UNet's, which says of each pixel how much of the warped colour stays; its alpha stays only where seen.

    output: Shape (N, C + C / 4, h, w), folded RGBA and one gate logit a pixel.
    warped: Shape (N, C, h, w), folded.
    """
    clean, gate = output.split([warped.shape[1], output.shape[1] - warped.shape[1]], 1)
    gate = gate.sigmoid()
    seen = warped[:, 3 * gate.shape[1] :] > 0  # the folded alpha, -1..1
    return torch.lerp(clean, warped, torch.cat([gate, gate, gate, gate * seen], 1))
