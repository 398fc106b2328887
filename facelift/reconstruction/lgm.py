"""LGM (arXiv 2402.05054) behind GS-LRM's interface: four posed pictures -> asymmetric U-Net -> four grids of Gaussians.

Module names give the keys of its released checkpoint. LGM's own world has y up, the subject facing +z, cameras at radius 1.5 with 49.1
degrees of view, at azimuths 0, 90, 180, 270 (90 is the subject's left). Ours becomes that by x, y, z -> x, z, -y, by the ratio of the
radii, and by a zoom of each picture by the ratio of the views (0.98); the Gaussians come back the same way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..cameras import RADIUS, Cameras, orbit, rays
from ..gaussians import SH_C0
from ..weights.cache import WeightsError, first_line
from ..weights.tensors import without_weights
from .pixel_gaussians import GAUSSIAN_CHANNELS, PixelGaussians, flatten_gaussians
from .protocol import Reconstruction

REPO, FILE = "ashawkey/LGM", "model_fp16_fixrot.safetensors"  # the first release normalised rotations over the wrong axis
AZIMUTHS = (0.0, 90.0, 180.0, -90.0)  # of the views it takes, in its order
LGM_RADIUS, LGM_VIEW = 1.5, 49.1  # degrees
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
INTO_LGM = ((1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.0, -1.0, 0.0))  # our world -> LGM's
BACK = (math.sqrt(0.5), math.sqrt(0.5), 0.0, 0.0)  # LGM's world -> ours as a quaternion: 90 degrees about x
SKIP = math.sqrt(0.5)  # what a sum of two branches is multiplied by


@dataclass(frozen=True)
class LGMConfig:
    """Defaults are those of the released model: 256 px in, four grids of 128 x 128 Gaussians out."""

    image_size: int = 256
    down_channels: tuple[int, ...] = (64, 128, 256, 512, 1024, 1024)
    down_attention: tuple[bool, ...] = (False, False, False, True, True, True)
    up_channels: tuple[int, ...] = (1024, 1024, 512, 256, 128)
    up_attention: tuple[bool, ...] = (True, True, True, False, False)
    layers: int = 2
    heads: int = 16
    patch_size: int = 1  # the order of `flatten_gaussians`: rows


class Residual(nn.Module):
    def __init__(self, inside: int, outside: int):
        super().__init__()
        self.norm1 = nn.GroupNorm(32, inside)
        self.conv1 = nn.Conv2d(inside, outside, 3, padding=1)
        self.norm2 = nn.GroupNorm(32, outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, padding=1)
        self.shortcut = nn.Conv2d(inside, outside, 1) if inside != outside else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h)))
        return (h + self.shortcut(x)) * SKIP


class Attention(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        b, n, c = x.shape
        q, k, v = self.qkv(x).view(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)  # each (B, heads, N, C / heads)
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, c))


class ViewAttention(nn.Module):
    """Self-attention over the pixels of all views of a sample."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.norm = nn.GroupNorm(32, width)
        self.attn = Attention(width, heads)

    def forward(self, x: Tensor) -> Tensor:
        bv, c, h, w = x.shape
        v = len(AZIMUTHS)
        tokens = self.norm(x).view(bv // v, v, c, h * w).transpose(2, 3).reshape(bv // v, v * h * w, c)
        tokens = self.attn(tokens).view(bv, h * w, c).transpose(1, 2).reshape(bv, c, h, w)
        return (tokens + x) * SKIP


def attentions(count: int, width: int, heads: int, present: bool) -> nn.ModuleList:
    return nn.ModuleList(ViewAttention(width, heads) if present else nn.Identity() for _ in range(count))


class Down(nn.Module):
    def __init__(self, inside: int, outside: int, layers: int, attention: bool, heads: int, halve: bool):
        super().__init__()
        self.nets = nn.ModuleList(Residual(inside if i == 0 else outside, outside) for i in range(layers))
        self.attns = attentions(layers, outside, heads, attention)
        self.downsample = nn.Conv2d(outside, outside, 3, stride=2, padding=1) if halve else None

    def forward(self, x: Tensor, kept: list[Tensor]) -> Tensor:
        for net, attend in zip(self.nets, self.attns, strict=True):
            x = attend(net(x))
            kept.append(x)
        if self.downsample is not None:
            x = self.downsample(x)
            kept.append(x)
        return x


class Middle(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.nets = nn.ModuleList(Residual(width, width) for _ in range(2))
        self.attns = attentions(1, width, heads, True)

    def forward(self, x: Tensor) -> Tensor:
        return self.nets[1](self.attns[0](self.nets[0](x)))


class Up(nn.Module):
    """skip: channels of the last of the kept activations that it takes; the others have its own width."""

    def __init__(self, inside: int, skip: int, outside: int, layers: int, attention: bool, heads: int, double: bool):
        super().__init__()
        widths = [(inside if i == 0 else outside) + (skip if i == layers - 1 else outside) for i in range(layers)]
        self.nets = nn.ModuleList(Residual(width, outside) for width in widths)
        self.attns = attentions(layers, outside, heads, attention)
        self.upsample = nn.Conv2d(outside, outside, 3, padding=1) if double else None

    def forward(self, x: Tensor, kept: list[Tensor]) -> Tensor:
        for net, attend in zip(self.nets, self.attns, strict=True):
            x = attend(net(torch.cat([x, kept.pop()], 1)))
        return x if self.upsample is None else self.upsample(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class UNet(nn.Module):
    """More levels down than up: what comes out is as many levels coarser."""

    def __init__(self, config: LGMConfig):
        super().__init__()
        down, up = config.down_channels, config.up_channels
        self.conv_in = nn.Conv2d(9, down[0], 3, padding=1)  # RGB, moment and direction of the ray
        self.down_blocks = nn.ModuleList(
            Down(down[max(i - 1, 0)], c, config.layers, config.down_attention[i], config.heads, i < len(down) - 1)
            for i, c in enumerate(down)
        )
        self.mid_block = Middle(down[-1], config.heads)
        self.up_blocks = nn.ModuleList(
            Up(
                up[max(i - 1, 0)], down[max(len(down) - 2 - i, 0)], c, config.layers + 1, config.up_attention[i], config.heads,
                i < len(up) - 1,
            )
            for i, c in enumerate(up)
        )  # fmt: skip
        self.norm_out = nn.GroupNorm(32, up[-1])
        self.conv_out = nn.Conv2d(up[-1], GAUSSIAN_CHANNELS, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        kept = [x]
        for block in self.down_blocks:
            x = block(x, kept)
        x = self.mid_block(x)
        for block in self.up_blocks:
            x = block(x, kept)
        return self.conv_out(F.silu(self.norm_out(x)))


class LGM(nn.Module):
    def __init__(self, config: LGMConfig):
        super().__init__()
        self.config = config
        self.unet = UNet(config)
        self.conv = nn.Conv2d(GAUSSIAN_CHANNELS, GAUSSIAN_CHANNELS, 1)

    def predict(self, images: Tensor) -> Tensor:
        """images: Shape (B, 4, 3, S, S), 0..1, as LGM's four cameras see the head. Returns raw values (B, 4, 14, s, s)."""
        b, v, _, h, w = images.shape
        mean, std = (images.new_tensor(t).view(3, 1, 1) for t in (MEAN, STD))
        origins, directions = rays(lgm_cameras(h).to(images.device))
        moments = torch.linalg.cross(origins, directions, dim=1)
        x = torch.cat([(images - mean) / std, torch.cat([moments, directions], 1).expand(b, -1, -1, -1, -1).to(images.dtype)], 2)
        raw = self.conv(self.unet(x.flatten(0, 1)))
        return raw.view(b, v, *raw.shape[1:])

    @torch.inference_mode()
    def reconstruct(self, images: Tensor, cameras: Cameras) -> Reconstruction:
        """images: Shape (V, 3 or 4, H, W), 0..1, on white, of `cameras`, among them the four it takes. See `protocol.Reconstructor`.

        No free Gaussians, and four grids of them in our world. They are not bound to the rays of their pixels.
        Raises ValueError where a view is missing.
        """
        chosen = the_four(cameras)
        raw = self.predict(seen_by_lgm(images[None, chosen, :3], cameras, self.config.image_size))
        pixel = decode(raw.float(), cameras[chosen])
        return Reconstruction(flatten_gaussians(pixel, self.config.patch_size)[:0], pixel, self.config.patch_size)


def lgm_cameras(size: int) -> Cameras:
    """LGM's own cameras in LGM's own world."""
    ours = orbit(AZIMUTHS, 0.0, size, LGM_RADIUS)
    turn = torch.eye(4)
    turn[:3, :3] = torch.tensor(INTO_LGM)
    focal = size / 2 / math.tan(math.radians(LGM_VIEW / 2))
    return Cameras(torch.tensor([focal, focal, size / 2, size / 2]).repeat(len(AZIMUTHS), 1), turn @ ours.c2w, size, size)


def the_four(cameras: Cameras) -> list[int]:
    """Which of our cameras stand where LGM's do. Raises ValueError for one that is missing."""
    gaps = torch.cdist(orbit(AZIMUTHS).c2w[:, :3, 3], cameras.c2w[:, :3, 3].cpu().float())
    if (gaps.min(1).values > 0.01).any():
        raise ValueError("LGM takes views at azimuths 0, 90, 180 and 270 degrees and elevation 0, and this weight set makes others")
    return gaps.argmin(1).tolist()


def seen_by_lgm(images: Tensor, cameras: Cameras, size: int) -> Tensor:
    """Our pictures (B, V, 3, H, W), zoomed to LGM's angle of view, at `size` pixels."""
    b, v = images.shape[:2]
    zoom = math.tan(math.radians(LGM_VIEW / 2)) / (cameras.width / 2 / float(cameras.intrinsics[0, 0]))
    theta = images.new_tensor([[zoom, 0, 0], [0, zoom, 0]], dtype=torch.float32).expand(b * v, -1, -1)
    grid = F.affine_grid(theta, [b * v, 3, *images.shape[-2:]], align_corners=False)
    zoomed = F.grid_sample(images.flatten(0, 1).float(), grid, mode="bilinear", padding_mode="border", align_corners=False)
    return F.interpolate(zoomed, size=(size, size), mode="bilinear", antialias=True, align_corners=False).view(b, v, 3, size, size)


def decode(raw: Tensor, cameras: Cameras) -> PixelGaussians:
    """LGM's activations, and its world turned into ours. raw: Shape (B, 4, 14, s, s), fp32. cameras: our four."""
    xyz, opacity, scales, quats, color = raw.permute(0, 1, 3, 4, 2).split([3, 1, 3, 4, 3], -1)
    grow = RADIUS / LGM_RADIUS
    means = xyz.clamp(-1, 1) @ raw.new_tensor(INTO_LGM) * grow  # the inverse of a rotation is its transpose
    log_scales = (0.1 * grow * F.softplus(scales)).clamp_min(1e-9).log()
    _, directions = rays(cameras.at_size(raw.shape[-1]))
    ray_depth = (means * directions.permute(0, 2, 3, 1)).sum(-1)
    return PixelGaussians(means, turned(F.normalize(quats, dim=-1)), log_scales, opacity[..., 0], 0.5 * color.tanh() / SH_C0, ray_depth)


def turned(quats: Tensor) -> Tensor:
    """Rotations (..., 4), wxyz, of LGM's world in ours."""
    a, b, (w, x, y, z) = BACK[0], BACK[1], quats.unbind(-1)
    return torch.stack([a * w - b * x, a * x + b * w, a * y - b * z, a * z + b * y], -1)


def load_lgm(device: torch.device) -> LGM:
    """The released model, from the Hub or its cache. Raises WeightsError."""
    from huggingface_hub import constants, hf_hub_download
    from safetensors.torch import load_file

    try:
        state = load_file(hf_hub_download(REPO, FILE))
    except Exception as error:  # network, disk, cache: its downloads fail in many ways
        where = f"{FILE} of the Hub repo {REPO} (830 MB, MIT)"
        raise WeightsError(
            f"LGM's weights are not here: {where} is neither in {constants.HF_HUB_CACHE} nor could it be fetched."
        ) from error
    with without_weights():
        model = LGM(LGMConfig())
    try:
        model.load_state_dict({k: v.float() for k, v in state.items() if k.startswith(("unet.", "conv."))}, assign=True)
    except RuntimeError as error:
        raise WeightsError(
            f"{FILE} of the Hub repo {REPO} does not hold the model that its paper describes: {first_line(error)}"
        ) from error
    return model.eval().requires_grad_(False).to(device)
