"""Heads that need no learning, for a sense of what the numbers mean: the mean training head, the nearest one, a flat card."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..cameras import Cameras, rays, six_views
from ..gaussians import SH_C0, Gaussians
from ..training.data import EMPTY, HeadShards, Sample
from ..training.targets import pixel_targets

OPAQUE = 4.0  # opacity logit
MEAN_HEADS, NEAREST_HEADS = 128, 1024  # how many training heads are looked at
THUMBNAIL = 32


def gaussians_of_surface(rgba: Tensor, ray_depth: Tensor, cameras: Cameras) -> Gaussians:
    """One Gaussian per pixel with a known surface, as the reconstructor is taught.

    rgba: Shape (V, 4, H, W), on white.
    ray_depth: Shape (V, H, W), `EMPTY` where there is no surface.
    cameras: V of them.
    """
    origins, directions = (r.numpy() for r in rays(cameras))
    pictures, depths = (t.numpy().astype(np.float32) for t in (rgba, ray_depth))
    target = torch.from_numpy(pixel_targets(pictures, depths, origins, directions, cameras.c2w.numpy(), float(cameras.intrinsics[0, 0])))
    keep = target[..., 1] > 0
    depth = depths - (origins * directions).sum(1)
    means = torch.from_numpy(origins + depth[:, None] * directions).permute(0, 2, 3, 1)[keep]
    target = target[keep]
    return Gaussians(means, target[:, 5:9], target[:, 9:12], torch.full((len(target),), OPAQUE), (target[:, 2:5] - 0.5) / SH_C0)


@dataclass(frozen=True)
class Baselines:
    """mean: the mean training head. card_depth: where along -y its face stands. train: where the nearest head is looked for."""

    mean: Gaussians
    card_depth: float
    train: HeadShards
    thumbnails: Tensor
    indices: tuple[int, ...]

    @staticmethod
    def from_shards(folder: Path) -> Baselines:
        """Raises FileNotFoundError for a folder without shards."""
        train = HeadShards(folder)
        size = train.sample(0, None, slice(1)).rgba.shape[-1]
        rgba, depth, weight = torch.zeros(6, 4, size, size), torch.zeros(6, size, size), torch.zeros(6, size, size)
        chosen = _spread(len(train), MEAN_HEADS)
        for index in chosen:
            sample = train.sample(index, None, slice(6))
            surface = sample.ray_depth < 5
            rgba += sample.rgba / len(chosen)
            depth += torch.where(surface, sample.ray_depth, torch.zeros(()))
            weight += surface
        ray_depth = torch.where(rgba[:, 3] > 0.5, depth / weight.clamp_min(1), torch.tensor(EMPTY))
        mean = gaussians_of_surface(rgba, ray_depth, six_views(size))
        front = mean.means[: int((ray_depth[0] < 5).sum())]
        indices = tuple(_spread(len(train), NEAREST_HEADS))
        thumbnails = torch.stack([_thumbnail(train.sample(i, None, slice(1)).rgba[0]) for i in indices])
        return Baselines(mean, float(front[:, 1].median()), train, thumbnails, indices)

    def heads(self, sample: Sample) -> dict[str, Gaussians]:
        """Stand-ins for one test head, by name."""
        gaps = (self.thumbnails - _thumbnail(sample.rgba[0])).square().flatten(1).mean(1)
        nearest = self.train.sample(self.indices[int(gaps.argmin())], None, slice(6))
        size = nearest.rgba.shape[-1]
        return {
            "mean training head": self.mean,
            "nearest training head": gaussians_of_surface(nearest.rgba, nearest.ray_depth, six_views(size)),
            "flat card with the photo": self.card(sample.rgba[0]),
        }

    def card(self, rgba: Tensor) -> Gaussians:
        """The portrait (4, H, W) on a plane across the front camera's axis."""
        camera = six_views(rgba.shape[-1])[0]
        origins, directions = rays(camera)
        distance = (self.card_depth - origins[:, 1]) / directions[:, 1]
        ray_depth = distance + (origins * directions).sum(1)
        return gaussians_of_surface(rgba[None], torch.where(rgba[3] >= 0.5, ray_depth[0], torch.tensor(EMPTY))[None], camera)


def _spread(count: int, wanted: int) -> list[int]:
    return sorted(set(np.linspace(0, count - 1, min(count, wanted)).round().astype(int).tolist()))


def _thumbnail(rgba: Tensor) -> Tensor:
    return F.interpolate(rgba[None], size=(THUMBNAIL, THUMBNAIL), mode="area")[0]
