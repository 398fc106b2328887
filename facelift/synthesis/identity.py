"""Who a head is: sex, descent, age, build, and a hundred small ways in which faces differ, as weights of the template's morphs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .template import Template

DESCENTS = ("african", "asian", "caucasian")
OPPOSITES = {
    "decr": -1, "incr": 1, "down": -1, "up": 1, "in": -1, "out": 1, "backward": -1, "forward": 1, "concave": -1, "convex": 1,
    "compress": -1, "uncompress": 1,
}  # fmt: skip
SPREAD = dict(
    head=0.20, forehead=0.18, eyebrows=0.25, eyes=0.22, nose=0.25, mouth=0.25, cheek=0.28, chin=0.25, ears=0.3, neck=0.22, asym=0.2
)
CALMER = {
    "eye-trans": 0.4,
    "eye-push": 0.4,
    "eye-eyefold": 0.65,
    "eye-bag": 0.65,
    "ear-wing": 0.6,
    "mouth-scale-depth": 0.5,
    "mouth-trans": 0.5,
}
OUTLINES = ("diamond", "invertedtriangular", "oval", "rectangular", "round", "square", "triangular")
LEFT_ALONE = ("head-trans", "head-angle", "neck-trans", "measure")  # would move the head off the neck


@dataclass(frozen=True)
class Identity:
    """weights: Shape (M,). Of the template's morphs, at rest.

    ethnicity: parts of african, asian, caucasian descent, sum 1. child, old: 0..1, at most one of them above 0; neither: about 25 years.
    fat: -1 thin .. 1 heavy.
    """

    weights: np.ndarray
    male: bool
    ethnicity: tuple[float, float, float]
    child: float
    old: float
    fat: float


def draw_identity(rng: np.random.Generator, template: Template) -> Identity:
    male = bool(rng.random() < 0.5)
    ethnicity = tuple(float(x) for x in rng.dirichlet([0.45] * 3))
    child, old = draw_age(rng)
    fat = float(np.clip(rng.normal(0, 0.45), -1, 1))
    muscle = float(np.clip(rng.normal(0.2 if male else 0, 0.2), 0, 0.8))
    masculine = float(np.clip(rng.normal(0.92 if male else 0.06, 0.1), 0, 1))
    weights = np.zeros(len(template.names), np.float32)
    add_build(weights, template, masculine, ethnicity, child, old, fat, muscle)
    add_features(weights, template, rng, old, fat)
    return Identity(weights, male, ethnicity, child, old, fat)


def draw_age(rng: np.random.Generator) -> tuple[float, float]:
    """(child, old): 6 % children, a fifth clearly old, the rest spread between."""
    group = rng.random()
    if group < 0.06:
        return float(rng.uniform(0.25, 0.8)), 0.0
    return 0.0, float(rng.beta(0.8, 1.6) if group < 0.8 else rng.uniform(0.5, 1.0))


def add_build(weights, template: Template, masculine: float, ethnicity, child: float, old: float, fat: float, muscle: float) -> None:
    """MakeHuman's macro morphs: products of sex, age, descent, muscle and weight that sum to one."""
    ages = {"child": child, "young": 1 - child - old, "old": old}
    mass = "max" if fat > 0 else "min"
    for sex, of_sex in (("male", masculine), ("female", 1 - masculine)):
        for age, of_age in ages.items():
            part = of_sex * of_age
            if part < 1e-3:
                continue
            for descent, share in zip(DESCENTS, ethnicity, strict=True):
                weights[template.index(f"macro/{descent}-{sex}-{age}")] += part * share
            for tone, share in (("average", 1 - muscle), ("max", muscle)):
                weights[template.index(f"uni/{sex}-{age}-{tone}-average")] += part * share * (1 - abs(fat))
                weights[template.index(f"uni/{sex}-{age}-{tone}-{mass}")] += part * share * abs(fat)


def add_features(weights, template: Template, rng: np.random.Generator, old: float, fat: float) -> None:
    outline = f"head/head-{rng.choice(OUTLINES)}"
    for name, ends in features(template.names).items():
        group, short = name.split("/")
        if short.startswith(LEFT_ALONE):
            continue
        if short.removeprefix("head-") in OUTLINES:
            value = rng.uniform(0.2, 0.7) if name == outline else 0.0
        elif len({sign for _, sign in ends}) == 1 and group != "asym":
            value = abs(rng.normal(0, 0.4)) if rng.random() < 0.25 else 0.0
        else:
            value = draw_feature(rng, group, short, old, fat)
        value = float(np.clip(value, -0.9, 0.9))
        for index, sign in ends:
            if value * sign > 0:
                weights[index] = abs(value)


def draw_feature(rng: np.random.Generator, group: str, name: str, old: float, fat: float) -> float:
    value = rng.normal(0, SPREAD[group])
    if name == "head-age":
        return rng.normal(0, 0.2) + 0.3 * old
    if name == "head-fat":
        return rng.normal(0, 0.25) + 0.2 * fat
    if name.startswith("eye-height"):
        return abs(value) * 0.5 if rng.random() < 0.6 else value * 0.35
    if name == "eye-scale":
        return value * 0.8 + 0.15
    return value * next((factor for start, factor in CALMER.items() if name.startswith(start)), 1.0)


@lru_cache(maxsize=2)
def features(names: tuple[str, ...]) -> dict[str, list[tuple[int, int]]]:
    """Local morphs by what they change: {"nose/nose-hump": [(index of -decr, -1), (index of -incr, 1)]}, both eyes and ears in one."""
    found: dict[str, list[tuple[int, int]]] = {}
    for index, name in enumerate(names):
        group, short = name.split("/")
        if group in ("macro", "uni", "fu"):
            continue
        short = short[2:] if short[:2] in ("l-", "r-") else short
        stem, _, end = short.rpartition("-")
        key, sign = (stem, OPPOSITES[end]) if end in OPPOSITES else (short, 1)
        found.setdefault(f"{group}/{key}", []).append((index, sign))
    return found
