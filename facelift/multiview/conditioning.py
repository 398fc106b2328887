"""What the UNet is told besides the picture itself: class labels, one row a view."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from PIL import Image
from torch import Tensor

Draw = Callable[[tuple[int, ...]], Tensor]  # standard normal noise of a shape, fp32


class Conditioner(Protocol):
    def class_labels(self, portrait: Image.Image, draw: Draw) -> Tensor: ...

    def unconditional(self, labels: Tensor) -> Tensor: ...


class ViewIndexConditioner:
    """The view's number: what the compact weights use in place of CLIP."""

    def __init__(self, num_views: int):
        self.num_views = num_views

    def class_labels(self, portrait: Image.Image, draw: Draw) -> Tensor:
        return torch.arange(self.num_views)

    def unconditional(self, labels: Tensor) -> Tensor:
        return labels
