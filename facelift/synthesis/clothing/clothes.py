"""Garments: a loose, folded copy of the body ("shell") from which panels are cut along curves given in rest coordinates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
import scipy.sparse as sp
from scipy.spatial import cKDTree

from ...arrays import smoothstep
from ..scene import Mesh, Surface
from ..template import Template, neighbour_mean, unit
from .appearance import Fabric
from .bust import ARM, SHOULDER, cap, ends, hanging_rest
from .geometry import Carrier, cut, join, solid, tube, vertex_normals

TOP = 0.66  # height at rest up to which cloth can reach: the chin
NECK_AXIS = np.array([0.0, -0.02])  # x, y of the neck at rest
NECK_SHIFTS = np.linspace(-0.02, 0.06, 21)  # metres over the foot of the neck
NECK_AZIMUTHS = np.linspace(-np.pi, np.pi, 145)  # radians, 0 behind, positive to the left
SIDES = 0.012
FRAY = 0.035  # metres of skin still drawn under the edge of the cloth: grazing looks reach under it


@dataclass(frozen=True)
class Torso:
    """The N body vertices that clothes may cover, and what depends on the template alone.

    ids: Shape (N,). rest, normals (at rest), pattern (rest with hanging arms): Shape (N, 3). smooth: sparse (N, N). ids are sorted.
    neck: Shape (NECK_SHIFTS, NECK_AZIMUTHS, 3). The neck at rest, by height over its foot and by azimuth.
    """

    ids: np.ndarray
    triangles: np.ndarray
    rest: np.ndarray
    normals: np.ndarray
    pattern: np.ndarray
    smooth: sp.csr_matrix
    tree: cKDTree
    neck: np.ndarray


@lru_cache(maxsize=2)
def torso(template: Template) -> Torso:
    rest, triangles = template.rest[: template.body], template.triangles["body"]
    triangles = triangles[rest[triangles][:, :, 2].max(1) < TOP]
    ids, triangles = np.unique(triangles, return_inverse=True)
    triangles = triangles.reshape(-1, 3)
    rest = rest[ids]
    normals, smooth = vertex_normals(rest, triangles), neighbour_mean(triangles, len(ids))
    return Torso(ids, triangles, rest, normals, hanging_rest(rest), smooth, cKDTree(rest), measure_neck(rest))


def measure_neck(rest: np.ndarray) -> np.ndarray:
    """The table Torso.neck from vertices at rest (N, 3)."""
    rest = rest[(rest[:, 2] > 0.5) & (np.hypot(*(rest[:, :2] - NECK_AXIS).T) < 0.13)]
    where = np.arctan2(rest[:, 0], rest[:, 1] - NECK_AXIS[1])
    turn = np.exp(-((np.angle(np.exp(1j * (NECK_AZIMUTHS[:, None] - where))) / 0.12) ** 2))
    height = rest[:, 2] - collar_height(rest)
    rings = []
    for shift in NECK_SHIFTS:
        weight = turn * np.exp(-(((height - shift) / 0.005) ** 2)) + 1e-12
        rings.append(weight @ rest / weight.sum(1, keepdims=True))
    return np.stack(rings)


@dataclass(frozen=True)
class Shell:
    """Cloth over the whole torso, uncut. rest, vertices, normals: Shape (N, 3)."""

    part: Torso
    vertices: np.ndarray

    @property
    def rest(self) -> np.ndarray:
        return self.part.rest

    @cached_property
    def normals(self) -> np.ndarray:
        return vertex_normals(self.vertices, self.part.triangles)

    @cached_property
    def carrier(self) -> Carrier:
        return Carrier(self.part.rest, self.part.normals, self.part.tree)

    def carry(self, points: np.ndarray) -> np.ndarray:
        """A design at rest, Shape (..., 3), on this cloth."""
        return self.carrier.carry(points.reshape(-1, 3), self.vertices).reshape(points.shape)

    def snap(self, points: np.ndarray, lift=0.0) -> np.ndarray:
        """Rest points moved onto the rest body, `lift` metres out of it; still at rest."""
        return self.carrier.snap(points.reshape(-1, 3), np.ravel(np.broadcast_to(lift, points.shape[:-1]))).reshape(points.shape)

    def clear(self, points: np.ndarray, lift=0.0, ceiling=np.inf) -> np.ndarray:
        """Rest points that lie deeper than `lift` or higher than `ceiling` brought to these heights."""
        lift = np.ravel(np.broadcast_to(lift, points.shape[:-1]))
        return self.carrier.clear(points.reshape(-1, 3), lift, ceiling).reshape(points.shape)


def shell(surface: Surface, ease: float, folds: float, rng: np.random.Generator, under: Shell | None = None) -> Shell:
    """ease: metres between body and cloth. folds: 0 taut .. 1 crumpled. under: what it is worn over."""
    part = torso(surface.template)
    body, normals = (x[part.ids] for x in surface.body)
    cloth = body
    for _ in range(12):
        cloth = part.smooth @ cloth
    for _ in range(6):
        normals = part.smooth @ normals
    normals = unit(normals)
    cloth = cloth + normals * (ease * looseness(part.rest))[:, None]
    least = 0.0045
    if under is not None:
        body, least = under.vertices, 0.004
    for gap in (least, 0.7 * least):
        depth = ((cloth - body) * normals).sum(1)
        cloth = cloth + normals * np.clip(gap - depth, 0, 0.03)[:, None]
        cloth = 0.5 * cloth + 0.5 * (part.smooth @ cloth)
    cloth = cloth + normals * (folds * crumple(part.rest, rng))[:, None]
    depth = ((cloth - body) * normals).sum(1)
    cloth = cloth + normals * np.clip(0.6 * least - depth, 0, 0.03)[:, None]
    return Shell(part, cloth.astype(np.float32))


def looseness(rest: np.ndarray) -> np.ndarray:
    """Cloth lies on shoulders and neck, and hangs away from waist and arms. Shape (N,), about 1."""
    return 0.45 + 0.55 * smoothstep(0.60, 0.54, rest[:, 2]) + 1.2 * smoothstep(0.50, 0.36, rest[:, 2])


def crumple(rest: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Heights of folds in metres: pulled from the armpits to the neck, hanging below the chest, ringed round the sleeves. Shape (N,)."""
    x, y, z = np.abs(rest[:, 0]), rest[:, 1], rest[:, 2]
    wander = 0.02 * np.sin(rest @ rng.normal(0, 22, 3)) + 0.012 * np.sin(rest @ rng.normal(0, 50, 3))
    along_arm = (np.stack([x, y, z], 1) - SHOULDER) @ ARM
    sleeve = smoothstep(0.02, 0.10, along_arm)
    armpit = np.exp(-(((x - 0.14) / 0.05) ** 2 + ((z - 0.44) / 0.06) ** 2))
    hanging = smoothstep(0.46, 0.34, z) * (1 - sleeve)

    def ridges(coordinate, wavelength):
        wave = np.sin((coordinate + wander) * 2 * np.pi / wavelength + rng.uniform(0, 6.3))
        return wave * np.abs(wave) ** 0.3

    side = np.sign(rest[:, 0]) * rng.uniform(0.7, 1.3)
    height = 0.0075 * armpit * ridges(x * 0.75 - z * 0.6 + 0.1 * side, rng.uniform(0.035, 0.055))
    height += 0.006 * hanging * ridges(np.arctan2(rest[:, 0], -y) * 0.14, rng.uniform(0.05, 0.09))
    height += 0.0065 * sleeve * ridges(along_arm + 0.4 * y * np.sign(rest[:, 0]), rng.uniform(0.05, 0.08))
    chest = np.exp(-(((z - 0.48) / 0.08) ** 2)) * (1 - sleeve)
    return height + 0.0036 * chest * (
        ridges(z * 0.8 + 0.6 * x, rng.uniform(0.05, 0.09)) + ridges(z * 0.3 - x + 0.2 * side * z, rng.uniform(0.045, 0.08))
    )


def collar_height(rest: np.ndarray) -> np.ndarray:
    """Height at rest of the ring where the neck meets the shoulders: higher behind, and at the sides, where it climbs them. Shape (N,)."""
    x, y = rest[:, 0], rest[:, 1] - NECK_AXIS[1]
    return 0.553 + 0.55 * np.clip(rest[:, 1] + 0.065, -0.1, 0.1) + SIDES * x**2 / (x**2 + y**2 + 1e-6)


def opening(kind: str, shift: float, depth: float) -> Callable[[np.ndarray], np.ndarray]:
    """Neckline: a function of rest points (N, 3), positive where there is cloth, metres above zero going down."""

    def inside(rest):
        x, y = np.abs(rest[:, 0]), rest[:, 1]
        front = smoothstep(-0.01, -0.05, y)
        below = collar_height(rest) + shift - rest[:, 2]
        if kind == "v":
            return below - depth * front * np.clip(1 - x / (0.035 + 0.55 * depth), 0, None)
        if kind == "scoop":
            return below - depth * front * np.clip(1 - (x / 0.087) ** 2, 0, None) - 0.02 * (1 - front)
        if kind == "slit":
            return below - depth * front * np.clip(1 - x / 0.030, 0, None)
        return below

    return inside


def panel(shell: Shell, inside: Callable, fabric: Fabric, lift: float = 0.0, shade: float = 1.0) -> tuple[Mesh, np.ndarray, np.ndarray]:
    """The part of the shell where inside(rest) > 0, as cloth. Also its cut edge: (points, rest), each Shape (E, 3), unordered."""
    part = shell.part
    arrays = (part.rest, shell.vertices, shell.normals, part.pattern)
    (rest, vertices, normals, pattern), triangles, edge = cut(arrays, part.triangles, inside)
    vertices = vertices + normals * lift
    mesh = cloth((vertices, unit(normals), triangles), *cut_from(fabric, pattern), shade)
    edge = edge[(edge >= 0)]
    edge = edge[rest[edge, 2] > 0.3]
    return mesh, vertices[edge], rest[edge]


def cloth(part, fabric: Fabric, pattern: np.ndarray | None = None, shade: float = 1.0) -> Mesh:
    """A mesh of this fabric from (vertices, normals, triangles); pattern: where the pattern is looked up, Shape (V, 3)."""
    color = np.asarray(fabric.color) * shade
    return solid(part, color, fabric.gloss, 1.0, rest=pattern, kind="cloth", parameters=fabric.parameters())


def cut_from(fabric: Fabric, pattern: np.ndarray) -> tuple[Fabric, np.ndarray]:
    """Garments have their stripes straight down: rings, but counted sideways. pattern: Shape (V, 3)."""
    if fabric.pattern != "stripes":
        return fabric, pattern
    return replace(fabric, pattern="rings"), pattern[:, [2, 1, 0]]


def around_neck(points: np.ndarray, rest: np.ndarray, azimuth: np.ndarray) -> np.ndarray:
    """An unordered edge around the neck, given at these azimuths (radians, 0 the back, positive to the left), smooth. Shape (A, 3)."""
    where = np.arctan2(rest[:, 0] - NECK_AXIS[0], rest[:, 1] - NECK_AXIS[1])
    order = np.argsort(where)
    return np.stack([np.interp(azimuth, where[order], points[order, c], period=2 * np.pi) for c in range(3)], 1)


def neck_band(shell: Shell, inside: Callable, edge: np.ndarray, fabric: Fabric, width: float) -> list[Mesh]:
    """The ribbed band of a T-shirt or jumper, with a rolled edge and a seam. edge: the neckline at rest, unordered, Shape (E, 3)."""
    neckline = cKDTree(around_neck(edge, edge, np.linspace(-np.pi, np.pi, 300, endpoint=False)))

    def within(rest):
        value = np.full(len(rest), -1.0)
        near = np.flatnonzero(inside(rest) < 0.1)
        value[near] = np.minimum(inside(rest[near]), width - neckline.query(rest[near])[0])
        return value

    band, ends, rest = panel(shell, within, fabric, 0.0014, 0.93)
    azimuth = np.linspace(-np.pi, np.pi, 90, endpoint=False)
    upper = inside(rest) < 0.001
    meshes = [band]
    for part, radius, shade in ((upper, 0.0013, 0.92), (~upper, 0.0007, 0.82)):
        loop, place = around_neck(ends[part], rest[part], azimuth), around_neck(rest[part], rest[part], azimuth)
        meshes.append(cloth(tube(loop, radius, closed=True, sides=5), *cut_from(fabric, np.repeat(place, 5, 0)), shade))
    return meshes


def hems(shell: Shell, surface: Surface, fabric: Fabric) -> Mesh:
    """Closes waist and sleeves."""
    ids = shell.part.ids
    part = join([cap(shell.vertices[np.searchsorted(ids, loop)], way) for loop, way in ends(surface)])
    return cloth(part, *cut_from(fabric, part[0]))
