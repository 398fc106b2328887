"""Puts everything of a look on a body."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..scene import Mesh, Surface
from . import clothes, collars
from .appearance import WearLook
from .bust import caps
from .glasses import glasses_meshes
from .hats import wear_hat
from .jewellery import earrings, necklace
from .scarves import wear_scarf

HIDDEN = 0.05  # metres under a jacket's edge beyond which the garment below is left away


class Outfit(NamedTuple):
    """meshes: what is worn. covered: says of points (..., 3) whether a hat or scarf covers the hair there, Shape (...), or None.
    bare: Shape (B,) bool. Body vertices whose skin can be seen."""

    meshes: list[Mesh]
    covered: Callable[[np.ndarray], np.ndarray] | None
    bare: np.ndarray


def dress(surface: Surface, look: WearLook, rng: np.random.Generator, skin=(0.3, 0.2, 0.15)) -> Outfit:
    """surface: with hanging arms (bust.rest_arms). skin: linear RGB, for where a bare bust ends."""
    if look.top == "none":
        meshes, bare = [caps(surface, skin)], np.ones(surface.template.body, bool)
    else:
        meshes, bare = garments(surface, look, rng)
    covered = None
    if look.scarf:
        on_head, covered = wear_scarf(look.scarf, surface, look.head_fabric, rng)
        meshes += on_head
        if look.scarf == "hijab":  # ears and neck must not show through
            bare &= ~covered(surface.body[0])
    elif look.hat:
        on_head, covered = wear_hat(look.hat, surface, look.head_fabric, rng)
        meshes += on_head
    if look.glasses:
        meshes += glasses_meshes(surface, look.glasses)
    if look.earrings and look.scarf != "hijab":
        meshes += earrings(surface, look.earrings, look.metal, rng)
    if look.necklace and look.scarf != "hijab" and look.top in ("v", "scoop", "none"):
        meshes += necklace(skin_shell(surface), look.metal, rng)
    return Outfit(merged(meshes), covered, bare)


def merged(meshes: list[Mesh]) -> list[Mesh]:
    """Meshes of the same material as one: fewer things to draw."""
    groups: dict[str, list[Mesh]] = {}
    for mesh in meshes:
        groups.setdefault(repr((mesh.kind, mesh.parameters, mesh.gloss, mesh.roughness, mesh.shadows)), []).append(mesh)
    return [merge(group) for group in groups.values()]


def merge(group: list[Mesh]) -> Mesh:
    starts = np.cumsum([0] + [len(mesh.vertices) for mesh in group])
    arrays = {name: np.concatenate([getattr(mesh, name) for mesh in group]) for name in ("vertices", "normals", "albedo", "rest")}
    triangles = np.concatenate([mesh.triangles + start for mesh, start in zip(group, starts, strict=False)])
    return replace(group[0], triangles=triangles, **arrays)


def skin_shell(surface: Surface) -> clothes.Shell:
    part = clothes.torso(surface.template)
    return clothes.Shell(part, surface.body[0][part.ids])


def garments(surface: Surface, look: WearLook, rng: np.random.Generator) -> tuple[list[Mesh], np.ndarray]:
    """What covers the bust, and which skin it leaves bare, Shape (B,) bool."""
    rest = surface.template.rest[: surface.template.body]
    under = clothes.shell(surface, look.ease, look.folds, rng)
    inside = neckline(look)
    if look.outer:
        meshes, opened = jacket(surface, under, look, rng)
        top, _, edge = clothes.panel(under, lambda p: np.minimum(inside(p), HIDDEN - opened(p)), look.fabric)
    else:
        top, _, edge = clothes.panel(under, inside, look.fabric)
        meshes = [clothes.hems(under, surface, look.fabric)]
    edge = edge[np.abs(inside(edge)) < 0.002]
    return [top, *meshes, *finish_neck(under, inside, edge, look, rng)], inside(rest) < clothes.FRAY


def neckline(look: WearLook) -> Callable[[np.ndarray], np.ndarray]:
    if look.top in ("shirt", "polo"):
        return clothes.opening("slit", 0.006, -0.016 if look.buttoned else look.depth)  # buttoned: up into the collar
    if look.top in ("turtle", "hoodie"):
        return clothes.opening("crew", 0.002 if look.top == "turtle" else -0.008, 0)
    return clothes.opening(look.top, look.shift, look.depth)


def finish_neck(under: clothes.Shell, inside: Callable, edge: np.ndarray, look: WearLook, rng: np.random.Generator) -> list[Mesh]:
    """Band, collar, roll or hood."""
    if look.top == "turtle":
        return collars.roll_neck(under, look.fabric, rng)
    if look.top == "hoodie":
        return clothes.neck_band(under, inside, edge, look.fabric, 0.016) + collars.hood(under, look.fabric, rng)
    if look.top in ("shirt", "polo"):
        collar = collars.shirt_collar(under, look.fabric, 0.015 if look.buttoned else rng.uniform(0.26, 0.42), 0.004, rng)
        front = collars.placket(under, inside, look.fabric, 0.0 if look.buttoned else look.depth, look.tie is None)
        return collar + front + (collars.tie(under, look.tie, rng) if look.tie else [])
    return clothes.neck_band(under, inside, edge, look.fabric.inverse if look.trimmed else look.fabric, 0.018)


def jacket(surface: Surface, under: clothes.Shell, look: WearLook, rng: np.random.Generator) -> tuple[list[Mesh], Callable]:
    """Blazer, coat or cardigan over the garment, and its opening."""
    over = clothes.shell(surface, look.ease + 0.007, look.folds * 0.6, rng, under)
    button, width = rng.uniform(0.27, 0.36), rng.uniform(0.052, 0.064)
    inside = collars.jacket_opening(button, width)
    front, _, edge = clothes.panel(over, inside, look.outer_fabric)
    meshes = [front, clothes.hems(over, surface, look.outer_fabric)]
    if look.outer == "cardigan":
        return meshes + clothes.neck_band(over, inside, edge, look.outer_fabric, 0.022), inside
    return meshes + collars.lapels(over, look.outer_fabric, button, width, rng), inside
