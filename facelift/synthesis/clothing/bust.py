"""The end of the bust: arms that hang instead of standing off, and closed ends where the body is cut."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from ...arrays import smoothstep
from ..scene import Mesh, Surface
from ..template import Template, unit
from .geometry import join, sheet, solid

SHOULDER = np.array([0.158, -0.02, 0.515])  # the joint at rest, left side
ARM = unit(np.array([0.63, -0.03, -0.77]))  # direction of the arm at rest, left side
HANG = 27.0  # degrees between the arm at rest and one that hangs


def rest_arms(surface: Surface) -> Surface:
    """The same body with hanging arms: photographed people do not hold them off."""
    template = surface.template
    rest = template.rest[: template.body]
    vertices = surface.vertices.copy()
    for side in (1, -1):
        near = shoulder(template, side)
        joint = vertices[near].mean(0) - rest[near].mean(0) + SHOULDER * [side, 1, 1]
        vertices[: template.body] = lower(vertices[: template.body], rest, side, joint)
    return replace(surface, vertices=vertices.astype(np.float32), normals=template.normals(vertices))


@lru_cache(maxsize=4)
def shoulder(template: Template, side: int) -> np.ndarray:
    """Body vertices around a shoulder joint; side: 1 left, -1 right."""
    return np.flatnonzero(np.linalg.norm(template.rest[: template.body] - SHOULDER * [side, 1, 1], axis=1) < 0.06)


def lower(points: np.ndarray, rest: np.ndarray, side: int, joint: np.ndarray, degrees: float = HANG) -> np.ndarray:
    """Turns one arm about its shoulder. points, rest: Shape (N, 3)."""
    mirrored = rest * [side, 1, 1]
    along = (mirrored - SHOULDER) @ ARM
    part = smoothstep(-0.04, 0.10, along) * smoothstep(0.115, 0.165, mirrored[:, 0])
    angle = np.radians(degrees) * part * side
    cos, sin = np.cos(angle), np.sin(angle)
    x, z = points[:, 0] - joint[0], points[:, 2] - joint[2]
    return np.stack([joint[0] + cos * x + sin * z, points[:, 1], joint[2] - sin * x + cos * z], 1)


def hanging_rest(rest: np.ndarray) -> np.ndarray:
    """Rest positions (N, 3) with hanging arms: coordinates in which stripes run round a sleeve."""
    for side in (1, -1):
        rest = lower(rest, rest, side, SHOULDER * [side, 1, 1])
    return rest


@lru_cache(maxsize=2)
def open_ends(template: Template) -> tuple[np.ndarray, ...]:
    """Body vertices around the holes where waist and arms were cut off, in order."""
    triangles = template.triangles["body"]
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    _, first, count = np.unique(np.sort(edges, 1), axis=0, return_index=True, return_counts=True)
    following = dict(edges[first[count == 1]].tolist())
    loops = []
    while following:
        start, end = following.popitem()
        loop = [start]
        while end != start:
            loop.append(end)
            end = following.pop(end)
        loops.append(np.array(loop))
    return tuple(loops)


def ends(surface: Surface) -> list[tuple[np.ndarray, np.ndarray]]:
    """(loop, direction) of each open end: the way the arm or the waist would go on."""
    vertices, rest = surface.body[0], surface.template.rest[: surface.template.body]
    found = []
    for loop in open_ends(surface.template):
        center, side = vertices[loop].mean(0), np.sign(rest[loop, 0].mean())
        if abs(rest[loop, 0].mean()) < 0.1:
            found.append((loop, np.array([0.0, 0.0, -1.0])))
            continue
        joint = vertices[shoulder(surface.template, int(side))].mean(0)
        found.append((loop, unit(center - joint)))
    return found


def caps(surface: Surface, color) -> Mesh:
    """The rest of arms and waist of a bare bust."""
    vertices = surface.body[0]
    return solid(join([cap(vertices[loop], way) for loop, way in ends(surface)]), color, gloss=0.3, roughness=1.0)


def cap(loop: np.ndarray, way: np.ndarray, rings: int = 6):
    """Goes on from a loop (L, 3) as a narrowing tube, twice as long as wide, and closes it with a dome."""
    center = loop.mean(0)
    spokes = loop - center
    even = spokes - way * (spokes @ way)[:, None]  # the cut itself is slanted and ragged
    radius = np.linalg.norm(even, axis=1).mean()
    center = center + way * (spokes @ way).max()
    angle = np.linspace(0, np.pi / 2 * 0.98, rings)[:, None, None]
    dome = center + way * min(4 * radius, 0.16) + 0.85 * even * np.cos(angle) + way * 0.5 * radius * np.sin(angle)
    return sheet(np.concatenate([loop[None], (center + even)[None], dome]), True)
