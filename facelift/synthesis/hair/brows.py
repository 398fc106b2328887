"""Eyebrows."""

from __future__ import annotations

import numpy as np

from ..template import smoothstep, unit
from .growth import Scalp, tangential
from .look import HairLook
from .tufts import Tuft

INNER, SPAN = 0.012, 0.042  # metres from the middle to the inner end, and from there to the tail, at rest


def grow_brows(scalp: Scalp, look: HairLook, rng: np.random.Generator, male: bool) -> Tuft | None:
    surface, rest = scalp.surface, scalp.surface.template.pool.rest
    weight = _shape(rest, rng, male)
    roots = scalp.roots(400, rng, weight)
    if len(roots.points) == 0:
        return None
    roots = roots.take(rng.integers(0, len(roots.points), int(rng.uniform(420, 950))))  # several around each place of the pool
    n = len(roots.points)
    aside = tangential(rng.normal(0, 0.0009, (n, 3)), roots.normals)
    roots = roots._replace(points=roots.points + aside, rest=roots.rest + aside)
    outward = np.sign(roots.rest[:, :1])
    along = np.clip((np.abs(roots.rest[:, :1]) - INNER) / SPAN, 0, 1)
    direction = outward * surface.left * (0.35 + along * 1.0) + surface.up * (0.45 - 0.72 * along) + rng.normal(0, 0.12, (n, 3))
    direction = unit(tangential(direction, roots.normals))
    length = rng.uniform(0.0042, 0.0066) * rng.uniform(0.5, 1.1, (n, 1))
    points = [
        roots.points - roots.normals * 0.0003,
        roots.points + direction * length * 0.5 + roots.normals * 0.0009,
        roots.points + direction * length + roots.normals * 0.0006 + surface.up * length * (0.08 - 0.22 * along),
    ]
    return Tuft(np.stack(points, 1).astype(np.float32), 0.0003, "fine")


def _shape(rest: np.ndarray, rng: np.random.Generator, male: bool) -> np.ndarray:
    """Density of the brows at places given by rest positions (R, 3)."""
    along = (np.abs(rest[:, 0]) - INNER) / SPAN
    inside = np.clip(along, 0, 1)
    arch, drop = (rng.uniform(0.0, 0.0035), rng.uniform(-0.003, 0.002)) if male else (rng.uniform(0.002, 0.006), rng.uniform(-0.005, 0.001))
    middle = 0.7548 + rng.normal(0, 0.0012) + arch * np.sin(inside * 2.3) + drop * along
    half = rng.uniform(0.0016, 0.0030) * (1.0 if male else 0.8) * (1.2 - 0.8 * inside)
    across = np.exp(-(((rest[:, 2] - middle) / half) ** 2))
    return across * smoothstep(-0.06, 0.08, along) * (1 - smoothstep(0.8, 1.0, along)) * (rest[:, 1] < -0.09)
