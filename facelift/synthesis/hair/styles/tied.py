"""Hair drawn tight to a tie: bun, top knot, ponytail."""

from __future__ import annotations

import math

import numpy as np

from ....arrays import smoothstep
from ...template import unit
from ..growth import Roots, Scalp
from ..shaping import clump, curl, split
from ..tufts import Tuft, baby_hairs, flyaways


def bun(scalp: Scalp, rng: np.random.Generator) -> list[Tuft]:
    tie = tie_at(scalp, rng.uniform(-15, 55))
    return drawn_back(scalp, rng, tie) + _knot(scalp, rng, tie, rng.uniform(0.024, 0.04))


def top_knot(scalp: Scalp, rng: np.random.Generator) -> list[Tuft]:
    tie = tie_at(scalp, rng.uniform(68, 88))
    return drawn_back(scalp, rng, tie) + _knot(scalp, rng, tie, rng.uniform(0.02, 0.034))


def ponytail(scalp: Scalp, rng: np.random.Generator) -> list[Tuft]:
    tie = tie_at(scalp, rng.uniform(-20, 65))
    return drawn_back(scalp, rng, tie) + _tail(scalp, rng, tie) + [hair_tie(scalp, rng, tie, unit(tie - scalp.surface.head_center))]


def tie_at(scalp: Scalp, angle: float, left: float = 0.0) -> np.ndarray:
    """A place just off the head, `angle` degrees up from straight back; left: -1..1, how far to the side. Shape (3,)."""
    a = math.radians(angle)
    return scalp.over(scalp.surface.head_rotation @ unit(np.array([left, math.cos(a), math.sin(a)])), 0.006)


def drawn_back(scalp: Scalp, rng: np.random.Generator, tie: np.ndarray, where: np.ndarray | None = None, strands: int = 4100) -> list[Tuft]:
    """All hair (or that at pool places where `where` (R,) is 1) combed to the tie (3,)."""
    roots = scalp.roots(strands, rng, scalp.density if where is None else scalp.density * where)
    n = len(roots.points)
    away = np.linalg.norm(roots.points - tie, axis=1)
    inner = smoothstep(0, 16, roots.edge)
    lift = 0.0012 + (0.003 + 0.008 * rng.random(n)) * rng.uniform(0.3, 1.5) * inner
    top = scalp.over(scalp.surface.up * 0.9 + scalp.surface.back * 0.44, 0.0)

    def flow(p, t):
        """Straight to the tie; from the forehead over the top."""
        far = smoothstep(0.13, 0.19, np.linalg.norm(p - tie, axis=1, keepdims=True)) * (scalp.local(p)[:, 2:] > 0.02)
        return unit(unit(tie - p) * (1 - far) + unit(top - p) * far)

    start = roots.normals * (0.04 + 0.22 * inner)[:, None] + flow(roots.points, 0) * 0.9
    points = scalp.grow(
        roots,
        away * 1.24 + 0.01,
        start,
        flow,
        8,
        lift,
        rng,
        stiffness=0.35,
        comb=0.65,
        gravity=0,
        jitter=0.025,
        hug=True,
    )
    t = np.linspace(0, 1, 8)[None, :, None]
    points = (points + (tie + rng.normal(0, 0.006, (n, 1, 3)) - points[:, -1:]) * t**3).astype(np.float32)
    points, _ = clump(points, rng, 260, rng.uniform(0.1, 0.4), 1.3)
    return [
        Tuft(split(points, rng, 2, 0.0010, 0.0), 0.0010),
        baby_hairs(scalp, rng, lambda p: flow(p, 0), 1200, rng.uniform(0.012, 0.022)),
        flyaways(scalp, rng, points, 130, 0.009),
    ]


def hair_tie(scalp: Scalp, rng: np.random.Generator, center: np.ndarray, axis: np.ndarray, radius: float = 0.011) -> Tuft:
    """A band around the hair."""
    side, other = across(axis)
    n = 26
    angle = rng.uniform(0, 6.28, (n, 1)) + np.linspace(0, 2.2, 8)[None]
    around = np.cos(angle)[..., None] * side + np.sin(angle)[..., None] * other
    points = center + axis * rng.normal(0.004, 0.0025, (n, 1, 1)) + around * radius * rng.uniform(0.95, 1.1, (n, 1, 1))
    dye = np.array([0.01, 0.01, 0.012]) if rng.random() < 0.6 else rng.uniform(0.02, 0.6, 3)
    return Tuft(points.astype(np.float32), 0.0018, dye=dye)


def across(axis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two unit vectors square to the axis."""
    side = unit(np.cross(axis, [0.3, 0.1, 0.9]))
    return side, np.cross(axis, side)


def _tail(scalp: Scalp, rng: np.random.Generator, tie: np.ndarray) -> list[Tuft]:
    surface, n = scalp.surface, 1200
    outward = unit(tie - surface.head_center)
    lengths = rng.uniform(0.14, 0.32) * rng.uniform(0.75, 1.05, n)
    base = (tie + rng.normal(0, 0.006, (n, 3))).astype(np.float32)
    normals = np.repeat(outward[None], n, 0).astype(np.float32)
    roots = Roots(base, normals, base, np.zeros(n), np.zeros(n), np.full(n, 20.0))
    start = outward + rng.normal(0, 0.12, (n, 3)) + surface.up * 0.1
    lift = 0.004 + 0.014 * rng.random(n)
    tail = scalp.grow(roots, lengths, start, None, 13, lift, rng, stiffness=0.8, comb=0, gravity=0.7, gravity_rise=0.5, jitter=0.03)
    tail, lock = clump(tail, rng, 60, rng.uniform(0.3, 0.6))
    if rng.random() < 0.5:
        tail = curl(tail, rng, rng.uniform(0.003, 0.008), rng.uniform(0.8, 1.7), lock, 0.3, 0.4)
    return [Tuft(split(tail, rng, 2, 0.0014), 0.0010), flyaways(scalp, rng, tail, 50, 0.012)]


def _knot(scalp: Scalp, rng: np.random.Generator, tie: np.ndarray, radius: float) -> list[Tuft]:
    """Hair wound into a ball, closed at both ends of its axis, over a dark core."""
    outward, n = unit(tie - scalp.surface.head_center), 1700
    axis = unit(outward + rng.normal(0, 0.22, 3))
    side, other = across(axis)
    center = tie + outward * radius * 0.62
    t = np.linspace(0, 1, 12)[None]
    begin = np.arcsin(rng.uniform(-1, 0.98, (n, 1)))
    latitude = np.clip(begin + rng.uniform(0.25, 0.9, (n, 1)) * t, -1.5, 1.52) + 0.05 * np.sin(5 * t + rng.uniform(0, 6.28, (n, 1)))
    longitude = rng.uniform(0, 6.28, (n, 1)) + t * rng.uniform(1.6, 2.8) * (1 + 0.6 * smoothstep(0.8, 1.5, latitude))
    bulge = 1 + 0.07 * np.sin(3 * latitude + longitude * 1.0)  # the turns of the rope
    size = radius * rng.uniform(0.86, 1.05, (n, 1)) * bulge
    ball = (np.cos(longitude) * np.cos(latitude))[..., None] * side + (np.sin(longitude) * np.cos(latitude))[..., None] * other
    ball = ball + (np.sin(latitude) * 0.8)[..., None] * axis
    points = (center + ball * size[..., None]).astype(np.float32)
    core = (center + (ball[::8, ::3] * radius * 0.8)).astype(np.float32)
    return [
        Tuft(core, radius * 0.35, shade=0.6),
        Tuft(points, 0.0013),
        flyaways(scalp, rng, points, 70, 0.008 * rng.uniform(0.5, 2.5)),
    ]
