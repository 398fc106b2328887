"""GS-LRM (arXiv 2404.19702): patches of posed pictures and their Plücker rays -> transformer -> one Gaussian per pixel.

Module names give the released checkpoint's keys.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..cameras import Cameras, plucker_channels, rays
from ..devices import no_autocast
from .pixel_gaussians import GAUSSIAN_CHANNELS, decode_pixel_gaussians, free_gaussians
from .protocol import Reconstruction


@dataclass(frozen=True)
class GSLRMConfig:
    image_size: int = 512
    patch_size: int = 8
    width: int = 1024
    head_width: int = 64
    layers: int = 24
    free_gaussians: int = 2
    in_channels: int = 9


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
        self.config = config
        c, p = config.width, config.patch_size
        self.gaussian_position_embeddings = nn.Parameter(torch.randn(config.free_gaussians, c) * 0.02)
        self.patch_embedder = nn.Sequential(nn.Identity(), nn.Linear(config.in_channels * p * p, c, bias=False))
        self.input_layer_norm = nn.LayerNorm(c, bias=False)
        self.transformer_layers = nn.ModuleList(Block(c, config.head_width) for _ in range(config.layers))
        self.gaussian_upsampler = Upsampler(c)
        self.pixel_gaussian_decoder = nn.Sequential(nn.LayerNorm(c, bias=False), nn.Linear(c, GAUSSIAN_CHANNELS * p * p, bias=False))

    def posed_images(self, images: Tensor, cameras: Cameras) -> Tensor:
        """Colours in -1..1, ray direction, nearest point: Shape (B, V, 9, H, W). images: Shape (B, V, 3, H, W), 0..1."""
        plucker = plucker_channels(*rays(cameras)).expand(len(images), -1, -1, -1, -1)
        return torch.cat([images * 2 - 1, plucker.to(images.dtype)], 2)

    def patchify(self, x: Tensor) -> Tensor:
        """(B, V, C, H, W) -> (B, V*h*w, p*p*C): tokens by view, row, column; values by row, column, channel."""
        b, v, c, h, w = x.shape
        p = self.config.patch_size
        return x.view(b, v, c, h // p, p, w // p, p).permute(0, 1, 3, 5, 4, 6, 2).reshape(b, v * (h // p) * (w // p), p * p * c)

    def unpatchify(self, tokens: Tensor, shape: torch.Size) -> Tensor:
        """(B, V*h*w, p*p*14) -> (B, V, H, W, 14). shape: of the images."""
        b, v, _, h, w = shape
        p = self.config.patch_size
        return tokens.view(b, v, h // p, w // p, p, p, -1).transpose(3, 4).reshape(b, v, h, w, -1)

    def tokens(self, patches: Tensor) -> Tensor:
        """Free tokens first, after the input norm. patches: Shape (B, N, p*p*C). Returns Shape (B, free + N, width)."""
        x = self.patch_embedder(patches)
        free = self.gaussian_position_embeddings.expand(len(x), -1, -1).to(x.dtype)
        return self.input_layer_norm(torch.cat([free, x], 1))

    def transform(self, patches: Tensor) -> tuple[Tensor, Tensor]:
        """patches: Shape (B, N, p*p*C). Returns raw values, free (B, free, 14) and of the patches (B, N, p*p*14)."""
        x = self.tokens(patches)
        for layer in self.transformer_layers:
            x = layer(x)
        free, image_tokens = x[:, : self.config.free_gaussians], x[:, self.config.free_gaussians :]
        # the heads run in fp32 whatever the autocast type
        with no_autocast(x.device):
            head_type = self.gaussian_upsampler.linear.weight.dtype
            free_raw = self.gaussian_upsampler(free.to(head_type)).float()
            pixel_raw = self.pixel_gaussian_decoder(image_tokens.to(head_type)).float()
        return free_raw, pixel_raw

    def predict(self, images: Tensor, cameras: Cameras) -> tuple[Tensor, Tensor]:
        """images: Shape (B, V, 3, H, W), 0..1. Returns free (B, free, 14) and pixel (B, V, H, W, 14) raw values."""
        free_raw, raw = self.transform(self.patchify(self.posed_images(images, cameras)))
        return free_raw, self.unpatchify(raw, images.shape)

    def decode(self, free_raw: Tensor, raw: Tensor, images: Tensor, cameras: Cameras) -> Reconstruction:
        """One sample.

        free_raw: Shape (free, 14).
        raw: Shape (V, H, W, 14).
        images: Shape (V, 3, H, W).
        """
        pixel = decode_pixel_gaussians(raw[None], images[None], *rays(cameras))
        return Reconstruction(free_gaussians(free_raw), pixel, self.config.patch_size)

    @torch.inference_mode()
    def reconstruct(self, images: Tensor, cameras: Cameras) -> Reconstruction:
        """images: Shape (V, 3, H, W), 0..1. See `protocol.Reconstructor`."""
        free_raw, raw = self.predict(images[None, :, :3], cameras)
        return self.decode(free_raw[0], raw[0], images, cameras)


def config_from_state(state: dict[str, Tensor], image_size: int, head_width: int = 64) -> GSLRMConfig:
    """The sizes of a checkpoint from its shapes.

    state: its tensors by the release's names.
    image_size: pixels a side of the views.
    head_width: of an attention head, which the shapes do not tell.
    """
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
    )
