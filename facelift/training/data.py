"""Training samples from shards of rendered heads (`synthesis.shards`)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..cameras import Cameras, view_rig
from ..synthesis.shards import EMPTY, Shard, find_shards
from .faults import Person, degrade_portrait

__all__ = ["EMPTY", "HeadShards", "Sample", "views_at"]


@dataclass(frozen=True)
class Sample:
    """rgba: Shape (V, 4, H, W), colour on white plus alpha, 0..1. ray_depth: Shape (V, H, W), `EMPTY` where no surface.
    c2w: Shape (V, 4, 4). portrait: Shape (4, H, W), the front view as a user's photo would show it.
    classes: Shape (V, H, W), int64, indices into `scene.CLASSES`; None where the shard has none."""

    rgba: Tensor
    ray_depth: Tensor
    c2w: Tensor
    portrait: Tensor
    classes: Tensor | None = None


class HeadShards:
    """Random access to all heads below a folder; shards that appear later are found by `rescan`.

    rig: whose views come first in every sample, in its order; the others follow. Raises ValueError where one was not rendered.
    """

    def __init__(self, folder: str | Path, rig: str = "six"):
        self.folder, self.rig = Path(folder), view_rig(rig)
        self.rescan()
        if not self.shards:
            raise FileNotFoundError(f"no shard_* folders in {self.folder}")
        stored = Shard(self.shards[0]).c2w[0]
        first = [v for v in views_at(stored, self.rig.cameras()) if v is not None]
        if len(first) < len(self.rig):
            raise ValueError(f"{self.folder} lacks views of the rig {rig}: render with python -m facelift.synthesis --views six+{rig}")
        self.order = [*first, *(v for v in range(len(stored)) if v not in first)]

    @property
    def size(self) -> int:
        """Pixels a side."""
        return Shard(self.shards[0]).rgba.shape[-2]

    def rescan(self) -> None:
        self.shards = find_shards(self.folder)
        self.per_shard = len(Shard(self.shards[0]).c2w) if self.shards else 0

    def __len__(self) -> int:
        return len(self.shards) * self.per_shard

    def load(self, index: int, views: list[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """views: as they are stored."""
        shard, i = Shard(self.shards[index // self.per_shard]), index % self.per_shard
        return np.array(shard.rgba[i, views]), np.array(shard.ray_depth[i, views]), np.array(shard.c2w[i, views])

    def sample(self, index: int, rng: np.random.Generator | None = None, views: slice = slice(None)) -> Sample:
        """With `rng`: mirrored half of the time, colours varied, the portrait degraded. Without: as it is."""
        chosen = self.order[views]
        n, rig = len(chosen), min(len(chosen), len(self.rig))
        photo = 0 if self.rig.starts_with_photo else n  # stored first; a rig without it has it laid behind
        rgba, ray_depth, c2w = (torch.from_numpy(a) for a in self.load(index, chosen + [0] * (photo == n)))
        rgba = rgba.permute(0, 3, 1, 2).float() / 255
        ray_depth = ray_depth.float()
        classes = self.classes(index, chosen)
        if rng is not None and rng.random() < 0.5:
            order = [v for v in self.rig.mirrored if v < rig] + list(range(rig, len(rgba)))  # swaps left and right cameras
            rgba, ray_depth = rgba.flip(-1)[order], ray_depth.flip(-1)[order]
            classes = None if classes is None else classes.flip(-1)[order[:n]]
            flip = torch.diag(torch.tensor([-1.0, 1.0, 1.0, 1.0]))
            c2w = torch.cat([c2w[:rig], flip @ c2w[rig:] @ flip])
        color, alpha = rgba[:, :3], rgba[:, 3:]
        if rng is not None:
            gain = torch.from_numpy(rng.uniform(0.75, 1.25) * rng.uniform(0.9, 1.1, (3, 1, 1))).float()
            color = (color * gain).clamp(0, 1) ** float(np.exp(rng.normal(0, 0.12)))
        views_on_white = torch.cat([color * alpha + 1 - alpha, alpha], 1)
        portrait = views_on_white[photo]
        if rng is not None:
            portrait = degrade_portrait(color[photo], alpha[photo], rng, lambda: self.front(int(rng.integers(len(self)))))
        return Sample(views_on_white[:n], ray_depth[:n], c2w[:n], portrait, classes)

    def classes(self, index: int, views: list[int]) -> Tensor | None:
        """views: as they are stored. Shape (V, H, W), int64."""
        stored = Shard(self.shards[index // self.per_shard]).classes
        return None if stored is None else torch.from_numpy(np.array(stored[index % self.per_shard, views])).long()

    def front(self, index: int) -> Person:
        """Colour and alpha of a head's front view, as it is."""
        rgba = torch.from_numpy(self.load(index, [0])[0][0]).permute(2, 0, 1).float() / 255
        return rgba[:3], rgba[3:]


def views_at(c2w: np.ndarray, cameras: Cameras) -> list[int | None]:
    """Which of some views (V, 4, 4) stands where each camera does; None for none."""
    gaps = np.abs(np.asarray(c2w)[:, None] - cameras.c2w.numpy()[None]).max((2, 3))  # (V, cameras)
    return [int(gap.argmin()) if gap.min() < 1e-3 else None for gap in gaps.T]
