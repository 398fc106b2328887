"""Clothes and accessories of synthetic heads: they fit any body, hide no face, cover what they say, and can be switched off."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import cKDTree

from facelift.synthesis.clothing import draw_clothing_appearance, dress
from facelift.synthesis.clothing.appearance import MEN, OUTER, draw_fabric
from facelift.synthesis.clothing.bust import rest_arms
from facelift.synthesis.clothing.glasses import SHAPES, draw_glasses_appearance
from facelift.synthesis.clothing.hats import HATS
from facelift.synthesis.expression import draw_expression
from facelift.synthesis.identity import draw_identity
from facelift.synthesis.options import PAPER, Options
from facelift.synthesis.surface import make_surface
from facelift.synthesis.template import load_template

NOTHING = dict(glasses=None, hat=None, scarf=None, earrings=None, necklace=False, outer=None, tie=None)


@pytest.fixture(scope="module")
def heads():
    """Three surfaces and whose they are."""
    template, found = load_template(), []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        identity = draw_identity(rng, template)
        found.append((rest_arms(make_surface(template, identity, draw_expression(rng, template), rng)), identity))
    return found


def outfit(head, seed: int = 0, **changes):
    surface, identity = head
    rng = np.random.default_rng(seed)
    clothing = replace(draw_clothing_appearance(rng, identity, Options()), **{**NOTHING, "top": "crew", "depth": 0.05, **changes})
    clothing = replace(clothing, outer_fabric=draw_fabric(rng, 1.0), head_fabric=draw_fabric(rng, 1.0))
    return dress(surface, clothing, rng)


def check(meshes):
    for mesh in meshes:
        assert np.isfinite(mesh.vertices).all()
        assert mesh.triangles.min() >= 0 and mesh.triangles.max() < len(mesh.vertices)
        assert np.allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=0.02)
        assert mesh.albedo.min() >= 0 and mesh.albedo.max() <= 1
        assert mesh.vertices.shape == mesh.normals.shape == mesh.rest.shape == mesh.albedo.shape


@pytest.mark.parametrize("top", MEN)
def test_garments_lie_outside_the_body_and_hide_what_is_under_them(heads, top):
    for number, head in enumerate(heads):
        worn = outfit(head, number, top=top)
        check(worn.meshes)
        vertices, normals = head[0].body
        if top == "none":
            assert worn.bare.all()
            continue
        chest = head[0].template.rest[: len(vertices), 2] < 0.40
        assert not worn.bare[chest].any() and worn.bare[head[0].template.masks["face"] > 0.5].all()
        cloth = np.concatenate([mesh.vertices for mesh in worn.meshes if mesh.kind == "cloth"])
        near, index = cKDTree(vertices).query(cloth)
        depth = -((cloth - vertices[index]) * normals[index]).sum(1)
        assert np.mean((depth > 0.002) & (near < 0.02)) < 0.03  # collars turn inside


@pytest.mark.parametrize("outer", OUTER)
def test_jackets_are_worn_over_shirts(heads, outer):
    for number, head in enumerate(heads):
        worn = outfit(head, number, top="shirt", outer=outer, tie=draw_fabric(np.random.default_rng(number), 0.5))
        check(worn.meshes)
        assert len(worn.meshes) >= 3


@pytest.mark.parametrize(
    "change", [*(dict(hat=kind) for kind in HATS), dict(scarf="hijab"), dict(scarf="turban")], ids=lambda c: "-".join(c.values())
)
def test_what_is_on_the_head_covers_hair_and_leaves_the_face_free(heads, change):
    for number in range(6):
        surface, _ = head = heads[number % 3]
        worn = outfit(head, number, **change)
        check(worn.meshes)
        local = (surface.body[0] - surface.head_center) @ surface.head_rotation
        template = surface.template
        face = (template.masks["lips"] > 0.5) | (template.masks["eyelids"] > 0.5)
        covered = worn.covered(surface.body[0])
        assert covered.shape == (len(local),) and not covered[face].any()
        if change != dict(hat="headband"):
            assert covered[local[:, 2] > 0.8 * local[:, 2].max()].mean() > 0.95
        assert worn.covered(surface.body[0].reshape(-1, 1, 3)).shape == (len(local), 1)
        # from the front, nothing is seen before lips and eyelids
        things = (np.concatenate([mesh.vertices for mesh in worn.meshes]) - surface.head_center) @ surface.head_rotation
        distance, index = cKDTree(local[face][:, [0, 2]]).query(things[:, [0, 2]])
        before = (distance < 0.002) & (things[:, 1] < local[face][index, 1] - 0.002)
        assert not before.any()


@pytest.mark.parametrize("shape", SHAPES)
def test_glasses_stand_before_the_eyes_and_reach_over_the_ears(heads, shape):
    for number, head in enumerate(heads):
        glasses = replace(draw_glasses_appearance(np.random.default_rng(number)), shape=shape, width=0.026)
        worn = outfit(head, glasses=glasses)
        surface = head[0]
        lens = next(mesh for mesh in worn.meshes if mesh.kind == "lens")
        frame = next(mesh for mesh in worn.meshes if mesh.kind == "solid")
        check([lens, frame])
        middle = surface.eye_centers.mean(0)
        lens_local, frame_local = ((mesh.vertices - middle) @ surface.head_rotation for mesh in (lens, frame))
        assert lens_local[:, 1].max() < -surface.eye_radii.max()
        ears = (surface.body[0][surface.template.masks["ears"] > 0.6] - middle) @ surface.head_rotation
        assert frame_local[:, 1].max() > np.median(ears[:, 1])


@pytest.mark.parametrize("kind", ["studs", "hoops", "drops"])
def test_earrings_hang_at_both_lobes(heads, kind):
    for head in heads:
        worn = outfit(head, earrings=kind)
        ears = head[0].body[0][head[0].template.masks["ears"] > 0.3]
        points = np.concatenate([mesh.vertices for mesh in worn.meshes if mesh.kind == "solid"])
        for side in (1, -1):
            lobe = ears[ears[:, 0] * side > 0]
            lobe = lobe[lobe[:, 2] < lobe[:, 2].min() + 0.012]
            assert cKDTree(points).query(lobe)[0].min() < 0.003


def test_arms_hang_and_the_head_stays(heads):
    template = load_template()
    rng = np.random.default_rng(9)
    before = make_surface(template, draw_identity(rng, template), draw_expression(rng, template), rng)
    after = rest_arms(before)
    rest = template.rest[: template.body]
    middle = np.abs(rest[:, 0]) < 0.11
    assert np.array_equal(before.body[0][middle], after.body[0][middle])
    elbow = np.abs(rest[:, 0]) > 0.33
    assert np.abs(after.body[0][elbow, 0]).mean() < np.abs(before.body[0][elbow, 0]).mean() - 0.05


def test_paper_preset_wears_no_accessory_and_default_wears_each_now_and_then():
    template = load_template()
    identities = [draw_identity(np.random.default_rng(seed), template) for seed in range(40)]
    rng = np.random.default_rng(0)
    plain = [draw_clothing_appearance(rng, identity, PAPER) for identity in identities * 5]
    assert not any(drawn.glasses or drawn.hat or drawn.scarf or drawn.earrings or drawn.necklace for drawn in plain)
    worn = [draw_clothing_appearance(rng, identity, Options()) for identity in identities * 50]
    for name, low, high in (("glasses", 0.10, 0.20), ("hat", 0.04, 0.08), ("scarf", 0.02, 0.045), ("earrings", 0.08, 0.16)):
        assert low < np.mean([getattr(drawn, name) is not None for drawn in worn]) < high, name


def test_same_seed_same_clothes(heads):
    first, second = (outfit(heads[0], 5, top="shirt", outer="blazer", hat="cap") for _ in range(2))
    for a, b in zip(first.meshes, second.meshes, strict=True):
        assert np.array_equal(a.vertices, b.vertices) and np.array_equal(a.triangles, b.triangles) and a.parameters == b.parameters
