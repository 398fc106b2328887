"""Puts clothes and accessories on a body."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..scene import Mesh, Surface
from . import clothes, collars
from .appearance import ClothingAppearance
from .bust import caps
from .glasses import glasses_meshes
from .hats import make_hat
from .jewellery import earrings, necklace
from .scarves import make_scarf

HIDDEN = 0.05  # metres under a jacket's edge beyond which the garment below is left away


class Outfit(NamedTuple):
    """meshes: what is worn. covered: says of points (..., 3) whether a hat or scarf covers the hair there, Shape (...), or None.
    bare: Shape (B,) bool. Body vertices whose skin can be seen."""

    meshes: list[Mesh]
    covered: Callable[[np.ndarray], np.ndarray] | None
    bare: np.ndarray


def dress(surface: Surface, clothing: ClothingAppearance, rng: np.random.Generator, skin=(0.3, 0.2, 0.15)) -> Outfit:
    """surface: with hanging arms (bust.rest_arms). skin: linear RGB, for where a bare bust ends."""
    if clothing.top == "none":
        meshes, bare = [caps(surface, skin)], np.ones(surface.template.body, bool)
    else:
        meshes, bare = garments(surface, clothing, rng)
    covered = None
    if clothing.scarf:
        on_head, covered = make_scarf(clothing.scarf, surface, clothing.head_fabric, rng)
        meshes += on_head
        if clothing.scarf == "hijab":  # ears and neck must not show through
            bare &= ~covered(surface.body[0])
    elif clothing.hat:
        on_head, covered = make_hat(clothing.hat, surface, clothing.head_fabric, rng)
        meshes += on_head
    if clothing.glasses:
        meshes += glasses_meshes(surface, clothing.glasses)
    if clothing.earrings and clothing.scarf != "hijab":
        meshes += earrings(surface, clothing.earrings, clothing.metal, rng)
    if clothing.necklace and clothing.scarf != "hijab" and clothing.top in ("v", "scoop", "none"):
        meshes += necklace(skin_shell(surface), clothing.metal, rng)
    return Outfit(merged(meshes), covered, bare)


def merged(meshes: list[Mesh]) -> list[Mesh]:
    """Meshes of the same material as one: fewer things to draw."""
    groups: dict[str, list[Mesh]] = {}
    for mesh in meshes:
        groups.setdefault(repr((mesh.kind, mesh.parameters, mesh.gloss, mesh.roughness, mesh.shadows)), []).append(mesh)
    return [merge(group) for group in groups.values()]


def merge(group: list[Mesh]) -> Mesh:
    starts = np.cumsum([0] + [len(mesh.vertices) for mesh in group])
    vertices, normals, albedo, rest = (
        np.concatenate([getattr(mesh, name) for mesh in group]) for name in ("vertices", "normals", "albedo", "rest")
    )
    triangles = np.concatenate([mesh.triangles + start for mesh, start in zip(group, starts, strict=False)])
    return replace(group[0], vertices=vertices, normals=normals, triangles=triangles, albedo=albedo, rest=rest)


def skin_shell(surface: Surface) -> clothes.Shell:
    part = clothes.torso(surface.template)
    return clothes.Shell(part, surface.body[0][part.ids])


def garments(surface: Surface, clothing: ClothingAppearance, rng: np.random.Generator) -> tuple[list[Mesh], np.ndarray]:
    """What covers the bust, and which skin it leaves bare, Shape (B,) bool."""
    rest = surface.template.rest[: surface.template.body]
    under = clothes.shell(surface, clothing.ease, clothing.folds, rng)
    inside = neckline(clothing)
    if clothing.outer:
        meshes, opened = jacket(surface, under, clothing, rng)
        top, _, edge = clothes.panel(under, lambda p: np.minimum(inside(p), HIDDEN - opened(p)), clothing.fabric)
    else:
        top, _, edge = clothes.panel(under, inside, clothing.fabric)
        meshes = [clothes.hems(under, surface, clothing.fabric)]
    edge = edge[np.abs(inside(edge)) < 0.002]
    return [top, *meshes, *finish_neck(under, inside, edge, clothing, rng)], inside(rest) < clothes.FRAY


def neckline(clothing: ClothingAppearance) -> Callable[[np.ndarray], np.ndarray]:
    if clothing.top in ("shirt", "polo"):
        return clothes.opening("slit", 0.006, -0.016 if clothing.buttoned else clothing.depth)  # buttoned: up into the collar
    if clothing.top in ("turtle", "hoodie"):
        return clothes.opening("crew", 0.002 if clothing.top == "turtle" else -0.008, 0)
    return clothes.opening(clothing.top, clothing.shift, clothing.depth)


def finish_neck(
    under: clothes.Shell, inside: Callable, edge: np.ndarray, clothing: ClothingAppearance, rng: np.random.Generator
) -> list[Mesh]:
    """Band, collar, roll or hood."""
    if clothing.top == "turtle":
        return collars.roll_neck(under, clothing.fabric, rng)
    if clothing.top == "hoodie":
        return clothes.neck_band(under, inside, edge, clothing.fabric, 0.016) + collars.hood(under, clothing.fabric, rng)
    if clothing.top in ("shirt", "polo"):
        collar = collars.shirt_collar(under, clothing.fabric, 0.015 if clothing.buttoned else rng.uniform(0.26, 0.42), 0.004, rng)
        front = collars.placket(under, inside, clothing.fabric, 0.0 if clothing.buttoned else clothing.depth, clothing.tie is None)
        return collar + front + (collars.tie(under, clothing.tie, rng) if clothing.tie else [])
    return clothes.neck_band(under, inside, edge, clothing.fabric.inverse if clothing.trimmed else clothing.fabric, 0.018)


def jacket(surface: Surface, under: clothes.Shell, clothing: ClothingAppearance, rng: np.random.Generator) -> tuple[list[Mesh], Callable]:
    """Blazer, coat or cardigan over the garment, and its opening."""
    fabric = clothing.outer_fabric
    assert fabric is not None  # drawn with `outer`
    over = clothes.shell(surface, clothing.ease + 0.007, clothing.folds * 0.6, rng, under)
    button, width = rng.uniform(0.27, 0.36), rng.uniform(0.052, 0.064)
    inside = collars.jacket_opening(button, width)
    front, _, edge = clothes.panel(over, inside, fabric)
    meshes = [front, clothes.hems(over, surface, fabric)]
    if clothing.outer == "cardigan":
        return meshes + clothes.neck_band(over, inside, edge, fabric, 0.022), inside
    return meshes + collars.lapels(over, fabric, button, width, rng), inside
