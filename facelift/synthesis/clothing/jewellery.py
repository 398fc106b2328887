"""Earrings that hang from the lobes, and chains around the neck."""

from __future__ import annotations

import numpy as np

from ..scene import Mesh, Surface
from ..template import unit
from .clothes import Shell
from .collars import neck_ring
from .geometry import Piece, join, sheet, solid, tube

STONES = ((0.8, 0.78, 0.74), (0.02, 0.12, 0.25), (0.25, 0.01, 0.02), (0.01, 0.16, 0.07), (0.01, 0.01, 0.01))


def earrings(surface: Surface, kind: str, metal: tuple[float, float, float], rng: np.random.Generator) -> list[Mesh]:
    """kind: "studs", "hoops" or "drops"."""
    template = surface.template
    vertices, normals = surface.body
    rest = template.rest[: template.body]
    size = rng.uniform(0.8, 1.25)
    parts: list[Piece] = []
    stones: list[Piece] = []
    for side in (1, -1):
        ear = np.flatnonzero((template.masks["ears"] > 0.3) & (rest[:, 0] * side > 0))
        lobe = ear[vertices[ear, 2] < vertices[ear, 2].min() + 0.012]
        pierced = lobe[(vertices[lobe] @ (np.array([side, -0.6, 0.0]))).argmax()]
        out = unit(normals[pierced] + [side * 0.8, -0.3, 0])
        place = vertices[pierced] + out * 0.0005
        if kind == "studs":
            (stones if size > 1 else parts).append(ball(place + out * 0.0012, 0.0026 * size))
        elif kind == "hoops":
            radius = np.interp(size, [0.8, 1.25], [0.007, 0.024])
            parts.append(hoop(place, radius, np.interp(size, [0.8, 1.25], [0.0009, 0.0015]), side))
        else:
            length = 0.016 * size**2
            wire = place + out * 0.001 + np.linspace(0, 1, 6)[:, None] * [0.0, 0.0, -length]
            parts += [ball(place, 0.0014), tube(wire, 0.0006)]
            stones.append(ball(wire[-1] - [0, 0, 0.004 * size], 0.0042 * size, tall=1.3))
    meshes = [solid(join(parts), metal, 1.0, 0.22, parameters=dict(metal=1.0))] if parts else []
    if stones:
        stone = STONES[rng.integers(len(STONES))]
        meshes.append(solid(join(stones), stone, 1.6, 0.16))
    return meshes


def ball(center: np.ndarray, radius: float, tall: float = 1.0) -> Piece:
    azimuth, height = np.linspace(0, 2 * np.pi, 12, endpoint=False), np.linspace(-1.5, 1.5, 8)[:, None]
    offset = np.stack([np.cos(height) * np.cos(azimuth), np.cos(height) * np.sin(azimuth), tall * np.sin(height) + 0 * azimuth], -1)
    return sheet(center + radius * offset, True)


def hoop(place: np.ndarray, radius: float, thickness: float, side: int) -> Piece:
    angle = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    ring = np.stack([side * 0.12 * radius * (1 - np.cos(angle)), 0.96 * radius * np.sin(angle), radius * np.cos(angle) - radius], 1)
    return tube(place + ring, thickness, closed=True, sides=6, up=(1.0, 0.05, 0.02))


def necklace(shell: Shell, metal: tuple[float, float, float], rng: np.random.Generator) -> list[Mesh]:
    """A chain or a string of beads lying on the skin. shell: the skin itself, so that it can be carried."""
    azimuth = np.linspace(-np.pi, np.pi, 120, endpoint=False)
    low = rng.uniform(0.012, 0.055)
    drop = low * (0.5 - 0.5 * np.cos(azimuth)) ** 3
    path = neck_ring(shell, azimuth, 0.002)
    forward = np.stack([0 * azimuth, -0.25 * drop, -drop], 1)
    path = shell.carry(shell.snap(path + forward, 0.0012))
    if rng.random() < 0.25:
        beads = [ball(p, 0.0032) for p in path[::2]]
        return [solid(join(beads), (0.75, 0.70, 0.62), 1.3, 0.3)]
    parts = [tube(path, rng.uniform(0.0006, 0.0012), closed=True, sides=6)]
    if rng.random() < 0.5:
        parts.append(ball(path[0] - [0, 0.001, 0.005], 0.0045, tall=1.2))
    return [solid(join(parts), metal, 1.0, 0.25, parameters=dict(metal=1.0))]
