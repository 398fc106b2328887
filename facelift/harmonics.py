"""Real spherical harmonics of degrees 1 to 3, by which colours depend on the view: order and signs of 3DGS's files (arXiv 2308.04079)."""

from __future__ import annotations

import torch
from torch import Tensor

COUNTS = (0, 3, 8, 15)  # coefficients above the constant one, by degree


def basis(directions: Tensor, count: int) -> Tensor:
    """The first harmonics above the constant one at unit directions, Shape (N, 3). count: 3, 8 or 15. Returns Shape (N, count)."""
    x, y, z = directions.unbind(1)
    xx, yy, zz = x * x, y * y, z * z
    values = [-0.4886025119 * y, 0.4886025119 * z, -0.4886025119 * x]
    if count > 3:
        values += [
            1.0925484306 * x * y, -1.0925484306 * y * z, 0.3153915653 * (2 * zz - xx - yy), -1.0925484306 * x * z, 0.5462742153 * (xx - yy)
        ]  # fmt: skip
    if count > 8:
        values += [
            -0.5900435899 * y * (3 * xx - yy), 2.8906114426 * x * y * z, -0.4570457995 * y * (4 * zz - xx - yy),
            0.3731763326 * z * (2 * zz - 3 * xx - 3 * yy),
            -0.4570457995 * x * (4 * zz - xx - yy), 1.4453057213 * z * (xx - yy), -0.5900435899 * x * (xx - 3 * yy),
        ]  # fmt: skip
    return torch.stack(values, 1)


def colour(shN: Tensor, directions: Tensor) -> Tensor:
    """What coefficients, Shape (N, 3, 8 or 15, 3), add to colours seen along unit directions, Shape (N, 3). Returns Shape (N, 3)."""
    return torch.einsum("nk,nkc->nc", basis(directions, shN.shape[1]), shN)


def turned(shN: Tensor, rotation: Tensor) -> Tensor:
    """Coefficients of the same colours after everything is turned. rotation: Shape (3, 3), from old axes to new ones."""
    probes = torch.nn.functional.normalize(torch.randn(64, 3, generator=torch.Generator().manual_seed(0)), dim=1).double()
    here, before = (basis(d, shN.shape[1]) for d in (probes, probes @ rotation.double()))
    return torch.einsum("jk,nkc->njc", torch.linalg.lstsq(here, before).solution.to(shN), shN)
