"""Weights on disk as safetensors: in one file, or split into parts of a size that any place takes."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor


def write_tensors(path: Path, state: dict[str, Tensor], part_megabytes: int | None = None) -> None:
    """One file at `path`, or, where it would be larger, model-00001-of-00003.safetensors ... beside model.safetensors.index.json."""
    from huggingface_hub import save_torch_state_dict

    path.parent.mkdir(parents=True, exist_ok=True)
    size = part_megabytes * 10**6 if part_megabytes else 10**15
    save_torch_state_dict(state, path.parent, filename_pattern=f"{path.stem}{{suffix}}{path.suffix}", max_shard_size=size)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Raises FileNotFoundError where neither the file nor all of its parts are there."""
    from safetensors.torch import load_file

    if path.is_file():
        return load_file(path)
    parts = sorted(path.parent.glob(f"{path.stem}-?????-of-?????{path.suffix}"))
    if not parts or len(parts) != int(parts[0].stem[-5:]):
        raise FileNotFoundError(f"{path} is not there, neither whole nor in parts ({len(parts)} found)")
    return {name: tensor for part in parts for name, tensor in load_file(part).items()}
