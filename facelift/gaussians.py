"""3D Gaussians as the PLY stores them, and the filters that clean a reconstructed head."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path

import torch
from torch import Tensor

SH_C0 = 0.28209479177387814  # the constant spherical harmonic


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
    """

    means: Tensor
    quats: Tensor
    scales: Tensor
    opacities: Tensor
    sh0: Tensor

    def __post_init__(self):
        n = self.means.shape[0]
        for name, shape in (("means", (n, 3)), ("quats", (n, 4)), ("scales", (n, 3)), ("opacities", (n,)), ("sh0", (n, 3))):
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} must have shape {shape}, got {tuple(getattr(self, name).shape)}")

    def __len__(self) -> int:
        return self.means.shape[0]

    def __getitem__(self, index) -> Gaussians:
        """A subset by mask, slice or index tensor."""
        return self._map(lambda t: t[index])

    def _map(self, function) -> Gaussians:
        return Gaussians(*(function(getattr(self, f.name)) for f in fields(self)))

    def to(self, *args, **kwargs) -> Gaussians:
        return self._map(lambda t: t.to(*args, **kwargs))

    def detach(self) -> Gaussians:
        return self._map(Tensor.detach)

    def with_z_up(self, up: str) -> Gaussians:
        """From other programs' axes. up: "y" (glTF, faces look along z) or "-y" (OpenCV and gsplat, they look along -z); "z" is ours."""
        if up == "z":
            return self
        turn = {"y": 1.0, "-y": -1.0}[up]  # quarter turns about x
        x, y, z = self.means.unbind(1)
        w, i, j, k = self.quats.unbind(1)  # times 2 ** -0.5, which means nothing
        quats = torch.stack([w - turn * i, i + turn * w, j - turn * k, k + turn * j], 1)
        return replace(self, means=torch.stack([x, -turn * z, turn * y], 1), quats=quats)

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
        """Writes .ply, .splat or .spz by the suffix. spz_version: 2, which more programs read, or 3, whose rotations are finer."""
        from .export.splats import save_splats

        return save_splats(self, path, spz_version=spz_version)

    @staticmethod
    def load(path: str | Path) -> Gaussians:
        from .export.splats import load_splats

        return load_splats(path)


def concatenate(parts: list[Gaussians]) -> Gaussians:
    return Gaussians(*(torch.cat([getattr(p, f.name) for p in parts]) for f in fields(Gaussians)))
