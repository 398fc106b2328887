"""Which device the work is done on, and how long it takes there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor, nn

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
    # torch's own `to`: that of diffusers imports its hooks, and with them torch's compiler, to ask for what none of our networks is
    return nn.Module.to(net, device, memory_format=memory_format)  # type: ignore[call-overload]  # torch's hints know no memory_format


def no_autocast(device: torch.device) -> AbstractContextManager:
    """Within, numbers keep their type; a device that has no autocast, as meta, has nothing to turn off."""
    return torch.autocast(device.type, enabled=False) if torch.amp.is_autocast_available(device.type) else nullcontext()


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


class Offload:
    """Keeps of several networks only the one that works on a device; the weights of the others wait in CPU memory, where all are loaded.

    A network comes when it, or one of the modules it consists of, is called, with the tensors it is called with. The one before it
    goes: its copy on the device is dropped. A CPU as the device changes nothing.
    """

    def __init__(self, device: torch.device):
        self.device = device
        self.there: nn.Module | None = None
        self._waiting: list[tuple[Tensor, Tensor]] = []  # of the network that is there: each tensor, and its values on the CPU

    def watch(self, net: nn.Module) -> None:
        """From now on the network comes and goes. Its weights are on the CPU and stay as they are."""
        for module in (net, *net.children()):
            module.register_forward_pre_hook(partial(self._called, net))

    def _called(self, net: nn.Module, module: nn.Module, given: tuple) -> tuple:
        if self.there is not net:
            self.clear()
            with torch.inference_mode(False), torch.no_grad():
                for tensor in (*net.parameters(), *net.buffers()):
                    self._waiting.append((tensor, tensor.data))
                    tensor.data = self.put(tensor.data)
            self.there = net
        return tuple(value.to(self.device) if isinstance(value, Tensor) else value for value in given)

    def put(self, values: Tensor) -> Tensor:
        """On the device."""
        return values.to(self.device, non_blocking=True)

    def clear(self) -> None:
        """Sends away what is there."""
        for tensor, values in self._waiting:
            tensor.data = values
        self._waiting.clear()
        self.there = None
        if self.device.type == "cuda":
            torch.cuda.empty_cache()  # or the next one's weights would not fit the holes
