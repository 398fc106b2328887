"""What a person wears, drawn with the odds of age and sex: garment, jacket, glasses, hat or scarf, jewellery."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...arrays import triple
from ..identity import Identity
from ..options import Options
from .glasses import GlassesAppearance, draw_glasses_appearance

PATTERNS = ("plain", "rings", "stripes", "check", "blotches", "ribs", "twill", "marl")  # in the order of the cloth shader
MEN = {"crew": 0.30, "v": 0.07, "scoop": 0.0, "turtle": 0.06, "shirt": 0.30, "polo": 0.08, "hoodie": 0.13, "none": 0.06}
WOMEN = {"crew": 0.24, "v": 0.16, "scoop": 0.20, "turtle": 0.10, "shirt": 0.14, "polo": 0.02, "hoodie": 0.09, "none": 0.05}
OUTER = {"blazer": 0.6, "cardigan": 0.25, "coat": 0.15}
NEUTRALS = (0.010, 0.022, 0.055, 0.14, 0.28, 0.48, 0.64)


@dataclass(frozen=True)
class Fabric:
    """color, second_color: linear RGB. pattern: of PATTERNS; pattern_scale: repeats per metre; contrast: 0..1. weave: roughness of the
    yarn. gloss: of silk and leather."""

    color: tuple[float, float, float]
    second_color: tuple[float, float, float] = (0.5, 0.5, 0.5)
    pattern: str = "plain"
    pattern_scale: float = 60.0
    contrast: float = 1.0
    weave: float = 0.3
    gloss: float = 0.05

    @property
    def inverse(self) -> Fabric:
        """The same in its second colour, plain: trimmings."""
        return replace(self, color=self.second_color, second_color=self.color, pattern="plain")

    def parameters(self) -> dict:
        """For the cloth shader."""
        return dict(
            pattern=PATTERNS.index(self.pattern),
            pattern_scale=self.pattern_scale,
            second_color=self.second_color,
            contrast=self.contrast,
            weave=self.weave,
        )


@dataclass(frozen=True)
class ClothingAppearance:
    """top: of MEN or WOMEN. shift, depth: of its neckline, metres. ease: metres between body and cloth. folds: 0..1.
    outer: "blazer", "cardigan", "coat" or None. tie: its fabric or None. buttoned: shirt closed at the neck.
    trimmed: its neck band has another colour.
    hat: of hats.HATS or None. scarf: "hijab", "turban" or None. earrings: "studs", "hoops", "drops" or None.
    metal: linear RGB of the jewellery.
    """

    top: str
    fabric: Fabric
    shift: float
    depth: float
    ease: float
    folds: float
    buttoned: bool
    trimmed: bool
    outer: str | None
    outer_fabric: Fabric | None
    tie: Fabric | None
    glasses: GlassesAppearance | None
    hat: str | None
    scarf: str | None
    head_fabric: Fabric
    earrings: str | None
    necklace: bool
    metal: tuple[float, float, float]


def draw_clothing_appearance(rng: np.random.Generator, identity: Identity, options: Options) -> ClothingAppearance:
    """identity: male, child and old are read. options: what may be worn; the rest is drawn all the same, so that it stays as it is."""
    odds = MEN if identity.male else WOMEN
    top = pick(rng, odds)
    buttoned = bool(rng.random() < 0.35)
    with_jacket = top in ("crew", "v", "scoop", "shirt", "turtle") and rng.random() < (0.05 if identity.child else 0.3)
    outer: str | None = pick(rng, OUTER) if with_jacket else None
    tie = top == "shirt" and not identity.child and rng.random() < (0.3 if identity.male else 0.03) * (2 if outer == "blazer" else 0.5)
    glasses = draw_glasses_appearance(rng)
    wears_glasses = rng.random() < 0.11 + 0.12 * identity.old
    on_head = rng.random()
    hat: str | None = pick(rng, {"cap": 0.35, "beanie": 0.3, "brimmed": 0.2, "headband": 0.15})
    scarf: str | None = pick(rng, {"turban": 1.0} if identity.male else {"hijab": 0.85, "turban": 0.15})
    earrings = pick(rng, {"studs": 0.45, "hoops": 0.3, "drops": 0.25} if not identity.male else {"studs": 0.75, "hoops": 0.25})
    wears_earrings = rng.random() < (0.21 if not identity.male else 0.03) and not identity.child
    metals = ((0.85, 0.62, 0.28), (0.72, 0.72, 0.72), (0.80, 0.52, 0.42))
    hat, scarf = (hat if options.hats and on_head < 0.06 else None), (scarf if options.scarves and on_head > 0.97 else None)
    if scarf == "hijab":  # lies over everything at the neck
        top, outer, tie = "crew", None, False
    return ClothingAppearance(
        top=top,
        fabric=draw_fabric(rng, calm=0.62),
        shift=float(rng.uniform(-0.008, 0.012)),
        depth=draw_depth(rng, top),
        ease=float(rng.uniform(0.005, 0.011) + (0.006 if top == "hoodie" else 0.0)),
        folds=float(rng.uniform(0.3, 1.3)),
        buttoned=buttoned or bool(tie),
        trimmed=bool(rng.random() < 0.12),
        outer=outer,
        outer_fabric=draw_outer_fabric(rng) if outer else None,
        tie=draw_fabric(rng, calm=0.45, gloss=0.3) if tie else None,
        glasses=glasses if options.glasses and wears_glasses else None,
        hat=hat,
        scarf=scarf,
        head_fabric=draw_fabric(rng, calm=0.85),
        earrings=earrings if options.earrings and wears_earrings else None,
        necklace=bool(options.earrings and rng.random() < (0.04 if identity.male else 0.14)),
        metal=metals[rng.integers(3)],
    )


def pick(rng: np.random.Generator, odds: dict[str, float]) -> str:
    weights = np.array(list(odds.values()))
    return str(rng.choice(list(odds), p=weights / weights.sum()))


def draw_depth(rng: np.random.Generator, top: str) -> float:
    low, high = {"v": (0.045, 0.10), "scoop": (0.015, 0.05), "shirt": (0.05, 0.09), "polo": (0.05, 0.08)}.get(top, (0.0, 0.0))
    return float(rng.uniform(low, high))


def draw_color(rng: np.random.Generator) -> tuple[float, float, float]:
    """Mostly muted: black, white, greys, navy and earth tones; sometimes vivid."""
    group = rng.random()
    if group < 0.42:
        rgb = np.full(3, rng.choice(NEUTRALS)) * np.exp(rng.normal(0, 0.05, 3))
    elif group < 0.56:
        rgb = np.array([0.016, 0.026, 0.07]) * np.exp(rng.normal(0, 0.5)) * np.exp(rng.normal(0, 0.15, 3))
    else:
        saturation = rng.uniform(0.15, 0.55) if group < 0.88 else rng.uniform(0.6, 0.95)
        value, hue = rng.uniform(0.15, 0.9), rng.random()
        wheel = np.clip(np.abs((hue + np.array([0, 2 / 3, 1 / 3])) % 1 * 6 - 3) - 1, 0, 1)
        rgb = (value * (1 - saturation + saturation * wheel)) ** 2.2
    return triple(np.clip(rgb, 0.006, 0.66))


def draw_fabric(rng: np.random.Generator, calm: float, gloss: float = 0.05) -> Fabric:
    """calm: how often it is of one colour."""
    color, second = np.array(draw_color(rng)), np.array(draw_color(rng))
    if rng.random() < 0.7:
        second = color * 0.45 + 0.55 * np.full(3, rng.choice((0.02, 0.75)))  # tone on tone, as most prints are
    pattern = pick(rng, {"plain": 0.6, "marl": 0.25, "twill": 0.15})
    if rng.random() > calm:
        pattern = pick(rng, {"rings": 0.3, "stripes": 0.25, "check": 0.3, "blotches": 0.15})
    elif pattern != "plain":
        second = color * rng.uniform(0.6, 1.5)
    scale = {"rings": (18, 70), "stripes": (40, 140), "check": (25, 80), "blotches": (25, 70)}.get(pattern, (40, 80))
    contrast = rng.uniform(0.35, 1.0) if pattern not in ("marl", "twill") else rng.uniform(0.15, 0.45)
    second = np.clip(second, 0.006, 0.66)
    weave = float(rng.uniform(0.15, 0.45))
    return Fabric(triple(color), triple(second), pattern, float(rng.uniform(*scale)), float(contrast), weave, gloss)


def draw_outer_fabric(rng: np.random.Generator) -> Fabric:
    """Dark wools mostly."""
    color = draw_color(rng)
    if rng.random() < 0.6:
        color = triple(np.exp(rng.uniform(-4.4, -1.8)) * np.exp(rng.normal(0, 0.12, 3)))
    pattern = pick(rng, {"plain": 0.6, "twill": 0.2, "marl": 0.12, "check": 0.08})
    second = triple(min(x * rng.uniform(0.6, 1.6), 0.8) for x in color)
    return Fabric(color, second, pattern, float(rng.uniform(25, 60)), float(rng.uniform(0.3, 0.7)), float(rng.uniform(0.25, 0.5)))
