"""Loose pieces: what floats beside the head is no part of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import ClassVar

import numpy as np
import torch

from ..pixel_gaussians import GATED_LOGIT, PixelGaussians
from ..protocol import Context, Reconstruction


@dataclass(frozen=True)
class DropLoosePieces:
    """`drop_loose_pieces` with these parameters."""

    name: ClassVar[str] = "drop_loose_pieces"

    voxel: float = 0.02

    def __call__(self, reconstruction: Reconstruction, context: Context) -> Reconstruction:
        return replace(reconstruction, pixel=drop_loose_pieces(reconstruction.pixel, **asdict(self)))


def drop_loose_pieces(pixel: PixelGaussians, voxel: float = 0.02) -> PixelGaussians:
    """Keeps the Gaussians whose voxels hang together with most of the others'.

    pixel: one sample, Shape (1, V, H, W, ...).
    voxel: side in world units; pieces one empty voxel apart are two.
    """
    from skimage.measure import label

    shown = pixel.opacities[0] > GATED_LOGIT
    places = (pixel.means[0][shown] / voxel).floor().long().cpu().numpy()
    if not len(places):
        return pixel
    places -= places.min(0)
    grid = np.zeros(places.max(0) + 1, bool)
    grid[tuple(places.T)] = True
    pieces = label(grid, connectivity=3)[tuple(places.T)]
    main = np.bincount(pieces).argmax()
    opacities = pixel.opacities.clone()
    loose = torch.from_numpy(pieces != main).to(shown.device)
    opacities[0, shown] = torch.where(loose, GATED_LOGIT, opacities[0, shown])
    return pixel._replace(opacities=opacities)
