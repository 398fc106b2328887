"""Hair of synthetic heads: every style grows on any head, outside the skin and off the eyes; hats hide what is under them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import cKDTree

from facelift.synthesis.expression import draw_expression
from facelift.synthesis.hair import STYLES, beard_mask, draw_hair_appearance, grow_hair
from facelift.synthesis.hair.appearance import BEARDS, MEN, WOMEN
from facelift.synthesis.identity import draw_identity
from facelift.synthesis.surface import make_surface
from facelift.synthesis.template import load_template


def head(seed: int):
    """A surface and whose it is."""
    template, rng = load_template(), np.random.default_rng(seed)
    identity = draw_identity(rng, template)
    return make_surface(template, identity, draw_expression(rng, template), rng), identity


@pytest.fixture(scope="module")
def heads():
    return [head(seed) for seed in range(3)]


def grow(surface, identity, style: str, seed: int = 0, covered=None, beard: str = "none"):
    rng = np.random.default_rng(seed)
    drawn_hair = replace(draw_hair_appearance(rng, identity, 0.3), style=style, beard=beard)
    return grow_hair(surface, drawn_hair, rng, identity, covered)


def long_hair(strands):
    """Points of the hair proper, Shape (P, 3): no brows, down or flyaways."""
    return np.concatenate([s.points.reshape(-1, 3) for s in strands if s.kind == "hair"] or [np.zeros((0, 3))])


@pytest.mark.parametrize("style", STYLES)
def test_style_grows_outside_the_skin_and_clear_of_the_eyes(heads, style):
    for number, (surface, identity) in enumerate(heads):
        strands, cover = grow(surface, identity, style, number)
        assert cover.shape == (surface.template.body,) and cover.min() >= 0 and cover.max() <= 1
        for s in strands:
            assert np.isfinite(s.points).all() and s.points.shape[2] == 3
            for colors in (s.color, s.tips):
                assert colors is None or (colors.shape == (len(s.points), 3) and colors.min() >= 0 and colors.max() < 2)
        points = long_hair(strands)
        if style == "bald":
            assert len(points) == 0
            continue
        vertices, normals = surface.body
        distance, nearest = cKDTree(vertices).query(points)
        depth = -((points - vertices[nearest]) * normals[nearest]).sum(1)
        assert np.mean((depth > 0.004) & (distance < 0.02)) < 0.02
        local = (points - surface.head_center) @ surface.head_rotation
        eyes = (surface.eye_centers - surface.head_center) @ surface.head_rotation
        for eye in eyes:
            over = (np.abs(local[:, [0, 2]] - eye[[0, 2]]) < 0.012).all(1) & (local[:, 1] < eye[1])
            assert over.mean() < 0.001


def test_same_seed_grows_the_same_hair(heads):
    surface, identity = heads[0]
    first, second = (grow(surface, identity, "wavy", 7)[0] for _ in range(2))
    assert all(np.array_equal(a.points, b.points) and np.array_equal(a.color, b.color) for a, b in zip(first, second, strict=True))
    other = grow(surface, identity, "wavy", 8)[0]
    assert not np.array_equal(first[0].points, other[0].points)


@pytest.mark.parametrize("style", ["long straight", "afro", "bun", "short"])
def test_hat_hides_the_hair_under_it(heads, style):
    surface, identity = heads[1]

    def covered(points):
        return (points - surface.head_center) @ surface.up > 0.03

    without, under = grow(surface, identity, style)[0], grow(surface, identity, style, covered=covered)[0]
    above = [s.points[:, 1:].reshape(-1, 3) for s in under if s.kind == "hair"]
    assert np.mean(covered(np.concatenate(above))) < 0.03
    assert len(long_hair(under)) < len(long_hair(without))
    assert len(long_hair(under)) > 0  # and the rest is still there


def test_beards_grow_on_the_lower_face_only(heads):
    template = load_template()
    eyes = template.rest[: template.body][template.masks["eyelids"] > 0.5, 2].mean()
    assert beard_mask(template, "none") is None
    for kind in set(BEARDS) - {"none"}:
        for at, places in (("body", template.rest[: template.body]), ("pool", template.pool.rest)):
            mask = beard_mask(template, kind, at)
            assert mask.shape == (len(places),) and mask.max() > 0.9
            assert places[mask > 0.1, 2].max() < eyes
    surface, identity = heads[0]
    shaved, bearded = (len(long_hair(grow(surface, identity, "short", beard=b)[0])) for b in ("none", "full"))
    assert bearded > shaved


def test_every_style_is_drawn_for_someone():
    template = load_template()
    drawn, names = set(), set()
    for seed in range(600):
        rng = np.random.default_rng(seed)
        drawn_hair = draw_hair_appearance(rng, draw_identity(rng, template), rng.random())
        assert drawn_hair.style in STYLES and drawn_hair.beard in BEARDS
        drawn.add(drawn_hair.style)
        names.add(drawn_hair.name)
    assert drawn == set(STYLES) == set(MEN) | set(WOMEN)
    assert {"black", "brown", "blond", "grey", "white", "dyed"} <= names
