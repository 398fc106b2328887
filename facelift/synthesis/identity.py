"""Who a head is: sex, descent, age, build, and a hundred small ways in which faces differ, as weights of the template's morphs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.sparse as sp

from ..arrays import triple
from .proportions import condition, draw_proportions, measures
from .template import Template

DESCENTS = ("african", "asian", "caucasian")
OPPOSITES = (
    ("decr", "incr"), ("down", "up"), ("in", "out"), ("backward", "forward"), ("concave", "convex"), ("compress", "uncompress"),
)  # fmt: skip
# of the Gaussians the features are drawn from
SPREAD = {
    "head": 0.14, "forehead": 0.15, "eyebrows": 0.2, "eyes": 0.18, "nose": 0.17, "mouth": 0.17, "cheek": 0.2, "chin": 0.17, "ears": 0.26,
    "neck": 0.2, "asym": 0.07,
}  # fmt: skip
CALMER = {
    "eye-push": 0.5, "eye-eyefold": 0.65, "eye-bag": 0.65, "ear-wing": 0.6, "mouth-scale-depth": 0.5, "mouth-angles": 0.6, "head-age": 1.2,
    "nose-trans-out": 0.1, "mouth-trans-out": 0.1, "mouth-trans-forward": 0.5,
}  # fmt: skip
MACRO = ("head-age", "head-fat")  # follow age and weight, steer nothing
LIMIT = 1.0
WOMEN = -0.35  # mean of 0 female .. 1 male: MakeHuman's women alone pass for men too often
OUTLINES = tuple(
    f"head-{shape}" for shape in ("diamond", "invertedtriangular", "oval", "rectangular", "round", "square", "triangular")
)  # of these the opposite is a face too, though no morph is made for it
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
    ethnicity = triple(rng.dirichlet([0.45] * 3))
    child, old = draw_age(rng)
    fat = float(np.clip(rng.normal(0, 0.45), -1, 1))
    muscle = float(np.clip(rng.normal(0.2 if male else 0, 0.2), 0, 0.8))
    masculine = float(np.clip(rng.normal(0.92 if male else WOMEN, 0.1), -0.5, 1))
    weights = np.zeros(len(template.names), np.float32)
    add_build(weights, template, masculine, ethnicity, child, old, fat, muscle)
    local = local_features(template)
    slopes, offsets = measures(template, draw_proportions(rng, masculine, ethnicity, child, old))
    values = draw_features(rng, local, old, fat)
    values = condition(values, local.steering, local.slopes(slopes), offsets + slopes @ weights, LIMIT)
    weights += local.weights(values)
    return Identity(weights, male, ethnicity, child, old, fat)


def draw_age(rng: np.random.Generator) -> tuple[float, float]:
    """(child, old): 6 % children, a fifth clearly old, the rest spread between."""
    group = rng.random()
    if group < 0.06:
        return float(rng.uniform(0.35, 1.0)), 0.0
    return 0.0, float(rng.beta(0.8, 1.6) if group < 0.8 else rng.uniform(0.5, 1.0))


def add_build(weights, template: Template, masculine: float, ethnicity, child: float, old: float, fat: float, muscle: float) -> None:
    """MakeHuman's macro morphs: products of sex, age, descent, muscle and weight that sum to one."""
    ages = {"child": child, "young": 1 - child - old, "old": old}
    mass = "max" if fat > 0 else "min"
    for sex, of_sex in (("male", masculine), ("female", 1 - masculine)):
        for age, of_age in ages.items():
            part = of_sex * of_age
            if abs(part) < 1e-3:
                continue
            for descent, share in zip(DESCENTS, ethnicity, strict=True):
                weights[template.index(f"macro/{descent}-{sex}-{age}")] += part * share
            for tone, share in (("average", 1 - muscle), ("max", muscle)):
                weights[template.index(f"uni/{sex}-{age}-{tone}-average")] += part * share * (1 - abs(fat))
                weights[template.index(f"uni/{sex}-{age}-{tone}-{mass}")] += part * share * abs(fat)


def draw_features(rng: np.random.Generator, local: Features, old: float, fat: float) -> np.ndarray:
    """Shape (F,). Around 0, about -1..1."""
    values = rng.normal(0, local.spreads)
    rare = np.abs(rng.normal(0, 0.35, len(values))) * (rng.random(len(values)) < 0.25)
    values = np.where(local.one_sided, rare, values)
    values[local.names.index("head-age-incr")] += 0.55 * old
    values[local.names.index("head-fat-incr")] += 0.2 * fat
    return np.clip(values, -LIMIT, LIMIT)


def signed(name: str) -> tuple[str, int]:
    """("nose-hump-incr", -1) for nose-hump-decr: the name of what is above 0, and which end this is."""
    stem, _, end = name.rpartition("-")
    return next((f"{stem}-{above}", -1) for below, above in OPPOSITES if end == below) if end in dict(OPPOSITES) else (name, 1)


@dataclass(frozen=True, eq=False)
class Features:
    """F ways in which faces differ; both eyes and both ears count as one.

    spreads: Shape (F,). one_sided: Shape (F,) bool; only positive values mean something. steering: Shape (F,). The spreads of those
    that may be moved to reach proportions, else 0. up, down: sparse (F, M). The morphs of positive and of negative values.
    """

    names: tuple[str, ...]
    spreads: np.ndarray
    one_sided: np.ndarray
    steering: np.ndarray
    up: sp.csr_matrix
    down: sp.csr_matrix

    def weights(self, values: np.ndarray) -> np.ndarray:
        """Shape (M,)."""
        return (np.maximum(values, 0) @ self.up + np.maximum(-values, 0) @ self.down).astype(np.float32)

    def slopes(self, rows: np.ndarray) -> np.ndarray:
        """Slopes by morph weights, Shape (P, M), as slopes by negative and by positive values. Shape (2, P, F)."""
        return np.stack([-(self.down @ rows.T).T, (self.up @ rows.T).T])


@lru_cache(maxsize=2)
def local_features(template: Template) -> Features:
    """Local morphs by what they change: nose-hump-incr has nose-hump-decr below 0."""
    ends: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for index, name in enumerate(template.names):
        group, short = name.split("/")
        if group not in SPREAD or short.startswith(LEFT_ALONE):
            continue
        short = short[2:] if short[:2] in ("l-", "r-") else short
        name, sign = signed(short)
        ends.setdefault((group, name), []).append((index, sign))
    up, down = (sp.lil_matrix((len(ends), len(template.names))) for _ in range(2))
    spreads, one_sided = np.zeros(len(ends)), np.zeros(len(ends), bool)
    for i, ((group, name), morphs) in enumerate(ends.items()):
        for index, sign in morphs:
            (up if sign > 0 else down)[i, index] = 1
            if name in OUTLINES:
                down[i, index] = -1
        spreads[i] = SPREAD[group] * next((factor for start, factor in CALMER.items() if name.startswith(start)), 1.0)
        one_sided[i] = all(sign > 0 for _, sign in morphs) and group != "asym" and name not in OUTLINES
    steers = [group not in ("asym", "neck", "ears", "eyebrows") and not name.startswith(MACRO) for group, name in ends]
    steering = spreads * ~one_sided * np.array(steers)
    return Features(tuple(name for _, name in ends), spreads, one_sided, steering, up.tocsr(), down.tocsr())
