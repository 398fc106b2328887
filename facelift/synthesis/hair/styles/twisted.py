"""Hair worked into cords: braids (two plaits, one plait, box braids) and locs."""

from __future__ import annotations

import numpy as np

from ...template import unit
from ..growth import Roots, Scalp
from ..hairline import waves
from ..shaping import cut_below, cut_where, frames, smooth_resample
from ..tufts import Tuft, baby_hairs, flyaways
from .tied import drawn_back, hair_tie, tie_at


def braids(scalp: Scalp, rng: np.random.Generator) -> list[Tuft]:
    kind = rng.choice(["two", "one", "box"], p=[0.3, 0.25, 0.45])
    if kind == "box":
        return _box_braids(scalp, rng)
    return _plaits(scalp, rng, 2 if kind == "two" else 1)


def locs(scalp: Scalp, rng: np.random.Generator) -> list[Tuft]:
    hem = rng.uniform(-0.30, -0.02)
    cords = _cords(scalp, rng, int(rng.uniform(190, 260)), hem, lift=0.006)
    n = len(cords)
    path = smooth_resample(cords, 22)
    path = path + _unrest(rng, path, 0.002)
    radius = rng.uniform(0.0023, 0.0036) * rng.uniform(0.8, 1.2, (n, 1, 1))
    taper = (1 - 0.45 * np.linspace(0, 1, 22)[None, :, None] ** 3) * radius
    return [
        Tuft(path.astype(np.float32), float(radius.mean() * 1.4), shade=0.7),
        Tuft(_rope(path, rng, taper, 8, 1.3), 0.0017),
        flyaways(scalp, rng, _rope(path, rng, taper, 3, 0.9), 300, 0.006),
        baby_hairs(scalp, rng, lambda p: scalp.surface.back - scalp.surface.up * 0.3, 800, 0.009),
    ]


def _plaits(scalp: Scalp, rng: np.random.Generator, count: int) -> list[Tuft]:
    """One plait down the back, or one on each side."""
    surface = scalp.surface
    pool_left = scalp.surface.template.pool.rest[:, 0]
    tufts = []
    for side in (-1, 1) if count == 2 else (0,):
        tie = tie_at(scalp, rng.uniform(-42, -30) if side else rng.uniform(-35, 20), side * 0.6)
        where = (pool_left * side > waves(surface.template.pool.rest, rng, 50, 2) * 0.002) if side else None
        tufts += drawn_back(scalp, rng, tie, None if where is None else where.astype(np.float32), 2600 if side else 4600)
        outward = unit(tie - surface.head_center + surface.left * 0.04 * side)
        length = rng.uniform(0.16, 0.30)
        normals = outward[None].astype(np.float32)
        root = Roots(tie[None].astype(np.float32), normals, tie[None], np.zeros(1), np.zeros(1), np.full(1, 20.0))
        forward = side and rng.random() < 0.6
        start = outward[None] * 0.5 - surface.up * 0.8 - surface.back * (0.5 if forward else 0)
        path = scalp.grow(
            root,
            np.array([length]),
            start,
            None,
            12,
            np.array([0.016]),
            rng,
            stiffness=0.75,
            comb=0,
            gravity=0.8,
            gravity_rise=0.4,
            jitter=0.02,
        )
        cord = smooth_resample(path, 64)
        size = 0.0105 * (1 - 0.5 * np.linspace(0, 1, 64) ** 2)[None, :, None] * rng.uniform(0.8, 1.2)
        plait = _plait(cord, rng, size, length / 0.036, 60)
        end = cord[0, -4]
        tail = end + (rng.normal(0, 0.4, (220, 3)) + [0, 0, -1])[:, None] * np.linspace(0, 0.035, 5)[None, :, None]
        tail = tail + rng.normal(0, 0.003, (220, 1, 3)) * (1 - np.linspace(0, 1, 5)[None, :, None] * 0.5)
        tufts += [
            Tuft(plait, 0.0013),
            Tuft(cord[:, ::4], 0.010, shade=0.6),
            Tuft(tail.astype(np.float32), 0.0009),
            hair_tie(scalp, rng, end, unit(cord[0, -1] - cord[0, -6]), 0.007),
            flyaways(scalp, rng, plait[::3, ::4], 60, 0.006),
        ]
    return tufts


def _box_braids(scalp: Scalp, rng: np.random.Generator) -> list[Tuft]:
    length_points = 60
    cords = _cords(scalp, rng, int(rng.uniform(150, 190)), rng.uniform(-0.33, -0.12), lift=0.005)
    path = smooth_resample(cords, length_points)
    radius = np.full((len(path), length_points, 1), rng.uniform(0.0026, 0.0034))
    radius = radius * (1 - 0.35 * np.linspace(0, 1, length_points)[None, :, None])
    tufts = [
        Tuft(path[:, ::4].astype(np.float32), float(radius.mean() * 1.6), shade=0.7),
        Tuft(_plait(path, rng, radius, length_points / 7.5, 2), 0.0026),
        baby_hairs(scalp, rng, lambda p: scalp.surface.back - scalp.surface.up * 0.3, 900, 0.011),
    ]
    if rng.random() < 0.25:
        tufts.append(_beads(path, rng))
    return tufts


def _beads(path: np.ndarray, rng: np.random.Generator) -> Tuft:
    """Rings of bright colour near the ends of some cords."""
    chosen = path[rng.random(len(path)) < 0.5]
    at = rng.integers(path.shape[1] * 3 // 4, path.shape[1] - 3)
    return Tuft(chosen[:, at : at + 3].astype(np.float32), 0.0085, dye=rng.uniform(0.1, 0.8, 3))


def _cords(scalp: Scalp, rng: np.random.Generator, count: int, hem: float, lift: float) -> np.ndarray:
    """The middle lines of `count` cords that start evenly over the scalp and hang to `hem` over the head's centre. Shape (N, 16, 3)."""
    surface = scalp.surface
    roots = _spread(scalp.roots(count * 12, rng, (scalp.density > 0.6).astype(np.float32)), count, rng)
    n = len(roots.points)
    place = scalp.local(roots.points)
    swept = rng.uniform(0.2, 0.9)
    to_side = np.tanh((place[:, :1] - rng.normal(0, 0.02)) / 0.02)

    def flow(points, t):
        pull = max(0.0, 1 - t / 0.4)
        sideways = to_side * (0.9 * pull - 0.05)
        return unit(sideways * surface.left + surface.back * swept * pull - surface.up * (0.3 + 1.2 * t))

    start = roots.normals * 0.8 + to_side * surface.left * 0.4 + surface.back * swept * 0.6
    lengths = np.full(n, 0.20 - hem) * rng.uniform(0.75, 1.0, n)
    height = lift + rng.random(n) * 0.014
    cords = scalp.grow(roots, lengths, start, flow, 16, height, rng, stiffness=0.55, comb=0.45, gravity=0.3, jitter=0.05, hug=True)
    cords = cut_below(cords, surface.head_center[2] + hem + rng.normal(0, 0.012, n))
    left, back, up = np.moveaxis(scalp.local(cords), -1, 0)
    return cut_where(cords, (back < -0.045) & (np.abs(left) < 0.052) & (up < 0.035))


def _spread(roots: Roots, count: int, rng: np.random.Generator) -> Roots:
    """`count` of the roots, evenly apart: the nearest to the means of as many cells after a few rounds of Lloyd."""
    from scipy.spatial import cKDTree

    centers = roots.rest[rng.choice(len(roots.rest), min(count, len(roots.rest)), replace=False)].astype(float)
    for _ in range(4):
        _, cell = cKDTree(centers).query(roots.rest)
        total = np.stack([np.bincount(cell, roots.rest[:, c], len(centers)) for c in range(3)], 1)
        centers = total / np.maximum(np.bincount(cell, minlength=len(centers)), 1)[:, None]
    return roots.take(np.unique(cKDTree(roots.rest).query(centers)[1]))


def _unrest(rng: np.random.Generator, path: np.ndarray, size: float) -> np.ndarray:
    """Slow wobble of each path. Shape as path."""
    n, k, _ = path.shape
    t = np.linspace(0, 1, k)[None, :, None]
    return size * np.sin(t * rng.uniform(6, 16, (n, 1, 1)) + rng.uniform(0, 6.28, (n, 1, 3))) * np.minimum(1, 4 * t)


def _rope(path: np.ndarray, rng: np.random.Generator, radius: np.ndarray, strands: int, turns: float) -> np.ndarray:
    """`strands` hairs wound around each path (N, K, 3) at its `radius`. Shape (N * strands, K, 3)."""
    n, k, _ = path.shape
    _, side, other = frames(path)
    phase = (np.arange(strands) / strands * 6.283)[None, :, None] + rng.uniform(0, 6.28, (n, 1, 1))
    angle = phase + rng.normal(0, 0.2, (n, strands, 1)) + np.linspace(0, 6.283 * turns, k)
    rough = 1 + 0.17 * rng.standard_normal((n, strands, k))
    offset = np.cos(angle)[..., None] * side[:, None] + np.sin(angle)[..., None] * other[:, None]
    return (path[:, None] + offset * (radius[:, None] * rough[..., None])).reshape(-1, k, 3).astype(np.float32)


def _plait(path: np.ndarray, rng: np.random.Generator, radius: np.ndarray, periods: float, strands: int) -> np.ndarray:
    """Three bundles of `strands` hairs crossing over each other along each path. Shape (N * 3 * strands, K, 3)."""
    n, k, _ = path.shape
    _, side, other = frames(path)
    thickness = 0.55
    phase = np.arange(3) / 3 * 6.283
    angle = phase[:, None] + np.linspace(0, 6.283 * periods, k)[None]  # (3, K)
    across, over = np.sin(angle), 0.55 * np.sin(2 * angle)
    spot = rng.normal(0, 1, (n, 3, strands, 2))
    spot = spot / np.maximum(np.linalg.norm(spot, axis=-1, keepdims=True), 1) * thickness  # on and in the bundle
    x = across[None, :, None] + spot[..., :1]
    y = over[None, :, None] + spot[..., 1:]
    points = path[:, None, None] + (x[..., None] * side[:, None, None] + y[..., None] * other[:, None, None]) * radius[:, None, None]
    return points.reshape(-1, k, 3).astype(np.float32)
