"""3D Gaussians as the PLY stores them, and the filters that clean a reconstructed head."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from . import harmonics

PARTS = ("means", "quats", "scales", "opacities", "sh0")  # what all Gaussians have
SH_C0 = 0.28209479177387814  # the constant spherical harmonic

# The axis that points up in other programs' files, as quarter turns about x to ours. Heads look along z there (y: glTF), along -z (-y:
# OpenCV, gsplat), or along y (-z: files that a program has turned upside down).
UP = {"z": 0, "y": 1, "-y": -1, "-z": 2}


@dataclass(frozen=True)
class FilterPreset:
    """Thresholds on activated values (kit 3.5); lengths in world units. Defaults are those of the released page.

    side, height: the box that is kept, |x| and |y| <= side, |z| <= height.
    """

    opacity: float = 0.04
    scale: float = 0.2
    corner: float = 0.75
    side: float = 0.91
    height: float = 1.0


RELEASE_CLI = FilterPreset(scale=0.1, corner=0.6)  # what the released command line used
RELEASE_APP = FilterPreset()  # what the released page used, and what we use for released weights everywhere


@dataclass(frozen=True)
class Gaussians:
    """N Gaussians with raw (pre-activation) parameters.

    means: Shape (N, 3). World positions.
    quats: Shape (N, 4). Rotations w, x, y, z; need not be normalised.
    scales: Shape (N, 3). Log of the standard deviations.
    opacities: Shape (N,). Logits.
    sh0: Shape (N, 3). Constant spherical harmonic; colour is max(0, SH_C0 * sh0 + 0.5).
    shN: Shape (N, K, 3), K 3, 8 or 15, or None. Harmonics of degrees 1 to 3, which other programs' files have: colour that depends on
        where it is seen from.
    """

    means: Tensor
    quats: Tensor
    scales: Tensor
    opacities: Tensor
    sh0: Tensor
    shN: Tensor | None = None

    def __post_init__(self):
        n = self.means.shape[0]
        if self.shN is not None and self.shN.shape not in [(n, k, 3) for k in harmonics.COUNTS[1:]]:
            raise ValueError(f"shN must have shape ({n}, 3, 8 or 15, 3), got {tuple(self.shN.shape)}")
        for name, shape in (("means", (n, 3)), ("quats", (n, 4)), ("scales", (n, 3)), ("opacities", (n,)), ("sh0", (n, 3))):
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} must have shape {shape}, got {tuple(getattr(self, name).shape)}")

    def __len__(self) -> int:
        return self.means.shape[0]

    def __getitem__(self, index) -> Gaussians:
        """A subset by mask, slice or index tensor."""
        return self._map(lambda t: t[index])

    def _map(self, function) -> Gaussians:
        shN = None if self.shN is None else function(self.shN)
        return replace(Gaussians(*(function(getattr(self, name)) for name in PARTS)), shN=shN)

    def to(self, *args, **kwargs) -> Gaussians:
        return self._map(lambda t: t.to(*args, **kwargs))

    def detach(self) -> Gaussians:
        return self._map(Tensor.detach)

    def with_z_up(self, up: str) -> Gaussians:
        """From other programs' axes, a key of `UP`, to ours."""
        turn = UP[up]
        if turn == 0:
            return self
        sin, cos = math.sin(turn * math.pi / 2), math.cos(turn * math.pi / 2)
        s, c = math.sin(turn * math.pi / 4), math.cos(turn * math.pi / 4)
        rotation = torch.tensor([[1, 0, 0], [0, cos, -sin], [0, sin, cos]]).round().to(self.means)
        w, i, j, k = self.quats.unbind(1)
        quats = torch.stack([c * w - s * i, c * i + s * w, c * j - s * k, c * k + s * j], 1)
        shN = None if self.shN is None else harmonics.turned(self.shN, rotation)
        return replace(self, means=self.means @ rotation.T, quats=quats, shN=shN)

    def seen_from(self, position: Tensor) -> Gaussians:
        """With the colours that a camera at a position, Shape (3,), sees as constant ones."""
        if self.shN is None:
            return self
        directions = torch.nn.functional.normalize(self.means.detach() - position.to(self.means), dim=1)
        return replace(self, sh0=self.sh0 + harmonics.colour(self.shN, directions) / SH_C0, shN=None)

    @property
    def rgb(self) -> Tensor:
        """Colours, at least 0 (may exceed 1). Shape (N, 3)."""
        return (SH_C0 * self.sh0 + 0.5).clamp_min(0)

    def filtered(self, preset: FilterPreset = RELEASE_APP) -> Gaussians:
        """Drops faint Gaussians, big ones in the lower half, the lower corners and all outside the box."""
        return self[self.kept_by(preset)]

    def kept_by(self, preset: FilterPreset = RELEASE_APP) -> Tensor:
        """Which of them `filtered` keeps. Shape (N,), bool."""
        x, y, z = self.means.unbind(1)
        keep = torch.sigmoid(self.opacities) > preset.opacity
        keep &= (self.scales.exp().amax(1) < preset.scale) | (z > 0)
        keep &= ~((x.abs() > preset.corner) & (y.abs() > preset.corner) & (z < -preset.corner))
        return keep & (x.abs() <= preset.side) & (y.abs() <= preset.side) & (z.abs() <= preset.height)

    def save(self, path: str | Path, spz_version: int = 3) -> Path:
        """Writes .ply, .compressed.ply, .splat, .spz or .sog by the suffix. spz_version: 2, 3 or 4, as of `export.spz`."""
        from .export.splats import save_splats

        return save_splats(self, path, spz_version=spz_version)

    @staticmethod
    def load(path: str | Path) -> Gaussians:
        from .export.splats import load_splats

        return load_splats(path)


def concatenate(parts: list[Gaussians]) -> Gaussians:
    """Where some depend on the view, the others get coefficients of nothing."""
    count = max((p.shN.shape[1] for p in parts if p.shN is not None), default=0)

    def widened(p: Gaussians) -> Tensor:
        shN = p.means.new_zeros(len(p), 0, 3) if p.shN is None else p.shN
        return torch.nn.functional.pad(shN, (0, 0, 0, count - shN.shape[1]))

    joined = (torch.cat([getattr(p, name) for p in parts]) for name in PARTS)
    return replace(Gaussians(*joined), shN=torch.cat([widened(p) for p in parts]) if count else None)
