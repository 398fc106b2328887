"""Files that are made once from a weight folder and kept in `HF_HOME/facelift/`; the folder itself is never written to."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from .. import files
from ..errors import WeightsError

log = logging.getLogger(__name__)


def cache_folder(folder: Path) -> Path:
    """Where our own files about a weight folder go."""
    from huggingface_hub import constants

    folder = Path(folder).resolve()
    pinned = re.fullmatch(r"[0-9a-f]{40}", folder.name)
    key = folder.name if pinned else "local-" + hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    return Path(constants.HF_HOME) / "facelift" / key


def derived(path: Path, source: str, make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """Tensors kept at `path`, made anew when `source` is not the one they were made from."""
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import load_file, save_file

    if path.is_file():
        try:
            with safe_open(path, "pt") as file:
                if (file.metadata() or {}).get("source") == source:
                    return load_file(path)
        except SafetensorError:
            log.warning("%s is damaged and made anew", path)
    tensors = make()
    keep(path, lambda part: save_file(tensors, part, metadata={"source": source}))
    return tensors


def keep(path: Path, write: Callable[[Path], object]) -> None:
    """`files.write_whole`, but a cache that cannot be written costs time at the next start, not the result."""
    from safetensors import SafetensorError

    try:
        files.write_whole(path, write)
    except (OSError, SafetensorError) as error:
        log.warning("%s could not be written and will be made again at the next start: %s", path, first_line(error))


def stamp(path: Path) -> str:
    try:
        info = path.stat()
    except FileNotFoundError as error:
        raise WeightsError(f"{path} is missing.") from error
    return f"{info.st_size} {info.st_mtime_ns}"


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
