"""Puts everything of a look on a body."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..scene import Mesh, Surface
from . import clothes
from .bust import rest_arms
from .glasses import glasses_meshes
from .look import WearLook


class Outfit(NamedTuple):
    """meshes: what is worn. covered: says of points (..., 3) whether a hat or scarf covers the hair there, Shape (...), or None.
    bare: Shape (B,) bool. Body vertices whose skin can be seen."""

    meshes: list[Mesh]
    covered: Callable[[np.ndarray], np.ndarray] | None
    bare: np.ndarray


def dress(surface: Surface, look: WearLook, rng: np.random.Generator) -> Outfit:
    surface = rest_arms(surface)
    meshes, bare = clothes.garments(surface, look, rng)
    covered = None
    if look.glasses:
        meshes += glasses_meshes(surface, look.glasses)
    return Outfit(meshes, covered, bare)
