"""Beards: where they grow, and the hairs of the longer ones."""

from __future__ import annotations

import numpy as np

from ...arrays import smoothstep
from ..template import Template
from .appearance import HairAppearance
from .growth import Scalp
from .shaping import clump, curl
from .tufts import Tuft

STRANDS = {"full": 6000, "short": 8000, "goatee": 4000, "moustache": 1600}


def beard_mask(template: Template, kind: str, at: str = "body") -> np.ndarray | None:
    """Density of a beard of this kind, 0..1, at the body vertices ("body", Shape (B,)) or the root pool ("pool", (R,)). None: no beard."""
    if kind == "none":
        return None
    if at == "pool":
        pool = template.pool
        rest, lips, azimuth, elevation = pool.rest, pool.lips, pool.azimuth, pool.elevation
    else:
        rest, lips = template.rest[: template.body], template.masks["lips"]
        azimuth, elevation = template.azimuth, template.elevation
    off, y, z = np.abs(rest[:, 0]), rest[:, 1], rest[:, 2]
    moustache = smoothstep(0.036, 0.028, off) * smoothstep(0.671, 0.6745, z) * smoothstep(0.692, 0.686, z + off * 0.12) * (y < -0.12)
    upper_edge = 0.660 + 0.055 * np.clip((off - 0.028) / 0.045, 0, 1) ** 1.4 + 0.012 * smoothstep(0.02, 0.034, off)
    behind = smoothstep(-0.046, -0.066, y + 0.55 * np.clip(0.665 - z, 0, 1))  # along the jaw, under the chin further forward
    jaw = smoothstep(0.006, -0.004, z - upper_edge) * behind
    jaw = jaw * smoothstep(0.600, 0.621, z)
    soul_patch = 1 - 0.75 * np.exp(-(((off - 0.012) / 0.007) ** 2)) * np.exp(-(((z - 0.651) / 0.006) ** 2))
    a = np.abs(azimuth)
    sideburn = smoothstep(54, 58, a) * smoothstep(72, 68, a) * smoothstep(-50, -40, elevation) * smoothstep(-8, -14, elevation)
    if kind == "moustache":
        mask = moustache
    elif kind == "goatee":
        mask = np.maximum(moustache, jaw * (1 - smoothstep(0.034, 0.045, off)))
    else:
        mask = np.maximum(np.maximum(moustache, jaw * soul_patch), sideburn * 0.9)
    return (mask * (lips < 0.15)).astype(np.float32)


def grow_beard(scalp: Scalp, hair: HairAppearance, rng: np.random.Generator) -> Tuft | None:
    if hair.beard not in STRANDS:
        return None
    surface = scalp.surface
    mask = beard_mask(surface.template, hair.beard, "pool")
    roots = scalp.roots(STRANDS[hair.beard], rng, mask)
    n = len(roots.points)
    rest = roots.rest
    longest = {"full": rng.uniform(0.02, 0.055), "moustache": rng.uniform(0.007, 0.014)}.get(hair.beard, rng.uniform(0.004, 0.013))
    chin = smoothstep(0.66, 0.625, rest[:, 2])
    lengths = longest * (0.35 + 0.65 * chin) * rng.uniform(0.7, 1.1, n)
    above_lip = (rest[:, 2] > 0.672) & (np.abs(rest[:, 0]) < 0.035)
    lengths[above_lip] = np.minimum(lengths[above_lip], 0.011)
    start = roots.normals * (0.6 if longest > 0.015 else 0.35) - surface.up * 0.8 - surface.back * 0.1
    start = start + np.sign(rest[:, :1]) * surface.left * 0.35 * above_lip[:, None]
    lift = 0.0008 + 0.004 * rng.random(n) * min(1, longest / 0.02)
    strands = scalp.grow(
        roots, lengths, start, None, 5 if longest > 0.015 else 3, lift, rng, stiffness=0.7, comb=0, gravity=0.3, jitter=0.16
    )
    strands, lock = clump(strands, rng, 300, 0.3)
    if longest > 0.015:
        strands = curl(strands, rng, 0.0013, 0.6, lock, 0.3)
    return Tuft(strands.astype(np.float32), 0.0008 if hair.beard == "full" else 0.0005)
