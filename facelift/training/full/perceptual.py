"""A perceptual distance by VGG-19 features, from a weight file that the user has; none is shipped or downloaded."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

LAYERS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))  # channels, convolutions of each level


class Perceptual(nn.Module):
    """Mean over five levels of the squared difference of unit feature vectors."""

    mean: Tensor
    std: Tensor

    def __init__(self, state: dict[str, Tensor]):
        """state: of torchvision's vgg19, keys `features.N.weight` and `.bias`. Raises ValueError for another one."""
        super().__init__()
        self.levels = nn.ModuleList()
        channels, number = 3, 0
        for width, count in LAYERS:
            level = nn.ModuleList()
            for _ in range(count):
                level.append(nn.Conv2d(channels, width, 3, padding=1))
                names = [f"features.{number}.{part}" for part in ("weight", "bias")]
                if any(n not in state for n in names) or state[names[0]].shape != level[-1].weight.shape:
                    raise ValueError(f"not the weights of torchvision's vgg19: {names[0]} is missing or of another shape")
                level[-1].load_state_dict({"weight": state[names[0]], "bias": state[names[1]]})
                channels, number = width, number + 2
            self.levels.append(level)
            number += 1  # pooling
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1))
        self.requires_grad_(False)

    def features(self, x: Tensor) -> list[Tensor]:
        x, found = (x - self.mean) / self.std, []
        for i, level in enumerate(self.levels):
            x = F.max_pool2d(x, 2) if i else x
            assert isinstance(level, nn.ModuleList)
            for convolution in level:
                x = convolution(x).relu()
            found.append(F.normalize(x, dim=1, eps=1e-4))
        return found

    def forward(self, pictures: Tensor, truth: Tensor) -> Tensor:
        """Both: Shape (V, 3, H, W), 0..1, at least 16 px. Returns a number."""
        pairs = zip(self.features(pictures.clamp(0, 1)), self.features(truth), strict=True)
        return torch.stack([(a - b).square().sum(1).mean() for a, b in pairs]).mean()


def open_perceptual(path: Path | None) -> Perceptual | None:
    """None without a file, and a sentence that says so. Raises SystemExit for a file that is not VGG-19."""
    if path is None:
        print("no perceptual term: give torchvision's vgg19 weights with --vgg to train as the paper does; MSE alone blurs", flush=True)
        return None
    try:
        state = load_file(path) if path.suffix == ".safetensors" else torch.load(path, map_location="cpu", weights_only=True)
        return Perceptual(state).eval()
    except Exception as error:  # a damaged file may fail anywhere in the unpickler
        raise SystemExit(f"{path} cannot be used for the perceptual term: {error}") from error
