"""Hair that stands away from the head in curls: curly, afro."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....arrays import smoothstep
from ..growth import Scalp, tangential
from ..hairline import waves
from ..shaping import clump, curl, resample
from ..tufts import Tuft, baby_hairs


@dataclass(frozen=True)
class Cloud:
    """length, radius of the curls: metres. unevenness: share the lengths differ by. gravity: as in Scalp.grow. locks, cling: clumps and how
    tight; disorder: radians between hairs of a lock. bend: metres the ends turn aside, each its own way."""

    length: float
    radius: float
    unevenness: float
    gravity: float
    locks: int
    cling: float
    disorder: float
    bend: float


def curly(scalp: Scalp, rng: np.random.Generator) -> list[Tuft]:
    """Loose curls, finger to hand long."""
    return _grow(
        scalp, rng, Cloud(rng.uniform(0.028, 0.065), rng.uniform(0.003, 0.0055), 0.3, rng.uniform(0.2, 0.6), 380, 0.75, 0.3, 0.006)
    )


def afro(scalp: Scalp, rng: np.random.Generator) -> list[Tuft]:
    return _grow(scalp, rng, Cloud(rng.uniform(0.02, 0.09), rng.uniform(0.0016, 0.0028), 0.1, 0.02, 900, 0.15, 1.5, 0.010))


def _grow(scalp: Scalp, rng: np.random.Generator, cloud: Cloud) -> list[Tuft]:
    """A dark base of broad straight strands, and fine curled ends in front of it."""
    surface = scalp.surface
    roots = scalp.roots(4600, rng)
    n = len(roots.points)
    lengths = cloud.length * (0.45 + 0.55 * smoothstep(-35, 30, roots.elevation)) * rng.uniform(1 - cloud.unevenness, 1.04, n)
    lengths = lengths * (1 + 0.3 * cloud.unevenness * waves(roots.rest, rng, 60, 2)) * (0.5 + 0.5 * smoothstep(-2, 9, roots.edge))
    start = roots.normals + surface.up * 0.25 + surface.back * 0.1
    strands = scalp.grow(roots, lengths, start, None, 7, np.full(n, 0.002), rng, stiffness=1, comb=0, gravity=cloud.gravity, jitter=0.12)
    strands, lock = clump(strands, rng, cloud.locks, cloud.cling, 1.0)
    few = strands[::2]
    base = resample(few, np.zeros(len(few)), np.full(len(few), 5.2), 4)
    shown = 6 * (1 - min(1, 0.035 / cloud.length))  # of long hair only the outer part
    ends = resample(strands, np.full(n, shown), np.full(n, 6.0), 13)
    t = np.linspace(0, 1, 13, dtype=np.float32)[None, :, None]
    aside = tangential(rng.normal(0, 1, (n, 3)), roots.normals)[:, None] * (cloud.bend * min(1, cloud.length / 0.03))
    ends = ends + aside.astype(np.float32) * t**1.5
    ends = curl(ends, rng, cloud.radius * rng.uniform(0.7, 1.4, n), 2.0, lock, 0.1, cloud.disorder)
    return [
        Tuft(base, 0.0045, shade=0.7),
        Tuft(ends, 0.0012),
        baby_hairs(scalp, rng, lambda p: surface.back - surface.up * 0.2, 700, 0.008),
    ]
