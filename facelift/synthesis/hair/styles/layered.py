"""Layered hair dried for volume: short at the nape, full on top, the front swept to one side."""

from __future__ import annotations

import numpy as np

from ....arrays import smoothstep
from ...template import unit
from ..growth import Scalp
from ..hairline import waves
from ..shaping import clump, curl, cut_below, cut_where, split
from ..tufts import Tuft, baby_hairs, flyaways, undercoat
from .long import on_face


def layered(scalp: Scalp, rng: np.random.Generator) -> list[Tuft]:
    surface = scalp.surface
    roots = scalp.roots(4000, rng)
    n = len(roots.points)
    place = scalp.local(roots.points)
    parting = rng.choice([-1, 1]) * rng.uniform(0.015, 0.045)
    to_side = np.tanh((place[:, :1] - parting - waves(roots.rest, rng, 60, 2)[:, None] * 0.004 - rng.normal(0, 0.004, (n, 1))) / 0.008)
    on_top = smoothstep(0, 45, roots.elevation)
    nape, top = rng.uniform(0.025, 0.06), rng.uniform(0.11, 0.15)
    lengths = (nape + (top - nape) * on_top) * (0.6 + 0.4 * smoothstep(-45, -10, roots.elevation)) * rng.uniform(0.85, 1.1, n)
    front = smoothstep(0.0, -0.06, place[:, 1])[:, None]
    behind = smoothstep(0.03, 0.07, place[:, 1])[:, None]
    forward, turned_in = rng.uniform(0.2, 0.6), rng.uniform(0.3, 1.0)

    def flow(points, t):
        at = scalp.local(points)
        room = 1 - smoothstep(0.05, 0.095, np.abs(at[:, :1]))
        sideways = to_side * (1 - behind) * room * 0.9
        backward = 0.3 * (1 - front) + 0.3 * behind - forward * front * max(0, 1 - 1.5 * t)
        low = smoothstep(0.05, -0.05, at[:, 2:]) * turned_in
        sideways = sideways - np.tanh(at[:, :1] / 0.06) * low * (1 - 0.5 * behind)
        backward = backward - np.tanh(at[:, 1:2] / 0.05) * low * behind
        return unit(sideways * surface.left + backward * surface.back - surface.up * (0.15 + 0.9 * t + 0.4 * behind))

    start = roots.normals * 0.8 + to_side * surface.left * 0.4 * (1 - behind) + surface.up * 0.25 * on_top[:, None]
    volume = rng.uniform(0.5, 1.3)
    lift = 0.004 + volume * (0.006 + 0.016 * rng.random(n)) * smoothstep(-1, 12, roots.edge) * (0.4 + 0.6 * on_top)
    strands = scalp.grow(roots, lengths, start, flow, 9, lift, rng, stiffness=0.5, comb=0.5, gravity=0.15, jitter=0.05, hug=True, press=0.8)
    strands, lock = clump(strands, rng, 260, rng.uniform(0.25, 0.5))
    strands = curl(strands, rng, rng.uniform(0.001, 0.005), rng.uniform(0.5, 1.2), lock, 0.4, 0.3)
    bangs = (np.abs(roots.azimuth) < 55) & (roots.elevation < 70)
    hem = surface.head_center[2] + rng.uniform(0.008, 0.03) - 0.5 * np.clip(np.abs(strands[:, -1] @ surface.left) - 0.03, 0, None)
    strands[bangs] = cut_below(strands[bangs], (hem + rng.normal(0, 0.004, n))[bangs])
    strands = cut_where(strands, on_face(scalp, strands))
    return [
        undercoat(scalp, rng, lambda p: surface.back * 0.3 - surface.up, 2500),
        Tuft(split(strands, rng, 2, 0.0011), 0.0010),
        baby_hairs(scalp, rng, lambda p: surface.back * 0.3 - surface.up * 0.6, 700, 0.010),
        flyaways(scalp, rng, strands, 100, 0.012),
    ]
