"""Hair that stands away from the head in curls: curly, afro."""

from __future__ import annotations

import numpy as np

from ...template import smoothstep
from ..growth import Scalp
from ..hairline import waves
from ..shaping import clump, curl, resample, split
from ..tufts import Tuft, baby_hairs


def curly(scalp: Scalp, rng: np.random.Generator) -> list[Tuft]:
    """Loose curls, finger to hand long."""
    return _cloud(scalp, rng, rng.uniform(0.025, 0.06), gravity=0.25, radius=rng.uniform(0.003, 0.006), locks=420, cling=0.7, disorder=0.35)


def afro(scalp: Scalp, rng: np.random.Generator) -> list[Tuft]:
    return _cloud(
        scalp, rng, rng.uniform(0.022, 0.095), gravity=0.02, radius=rng.uniform(0.0016, 0.003), locks=900, cling=0.4, disorder=0.8
    )


def _cloud(
    scalp: Scalp, rng: np.random.Generator, length: float, gravity: float, radius: float, locks: int, cling: float, disorder: float
) -> list[Tuft]:
    surface = scalp.surface
    roots = scalp.roots(4400, rng)
    n = len(roots.points)
    lengths = length * (0.45 + 0.55 * smoothstep(-35, 30, roots.elevation)) * rng.uniform(0.75, 1.05, n)
    lengths = lengths * (1 + 0.12 * waves(roots.rest, rng, 60, 2)) * (0.5 + 0.5 * smoothstep(-2, 9, roots.edge))
    start = roots.normals + surface.up * 0.25 + surface.back * 0.1
    strands = scalp.grow(roots, lengths, start, None, 7, np.full(n, 0.002), rng, stiffness=1, comb=0, gravity=gravity, jitter=0.12)
    strands, lock = clump(strands, rng, locks, cling, 1.0)
    base = resample(strands[::2], np.zeros((n + 1) // 2), np.full((n + 1) // 2, 6.0), 4)
    ends = resample(strands, np.full(n, 6 * (0.0 if length < 0.04 else 0.3)), np.full(n, 6.0), 13)
    ends = curl(ends, rng, radius * rng.uniform(0.7, 1.4, n), 1.9, lock, 0.12, disorder)
    return [
        Tuft(base, 0.0045, shade=0.7),
        Tuft(split(ends, rng, 1, 0.001), 0.0012),
        baby_hairs(scalp, rng, lambda p: surface.back - surface.up * 0.2, 700, 0.008),
    ]
