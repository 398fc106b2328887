"""Hats, built in the head's frame (left, back, up) from the middle of the skull, over the skull's own shape."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.spatial import cKDTree

from ...arrays import smoothstep, triple
from ..scene import Mesh, Surface
from ..template import unit
from .appearance import Fabric
from .clothes import cloth
from .geometry import sheet, solid, tube

COLUMNS = 72
AZIMUTH = np.linspace(-np.pi, np.pi, COLUMNS, endpoint=False)  # 0 the nose, positive to the left


class Skull:
    """How far the skin is from the middle of the skull, in any direction above the ears."""

    def __init__(self, surface: Surface):
        self.origin, self.turn = surface.head_center, surface.head_rotation
        template = surface.template
        rest = template.rest[: template.body]
        usable = (rest[:, 2] > 0.70) & (template.masks["ears"] < 0.2) & (template.masks["inside_mouth"] < 0.1)
        local = self.local(surface.body[0][usable])
        self.distance = np.linalg.norm(local, axis=1)
        self.tree = cKDTree(local / self.distance[:, None])

    def local(self, points: np.ndarray) -> np.ndarray:
        return (points - self.origin) @ self.turn

    def radius(self, directions: np.ndarray) -> np.ndarray:
        """Of unit directions (..., 3). Shape (...)."""
        gap, index = self.tree.query(directions.reshape(-1, 3), 16)
        weight = np.exp(-((gap / (gap[:, -1:] * 0.6 + 1e-6)) ** 2))
        return ((self.distance[index] * weight).sum(1) / weight.sum(1)).reshape(directions.shape[:-1])

    def over(self, azimuth, elevation, clearance) -> np.ndarray:
        """Points `clearance` metres off the skin. Angles in radians, broadcast. Shape (..., 3), head frame."""
        directions = direction(azimuth, elevation)
        return directions * (self.radius(directions) + clearance)[..., None]

    def placed(self, mesh: Mesh) -> Mesh:
        vertices = (mesh.vertices @ self.turn.T + self.origin).astype(np.float32)
        return replace(mesh, vertices=vertices, normals=(mesh.normals @ self.turn.T).astype(np.float32))


def direction(azimuth, elevation) -> np.ndarray:
    azimuth, elevation = np.broadcast_arrays(azimuth, elevation)
    cos = np.cos(elevation)
    return np.stack([np.sin(azimuth) * cos, -np.cos(azimuth) * cos, np.sin(elevation)], -1)


def line(front: float, side: float, back: float) -> Callable[[np.ndarray], np.ndarray]:
    """Height of a hat's lower edge as an elevation in radians of azimuth in radians, from three heights in degrees."""

    def height(azimuth):
        mean, tilt, bend = (front + 2 * side + back) / 4, (front - back) / 2, (front - 2 * side + back) / 4
        return np.radians(mean + tilt * np.cos(azimuth) + bend * np.cos(2 * azimuth))

    return height


def above(skull: Skull, edge: Callable, margin: float = 0.0) -> Callable[[np.ndarray], np.ndarray]:
    """covered(points) of a hat with this lower edge; margin: radians by which it covers more."""

    def covered(points):
        local = skull.local(np.asarray(points).reshape(-1, 3))
        elevation = np.arctan2(local[:, 2], np.hypot(local[:, 0], local[:, 1]))
        return (elevation > edge(np.arctan2(local[:, 0], -local[:, 1])) - margin).reshape(np.shape(points)[:-1])

    return covered


def crown(skull: Skull, edge: Callable, clearance: Callable, rows: int = 18) -> np.ndarray:
    """From the lower edge to the top. clearance(t (rows, 1), azimuth (A,)) in metres. Shape (rows, A, 3)."""
    t = np.linspace(0, 1, rows)[:, None]
    low = edge(AZIMUTH)
    return skull.over(AZIMUTH, low + (np.radians(89.9) - low) * t, clearance(t, AZIMUTH))


def make_hat(kind: str, surface: Surface, fabric: Fabric, rng: np.random.Generator) -> tuple[list[Mesh], Callable]:
    """The hat's meshes and its covered(points)."""
    skull = Skull(surface)
    meshes, covered = HATS[kind](skull, fabric, rng)
    return [skull.placed(mesh) for mesh in meshes], covered


def fabric_sheet(points: np.ndarray, fabric: Fabric, closed: bool = True, shade: float = 1.0) -> Mesh:
    return cloth(sheet(points, closed), fabric, points.reshape(-1, 3) - [0, 0.02, 0], shade)


def lining(points: np.ndarray, depth: float) -> np.ndarray:
    """A lower edge (A, 3) turned inward: two more rows, so that cloth has thickness. Shape (2, A, 3), innermost first."""
    inward = -unit(points * [1, 1, 0])
    return np.stack([points + inward * depth + [0, 0, depth], points + inward * 0.5 * depth - [0, 0, 0.3 * depth]])


def cap(skull: Skull, fabric: Fabric, rng: np.random.Generator):
    """Baseball cap, now and then worn backward."""
    backward = rng.random() < 0.12
    front, back = (rng.uniform(17, 26), rng.uniform(-20, -8))
    edge = line(*((back + 30, 6, front - 38) if backward else (front, rng.uniform(2, 8), back)))
    high = rng.uniform(0.008, 0.022)

    def toward_brim(azimuth):
        return np.exp(-((np.angle(np.exp(1j * (azimuth - (np.pi if backward else 0)))) / 0.9) ** 2))

    points = crown(skull, edge, lambda t, a: 0.008 + 0.006 * np.sin(np.pi * t) + high * np.sin(np.pi * t**0.7) * toward_brim(a))
    points = np.concatenate([lining(points[0], 0.003), points])
    meshes = [fabric_sheet(points, fabric)]
    meshes.append(cloth(tube(points[2], 0.0012, closed=True, sides=5), fabric, shade=0.9))
    for column in range(0, COLUMNS, COLUMNS // 6):
        seam = points[2:, column] * (1 + 0.0004 / 0.1)
        meshes.append(cloth(tube(seam, 0.0008, sides=4), fabric, shade=0.8))
    meshes.append(button(points[-1].mean(0), 0.006, fabric))
    meshes += brim_of_cap(points[2], fabric, rng, backward)
    return meshes, above(skull, edge)


def button(place: np.ndarray, radius: float, fabric: Fabric) -> Mesh:
    t = np.linspace(0, 1, 5)
    path = place + np.stack([0 * t, 0 * t, radius * 0.6 * t], 1)
    return cloth(tube(path, radius * np.sqrt(np.clip(1 - t**2, 0.0004, 1)), sides=10, up=(0, 1, 0.01)), fabric, shade=0.9)


def brim_of_cap(rim: np.ndarray, fabric: Fabric, rng: np.random.Generator, backward: bool) -> list[Mesh]:
    """A curved peak growing out of the crown's edge."""
    spread, length = np.radians(rng.uniform(50, 58)), rng.uniform(0.060, 0.074)
    bow, drop = rng.uniform(1.5, 5), rng.uniform(0.002, 0.014)
    forward = -1.0 if not backward else 1.0
    middle = 0 if not backward else np.pi
    azimuth = np.linspace(-spread, spread, 33)
    base = np.stack([np.interp(azimuth + middle, AZIMUTH, rim[:, c], period=2 * np.pi) for c in range(3)], 1)
    s = azimuth / spread
    reach = length * np.sqrt(np.clip(1 - s**2, 0, 1)) ** 0.8
    rows = []
    for t in np.linspace(0, 1, 9):
        x = base[:, 0] * (1 + 0.06 * t)
        y = base[:, 1] + forward * reach * t
        z = base[:, 2] * (1 - t) + base[:, 2].mean() * t - drop * t * (0.4 + 0.6 * t) - bow * (x**2) * t**0.5 + 0.006 * t
        rows.append(np.stack([x, y, z], 1))
    upper = np.stack(rows)
    thick = np.array([0, 0, 0.0024])
    points = np.concatenate([upper + thick * 0.5, (upper - thick * 0.5)[::-1]])
    colored = fabric
    if rng.random() < 0.3:
        colored = replace(fabric, color=fabric.second_color, second_color=fabric.color)
    return [fabric_sheet(points, colored, closed=False), cloth(tube(upper[-1], 0.0017, sides=6), colored, shade=0.95)]


def beanie(skull: Skull, fabric: Fabric, rng: np.random.Generator):
    """Knitted hat with a turned-up cuff, sometimes slouched, sometimes with a pompom."""
    edge = line(rng.uniform(20, 30), rng.uniform(-14, 8), rng.uniform(-28, -14))
    slouch, cuff = rng.choice([0.004, 0.016, 0.03]), rng.uniform(0.028, 0.055)
    lean = rng.uniform(-1, 1)

    def clearance(t, azimuth):
        behind = -0.5 * np.cos(azimuth - lean * 0.3) * smoothstep(1.0, 0.5, t)
        return 0.0075 + 0.002 * np.sin(np.pi * t) + slouch * smoothstep(0.25, 0.9, t) * (1 + behind)

    points = crown(skull, edge, clearance, 22)
    hump = np.sin(np.pi * np.linspace(0, 1, 22) ** 1.5)
    fold = 0.0022 * np.sin(3 * AZIMUTH + rng.uniform(0, 6)) * hump[:, None] * (slouch / 0.016)
    points = points * (1 + fold[..., None] / 0.1)
    knit = replace(fabric, pattern="ribs", pattern_scale=float(rng.uniform(35, 60)), contrast=0.55)
    knit = replace(knit, second_color=triple(0.45 * c for c in fabric.color))
    meshes = [fabric_sheet(np.concatenate([lining(points[0], 0.004), points]), knit)]
    if rng.random() < 0.75:
        t = np.array([0.0, 0.5, 1.0, 1.02])
        outer = np.array([0.0045, 0.0055, 0.0045, 0.001])
        low = edge(AZIMUTH)
        rise = cuff / 0.1
        band = np.stack([skull.over(AZIMUTH, low - 0.02 + rise * a, 0.0075 + b) for a, b in zip(t, outer, strict=True)])
        meshes.append(fabric_sheet(np.concatenate([lining(band[0], 0.007), band]), replace(knit, second_color=knit.color), shade=0.95))
    if rng.random() < 0.2:
        meshes.append(pompom(points[-1].mean(0), rng.uniform(0.022, 0.034), fabric, rng))
    return meshes, above(skull, edge, 0.02)


def pompom(place: np.ndarray, radius: float, fabric: Fabric, rng: np.random.Generator) -> Mesh:
    azimuth, elevation = np.linspace(-np.pi, np.pi, 28, endpoint=False), np.linspace(-1.5, 1.5, 16)[:, None]
    shag = radius * (1 + 0.13 * rng.normal(0, 1, (16, 28, 1)))
    points = place + [0, 0, 0.7 * radius] + direction(azimuth, elevation) * shag
    return fabric_sheet(points, replace(fabric, pattern="marl"))


def brimmed(skull: Skull, fabric: Fabric, rng: np.random.Generator):
    """Fedora, bucket hat or straw hat: a crown, a brim all round, often a ribbon."""
    style = str(rng.choice(["fedora", "bucket", "straw"], p=[0.4, 0.35, 0.25]))
    edge = line(rng.uniform(22, 30) + (6 if style == "bucket" else 0), rng.uniform(10, 16), rng.uniform(-8, 2))
    wide, fall = {"fedora": (0.055, 0.10), "bucket": (0.046, 0.75), "straw": (0.085, 0.12)}[style]
    wide *= rng.uniform(0.85, 1.15)
    base = crown(skull, edge, lambda t, a: 0.010 + 0 * a * t, 2)[0]
    top = skull.over(0.0, np.pi / 2, 0.0)[2] + rng.uniform(0.018, 0.034)
    rows = [lining(base, 0.003)[0]]
    shape = 4.5 if style != "straw" else 3.0
    center = base.mean(0)
    for t in np.linspace(0, 1, 16):
        angle = t * np.pi / 2
        narrow = np.cos(angle) ** (2 / shape) * (1 - (0.10 if style != "bucket" else 0.06) * np.sin(angle))
        height = np.sin(angle) ** (2 / shape)
        ring = (
            center * [1, 1, 0]
            + (base - center) * [narrow, narrow, 1 - height]
            + np.array([0, 0, 1]) * (center[2] * (1 - height) + top * height)
        )
        rows.append(ring)
    points = np.stack(rows)
    if style == "fedora":
        points[..., 2] -= 0.020 * np.exp(-((points[..., 0] / 0.026) ** 2)) * smoothstep(top - 0.035, top, points[..., 2])
        pinch = np.exp(-(((np.abs(np.arctan2(points[..., 0], -points[..., 1])) - 0.55) / 0.35) ** 2)) * smoothstep(
            top - 0.06, top, points[..., 2]
        )
        points[..., 0] *= 1 - 0.16 * pinch
    straw = style == "straw"
    stuff = (
        replace(fabric, color=(0.52, 0.37, 0.19), second_color=(0.36, 0.24, 0.11), pattern="rings", pattern_scale=260.0)
        if straw
        else fabric
    )
    stuff = stuff if not straw else replace(stuff, contrast=0.6, weave=0.7)
    meshes = [fabric_sheet(points, stuff)]
    out = unit((base - center) * [1, 1, 0])
    wave = np.cos(AZIMUTH) * rng.uniform(-0.2, 0.1) + (0.35 * np.cos(2 * AZIMUTH) if style == "fedora" else 0)
    t = np.linspace(0, 1, 8)[:, None, None]
    brim = base + out * wide * t * (1 - 0.25 * fall) + np.array([0, 0, 1]) * (-fall * wide * t + wide * 0.5 * (t**2) * (-wave[:, None]))
    thick = np.array([0, 0, 0.001])
    meshes.append(fabric_sheet(np.concatenate([brim + thick, brim[::-1] - thick]), stuff))
    meshes.append(cloth(tube(brim[-1], 0.0015, closed=True, sides=5), stuff, shade=0.9))
    if style != "bucket" or rng.random() < 0.3:
        band = np.stack([center * [1, 1, 0] + (ring - center * [1, 1, 0]) * [1.012, 1.012, 1] for ring in points[1:6]])
        dark = replace(fabric, color=triple(0.25 * c for c in fabric.color), pattern="plain", weave=0.1)
        meshes.append(fabric_sheet(band, dark))
    return meshes, above(skull, edge)


def headband(skull: Skull, fabric: Fabric, rng: np.random.Generator):
    """A sweatband round the forehead, or a hair band over the crown. Hair stays."""
    if rng.random() < 0.5:
        edge, height = line(24, 10, -12), rng.uniform(0.022, 0.042)
        low = edge(AZIMUTH)
        steps = ((0.0, 0.004), (0.1, 0.009), (0.5, 0.0105), (0.9, 0.009), (1.0, 0.004))
        points = np.stack([skull.over(AZIMUTH, low + height / 0.1 * t, c) for t, c in steps])
        return [fabric_sheet(points, fabric)], within(skull, edge, height / 0.1)
    tilt, width = np.radians(rng.uniform(48, 70)), rng.uniform(0.006, 0.016)
    arc = np.linspace(np.radians(-8), np.radians(188), 60)
    plane = np.stack([np.cos(arc), -np.cos(tilt) * np.sin(arc), np.sin(tilt) * np.sin(arc)], 1)
    normal = np.array([0, np.sin(tilt), np.cos(tilt)])
    rows = []
    for t, lift in ((-1, 0.003), (-0.8, 0.008), (0, 0.009), (0.8, 0.008), (1, 0.003)):
        way = unit(plane + normal * t * width / 0.11)
        rows.append(way * (skull.radius(way) + lift)[:, None])
    band = sheet(np.stack(rows), inside=np.zeros(3))

    def covered(points):
        local = skull.local(np.asarray(points))
        return (np.abs(local @ normal) < 1.2 * width) & (local[..., 2] > -0.01)

    if rng.random() < 0.4:
        return [solid(band, fabric.color, 0.8, 0.35)], covered
    return [cloth(band, replace(fabric, pattern="plain"))], covered


def within(skull: Skull, edge: Callable, height: float) -> Callable[[np.ndarray], np.ndarray]:
    """covered(points) of a band: between its edge and `height` radians above it."""
    lower, upper = above(skull, edge), above(skull, lambda azimuth: edge(azimuth) + height)
    return lambda points: lower(points) & ~upper(points)


HATS = {"cap": cap, "beanie": beanie, "brimmed": brimmed, "headband": headband}
