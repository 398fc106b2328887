"""GS-LRM (arXiv 2404.19702): patches of posed pictures and their Plücker rays -> transformer -> one Gaussian per pixel.

Module names give the released checkpoint's keys. The switches of `GSLRMConfig` after `free_gaussians` serve the compact weights;
their defaults compute what the release computes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..cameras import Cameras, on_rays, plucker_channels, rays
from ..gaussians import SH_C0, Gaussians
from .visual_hull import hulls

GAUSSIAN_CHANNELS = 14  # xyz 3, sh0 3, scale 3, rotation 4, opacity 1
DEPTH_RANGE = 1.8  # pixel Gaussians lie within this distance of the ray's point nearest to the origin
GATED_LOGIT = -10.0  # opacity logit of a background pixel


@dataclass(frozen=True)
class GSLRMConfig:
    image_size: int = 512
    patch_size: int = 8
    width: int = 1024
    head_width: int = 64
    layers: int = 24
    free_gaussians: int = 2
    in_channels: int = 9
    color_skip: bool = False  # colour of a Gaussian = colour of its pixel + what the network adds
    alpha_gate: bool = False  # pixels with alpha < 0.5 make no Gaussian; the views must be RGBA
    hull: bool = False  # depths are offsets from the visual hull of the views, which the model also sees
    drop_empty: bool = False  # patches that the gate would empty make no token
    output_bias: bool = False  # lets training begin at a plausible head


class PixelGaussians(NamedTuple):
    """Raw Gaussians in picture layout. means (B, V, H, W, 3), quats (.., 4), scales (.., 3), opacities (..), sh0 (.., 3);
    offset (B, V, H, W): distance along the ray from its point nearest to the origin."""

    means: Tensor
    quats: Tensor
    scales: Tensor
    opacities: Tensor
    sh0: Tensor
    offset: Tensor


def activate_raw(raw: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Splits (..., 14) into xyz, sh0, scales (log), quats, opacities (logit), with the release's offsets (kit 3.4, step 6)."""
    xyz, sh0, scales, quats, opacities = raw.split([3, 3, 3, 4, 1], -1)
    return xyz, sh0, (scales - 2.3).clamp_max(-1.20), quats, opacities[..., 0] - 2.0


def free_gaussians(raw: Tensor) -> Gaussians:
    """Those that belong to no pixel, of one sample. raw: Shape (free, 14)."""
    xyz, sh0, scales, quats, opacities = activate_raw(raw)
    return Gaussians(xyz, quats, scales, opacities, sh0)


def decode_pixel_gaussians(
    raw: Tensor,
    images: Tensor,
    origins: Tensor,
    directions: Tensor,
    color_skip: bool,
    alpha_gate: bool,
    base_offset: Tensor | None = None,
) -> PixelGaussians:
    """Places raw outputs along their rays, always in fp32 (half precision would quantise depth to 0.002).

    raw: Shape (B, V, H, W, 14). images: Shape (B, V, 3 or 4, H, W). origins, directions: Shape (V, 3, H, W).
    base_offset: Shape (B, V, H, W), the offsets that a raw 0 means; 0 by default.
    """
    xyz, sh0, scales, quats, opacities = activate_raw(raw.float())
    logit = xyz.mean(-1)
    if base_offset is not None:
        logit = logit + torch.logit((base_offset.float() / DEPTH_RANGE + 1) / 2, eps=1e-3)
    offset = (2 * torch.sigmoid(logit) - 1) * DEPTH_RANGE
    means = on_rays(offset, origins, directions)
    pixels = images.float().permute(0, 1, 3, 4, 2)
    if color_skip:
        sh0 = sh0 + (remove_white(pixels) - 0.5) / SH_C0
    if alpha_gate:
        opacities = torch.where(pixels[..., 3] < 0.5, torch.full_like(opacities, GATED_LOGIT), opacities)
    return PixelGaussians(means, quats, scales, opacities, sh0, offset)


def remove_white(pixels: Tensor) -> Tensor:
    """Colour on white (..., 3), or with alpha (..., 4), -> the subject's own colour (..., 3)."""
    if pixels.shape[-1] == 3:
        return pixels
    alpha = pixels[..., 3:]
    return ((pixels[..., :3] - (1 - alpha)) / alpha.clamp_min(0.3)).clamp(0, 1)


def flatten_gaussians(pixel: PixelGaussians, patch_size: int, batch: int = 0) -> Gaussians:
    """One sample as a list of Gaussians in the release's order: view, patch row, patch column, row, column."""

    def flat(t: Tensor) -> Tensor:
        t = t[batch]
        v, h, w, *rest = t.shape
        p = patch_size
        return t.view(v, h // p, p, w // p, p, *rest).transpose(2, 3).reshape(-1, *rest)

    return Gaussians(flat(pixel.means), flat(pixel.quats), flat(pixel.scales), flat(pixel.opacities), flat(pixel.sh0))


class Attention(nn.Module):
    def __init__(self, width: int, head_width: int):
        super().__init__()
        self.heads = width // head_width
        self.to_qkv = nn.Linear(width, 3 * width, bias=False)
        self.fc = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        b, n, c = x.shape
        q, k, v = self.to_qkv(x).view(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)  # each (B, heads, N, 64)
        return self.fc(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, c))


class MLP(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width, bias=False), nn.GELU(), nn.Linear(4 * width, width, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        return self.mlp(x)


class Block(nn.Module):
    def __init__(self, width: int, head_width: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, bias=False)
        self.attn = Attention(width, head_width)
        self.norm2 = nn.LayerNorm(width, bias=False)
        self.mlp = MLP(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Upsampler(nn.Module):
    """Reads the free Gaussians from their tokens."""

    def __init__(self, width: int):
        super().__init__()
        self.layernorm = nn.LayerNorm(width, bias=False)
        self.linear = nn.Linear(width, GAUSSIAN_CHANNELS, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.layernorm(x))


class GSLRM(nn.Module):
    def __init__(self, config: GSLRMConfig):
        super().__init__()
        if config.drop_empty and not config.alpha_gate:
            raise ValueError("drop_empty needs alpha_gate: Gaussians of patches without a token would be seen")
        self.config = config
        c, p = config.width, config.patch_size
        self.gaussian_position_embeddings = nn.Parameter(torch.randn(config.free_gaussians, c) * 0.02)
        self.patch_embedder = nn.Sequential(nn.Identity(), nn.Linear(config.in_channels * p * p, c, bias=False))
        self.input_layer_norm = nn.LayerNorm(c, bias=False)
        self.transformer_layers = nn.ModuleList(Block(c, config.head_width) for _ in range(config.layers))
        self.gaussian_upsampler = Upsampler(c)
        self.pixel_gaussian_decoder = nn.Sequential(
            nn.LayerNorm(c, bias=False), nn.Linear(c, GAUSSIAN_CHANNELS * p * p, config.output_bias)
        )

    def posed_images(self, images: Tensor, cameras: Cameras, base: Tensor | None = None) -> Tensor:
        """Colours in -1..1, ray direction, nearest point, hull if any: Shape (B, V, in_channels, H, W)."""
        plucker = plucker_channels(*rays(cameras)).expand(len(images), -1, -1, -1, -1)
        hull = [] if base is None else [base[:, :, None].to(images.dtype)]
        return torch.cat([images * 2 - 1, plucker.to(images.dtype), *hull], 2)

    def patchify(self, x: Tensor) -> Tensor:
        """(B, V, C, H, W) -> (B, V*h*w, p*p*C): tokens by view, row, column; values by row, column, channel."""
        b, v, c, h, w = x.shape
        p = self.config.patch_size
        return x.view(b, v, c, h // p, p, w // p, p).permute(0, 1, 3, 5, 4, 6, 2).reshape(b, v * (h // p) * (w // p), p * p * c)

    def unpatchify(self, tokens: Tensor, shape: torch.Size) -> Tensor:
        """(B, V*h*w, p*p*14) -> (B, V, H, W, 14)."""
        b, v, _, h, w = shape
        p = self.config.patch_size
        return tokens.view(b, v, h // p, w // p, p, p, -1).transpose(3, 4).reshape(b, v, h, w, -1)

    def tokens(self, posed: Tensor, kept: Tensor | None = None) -> Tensor:
        """Free tokens first, after the input norm. Shape (B, free + V*h*w, width). kept: Shape (V*h*w), patches that make one."""
        patches = self.patchify(posed)
        x = self.patch_embedder(patches if kept is None else patches[:, kept])
        free = self.gaussian_position_embeddings.expand(len(x), -1, -1).to(x.dtype)
        return self.input_layer_norm(torch.cat([free, x], 1))

    def transform(self, posed: Tensor, kept: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """As `tokens`. Returns raw values, free (B, free, 14) and of the N patches that made a token (B, N, p*p*14)."""
        x = self.tokens(posed, kept)
        for layer in self.transformer_layers:
            x = layer(x)
        free, image_tokens = x[:, : self.config.free_gaussians], x[:, self.config.free_gaussians :]
        # the heads run in fp32 whatever the autocast type
        with torch.autocast(x.device.type, enabled=False):
            head_type = self.gaussian_upsampler.linear.weight.dtype
            free_raw = self.gaussian_upsampler(free.to(head_type)).float()
            pixel_raw = self.pixel_gaussian_decoder(image_tokens.to(head_type)).float()
        return free_raw, pixel_raw

    def predict(self, images: Tensor, cameras: Cameras, base: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """images: Shape (B, V, 3 or 4, H, W), 0..1. base: Shape (B, V, H, W), the visual hull's offsets.

        Returns free (B, free, 14) and pixel (B, V, H, W, 14) raw values.
        """
        posed = self.posed_images(images, cameras, base)
        if not self.config.drop_empty:
            free_raw, raw = self.transform(posed)
            return free_raw, self.unpatchify(raw, images.shape)
        kept = self.patchify(images[:, :, 3:]).amax(-1) >= 0.5
        parts = [self.transform(p[None], k) for p, k in zip(posed, kept, strict=True)]  # samples keep different numbers of patches
        free_raw, raw = torch.cat([free for free, _ in parts]), torch.cat([raw[0] for _, raw in parts])
        everywhere = raw.new_zeros(*kept.shape, raw.shape[-1]).masked_scatter(kept[..., None], raw)
        return free_raw, self.unpatchify(everywhere, images.shape)

    def outputs(self, images: Tensor, cameras: Cameras, base: Tensor | None = None) -> tuple[Tensor, PixelGaussians]:
        """As `predict`, with the pixels' values decoded. The hull is found here where it is not given."""
        if self.config.hull and base is None:
            base = hulls(images, cameras)
        free_raw, raw = self.predict(images, cameras, base)
        return free_raw, decode_pixel_gaussians(raw, images, *rays(cameras), self.config.color_skip, self.config.alpha_gate, base)

    def forward(self, images: Tensor, cameras: Cameras, base: Tensor | None = None) -> PixelGaussians:
        return self.outputs(images, cameras, base)[1]

    @torch.inference_mode()
    def reconstruct(self, images: Tensor, cameras: Cameras) -> tuple[Gaussians, PixelGaussians]:
        """images: Shape (1, V, 3 or 4, H, W), 0..1. The free Gaussians and those of the pixels, unfiltered."""
        free_raw, pixel = self.outputs(images, cameras)
        return free_gaussians(free_raw[0]), pixel


def plausible_raw(hull: bool, focal: float) -> Tensor:
    """Raw values (14,) where training from scratch begins: opaque, one footprint wide, on the visual hull or half a unit in front of
    the origin. focal: pixels."""
    raw = torch.zeros(GAUSSIAN_CHANNELS)
    if not hull:
        raw[0:3] = -0.57  # sigmoid -> offset about -0.5
    raw[6:9] = torch.tensor(0.45 * 2.2 / focal).log() + 2.3
    raw[9] = 1.0  # quaternion w
    raw[13] = 4.0  # opacity about 0.88
    return raw


def init_weights(model: GSLRM) -> GSLRM:
    """Normal(0, 0.02), residual outputs scaled down by depth; for training from scratch."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.02)
    for layer in model.transformer_layers:
        for out in (layer.attn.fc, layer.mlp.mlp[2]):
            out.weight.data /= (2 * model.config.layers) ** 0.5
    return model


def config_from_state(state: dict[str, Tensor], image_size: int, head_width: int = 64) -> GSLRMConfig:
    """The sizes of a checkpoint from its shapes; only the head width cannot be read off, and switches that shape nothing."""
    width, columns = state["patch_embedder.1.weight"].shape
    pixels = len(state["pixel_gaussian_decoder.1.weight"]) // GAUSSIAN_CHANNELS  # of a patch
    return GSLRMConfig(
        image_size=image_size,
        patch_size=math.isqrt(pixels),
        in_channels=columns // pixels,
        width=width,
        head_width=head_width,
        layers=1 + max(int(key.split(".")[1]) for key in state if key.startswith("transformer_layers.")),
        free_gaussians=len(state["gaussian_position_embeddings"]),
        output_bias="pixel_gaussian_decoder.1.bias" in state,
    )
