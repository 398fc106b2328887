"""Perceptual metrics whose networks come from their fields: LPIPS, DreamSim, CLIP, and FID's Inception features."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .alexnet import alexnet_weights
from .files import INCEPTION, Unavailable, locate, metrics_folder, packaged

CLIP_MODEL = "openai/clip-vit-base-patch32"
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
ALEXNET_LAYERS = ((0, 3, 64, 11, 4, 2), (3, 64, 192, 5, 1, 2), (6, 192, 384, 3, 1, 1), (8, 384, 256, 3, 1, 1), (10, 256, 256, 3, 1, 1))


class LPIPS(nn.Module):
    """Learned perceptual distance (Zhang et al. 2018), version 0.1 with AlexNet, without torchvision.

    backbone: AlexNet's own state dict ("features.0.weight", ...). heads: that of LPIPS ("lin0.model.1.weight", ...).
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, backbone: dict[str, Tensor], heads: dict[str, Tensor]):
        super().__init__()
        self.layers, self.heads = nn.ModuleList(), nn.ModuleList()
        for i, (index, inside, outside, kernel, stride, padding) in enumerate(ALEXNET_LAYERS):
            layer = nn.Conv2d(inside, outside, kernel, stride, padding)
            layer.load_state_dict({k: backbone[f"features.{index}.{k}"] for k in ("weight", "bias")})
            head = nn.Conv2d(outside, 1, 1, bias=False)
            head.load_state_dict({"weight": heads[f"lin{i}.model.1.weight"]})
            self.layers.append(layer)
            self.heads.append(head)
        self.register_buffer("shift", torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor([0.458, 0.448, 0.450]).view(1, 3, 1, 1))

    @classmethod
    def load(cls, device: torch.device, download: bool = False) -> LPIPS:
        heads = torch.load(packaged("torchmetrics", "functional/image/lpips_models/alex.pth"), map_location="cpu", weights_only=True)
        return cls(alexnet_weights(download), heads).eval().requires_grad_(False).to(device)

    def features(self, x: Tensor) -> list[Tensor]:
        found = []
        for i, layer in enumerate(self.layers):
            if i in (1, 2):
                x = F.max_pool2d(x, 3, 2)
            x = F.relu(layer(x))
            found.append(x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10))
        return found

    @torch.inference_mode()
    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """a, b: Shape (N, 3, H, W), 0..1. Returns Shape (N,); lower is more alike."""
        first, second = (self.features(((2 * t - 1) - self.shift) / self.scale) for t in (a, b))
        return sum(head((x - y).square()).mean((1, 2, 3)) for head, x, y in zip(self.heads, first, second, strict=True))


class DreamSim:
    """Perceptual distance of the DreamSim package (Fu et al. 2023), its default ensemble."""

    def __init__(self, device: torch.device, download: bool = False):
        folder = metrics_folder() / "dreamsim"
        if not folder.is_dir() and not download:
            raise Unavailable("needs the package dreamsim (which brings torchvision) and its weights: run once with --download")
        try:
            self.model, _ = import_module("dreamsim").dreamsim(pretrained=True, device=str(device), cache_dir=str(folder))
        except ImportError as error:
            raise Unavailable("needs the package dreamsim 0.2.1, which brings torchvision: pip install dreamsim==0.2.1") from error
        except Exception as error:  # its downloads fail in many ways
            raise Unavailable(f"dreamsim could not load its weights: {type(error).__name__}: {error}") from error

    @torch.inference_mode()
    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        a, b = (F.interpolate(t, size=(224, 224), mode="bicubic", antialias=True).clamp(0, 1) for t in (a, b))
        return self.model(a, b).flatten()


class Clip:
    """Unit embeddings of CLIP's picture tower, through transformers."""

    def __init__(self, device: torch.device, download: bool = False, name: str = CLIP_MODEL):
        from transformers import CLIPVisionModelWithProjection

        try:
            self.model = CLIPVisionModelWithProjection.from_pretrained(name, local_files_only=not download).eval().to(device)
        except (OSError, ValueError) as error:
            raise Unavailable(f"needs {name} in the Hugging Face cache: run once with --download") from error
        self.size = self.model.config.image_size

    @torch.inference_mode()
    def __call__(self, pictures: Tensor) -> Tensor:
        """Shape (N, 3, H, W), 0..1, square -> Shape (N, D) of length 1. Cosine similarity is the product of two."""
        x = F.interpolate(pictures, size=(self.size, self.size), mode="bicubic", antialias=True).clamp(0, 1)
        mean, std = (x.new_tensor(v).view(1, 3, 1, 1) for v in (CLIP_MEAN, CLIP_STD))
        return F.normalize(self.model((x - mean) / std).image_embeds, dim=-1)


class Inception:
    """FID's own features (2048 of them), from the TorchScript file that the field shares."""

    def __init__(self, device: torch.device, download: bool = False):
        path = locate(INCEPTION, download)
        try:
            self.model = torch.jit.load(str(path), map_location=device).eval()
        except RuntimeError as error:
            raise Unavailable(f"{path.name} is not a TorchScript file") from error

    @torch.inference_mode()
    def __call__(self, pictures: Tensor) -> Tensor:
        """Shape (N, 3, H, W), 0..1 -> Shape (N, 2048)."""
        return self.model((pictures * 255).round().clamp(0, 255).byte(), return_features=True).float()


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """FID between two sets of features, Shape (N, D) and (M, D): distance of the two Gaussians fitted to them (Heusel et al. 2017).

    With centred features X and Y the trace of (X'X Y'Y)^(1/2) is the sum of the singular values of X Y', so no matrix root is taken and
    sets smaller than D stay exact. Raises ValueError for fewer than two pictures.
    """
    if min(len(a), len(b)) < 2:
        raise ValueError(f"FID needs at least two pictures on each side, got {len(a)} and {len(b)}")
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    mean_a, mean_b = a.mean(0), b.mean(0)
    centred_a, centred_b = (a - mean_a) / np.sqrt(len(a) - 1), (b - mean_b) / np.sqrt(len(b) - 1)
    root = np.linalg.svd(centred_a @ centred_b.T, compute_uv=False).sum()
    return float(np.square(mean_a - mean_b).sum() + np.square(centred_a).sum() + np.square(centred_b).sum() - 2 * root)
