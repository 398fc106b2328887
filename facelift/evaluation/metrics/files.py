"""Weights of foreign metric models: where they lie, and a sentence for where they come from."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path


class Unavailable(RuntimeError):
    """A metric that cannot run here; the message says what it needs."""


@dataclass(frozen=True)
class MetricFile:
    """sha256: of the whole file or its first digits; empty if unknown. note: licence or choice of file."""

    name: str
    url: str
    sha256: str = ""
    note: str = ""


ALEXNET = MetricFile("alexnet-owt-7be5be79.pth", "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth", "7be5be79")
INCEPTION = MetricFile(
    "inception-2015-12-05.pt",
    "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/inception-2015-12-05.pt",
    note="the TorchScript copy of FID's own Inception network",
)
ARCFACE_ONNX = MetricFile("arcface.onnx", "", note="any ArcFace network for aligned 112 px faces, e.g. InsightFace's w600k_r50.onnx")


def metrics_folder() -> Path:
    """FACELIFT_METRICS, or `facelift/metrics` in the Hugging Face cache."""
    if folder := os.environ.get("FACELIFT_METRICS"):
        return Path(folder).expanduser()
    from huggingface_hub import constants

    return Path(constants.HF_HOME) / "facelift" / "metrics"


def locate(file: MetricFile, download: bool = False) -> Path:
    """The file's path, fetched first if it is missing and `download` is given. Raises Unavailable."""
    path = metrics_folder() / file.name
    if not path.is_file() and download and file.url:
        _fetch(file, path)
    if not path.is_file():
        source = f" ({file.url}, or run with --download)" if file.url else ""
        raise Unavailable(f"needs {file.name}{source} in {shown(path.parent)}{': ' + file.note if file.note else ''}")
    if file.sha256 and not _sha256(path).startswith(file.sha256):
        raise Unavailable(f"{file.name} is damaged: its SHA-256 does not begin with {file.sha256}; delete it and fetch it again")
    return path


def packaged(package: str, inside: str) -> Path:
    """A data file of an installed package, without importing the package. Raises Unavailable."""
    spec = find_spec(package)
    path = Path(spec.origin).parent / inside if spec and spec.origin else None
    if path is None or not path.is_file():
        raise Unavailable(f"needs the package {package.replace('_', '-')}: pip install -r requirements-eval.txt")
    return path


def shown(path: Path) -> str:
    """A path for a report: without the name of the machine's user."""
    try:
        return f"~/{path.resolve().relative_to(Path.home())}"
    except ValueError:
        return str(path)


def _fetch(file: MetricFile, path: Path) -> None:
    import requests

    try:
        answer = requests.get(file.url, timeout=60)
        answer.raise_for_status()
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        part.write_bytes(answer.content)
        part.replace(path)
    except (requests.RequestException, OSError) as error:
        raise Unavailable(f"{file.name} could not be fetched from {file.url}: {type(error).__name__}") from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
