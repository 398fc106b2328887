"""Hair short enough to stand: buzz, crop, short, side part, slick, quiff, pixie, receding, balding."""

from __future__ import annotations

import numpy as np

from ....arrays import smoothstep
from ...template import unit
from ..growth import Roots, Scalp, tangential
from ..hairline import waves
from ..shaping import clump, curl, cut_below, split
from ..tufts import Tuft, baby_hairs, flyaways, undercoat


def bald(scalp: Scalp, rng: np.random.Generator) -> list[Tuft]:
    return []


def buzz(scalp: Scalp, rng: np.random.Generator) -> list[Tuft]:
    roots = scalp.roots(11000, rng)
    n = len(roots.points)
    fade = 0.35 + 0.65 * smoothstep(-30, 15, roots.elevation)
    lengths = rng.uniform(0.003, 0.009) * fade * rng.uniform(0.8, 1.1, n)
    outward = tangential(unit(roots.points - scalp.crown), roots.normals)
    direction = unit(roots.normals * 0.8 + outward * 0.6 + rng.normal(0, 0.15, (n, 3)))
    points = roots.points[:, None] + direction[:, None] * lengths[:, None, None] * np.array([-0.1, 0.5, 1.0])[None, :, None]
    return [Tuft(points.astype(np.float32), 0.0008)]


def short(scalp: Scalp, rng: np.random.Generator) -> list[Tuft]:
    return _cropped(scalp, rng, top=0.038, side=0.018)


def crop(scalp: Scalp, rng: np.random.Generator) -> list[Tuft]:
    return _cropped(scalp, rng, top=0.028, side=0.009, forward=rng.uniform(0.1, 0.6))


def receding(scalp: Scalp, rng: np.random.Generator) -> list[Tuft]:
    return _cropped(scalp, rng, top=0.030, side=0.016, strands=3800)


def balding(scalp: Scalp, rng: np.random.Generator) -> list[Tuft]:
    return _cropped(scalp, rng, top=0.012, side=0.012, strands=3600)


def side_part(scalp: Scalp, rng: np.random.Generator) -> list[Tuft]:
    return _parted(scalp, rng, top=0.075, side=0.020)


def pixie(scalp: Scalp, rng: np.random.Generator) -> list[Tuft]:
    return _parted(scalp, rng, top=0.078, side=0.042, brow=True)


def slick(scalp: Scalp, rng: np.random.Generator) -> list[Tuft]:
    """Combed straight back, close to the head."""
    surface = scalp.surface

    def flow(points, t):
        behind = smoothstep(0.0, 0.07, scalp.local(points)[:, 1])[:, None]
        return unit(surface.back - surface.up * 0.6 * behind)

    roots, lengths, top = _cut(scalp, rng, 0.085, 0.032)
    start = roots.normals * (0.12 + 0.35 * smoothstep(0, 14, roots.edge)[:, None]) + surface.back * 0.8 + surface.up * 0.15
    lift = 0.001 + 0.007 * rng.random(len(top)) ** 1.5 * top * smoothstep(0, 14, roots.edge) * rng.uniform(0.4, 1.3)
    strands = scalp.grow(
        roots, lengths, start, flow, 7, lift, rng, stiffness=0.5, comb=0.5, gravity=0.08, jitter=rng.uniform(0.02, 0.06), hug=True
    )
    strands, _ = clump(strands, rng, 300, rng.uniform(0.2, 0.6))
    return [
        undercoat(scalp, rng, lambda p: flow(p, 0)),
        Tuft(split(strands, rng, 2, 0.0009), 0.0010),
        baby_hairs(scalp, rng, lambda p: flow(p, 0), 1100, 0.018),
        flyaways(scalp, rng, strands, 60, 0.008),
    ]


def quiff(scalp: Scalp, rng: np.random.Generator) -> list[Tuft]:
    """Short sides, the top brushed up and back from the forehead."""
    surface, side = scalp.surface, rng.choice([-1, 1])

    def flow(points, t):
        behind = smoothstep(0.02, 0.08, scalp.local(points)[:, 1])[:, None]
        return unit(surface.back * 0.7 + surface.up * (0.1 - 0.9 * behind) + surface.left * 0.15 * side)

    roots, lengths, top = _cut(scalp, rng, rng.uniform(0.05, 0.075), 0.012)
    lengths = lengths * (1 - 0.55 * smoothstep(0.0, 0.08, scalp.local(roots.points)[:, 1]))
    on_top = smoothstep(15, 45, roots.elevation)[:, None]
    start = roots.normals * 0.75 + surface.up * 0.6 * on_top - surface.back * 0.2 * on_top - surface.up * 0.5 * (1 - on_top)
    lift = 0.001 + 0.012 * rng.random(len(top)) ** 1.5 * top * rng.uniform(0.6, 1.3)
    strands = scalp.grow(roots, lengths, start, flow, 7, lift, rng, stiffness=0.55, comb=0.4, gravity=0.12, jitter=rng.uniform(0.04, 0.1))
    strands, _ = clump(strands, rng, 380, rng.uniform(0.3, 0.6))
    return [
        undercoat(scalp, rng, lambda p: flow(p, 0) - surface.up),
        Tuft(split(strands, rng, 2, 0.0010), 0.0010),
        baby_hairs(scalp, rng, lambda p: flow(p, 0) * 0.5 - surface.up * 0.3, 700, 0.009),
        flyaways(scalp, rng, strands, 70, 0.01),
    ]


def _cut(scalp: Scalp, rng: np.random.Generator, top: float, side: float, strands: int = 4100) -> tuple[Roots, np.ndarray, np.ndarray]:
    """Roots, their lengths in metres and how much they belong to the top (0..1), for hair of these lengths, shorter to the nape."""
    roots = scalp.roots(strands, rng)
    on_top = smoothstep(12, 50, roots.elevation)
    lengths = (side + (top - side) * on_top) * rng.uniform(0.75, 1.25) * rng.uniform(0.85, 1.1, len(on_top))
    to_nape = 0.2 + 0.8 * smoothstep(-44, -6, roots.elevation)
    beside = smoothstep(45, 65, np.abs(roots.azimuth))  # hair tapers at the sides and behind, not over the forehead
    to_edge = 1 - (0.5 + 0.2 * beside) * smoothstep(6 + 6 * beside, -1, roots.edge)
    return roots, lengths * to_nape * to_edge, on_top


def _cropped(scalp: Scalp, rng: np.random.Generator, top: float, side: float, forward: float = 0.15, strands: int = 4100) -> list[Tuft]:
    """Hair that leaves the crown in all directions, a little to the front."""
    surface = scalp.surface
    roots, lengths, on_top = _cut(scalp, rng, top, side, strands)
    n = len(lengths)
    lean = rng.normal(0, 0.2) * surface.left

    def flow(points, t):
        outward = unit(points - scalp.crown)
        return unit(tangential(outward - surface.back * forward + lean - surface.up * 0.25, roots.normals))

    outward = tangential(unit(roots.points - scalp.crown) - surface.back * forward, roots.normals)
    rise = 0.35 + 0.4 * smoothstep(0, 10, roots.edge)[:, None]
    layer = rng.random(n) ** 1.5
    lift = 0.001 + layer * rng.uniform(0.5, 1.3) * (0.003 + 0.009 * on_top * top / 0.06)
    grown = scalp.grow(
        roots, lengths, roots.normals * rise + outward * 0.8, flow, 6, lift, rng, stiffness=0.55, comb=0.4, jitter=rng.uniform(0.06, 0.16)
    )
    grown, lock = clump(grown, rng, int(rng.uniform(350, 800)), rng.uniform(0.15, 0.55))
    if rng.random() < 0.35:
        grown = curl(grown, rng, rng.uniform(0.001, 0.003), rng.uniform(0.4, 0.85), lock, 0.3)
    return [
        undercoat(scalp, rng, lambda p: unit(p - scalp.crown) - surface.up),
        Tuft(split(grown, rng, 2, 0.0010), 0.0010),
        baby_hairs(scalp, rng, lambda p: unit(p - scalp.crown), 700, min(0.008, side)),
        flyaways(scalp, rng, grown, 60, 0.007),
    ]


def _parted(scalp: Scalp, rng: np.random.Generator, top: float, side: float, brow: bool = False) -> list[Tuft]:
    """Combed to both sides of a parting off the middle. brow: the front falls to the brows."""
    surface = scalp.surface
    parting = rng.choice([-1, 1]) * rng.uniform(0.02, 0.042)
    roots, lengths, on_top = _cut(scalp, rng, top, side)
    lengths = lengths * (1 - 0.35 * smoothstep(60, 25, roots.elevation) * on_top)  # graded towards the sides
    n = len(lengths)
    place = scalp.local(roots.points)
    wander = waves(roots.rest, rng, 70, 2) * 0.003 + rng.normal(0, 0.0025, n)
    to_side = np.tanh((place[:, 0] - parting - wander) / 0.006)[:, None]
    fading = (1 - smoothstep(0.03, 0.07, place[:, 1]))[:, None]  # the parting ends in the whorl

    def flow(points, t):
        room = 1 - smoothstep(0.04, 0.08, np.abs(scalp.local(points)[:, :1]))
        side_pull = to_side * surface.left * 0.9 * fading * room
        return unit(side_pull + surface.back * (0.25 + 0.4 * (1 - fading)) - surface.up * (0.25 + 0.6 * (1 - fading)))

    rise = 0.3 + 0.4 * smoothstep(0, 10, roots.edge)[:, None]
    start = roots.normals * rise + to_side * surface.left * 0.6 * fading + surface.up * 0.2 * on_top[:, None]
    lift = 0.001 + rng.random(n) ** 1.5 * rng.uniform(0.5, 1.3) * (0.003 + 0.007 * on_top)
    strands = scalp.grow(
        roots,
        lengths,
        start,
        flow,
        7,
        lift,
        rng,
        stiffness=0.55,
        comb=0.4,
        gravity=0.2,
        jitter=rng.uniform(0.03, 0.08),
        hug=True,
        press=0.9,
    )
    strands, lock = clump(strands, rng, 380, rng.uniform(0.2, 0.6))
    if rng.random() < 0.3:
        strands = curl(strands, rng, rng.uniform(0.001, 0.003), rng.uniform(0.4, 1.1), lock, 0.3)
    if brow:
        front = np.abs(roots.azimuth) < 50
        hem = surface.head_center[2] + 0.018 + rng.normal(0, 0.004, n)
        strands[front] = cut_below(strands[front], hem[front])
    return [
        undercoat(scalp, rng, lambda p: surface.back * 0.5 - surface.up),
        Tuft(split(strands, rng, 2, 0.0010), 0.0010),
        baby_hairs(scalp, rng, lambda p: surface.back * 0.4 - surface.up * 0.5, 700, 0.009),
        flyaways(scalp, rng, strands, 90, 0.009),
    ]
