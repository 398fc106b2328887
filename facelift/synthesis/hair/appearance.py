"""Which hair a person has: style, colours, grey, beard, drawn with the odds of age, sex and origin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NATURAL = {  # linear RGB of the lengths
    "black": (0.012, 0.010, 0.009),
    "dark brown": (0.036, 0.0205, 0.0125),
    "brown": (0.092, 0.046, 0.024),
    "light brown": (0.21, 0.100, 0.045),
    "blond": (0.54, 0.31, 0.135),
    "platinum": (0.72, 0.56, 0.38),
    "red": (0.26, 0.075, 0.025),
    "auburn": (0.12, 0.035, 0.018),
    "grey": (0.335, 0.325, 0.31),
    "white": (0.74, 0.715, 0.68),
}
DYES = (
    (0.5, 0.03, 0.12),
    (0.05, 0.12, 0.5),
    (0.04, 0.32, 0.3),
    (0.35, 0.06, 0.45),
    (0.65, 0.2, 0.35),
    (0.08, 0.3, 0.07),
    (0.6, 0.28, 0.02),
    (0.5, 0.5, 0.6),
)
MEN = {
    "bald": 0.06, "buzz": 0.11, "short": 0.15, "crop": 0.12, "side part": 0.11, "slick": 0.06, "quiff": 0.07, "long straight": 0.03,
    "wavy": 0.03, "curly": 0.05, "afro": 0.05, "long curls": 0.02, "bun": 0.01, "top knot": 0.02, "receding": 0.07, "balding": 0.05,
    "bob": 0.02, "ponytail": 0.02, "locs": 0.025, "braids": 0.015, "layered": 0.03,
}  # fmt: skip
WOMEN = {
    "bald": 0.015, "buzz": 0.02, "short": 0.03, "pixie": 0.08, "bob": 0.15, "long straight": 0.16, "fringe": 0.10, "wavy": 0.14,
    "curly": 0.05, "afro": 0.04, "long curls": 0.08, "bun": 0.07, "ponytail": 0.09, "side part": 0.02, "top knot": 0.03, "braids": 0.05,
    "locs": 0.02, "layered": 0.12,
}  # fmt: skip
BEARDS = {"none": 0.36, "stubble": 0.27, "short": 0.14, "full": 0.10, "goatee": 0.07, "moustache": 0.06}
TIGHT, SLEEK = (
    ("afro", "curly", "buzz", "long curls", "braids", "locs"),
    ("long straight", "bob", "slick", "side part", "fringe", "quiff", "layered"),
)


@dataclass(frozen=True)
class HairAppearance:
    """style: a name in STYLES. color, tip_color, root_color, brow_color: Shape (3,). Linear RGB; name: of the colour, "dyed" included.
    grey: share of grey hairs, 0..1. beard: a name in BEARDS. lashes: length of the lashes, 0..1."""

    style: str
    color: np.ndarray
    name: str
    brow_color: np.ndarray
    grey: float
    beard: str
    lashes: float
    root_color: np.ndarray
    tip_color: np.ndarray


def draw_hair_appearance(rng: np.random.Generator, identity, melanin: float) -> HairAppearance:
    """identity: an Identity (male, ethnicity, child, old are read). melanin: of the skin, 0..1."""
    style = _draw_style(rng, identity)
    name, natural, grey = _draw_color(rng, identity, melanin)
    natural = natural * np.exp(rng.normal(0, 0.15)) * np.exp(rng.normal(0, 0.05, 3))
    color, roots, tips = _along(rng, natural, name)
    dyed = name not in ("grey", "white") and (color is not natural)
    name = "dyed" if dyed else name
    return HairAppearance(
        style=style,
        color=color,
        name=name,
        brow_color=_brow_color(rng, natural, name),
        grey=grey,
        beard=_pick(rng, BEARDS) if identity.male and not identity.child else "none",
        lashes=float(rng.uniform(0.3, 0.7) if identity.male else rng.uniform(0.6, 1.0)),
        root_color=roots,
        tip_color=tips,
    )


def _pick(rng: np.random.Generator, odds: dict[str, float]) -> str:
    p = np.array(list(odds.values()))
    return str(rng.choice(list(odds), p=p / p.sum()))


def _draw_style(rng: np.random.Generator, identity) -> str:
    odds = dict(MEN if identity.male else WOMEN)
    african = float(np.asarray(identity.ethnicity)[0])
    for style in odds:
        factor = 3.0 if style in TIGHT else 0.4 if style in SLEEK else 1.0
        odds[style] *= 1 + (factor - 1) * np.clip(african * 2 - 0.6, 0, 1)
        if style in ("locs", "braids"):
            odds[style] *= 0.4 + 1.6 * african
    for style in ("bald", "balding", "receding"):
        if style in odds:
            odds[style] *= 0 if identity.child else 0.4 + 1.6 * identity.old
    return _pick(rng, odds)


def _draw_color(rng: np.random.Generator, identity, melanin: float) -> tuple[str, np.ndarray, float]:
    """Name, natural colour, share of grey hairs."""
    old = float(identity.old)
    european = float(np.asarray(identity.ethnicity)[2])
    fair = float(np.clip(1.3 - melanin * 2.4, 0, 1)) * (0.3 + 0.7 * min(1, 1.5 * european))
    odds = {
        "black": 0.12 + 1.5 * (1 - fair), "dark brown": 0.25 + 0.5 * (1 - fair), "brown": 0.35 * fair + 0.06, "light brown": 0.28 * fair,
        "blond": 0.28 * fair, "platinum": 0.06 * fair, "red": 0.08 * fair, "auburn": 0.09 * fair + 0.02,
    }  # fmt: skip
    if rng.random() < max(0.0, old - 0.25) * 0.8:
        name = _pick(rng, {"grey": 0.6, "white": 0.4})
        return name, np.array(NATURAL[name]), float(rng.uniform(0.2, 0.6)) if name == "grey" else 0.0
    name = _pick(rng, odds)
    grey = float(rng.uniform(0.05, 0.8) * (old - 0.3) / 0.7) if old > 0.3 and rng.random() < 0.75 else 0.0
    return name, np.array(NATURAL[name]), grey


def _along(rng: np.random.Generator, natural: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Colour of the lengths, the roots and the tips: natural hair bleaches outward; dyed hair may show its roots or only its tips."""
    u = rng.random()
    if u < 0.09:
        dye = np.array(DYES[rng.integers(len(DYES))]) * np.exp(rng.normal(0, 0.15))
        grown_out = rng.random() < 0.5
        if rng.random() < 0.25:
            return 0.5 * (natural + dye), natural, dye
        return dye, 0.6 * natural + 0.4 * dye if grown_out else dye * 0.85, dye * rng.uniform(0.9, 1.3)
    if u < 0.16 and natural.max() < 0.25 and name not in ("grey", "white"):  # balayage
        fair = np.array(NATURAL["blond" if natural.max() < 0.1 else "platinum"]) * rng.uniform(0.5, 1.0)
        return 0.55 * natural + 0.45 * fair, natural, fair
    bleach = rng.uniform(0.05, 0.4) * (0.3 if name in ("grey", "white") else 1)
    return natural, natural * (1 - bleach * np.array([0.6, 0.8, 0.9])), np.minimum(natural * (1 + bleach * np.array([1.1, 1.0, 0.85])), 0.9)


def _brow_color(rng: np.random.Generator, natural: np.ndarray, name: str) -> np.ndarray:
    if natural.mean() > 0.2 and name not in ("grey", "white"):
        return np.array(NATURAL["light brown"]) * rng.uniform(0.5, 1.1)
    return natural * rng.uniform(0.5, 1.1)
