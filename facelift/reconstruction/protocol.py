"""What every reconstructor takes and gives, and what a refinement may change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from torch import Tensor

from ..cameras import Cameras
from ..gaussians import FilterPreset, Gaussians, concatenate
from .pixel_gaussians import PixelGaussians, flatten_gaussians


@dataclass(frozen=True)
class Reconstruction:
    """One head before the filters.

    free: Gaussians that belong to no pixel. pixel: one sample of pixel Gaussians, Shape (1, V, H, W, ...).
    patch_size: of the patches in whose order the pixels' Gaussians are listed.
    """

    free: Gaussians
    pixel: PixelGaussians
    patch_size: int

    def gaussians(self) -> Gaussians:
        """All of them, unfiltered, the free ones first."""
        return concatenate([self.free, flatten_gaussians(self.pixel, self.patch_size)])

    def filtered(self, filters: FilterPreset) -> Gaussians:
        """All of them that a picture shows. The same as filtering `gaussians()`, with less memory at its peak."""
        return concatenate([self.free.filtered(filters), flatten_gaussians(self.pixel, self.patch_size).filtered(filters)])


class Reconstructor(Protocol):
    """Posed views -> Gaussians. To add one: this method, its config, and a line in `loading.RECONSTRUCTORS`."""

    def reconstruct(self, images: Tensor, cameras: Cameras) -> Reconstruction:
        """images: Shape (V, 3 or 4, H, W), 0..1, on white.
        cameras: V of them, of the same size.

        Raises ValueError for views that it cannot take.
        """
        ...


@dataclass(frozen=True)
class Context:
    """What refinements may look at beside the Gaussians.

    views: Shape (V, 3 or 4, S, S), 0..1, what the reconstructor saw, unrounded.
    cameras: V of them, the portrait's own first.
    portrait: Shape (4, P, P), 0..1, colour on white and alpha; P is a multiple of S.
    portrait_depth: Shape (S, S), ray depth of the portrait's surface as found in the portrait alone; None where nothing found it.
    """

    views: Tensor
    cameras: Cameras
    portrait: Tensor
    portrait_depth: Tensor | None = None


class Refinement(Protocol):
    """A step after the reconstructor, configured once. `name` is what weight sets and ablations call it."""

    name: ClassVar[str]
    __dataclass_fields__: ClassVar[dict[str, Any]]  # each is a dataclass of its settings

    def __call__(self, reconstruction: Reconstruction, context: Context) -> Reconstruction: ...
