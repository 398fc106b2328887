"""Hair of a head: style, brows and beard as strands, and how much of the scalp they hide."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...arrays import smoothstep
from ..scene import Strands, Surface
from .appearance import HairAppearance, draw_hair_appearance
from .beards import beard_mask, grow_beard
from .brows import grow_brows
from .growth import Scalp
from .hairline import bald_crown, draw_hairline, hairline, waves
from .shaping import outside
from .styles import STYLES
from .tufts import Tuft

__all__ = ["STYLES", "HairAppearance", "beard_mask", "draw_hair_appearance", "grow_hair"]


def grow_hair(
    surface: Surface, hair: HairAppearance, rng: np.random.Generator, identity, covered: Callable[[np.ndarray], np.ndarray] | None = None
) -> tuple[tuple[Strands, ...], np.ndarray]:
    """All hair of a head, and how much of each body vertex the hair's colour covers, 0..1, Shape (B,).

    covered(points (..., 3)) -> bool (...): what lies under a hat; hair is pressed there and only what leaves it is kept.
    """
    style = STYLES[hair.style]
    scalp, cover = _prepare(surface, hair, rng, bool(identity.male), covered)
    hair_rng, brow_rng, beard_rng = rng.spawn(3)
    strands = []
    for tuft in style.grow(scalp, hair_rng):
        if covered is not None:
            tuft = tuft._replace(points=outside(tuft.points, covered))
        if len(tuft.points):
            strands.append(_colored(tuft, hair, scalp, hair_rng))
    brows, tint = grow_brows(scalp, hair, brow_rng, bool(identity.male), identity.child)
    if brows is not None:
        fair = 0.012 + (0.0 if identity.male else 0.010) + 0.03 * identity.child  # finer hair lets more skin through
        strands.append(_plain(brows, hair.brow_color * 0.9 + fair * np.array([1.3, 1.0, 0.8]), 0.25, brow_rng))
    beard = grow_beard(scalp, hair, beard_rng)
    if beard is not None:
        dyed = hair.name == "dyed"
        strands.append(_plain(beard, hair.brow_color if dyed else hair.color * 0.8, 0.2, beard_rng, hair.grey))
    if hair.name != "dyed":
        cover = np.maximum(cover, tint)
    return tuple(strands), cover


def _prepare(surface: Surface, hair: HairAppearance, rng: np.random.Generator, male: bool, covered) -> tuple[Scalp, np.ndarray]:
    """The scalp of this hair and its cover at the body vertices."""
    style, template = STYLES[hair.style], surface.template
    pool = template.pool
    line = draw_hairline(rng, male, style.recession)
    ragged = rng.spawn(1)[0]
    edge = pool.elevation - hairline(pool.azimuth, line) - waves(pool.rest, ragged, 110, 3) * 1.6
    density = smoothstep(-1.5, 3.0, edge) * (pool.ears < 0.2)
    inside = template.elevation - hairline(template.azimuth, line)
    cover = smoothstep(-1.0, 5.0, inside) * (template.masks["ears"] < 0.3)
    if hair.style == "receding":
        density = density * np.clip(1 - 0.5 * smoothstep(20, 60, pool.elevation), 0.2, 1)
    if style.wreath:
        density = density * (1 - bald_crown(pool.azimuth, pool.elevation + waves(pool.rest, ragged, 50, 1) * 3))
        cover = cover * (1 - bald_crown(template.azimuth, template.elevation))
    crown = surface.head_center + surface.head_rotation @ np.array([rng.normal(0, 0.008), 0.055, 0.105])
    amount = rng.choice([0, 0, 0.12, 0.3]) if hair.style == "bald" else style.cover
    amount *= 1 - 0.4 * np.clip(hair.color.mean() / 0.5, 0, 1)  # below light hair the skin is seen
    return Scalp(surface, density.astype(np.float32), edge.astype(np.float32), crown, covered), (cover * amount).astype(np.float32)


def _colored(tuft: Tuft, hair: HairAppearance, scalp: Scalp, rng: np.random.Generator) -> Strands:
    """Strands in the colours drawn: each hair a little different, some grey, more of them at the temples."""
    n = len(tuft.points)
    if tuft.dye is not None:
        return _plain(tuft, tuft.dye, 0.08, rng)
    vary = np.exp(rng.normal(0, 0.16, (n, 1)) + rng.normal(0, 0.03, (n, 3))) * tuft.shade
    root = scalp.local(tuft.points[:, 0])
    temple = np.exp(-(((root[:, 1] + 0.02) / 0.06) ** 2)) * smoothstep(0.03, 0.07, np.abs(root[:, 0])) * smoothstep(0.09, 0.05, root[:, 2])
    grey = np.clip(hair.grey * (0.35 + 0.9 * temple) * 1.3 * rng.gamma(1.5, 0.67, n), 0, 1)[:, None] * (hair.grey > 0)
    silver = 0.42 * rng.uniform(0.7, 1.2, (n, 1)) * np.array([1.0, 0.99, 0.96])
    reach = min(1.0, float(np.median(np.linalg.norm(tuft.points[:, -1] - tuft.points[:, 0], axis=1))) / 0.12)  # short hair is all root
    tip = hair.color + (hair.tip_color - hair.color) * reach
    base = hair.root_color * vary * (1 - grey) + silver * grey  # one strand stands for many hairs, so it is grey in part
    ends = tip * vary * (1 - grey) + silver * grey
    return Strands(tuft.points, base.astype(np.float32), tuft.width, tuft.kind, ends.astype(np.float32))


def _plain(tuft: Tuft, color: np.ndarray, spread: float, rng: np.random.Generator, grey: float = 0.0) -> Strands:
    n = len(tuft.points)
    share = np.clip(grey * 1.3 * rng.gamma(1.5, 0.67, (n, 1)), 0, 1)
    colors = np.asarray(color)[None] * np.exp(rng.normal(0, spread, (n, 1))) * (1 - share) + 0.40 * share
    return Strands(tuft.points, colors.astype(np.float32), tuft.width, tuft.kind)
