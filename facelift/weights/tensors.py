"""Weights on disk as safetensors: in one file, or split into parts of a size that any place takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


def write_tensors(path: Path, state: dict[str, Tensor], part_megabytes: int | None = None) -> None:
    """One file at `path`, or, where it would be larger, model-00001-of-00003.safetensors ... beside model.safetensors.index.json."""
    from huggingface_hub import save_torch_state_dict

    path.parent.mkdir(parents=True, exist_ok=True)
    size = part_megabytes * 10**6 if part_megabytes else 10**15
    save_torch_state_dict(state, path.parent, filename_pattern=f"{path.stem}{{suffix}}{path.suffix}", max_shard_size=size)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Raises FileNotFoundError where neither the file nor all of its parts are there, ValueError where one is cut or damaged."""
    if path.is_file():
        return _read(path)
    parts = sorted(path.parent.glob(f"{path.stem}-?????-of-?????{path.suffix}"))
    if not parts or len(parts) != int(parts[0].stem[-5:]):
        raise FileNotFoundError(f"{path} is not there, neither whole nor in parts ({len(parts)} found)")
    return {name: tensor for part in parts for name, tensor in _read(part).items()}


def fill(module: nn.Module, state: dict[str, Tensor], assign: bool = False) -> None:
    """All weights of a module. assign: as of `load_state_dict`. Raises ValueError where some are missing, unknown or of another shape."""
    try:
        module.load_state_dict(state, assign=assign)
    except RuntimeError as error:
        raise ValueError(" ".join(str(error).split())[:300]) from None


class _Unset(TorchFunctionMode):
    """Within, `torch.nn.init` changes nothing."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if getattr(func, "__module__", None) == "torch.nn.init":
            return args[0] if args else (kwargs or {})["tensor"]
        return func(*args, **(kwargs or {}))


@contextmanager
def without_weights() -> Iterator[None]:
    """Within, modules are made without memory and without random numbers, to be filled by `fill(..., assign=True)`.

    The meta device alone is not enough: normal random numbers for nothing import torch's compiler, three seconds.
    """
    with torch.device("meta"), _Unset():
        yield


def _read(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path.name} is cut or damaged ({error})") from None
