"""Eyebrows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...arrays import smoothstep
from ..template import unit
from .appearance import HairAppearance
from .growth import Scalp, tangential
from .tufts import Tuft

INNER, SPAN = 0.012, 0.042  # metres from the middle to the inner end, and from there to the tail, at rest
TINT, BLUR = 0.75, 0.0012  # how far the finest hairs hide the skin between the drawn ones; metres


def grow_brows(
    scalp: Scalp, hair: HairAppearance, rng: np.random.Generator, male: bool, child: float = 0.0
) -> tuple[Tuft | None, np.ndarray]:
    """The hairs, and how much the body vertices are tinted by what is too fine to be drawn, Shape (B,)."""
    surface, template = scalp.surface, scalp.surface.template
    shape = draw_shape(rng, male, child)
    tint = (TINT if male else 0.8 * TINT) * (1 - 0.4 * child) * shape.density(template.rest[: template.body], blur=BLUR)
    roots = scalp.roots(400, rng, shape.density(template.pool.rest))
    if len(roots.points) == 0:
        return None, tint
    full = (1.0 if male else 0.75) * (1 - 0.35 * child)
    roots = roots.take(rng.integers(0, len(roots.points), int(rng.uniform(420, 950) * full)))  # several around each place of the pool
    n = len(roots.points)
    aside = tangential(rng.normal(0, 0.0009, (n, 3)), roots.normals)
    roots = roots._replace(points=roots.points + aside, rest=roots.rest + aside)
    outward = np.sign(roots.rest[:, :1])
    along = np.clip((np.abs(roots.rest[:, :1]) - INNER) / SPAN, 0, 1)
    direction = outward * surface.left * (0.35 + along * 1.0) + surface.up * (0.45 - 0.72 * along) + rng.normal(0, 0.12, (n, 3))
    direction = unit(tangential(direction, roots.normals))
    length = rng.uniform(0.0042, 0.0066) * (1.0 if male else 0.88) * (1 - 0.2 * child) * rng.uniform(0.5, 1.1, (n, 1))
    points = [
        roots.points - roots.normals * 0.0003,
        roots.points + direction * length * 0.5 + roots.normals * 0.0009,
        roots.points + direction * length + roots.normals * 0.0006 + surface.up * length * (0.08 - 0.22 * along),
    ]
    return Tuft(np.stack(points, 1).astype(np.float32), 0.0003 if male and not child else 0.00024, "fine"), tint


class Shape(NamedTuple):
    """arch, drop: metres that the middle rises and the tail falls. middle: height at rest, half: half the width, metres."""

    arch: float
    drop: float
    middle: float
    half: float

    def density(self, rest: np.ndarray, blur: float = 0.0) -> np.ndarray:
        """At places given by rest positions (N, 3). blur: metres, so that no coarse mesh misses it. Shape (N,)."""
        along = (np.abs(rest[:, 0]) - INNER) / SPAN
        inside = np.clip(along, 0, 1)
        middle = self.middle + self.arch * np.sin(inside * 2.3) + self.drop * along
        half = self.half * (1.2 - 0.8 * inside)
        across = np.exp(-((rest[:, 2] - middle) ** 2) / (half**2 + blur**2)) * half / np.hypot(half, blur)
        return across * smoothstep(-0.06, 0.08, along) * (1 - smoothstep(0.8, 1.0, along)) * (rest[:, 1] < -0.09)


def draw_shape(rng: np.random.Generator, male: bool, child: float) -> Shape:
    arch, drop = (rng.uniform(0.0, 0.0035), rng.uniform(-0.003, 0.002)) if male else (rng.uniform(0.002, 0.006), rng.uniform(-0.005, 0.001))
    middle = (0.7548 if male else 0.7560) + rng.normal(0, 0.0012)
    return Shape(arch, drop, middle, rng.uniform(0.0016, 0.0030) * (1.0 if male else 0.66) * (1 - 0.25 * child))
