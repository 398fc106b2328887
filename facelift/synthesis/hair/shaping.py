"""What scissors, combs and irons do to grown strands, each of Shape (N, K, 3) from root to tip."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.spatial import cKDTree

from ..template import unit


def resample(strands: np.ndarray, start: np.ndarray, end: np.ndarray, count: int | None = None) -> np.ndarray:
    """The stretch from `start` to `end` (point numbers, Shape (N,), fractions allowed), as evenly spaced points."""
    n, k, _ = strands.shape
    at = start[:, None] + (end - start)[:, None] * np.linspace(0, 1, count or k, dtype=np.float32)[None]
    low = np.clip(at.astype(int), 0, k - 2)
    fraction = (at - low)[..., None].astype(np.float32)
    row = np.arange(n)[:, None]
    return strands[row, low] * (1 - fraction) + strands[row, low + 1] * fraction


def smooth_resample(strands: np.ndarray, count: int) -> np.ndarray:
    """As many points as asked on a Catmull-Rom curve through the given ones. Shape (N, count, 3)."""
    k = strands.shape[1]
    padded = np.concatenate([2 * strands[:, :1] - strands[:, 1:2], strands, 2 * strands[:, -1:] - strands[:, -2:-1]], 1)
    at = np.linspace(0, k - 1, count)
    i = np.minimum(at.astype(int), k - 2)
    f = (at - i)[None, :, None].astype(np.float32)
    a, b, c, d = (padded[:, i + o] for o in range(4))
    return b + 0.5 * f * (c - a + f * (2 * a - 5 * b + 4 * c - d + f * (3 * (b - c) + d - a)))


def thin_out(strands: np.ndarray, count: int) -> np.ndarray:
    """Fewer points, closer together near the root, where hair bends over the head. Shape (N, count, 3)."""
    at = (strands.shape[1] - 1) * np.linspace(0, 1, count) ** 1.25
    low = np.minimum(at.astype(int), strands.shape[1] - 2)
    fraction = (at - low)[None, :, None].astype(np.float32)
    return strands[:, low] * (1 - fraction) + strands[:, low + 1] * fraction


def cut_below(strands: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Cut where a strand first falls below its `height` (N,)."""
    n, k, _ = strands.shape
    below = strands[:, :, 2] < height[:, None]
    cut = below.any(1)
    first = np.maximum(np.where(cut, below.argmax(1), k - 1), 1)
    row = np.arange(n)
    over, under = strands[row, first - 1, 2], strands[row, first, 2]
    fraction = np.where(cut, np.clip((over - height) / np.maximum(over - under, 1e-6), 0, 1), 1)
    return resample(strands, np.zeros(n), first - 1 + fraction)


def cut_where(strands: np.ndarray, forbidden: np.ndarray) -> np.ndarray:
    """Cut before the first point that is `forbidden` (N, K); the first two points always stay."""
    n, k, _ = strands.shape
    forbidden = forbidden.copy()
    forbidden[:, :2] = False
    end = np.where(forbidden.any(1), forbidden.argmax(1) - 1, k - 1)
    return resample(strands, np.zeros(n), np.maximum(end, 1).astype(float))


def outside(strands: np.ndarray, covered: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """What is seen of hair under a hat that hides `covered(points)`: from where it comes out to where it goes in for good; hair that only
    passes under a band stays whole. Strands that never come out are dropped. Shape (M, K, 3)."""
    n, k, _ = strands.shape
    hidden = covered(strands)
    starts_hidden, ends_hidden = hidden[:, 0], hidden[:, -1]
    first = np.where(starts_hidden, (~hidden).argmax(1), 0)
    after = hidden & (np.arange(k)[None] > first[:, None])
    goes_in = ends_hidden & after.any(1)
    last = np.where(goes_in, after.argmax(1), k - 1)
    start = np.where(starts_hidden, _edge(strands, covered, first - 1.0, first.astype(float)), 0)
    end = np.where(goes_in, _edge(strands, covered, last.astype(float), last - 1.0), last)
    seen = ~hidden.all(1) & (end - start > 0.1)
    return resample(strands[seen], start[seen], end[seen])


def _edge(strands: np.ndarray, covered: Callable[[np.ndarray], np.ndarray], inside: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Where between the hidden points `inside` and the seen ones `free` (point numbers, Shape (N,)) strands leave a hat."""
    inside, free = np.maximum(inside, 0), np.maximum(free, 0)
    for _ in range(4):
        middle = (inside + free) / 2
        hidden = covered(resample(strands, middle, middle, 1)[:, 0])
        inside, free = np.where(hidden, middle, inside), np.where(hidden, free, middle)
    return free


def clump(strands: np.ndarray, rng: np.random.Generator, count: int, amount: float, power: float = 1.2) -> tuple[np.ndarray, np.ndarray]:
    """Strands drawn together into `count` locks towards their tips. Returns them and the lock of each, Shape (N,)."""
    n, k, _ = strands.shape
    roots = strands[:, 0]
    centers = rng.choice(n, min(count, n), replace=False)
    _, lock = cKDTree(roots[centers]).query(roots)
    center = strands[centers[lock]]
    t = (np.linspace(0, 1, k, dtype=np.float32) ** power)[None, :, None]
    spread = (roots - center[:, 0])[:, None] * 0.25
    return strands + (center - strands + spread) * t * amount, lock


def frames(strands: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tangent and two axes across it along each strand, each Shape (N, K, 3)."""
    tangent = unit(np.gradient(strands, axis=1)).astype(np.float32)
    side = unit(np.cross(tangent, np.array([0.3, 0.2, 1.0], np.float32))).astype(np.float32)
    return tangent, side, np.cross(tangent, side)


def curl(
    strands: np.ndarray,
    rng: np.random.Generator,
    radius: float | np.ndarray,
    turns: float | np.ndarray,
    lock: np.ndarray | None = None,
    onset: float = 0.2,
    disorder: float = 0.5,
) -> np.ndarray:
    """Strands wound around themselves: helices of `radius` metres and so many `turns`, as far as the points can carry them; hairs of one
    `lock` (N,) turn together but for `disorder` radians. The curl sets in over the first `onset` of the length."""
    n, k, _ = strands.shape
    _, side, other = frames(strands)
    turns = np.minimum(turns, (k - 1) / 5.5)
    t = np.linspace(0, 1, k, dtype=np.float32)[None]
    if lock is None:
        lock, disorder = np.arange(n), 0.0
    locks = int(lock.max()) + 1
    phase = rng.uniform(0, 6.28, locks)[lock] + rng.normal(0, disorder, n)
    speed = np.broadcast_to(turns, (n,)) * np.exp(rng.normal(0, 0.12, locks))[lock]
    angle = (phase[:, None] + t * 6.283 * speed[:, None]).astype(np.float32)
    size = np.minimum(1, t / onset) * (np.broadcast_to(radius, (n,)) * np.exp(rng.normal(0, 0.25, locks))[lock])[:, None]
    size = size.astype(np.float32)
    return strands + (np.cos(angle) * size)[..., None] * side + (np.sin(angle) * size)[..., None] * other


def split(strands: np.ndarray, rng: np.random.Generator, count: int, apart: float, tips: float = 0.08) -> np.ndarray:
    """Each strand as `count` finer ones beside each other: offset by about `apart` metres, wandering along the length, of slightly
    different lengths (a share `tips`). Shape (N * count, K, 3)."""
    if count == 1:
        return strands
    n, k, _ = strands.shape
    copies = np.repeat(strands, count, 0)
    _, side, other = (np.repeat(f, count, 0) for f in frames(strands))
    t = np.linspace(0, 1, k, dtype=np.float32)[None]
    bend = rng.standard_normal((n * count, 4, 1)).astype(np.float32) * apart
    across = bend[:, 0] + (bend[:, 1] - bend[:, 0]) * t
    along = (bend[:, 2] + (bend[:, 3] - bend[:, 2]) * t) * 0.6
    copies = copies + across[..., None] * side + along[..., None] * other
    return resample(copies, np.zeros(n * count), (k - 1) * (1 - tips * rng.random(n * count)))


def stray(strands: np.ndarray, rng: np.random.Generator, count: int, away: float, center: np.ndarray) -> np.ndarray:
    """Flyaways: copies of `count` strands that drift off, up to about `away` metres at the tip, mostly away from `center` (3,)."""
    n, k, _ = strands.shape
    chosen = strands[rng.choice(n, min(count, n), replace=False)]
    m = len(chosen)
    end = (k - 1) * rng.uniform(0.35, 1, m)
    chosen = resample(chosen, end * rng.uniform(0, 0.5, m), end)
    t = np.linspace(0, 1, k, dtype=np.float32)[None, :, None]
    outward = unit(chosen.mean(1) - center)
    drift = (outward * rng.uniform(0, 1, (m, 1)) + rng.normal(0, 0.4, (m, 3)))[:, None] * t**1.5
    sway = rng.normal(0, 0.25, (m, 1, 3)) * np.sin(t * rng.uniform(2, 6, (m, 1, 1)) + rng.uniform(0, 6, (m, 1, 1))) * t
    return (chosen + (drift + sway) * away * rng.uniform(0.2, 1, (m, 1, 1)) ** 2).astype(np.float32)
