"""What a style hands back, and the small hairs every style shares: the soft edge of the hairline and the flyaways."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ...arrays import smoothstep
from ..template import unit
from .growth import Scalp, tangential
from .shaping import stray


class Tuft(NamedTuple):
    """Strands of Shape (N, K, 3), `width` metres at the root. kind: as in Strands. shade: factor on the hair's colour.
    dye: a colour of its own, Shape (3,) (hair ties, beads)."""

    points: np.ndarray
    width: float
    kind: str = "hair"
    shade: float = 1.0
    dye: np.ndarray | None = None


def baby_hairs(
    scalp: Scalp,
    rng: np.random.Generator,
    toward: Callable[[np.ndarray], np.ndarray],
    count: int = 900,
    length: float = 0.014,
) -> Tuft:
    """Short fine hairs on the edge of the hair, so that it does not start like a wig. toward(points): which way they lie, (N, 3)."""
    weight = np.exp(-(((scalp.edge - 0.6) / 2.2) ** 2)) * (scalp.surface.template.pool.ears < 0.2)
    roots = scalp.roots(count, rng, weight * (scalp.density > 0.001))
    n = len(roots.points)
    direction = unit(tangential(unit(toward(roots.points)) + rng.normal(0, 0.22, (n, 3)), roots.normals))
    bend = unit(tangential(direction + rng.normal(0, 0.5, (n, 3)), roots.normals))
    size = (length * rng.uniform(0.35, 1.0, n) * np.clip(0.4 + 0.2 * (roots.edge + 2), 0.3, 1.2))[:, None]
    base = roots.points
    points = [
        base - roots.normals * 0.0005,
        base + direction * size * 0.4 + roots.normals * 0.0008,
        base + direction * size * 0.75 + bend * size * 0.1 + roots.normals * 0.0012,
        base + direction * size + bend * size * 0.3 + roots.normals * 0.001,
    ]
    return Tuft(np.stack(points, 1).astype(np.float32), 0.0005, "fine")


def undercoat(scalp: Scalp, rng: np.random.Generator, toward: Callable[[np.ndarray], np.ndarray], count: int = 3500) -> Tuft:
    """Short straight hairs below and behind, where cut hair would let the scalp shine through. toward: as for baby_hairs."""
    pool = scalp.surface.template.pool
    roots = scalp.roots(count, rng, scalp.density * smoothstep(45, 20, pool.elevation))
    n = len(roots.points)
    direction = unit(tangential(unit(toward(roots.points)) + rng.normal(0, 0.3, (n, 3)), roots.normals) + roots.normals * 0.35)
    size = (0.004 + 0.006 * smoothstep(0, 10, roots.edge) * rng.uniform(0.6, 1, n))[:, None]
    return Tuft(np.stack([roots.points, roots.points + direction * size], 1).astype(np.float32), 0.0012, shade=0.8)


def flyaways(scalp: Scalp, rng: np.random.Generator, strands: np.ndarray, count: int, away: float) -> Tuft:
    """Single hairs that left the others, up to about `away` metres."""
    points = strands[:, ::2] if strands.shape[1] > 12 else strands
    return Tuft(stray(points, rng, count, away, scalp.surface.head_center), 0.0005, "fine")
