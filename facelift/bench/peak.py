"""What this machine can do at most: one large matrix product, one convolution, one attention and one copy."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from .models import DTYPES, with_numbers

SIDE = 8192  # of the matrices, on CUDA
COPIED = 2**31  # bytes


def peak_works(name: str, device: torch.device) -> tuple[dict[str, Callable[[], object]], dict[str, float]]:
    """Works by name in one format and the flops of each, on random numbers; a size that fills the device."""
    dtype, large = DTYPES[name], device.type == "cuda"
    side = SIDE if large else SIDE // 8
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    n, c, h = (12, 640, 64) if large else (2, 128, 32)
    x, w = torch.randn(n, c, h, h, device=device, dtype=dtype), torch.randn(c, c, 3, 3, device=device, dtype=dtype)
    x_last, w_last = (t.contiguous(memory_format=torch.channels_last) for t in (x, w))
    heads, tokens = (16, 24576) if large else (2, 1024)
    q, k, v = (torch.randn(1, heads, tokens, 64, device=device, dtype=dtype) for _ in range(3))
    works: dict[str, Callable[[], object]] = {
        f"matmul {side}": lambda: a @ b,
        f"conv 3x3 {c}": lambda: F.conv2d(x, w, padding=1),
        f"conv 3x3 {c}, channels last": lambda: F.conv2d(x_last, w_last, padding=1),
    }
    flops = {f"matmul {side}": 2.0 * side**3}
    flops |= dict.fromkeys(list(works)[1:], 2.0 * n * h * h * c * c * 9)
    if name != "fp32" or not large:
        works[f"attention {tokens}"] = lambda: F.scaled_dot_product_attention(q, k, v)
        flops[f"attention {tokens}"] = 4.0 * heads * tokens**2 * 64
    if large and name in ("fp16", "bf16"):
        works[f"attention {tokens}, cudnn"] = with_cudnn(works[f"attention {tokens}"])
        flops[f"attention {tokens}, cudnn"] = flops[f"attention {tokens}"]
    return {way: with_numbers(name, work) for way, work in works.items()}, flops


def copy_work(device: torch.device) -> tuple[Callable[[], object], float]:
    """A copy within the device's memory, and the bytes read and written."""
    size = COPIED if device.type == "cuda" else COPIED // 16
    source = torch.zeros(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return lambda: target.copy_(source), 2.0 * size


def prefer_cudnn():
    """Attention by cuDNN where it can, else as torch would choose."""
    order = [SDPBackend.CUDNN_ATTENTION, SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
    return sdpa_kernel(order, set_priority=True)


def with_cudnn(work: Callable[[], object]) -> Callable[[], object]:
    def run() -> object:
        with prefer_cudnn():
            return work()

    return run
