"""Hair that falls: bob, long straight, fringe, wavy, long curls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....arrays import smoothstep
from ...template import unit
from ..growth import Roots, Scalp
from ..hairline import waves
from ..shaping import clump, curl, cut_below, cut_where, smooth_resample, split, thin_out
from ..tufts import Tuft, baby_hairs, flyaways


@dataclass(frozen=True)
class Fall:
    """How long hair hangs. hem: height of its ends over the head's centre, metres. strands: grown ones, each split in `copies`.
    points, waved: points of a strand, and of a waved one. volume: how far it stands off the head. raggedness: spread of the hem, metres.
    locks, cling: clumps and how tight. flare: how much it widens as it falls.
    """

    hem: float
    strands: int = 3700
    copies: int = 2
    points: int = 13
    volume: float = 1.0
    raggedness: float = 0.014
    locks: int = 420
    cling: float = 0.4
    width: float = 0.0011
    waved: int = 21
    flare: float = 0.0


def bob(scalp: Scalp, rng: np.random.Generator) -> list[Tuft]:
    return _finish(scalp, rng, _straight(scalp, rng, Fall(rng.uniform(-0.155, -0.095), raggedness=rng.uniform(0.003, 0.01))))


def long_straight(scalp: Scalp, rng: np.random.Generator) -> list[Tuft]:
    return _finish(scalp, rng, _straight(scalp, rng, Fall(rng.uniform(-0.36, -0.19))))


def fringe(scalp: Scalp, rng: np.random.Generator) -> list[Tuft]:
    """Bangs over the forehead, long or chin length behind."""
    fall = Fall(rng.uniform(-0.33, -0.11))
    strands, roots, fall = _straight(scalp, rng, fall)
    n = len(roots.points)
    front = (np.abs(roots.azimuth) < rng.normal(50, 7, n)) & (roots.elevation < rng.normal(63, 6, n))
    strands[front] = _bangs(scalp, rng, roots.take(front), strands.shape[1])
    return _finish(scalp, rng, (strands, roots, fall))


def wavy(scalp: Scalp, rng: np.random.Generator) -> list[Tuft]:
    fall = Fall(rng.uniform(-0.34, -0.13), strands=2300, volume=1.4, locks=200, cling=0.55, width=0.0012, flare=rng.uniform(0, 0.2))
    return _finish(scalp, rng, _straight(scalp, rng, fall, wave=(rng.uniform(0.005, 0.011), rng.uniform(7, 12))), 120, 0.02)


def long_curls(scalp: Scalp, rng: np.random.Generator) -> list[Tuft]:
    fall = Fall(
        rng.uniform(-0.28, -0.10), strands=2100, volume=2.0, locks=300, cling=0.75, width=0.0013, waved=25, flare=rng.uniform(0.05, 0.35)
    )
    return _finish(scalp, rng, _straight(scalp, rng, fall, wave=(rng.uniform(0.006, 0.011), rng.uniform(12, 20))), 160, 0.022)


def _straight(
    scalp: Scalp, rng: np.random.Generator, fall: Fall, wave: tuple[float, float] | None = None
) -> tuple[np.ndarray, Roots, Fall]:
    """Strands parted on top, falling beside the face and down the back. wave: radius in metres and turns per metre."""
    surface = scalp.surface
    parting = rng.normal(0, 0.022)
    roots = scalp.roots(fall.strands, rng, scalp.density * _fuller(scalp, parting))
    n = len(roots.points)
    place = scalp.local(roots.points)
    wander = waves(roots.rest, rng, 60, 3) * 0.004 + rng.normal(0, 0.003, n)
    behind = smoothstep(0.03, 0.075, place[:, 1] + waves(roots.rest, rng, 60, 1) * 0.006)[:, None]
    to_side = np.tanh((place[:, 0] - parting - wander) / 0.006)[:, None]
    at_back = np.tanh(place[:, 0] / 0.05)[:, None]
    full_length = 0.20 - fall.hem
    lengths = np.full(n, full_length) * (0.62 + 0.38 * smoothstep(-40, 60, roots.elevation))
    spread, swept = rng.uniform(-0.08, 0.05), rng.uniform(0, 0.3)
    outward = np.tanh(place[:, :1] / 0.03) * fall.flare
    irregular = waves(roots.rest, rng, 45, 2)[:, None] * 0.06
    before = np.where(place[:, 1] < rng.normal(0.0, 0.02), 1.0, 0.0)[:, None]  # falls in front of the shoulder

    def flow(points, t):
        at = scalp.local(points)
        pull = (smoothstep(-0.02, 0.075, at[:, 2]) * max(0.0, 1 - t / 0.7))[:, None]  # the comb's way, as long as hair lies on the head
        low = smoothstep(0.01, -0.11, at[:, 2])[:, None]
        room = 1 - smoothstep(0.045, 0.085, np.abs(at[:, :1]))  # no further out than the head is wide
        sideways = (to_side * (1 - behind) + at_back * behind * 0.6) * (1.1 * pull * room + spread) + outward * low
        inward = -np.clip(at[:, :1] / 0.09, -1.3, 1.3) * low * 0.15
        backward = (0.35 + swept * (1 - behind) * 0.5 + behind * 0.35) * pull - 0.10 * behind * (t > 0.4)
        backward = backward + low * (0.45 * (1 - before) - 0.30 * before)
        return unit((sideways + inward + irregular) * surface.left + backward * surface.back - surface.up * (0.35 + 1.2 * t))

    start = roots.normals * 0.4 + to_side * (1 - behind) * surface.left * 0.7 + surface.back * (0.25 + behind * 0.5)
    start = start + surface.up * 0.12 * (1 - behind)
    layer = rng.random(n)
    lift = 0.002 + (0.013 * layer * rng.uniform(0.6, 1.4) * fall.volume) * smoothstep(-2, 8, roots.edge)
    strands = scalp.grow(
        roots,
        lengths,
        start,
        flow,
        fall.points,
        lift,
        rng,
        stiffness=0.5,
        comb=0.5,
        gravity=0.25,
        jitter=0.05,
        hug=True,
        press=rng.uniform(0.35, 0.7) / fall.volume**2,
    )
    strands, lock = clump(strands, rng, fall.locks, rng.uniform(0.7, 1.2) * fall.cling)
    if wave is not None:
        strands = smooth_resample(strands, fall.waved)
        strands = curl(strands, rng, wave[0], wave[1] * full_length, lock, 0.35, 0.3)
    elif rng.random() < 0.4:
        strands = curl(strands, rng, 0.002, 1.6, lock, 0.4)
    hem = (
        surface.head_center[2]
        + fall.hem
        + rng.normal(0, fall.raggedness, n)
        + 0.03 * np.cos(np.radians(roots.azimuth)) * rng.normal(0, 0.5)
    )
    strands = cut_below(strands, hem)
    strands = cut_where(strands, on_face(scalp, strands))
    if wave is None:
        strands = thin_out(strands, 10)
    return strands, roots, fall


def _fuller(scalp: Scalp, parting: float) -> np.ndarray:
    """More roots where hair leaves to both sides: at the parting and the front of the hairline. Shape (R,), 0..1."""
    pool = scalp.surface.template.pool
    beside = np.exp(-(((pool.rest[:, 0] - parting) / 0.012) ** 2)) * (pool.elevation > 25)
    front = np.exp(-((scalp.edge / 6) ** 2)) * (np.abs(pool.azimuth) < 75)
    return 0.4 + 0.6 * np.maximum(beside, front)


def on_face(scalp: Scalp, strands: np.ndarray) -> np.ndarray:
    """Points in front of the face or under the chin. Shape (N, K)."""
    left, back, up = np.moveaxis(scalp.local(strands), -1, 0)
    face = (back < -0.045) & (np.abs(left) < 0.050) & (up < 0.03)
    throat = (back < 0.0) & (np.abs(left) < 0.045) & (up < -0.11)
    return face | throat


def _bangs(scalp: Scalp, rng: np.random.Generator, roots: Roots, count: int) -> np.ndarray:
    """Hair combed from the top over the forehead, cut above the eyes."""
    surface = scalp.surface
    n = len(roots.points)
    place = scalp.local(roots.points)
    hem = surface.head_center[2] + rng.uniform(0.006, 0.03)
    start = roots.normals * 0.3 - surface.back * 0.6 + surface.left * place[:, :1] * 4

    def flow(points, t):
        return unit(
            -surface.back * 0.6 * max(0, 1 - 1.6 * t) - surface.up * (0.25 + 1.2 * t) + surface.left * scalp.local(points)[:, :1] * 3
        )

    lift = 0.003 + 0.008 * rng.random(n)
    strands = scalp.grow(
        roots, np.full(n, 0.11), start, flow, count, lift, rng, stiffness=0.6, comb=0.4, gravity=0.25, jitter=0.04, hug=True, press=0.5
    )
    strands, _ = clump(strands, rng, 90, rng.uniform(0.2, 0.5))
    sides = 0.02 * np.clip(np.abs(place[:, 0]) / 0.05, 0, 1) ** 2  # longer towards the temples
    return cut_below(strands, hem - sides * rng.uniform(-0.2, 1) + rng.normal(0, 0.003, n))


def _finish(
    scalp: Scalp, rng: np.random.Generator, grown: tuple[np.ndarray, Roots, Fall], loose: int = 110, away: float = 0.014
) -> list[Tuft]:
    strands, _, fall = grown
    surface = scalp.surface
    apart = 0.0012 if fall.volume < 1.2 else 0.0018
    return [
        Tuft(split(strands, rng, fall.copies, apart), fall.width),
        baby_hairs(
            scalp, rng, lambda p: surface.back * 0.3 - surface.up * 0.4 + np.sign(scalp.local(p)[:, :1]) * surface.left * 0.5, 800, 0.013
        ),
        flyaways(scalp, rng, strands, loose, away),
    ]
