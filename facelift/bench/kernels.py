"""Which kernels a work spends its time in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.profiler import ProfilerActivity, profile

MOST = 40


@dataclass(frozen=True)
class Kernel:
    """seconds: of all its calls in one run."""

    name: str
    calls: int
    seconds: float

    def __str__(self) -> str:
        return f"{1000 * self.seconds:8.3f} ms, {self.calls:4d} calls of {self.name[:90]}"


def kernels_of(work: Callable[[], object], device: torch.device) -> list[Kernel]:
    """Those of one run, the longest first, after a run to warm up; operators in place of kernels on a CPU."""
    work()
    cuda = device.type == "cuda"
    with profile(activities=[ProfilerActivity.CUDA if cuda else ProfilerActivity.CPU]) as profiler:
        work()
        if cuda:
            torch.cuda.synchronize(device)
    events = profiler.key_averages()
    found = [Kernel(e.key, e.count, (e.self_device_time_total if cuda else e.self_cpu_time_total) / 1e6) for e in events]
    return sorted((kernel for kernel in found if kernel.seconds > 0), key=lambda kernel: -kernel.seconds)[:MOST]
