"""Which device the work is done on, and how long it takes there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import nn

Net = TypeVar("Net", bound=nn.Module)


def resolve_device(device: str | torch.device | None) -> torch.device:
    """None or "auto": the first CUDA GPU, else the CPU. Raises ValueError for a device that is not there, or that nothing was tested on."""
    if device in (None, "auto"):
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"{device!r} is not a device: use auto, cpu or cuda") from error
    if device.type == "mps":
        raise ValueError("Apple's GPU (mps) is not used, since nothing here was tested on one: use --device cpu, or auto")
    if device.type not in ("cpu", "cuda"):
        raise ValueError(f"devices of the kind {device.type} are not used: use auto, cpu or cuda")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError("no CUDA GPU is available: use --device cpu")
    if device.type == "cuda" and (device.index or 0) >= (there := torch.cuda.device_count()):
        raise ValueError(f"there is no {device}: CUDA GPUs here are cuda:0 to cuda:{there - 1}")
    return device


def placed(net: Net, device: str | torch.device | None = None, memory_format: torch.memory_format = torch.channels_last) -> Net:
    """The network itself, moved to a device (None: where it is), its weights laid out as convolutions there like them best."""
    return net.to(device, memory_format=memory_format)  # type: ignore[call-overload]  # torch's hints know no memory_format


class Laps:
    """Seconds by stage, the device's queue run dry before each is read."""

    def __init__(self, device: torch.device):
        self.device = device
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.seconds[stage] = time.perf_counter() - start
