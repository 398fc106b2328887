"""Metrics of a picture against its truth, all in one call."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ...choices import PAIR_METRICS
from .faces import DlibFaces, landmark_error, load_arcface
from .files import Unavailable
from .networks import LPIPS, Clip, DreamSim, Inception
from .pictures import psnr, ssim

BATCH = 8


@dataclass
class PairMetrics:
    """What can be measured here. tensors: functions of two (N, 3, H, W); embedders: of one picture; missing: name -> reason."""

    device: torch.device
    tensors: dict[str, Callable[[Tensor, Tensor], Tensor]] = field(default_factory=dict)
    embedders: dict[str, Callable] = field(default_factory=dict)
    landmarks: bool = False
    clip: Clip | None = None
    inception: Inception | None = None
    missing: dict[str, str] = field(default_factory=dict)

    def __call__(self, pictures: np.ndarray, truth: np.ndarray, faces: bool = True) -> list[dict[str, float | None]]:
        """pictures, truth: uint8 (N, H, W, 3). faces: whether they can show faces. Returns one dict a pair; None: no face to compare."""
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
        """a, b: uint8 (H, W, 3). landmarks: whether the two have the same pose, so that landmarks can be compared."""
        row: dict[str, float | None] = {}
        for name, embed in self.embedders.items():
            first, second = embed(a).vector, embed(b).vector
            row[name] = None if first is None or second is None else embed.distance(first, second)
        if self.landmarks and landmarks:
            row["landmarks"] = landmark_error(a, b)
        return row

    def tensor(self, pictures: np.ndarray) -> Tensor:
        """uint8 (N, H, W, 3) -> float (N, 3, H, W), 0..1, on the device."""
        return torch.from_numpy(np.ascontiguousarray(pictures)).to(self.device).permute(0, 3, 1, 2).float() / 255


def load_pair_metrics(device: torch.device, names: Iterable[str] | None = None, download: bool = False) -> PairMetrics:
    """names: which of `PAIR_METRICS`, "clip" and "fid"; None for all. Those that cannot run go to `missing` with the reason."""
    metrics = PairMetrics(device)
    wanted = set(names) if names is not None else {*PAIR_METRICS, "clip", "fid"}
    makers = {
        "lpips": lambda: metrics.tensors.update(lpips=LPIPS.load(device, download)),
        "dreamsim": lambda: metrics.tensors.update(dreamsim=DreamSim(device, download)),
        "arcface": lambda: metrics.embedders.update(arcface=load_arcface()),
        "dlib": lambda: metrics.embedders.update(dlib=DlibFaces()),
        "clip": lambda: setattr(metrics, "clip", Clip(device, download)),
        "fid": lambda: setattr(metrics, "inception", Inception(device, download)),
        "psnr": lambda: metrics.tensors.update(psnr=psnr),
        "ssim": lambda: metrics.tensors.update(ssim=ssim),
        "landmarks": lambda: setattr(metrics, "landmarks", True),
    }
    if unknown := wanted - set(makers):
        raise ValueError(f"unknown metrics {', '.join(sorted(unknown))}: choose from {', '.join(sorted(makers))}")
    for name in (*PAIR_METRICS, "clip", "fid"):
        if name in wanted:
            try:
                makers[name]()
            except Unavailable as reason:
                metrics.missing[name] = str(reason)
    return metrics
