"""Metrics of a picture against its truth, all in one call."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib import import_module
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..registry import METRICS, OFFERED
from .files import Unavailable

if TYPE_CHECKING:
    from .faces import FaceEmbedder
    from .networks import Clip, Inception

BATCH = 8


@dataclass
class PairMetrics:
    """What can be measured here. tensors: functions of two (N, 3, H, W); landmarks: of two pictures; missing: name -> reason."""

    device: torch.device
    tensors: dict[str, Callable[[Tensor, Tensor], Tensor]] = field(default_factory=dict)
    embedders: dict[str, FaceEmbedder] = field(default_factory=dict)
    landmarks: Callable[[np.ndarray, np.ndarray], float | None] | None = None
    clip: Clip | None = None
    inception: Inception | None = None
    missing: dict[str, str] = field(default_factory=dict)

    def __call__(self, pictures: np.ndarray, truth: np.ndarray, faces: bool = True) -> list[dict[str, float | None]]:
        """pictures, truth: uint8 (N, H, W, 3).
        faces: whether they can show faces.
        Returns one dict a pair; None: no face to compare.
        """
        rows: list[dict[str, float | None]] = [{} for _ in pictures]
        for start in range(0, len(pictures), BATCH):
            part = slice(start, start + BATCH)
            a, b = self.tensor(pictures[part]), self.tensor(truth[part])
            for name, metric in self.tensors.items():
                for row, value in zip(rows[part], metric(a, b).tolist(), strict=True):
                    row[name] = value
        if faces:
            for row, a, b in zip(rows, pictures, truth, strict=True):
                row |= self.compare_faces(a, b)
        return rows

    def compare_faces(self, a: np.ndarray, b: np.ndarray, landmarks: bool = True) -> dict[str, float | None]:
        """a, b: uint8 (H, W, 3).
        landmarks: whether the two have the same pose, so that landmarks can be compared.
        """
        row: dict[str, float | None] = {}
        for name, embed in self.embedders.items():
            first, second = embed(a).vector, embed(b).vector
            row[name] = None if first is None or second is None else embed.distance(first, second)
        if self.landmarks and landmarks:
            row["landmarks"] = self.landmarks(a, b)
        return row

    def tensor(self, pictures: np.ndarray) -> Tensor:
        """uint8 (N, H, W, 3) -> float (N, 3, H, W), 0..1, on the device."""
        return torch.from_numpy(np.ascontiguousarray(pictures)).to(self.device).permute(0, 3, 1, 2).float() / 255


def load_pair_metrics(device: torch.device, names: Iterable[str] | None = None, download: bool = False) -> PairMetrics:
    """device: where they run.
    names: which of `OFFERED`; None for all. Those that cannot run go to `missing` with the reason.
    download: whether weights that are not here may be fetched.
    Raises ValueError for a name that is none of `OFFERED`.
    """
    wanted = set(OFFERED if names is None else names)
    if unknown := wanted - set(OFFERED):
        raise ValueError(f"unknown metrics {', '.join(sorted(unknown))}: choose from {', '.join(sorted(OFFERED))}")
    metrics = PairMetrics(device)
    for name in (n for n in OFFERED if n in wanted):
        field_name, source = METRICS[name].field, METRICS[name].source
        try:
            found = find_source(source, device, download)
        except Unavailable as reason:
            metrics.missing[name] = str(reason)
            continue
        if isinstance(kept := getattr(metrics, field_name), dict):
            kept[name] = found
        else:
            setattr(metrics, field_name, found)
    return metrics


def find_source(source: str, device: torch.device, download: bool) -> Any:
    """ "pictures.psnr" -> the function; "networks.LPIPS.load()" -> what it returns. Raises Unavailable."""
    module, _, name = source.removesuffix("()").partition(".")
    found = attrgetter(name)(import_module(f".{module}", __package__))
    return found(device, download) if source.endswith("()") else found
