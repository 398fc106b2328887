"""A head of fewer Gaussians, for where bytes count more than detail: the page's sample is one."""

from __future__ import annotations

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from ..gaussians import Gaussians

FINE = 0.62  # of a cell's side, where the face is
WIDE, OPAQUE = 1.6, 2.0  # times what the moments say, so that no gaps show between what is left
FLOOR = torch.tensor([0.06, 0.55, 0.55])  # of a cell's side: the least scale along each axis, thinnest first


def thinned(gaussians: Gaussians, cell: float) -> Gaussians:
    """The Gaussians of each cell of a grid become one, of their mean, covariance and colour, each by opacity times area.

    cell: its side, world units.
    """
    rotation = Rotation.from_quat(gaussians.quats.numpy()[:, [1, 2, 3, 0]]).as_matrix()
    axes = torch.from_numpy(rotation).float() * gaussians.scales.exp()[:, None]
    covariances = axes @ axes.transpose(1, 2)
    means, sh0 = gaussians.means, gaussians.sh0.reshape(-1, 3)
    weights = gaussians.opacities.sigmoid().reshape(-1) * _area(gaussians.scales.exp())
    at_face = (means[:, 1] < -0.15) & (means[:, 2].abs() < 0.42) & (means[:, 0].abs() < 0.45)
    sides = cell * torch.where(at_face, FINE, 1.15)
    cells, of = torch.unique(torch.cat([(means / sides[:, None]).floor(), sides[:, None]], 1), dim=0, return_inverse=True)

    def summed(values: Tensor) -> Tensor:
        return torch.zeros((len(cells), *values.shape[1:])).index_add_(0, of, values)

    total = summed(weights)
    mean = summed(means * weights[:, None]) / total[:, None]
    away = means - mean[of]
    spread = covariances + away[:, :, None] * away[:, None, :]
    values, vectors = torch.linalg.eigh(summed(spread * weights[:, None, None]) / total[:, None, None])
    vectors[torch.linalg.det(vectors) < 0, :, 0] *= -1  # turned, not mirrored
    scales = torch.maximum(WIDE * values.clamp_min(0).sqrt(), cells[:, 3:] * FLOOR)
    opacities = (OPAQUE * total / _area(scales)).clamp(0.05, 0.98)
    quats = torch.from_numpy(np.roll(Rotation.from_matrix(vectors.numpy()).as_quat(), 1, axis=1)).float()
    return Gaussians(mean, quats, scales.log(), torch.logit(opacities), summed(sh0 * weights[:, None]) / total[:, None])


def _area(scales: Tensor) -> Tensor:
    """Of what a Gaussian covers seen along its thinnest axis, but for a factor."""
    return scales.topk(2, dim=1).values.prod(1)
