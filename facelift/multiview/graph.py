"""The UNet as one CUDA graph: the same kernels on the same numbers, without Python between them."""

from __future__ import annotations

import torch
from torch import Tensor

from ..stock import UNet2DConditionModel

WARM_UP = 2  # runs before a capture, in which libraries choose and load their kernels


class GraphedUNet:
    """Captures the UNet at its first call for inputs of new shapes or another text, then replays it.

    Keeps the memory of each capture. Call it under inference mode. What it returns is overwritten by the next call.
    """

    def __init__(self, unet: UNet2DConditionModel):
        self.unet = unet
        self._captured: dict[tuple, tuple[torch.cuda.CUDAGraph, Tensor, tuple[Tensor, ...], Tensor]] = {}

    def __call__(self, x: Tensor, t: Tensor, text: Tensor, labels: Tensor) -> Tensor:
        """x: Shape (samples, C, h, w).
        t: Shape (), on the GPU.
        text: Shape (samples, L, D); the tensor itself is part of the capture, which may hold what was made of it.
        labels: Shape (samples, ...).
        """
        changing = (x, t, labels)
        key = (id(text), *(tensor.shape for tensor in changing))  # the capture holds the text: no other gets its id
        if key not in self._captured:
            self._captured[key] = self._capture(text, tuple(tensor.clone() for tensor in changing))
        graph, _, places, output = self._captured[key]
        for place, tensor in zip(places, changing, strict=True):
            place.copy_(tensor)
        graph.replay()
        return output

    def _capture(self, text: Tensor, places: tuple[Tensor, ...]) -> tuple[torch.cuda.CUDAGraph, Tensor, tuple[Tensor, ...], Tensor]:
        x, t, labels = places
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UP):
                self.unet(x, t, text, class_labels=labels)
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            output = self.unet(x, t, text, class_labels=labels).sample
        return graph, text, places, output
