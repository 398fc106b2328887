"""Headscarves and turbans."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.spatial import cKDTree

from ...arrays import smoothstep
from ..scene import Mesh, Surface
from ..template import unit
from .appearance import Fabric
from .clothes import cloth
from .geometry import cut, sheet, tube, vertex_normals
from .hats import AZIMUTH, Skull, above, crown, fabric_sheet, line, lining

# rings of a headscarf below the head: height, half width, reach to the front, to the back; metres from the middle of the skull
RINGS = (
    (-0.030, 0.090, 0.104, 0.105),
    (-0.075, 0.088, 0.104, 0.098),
    (-0.100, 0.086, 0.103, 0.090),
    (-0.118, 0.085, 0.095, 0.086),
    (-0.135, 0.088, 0.084, 0.085),
    (-0.155, 0.094, 0.082, 0.086),
    (-0.175, 0.104, 0.088, 0.090),
    (-0.195, 0.126, 0.099, 0.096),
    (-0.215, 0.150, 0.110, 0.103),
    (-0.240, 0.174, 0.125, 0.110),
    (-0.270, 0.191, 0.138, 0.116),
    (-0.315, 0.198, 0.148, 0.121),
)


def make_scarf(kind: str, surface: Surface, fabric: Fabric, rng: np.random.Generator) -> tuple[list[Mesh], Callable]:
    """The scarf's meshes and its covered(points)."""
    if kind == "turban":
        return turban(surface, fabric, rng)
    return headscarf(surface, fabric, rng)


def headscarf(surface: Surface, fabric: Fabric, rng: np.random.Generator):
    """Cloth around head, neck and shoulders with an opening for the face."""
    skull = Skull(surface)
    points = outline(skull, rng)
    for _ in range(10):
        points = smoothed(points, 0.7)
    points = settle(points, surface, 6, 0.7)
    points = settle(points + draped(points, skull, rng), surface, 2, 0.2)
    local = skull.local(points).reshape(-1, 3)
    opening = face_opening(surface, skull, rng)
    triangles = sheet(points, True)[2]
    (_, vertices), triangles, edge = cut((local, points.reshape(-1, 3)), triangles, opening)
    normals = vertex_normals(vertices, triangles)
    pattern = skull.local(vertices)
    meshes = [cloth((vertices, normals, triangles), fabric, pattern)]
    hole = in_order(vertices[edge], skull)
    meshes.append(cloth(tube(hole, 0.0018, closed=True, sides=6), fabric, shade=0.95))
    meshes.append(inner_band(skull, hole, fabric, rng))
    if rng.random() < 0.75:
        low = skull.local(hole)[:, 2].min()
        meshes += wrapped_end(vertices, normals, triangles, low, skull, fabric, rng)
    return meshes, covered_by(skull, opening)


def wrapped_end(vertices, normals, triangles, low: float, skull: Skull, fabric: Fabric, rng: np.random.Generator) -> list[Mesh]:
    """The end of the scarf thrown across the chest to one shoulder: a second layer below a slanting edge. low: the opening's lowest."""
    side, steep = rng.choice([-1, 1]), rng.uniform(0.45, 0.9)
    wander, phase = rng.normal(0, 25, 3), rng.uniform(0, 6)
    local = skull.local(vertices)

    def below(points):  # metres under the slanting edge, which clears the chin
        edge = low - 0.010 + side * steep * np.clip(points[:, 0], -0.2, 0.2) - 0.25 * np.clip(points[:, 1], 0, 0.2)
        return edge + 0.006 * np.sin(points @ wander + phase) - points[:, 2]

    depth = below(local)
    fold = 0.0035 * np.sin(depth * 2 * np.pi / rng.uniform(0.022, 0.034) - 0.5) * np.exp(-np.clip(depth, 0, None) / 0.07)
    raised = vertices + normals * (0.0045 + fold)[:, None]
    (local, raised), triangles, edge = cut((local, raised), triangles, lambda p: np.minimum(below(p), outside_chin(p, low)))
    meshes = [cloth((raised, vertex_normals(raised, triangles), triangles), fabric, local, 0.97)]
    edge = edge[np.abs(below(local[edge])) < 0.002]
    if len(edge) < 40:
        return meshes
    azimuth = np.arctan2(local[edge, 0], -local[edge, 1])
    order = np.argsort(azimuth)
    even = np.linspace(azimuth.min(), azimuth.max(), 100)
    path = np.stack([np.interp(even, azimuth[order], c) for c in raised[edge][order].T], 1)
    return [*meshes, cloth(tube(path, 0.0016, sides=5), fabric, shade=0.95)]


def outside_chin(points: np.ndarray, low: float) -> np.ndarray:
    """Positive away from the lower edge of the face opening."""
    return np.hypot(points[:, 0], points[:, 2] - low) - 0.004


def outline(skull: Skull, rng: np.random.Generator) -> np.ndarray:
    """The scarf before it touches anything: over the skull, then rings down to the chest. Shape (rows, A, 3)."""
    elevation = np.radians(np.linspace(89.9, -8, 22))[:, None]
    gathered = rng.uniform(0.0, 0.022) * np.exp(-(((elevation - 0.35) / 0.5) ** 2)) * (0.5 - 0.5 * np.cos(AZIMUTH))  # hair behind
    head = skull.over(AZIMUTH, elevation, 0.009 + gathered) @ skull.turn.T
    height = np.linspace(-0.034, -0.315, 40)
    table = np.array(RINGS)[::-1]
    wide, front, back = (np.interp(height, table[:, 0], table[:, c])[:, None] for c in (1, 2, 3))
    reach = np.where(np.cos(AZIMUTH) > 0, front, back)
    rings = np.stack([wide * np.sin(AZIMUTH), -reach * np.cos(AZIMUTH), height[:, None] + 0 * AZIMUTH], -1)
    begin = smoothstep(-0.03, -0.10, height)[:, None, None]
    rings = rings * begin + (head[-1] * [1, 1, 0] + [0, 0, 1] * height[:, None, None]) * (1 - begin)
    return np.concatenate([head, rings]) + skull.origin


def settle(points: np.ndarray, surface: Surface, rounds: int, smooth: float = 0.5) -> np.ndarray:
    """Lies a sheet (rows, A, 3) smoothly on the body: closer than its clearance nowhere."""
    body, normals = surface.body
    rest = surface.template.rest[: surface.template.body]
    usable = (surface.template.masks["inside_mouth"] < 0.1) & (rest[:, 2] > 0.35) & (surface.template.masks["ears"] < 0.02)
    body, normals = body[usable][::2], normals[usable][::2]
    least = np.where(rest[usable][::2, 2] < 0.59, 0.028, 0.0075)
    tree = cKDTree(body)
    for _ in range(rounds):
        points = smoothed(points, smooth)
        _, index = tree.query(points.reshape(-1, 3))
        offset = points.reshape(-1, 3) - body[index]
        height = (offset * normals[index]).sum(1)
        close = (offset**2).sum(1) < 0.05**2
        push = np.where(close, np.clip(least[index] - height, 0, 0.02), 0)
        points = points + (normals[index] * push[:, None]).reshape(points.shape)
    return points


def smoothed(points: np.ndarray, amount: float) -> np.ndarray:
    near = 0.25 * (np.roll(points, 1, 1) + np.roll(points, -1, 1))
    near[1:-1] += 0.25 * (points[:-2] + points[2:])
    near[0] = points[0].mean(0)
    near[-1] = 2 * near[-1]
    return (1 - amount) * points + amount * near


def draped(points: np.ndarray, skull: Skull, rng: np.random.Generator) -> np.ndarray:
    """Folds: swags under the chin, and long ones from the temples to the shoulders. Offsets, Shape like points."""
    local = (points - skull.origin).reshape(-1, 3)
    azimuth, z = np.arctan2(local[:, 0], -local[:, 1]), local[:, 2]
    lean = rng.normal(0, 0.035)
    height = np.zeros(len(local))
    for level in np.arange(-0.125, -0.30, -rng.uniform(0.026, 0.038)):
        middle = level + rng.normal(0, 0.004) + rng.uniform(0.03, 0.06) * (1 - np.cos(azimuth)) + lean * np.sin(azimuth)
        t = (z - middle) / rng.uniform(0.009, 0.014)
        height += rng.uniform(0.007, 0.014) * np.exp(-(t**2)) * (1 + 0.7 * np.tanh(-2 * t)) * np.exp(-((azimuth / 1.25) ** 4))
    wave = azimuth * rng.integers(9, 13) + 14 * z + rng.uniform(0, 6) + 0.8 * np.sin(3 * azimuth + rng.uniform(0, 6))
    height += 0.0045 * np.sin(wave) * smoothstep(0.02, -0.10, z) * smoothstep(0.9, 1.8, np.abs(azimuth))
    over_head = 9 * local[:, 1] / 0.1 + 5 * np.sin(azimuth) + rng.uniform(0, 6)
    height += 0.0011 * np.sin(over_head) * smoothstep(-0.02, 0.05, z)
    outward = unit(local * [1, 1, 0.35])
    return (outward * height[:, None]).reshape(points.shape)


def face_opening(surface: Surface, skull: Skull, rng: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
    """Function of points (N, 3) in the head's frame, negative within the opening: an egg around the face, before the ears."""
    template = surface.template
    rest = template.rest[: template.body]
    local = skull.local(surface.body[0])
    face = local[template.masks["face"] > 0.5]
    chin = local[(np.abs(rest[:, 0]) < 0.004) & (rest[:, 1] < -0.1) & (rest[:, 2] > 0.60)]
    low = chin[:, 2].min() + rng.uniform(-0.002, 0.004)
    eyes = skull.local(surface.eye_centers).mean(0)
    top = eyes[2] + rng.uniform(0.048, 0.062)
    wide = np.percentile(np.abs(face[:, 0]), 97) * rng.uniform(1.02, 1.10)
    center, half = (top + low) / 2, (top - low) / 2

    def outside(points):
        x, z = points[:, 0] / wide, (points[:, 2] - center) / half
        x = x * (1 + 0.16 * np.clip(-z, 0, 2) ** 2 - 0.04 * z)
        egg = np.sqrt(x**2 + z**2) - 1
        return np.where(points[:, 1] < 0.0, egg * half, 1.0)

    return outside


def in_order(loop: np.ndarray, skull: Skull) -> np.ndarray:
    """The edge of the opening as a smooth closed path. Shape (90, 3)."""
    local = skull.local(loop)
    local = local[local[:, 1] < 0]
    angle = np.arctan2(local[:, 0], local[:, 2] - local[:, 2].mean())
    order = np.argsort(angle)
    even = np.linspace(-np.pi, np.pi, 90, endpoint=False)
    return (
        np.stack([np.interp(even, angle[order], loop_axis, period=2 * np.pi) for loop_axis in local[order].T], 1) @ skull.turn.T
        + skull.origin
    )


def inner_band(skull: Skull, hole: np.ndarray, fabric: Fabric, rng: np.random.Generator) -> Mesh:
    """The inner side of the scarf's edge, turned towards the face; sometimes an under-scarf of another colour."""
    middle = hole.mean(0)
    inward = unit(middle - hole)
    back = skull.turn @ [0, 1, 0]
    high = smoothstep(0.02, 0.07, skull.local(hole)[:, 2])[:, None]
    peek = rng.choice([0.0, 0.006, 0.010])
    rows = [hole, hole + inward * (0.001 + peek * high) + back * (0.003 + 0.002 * high), hole + inward * 0.006 + back * 0.018]
    under = replace(fabric, color=fabric.second_color, pattern="plain") if peek else fabric
    points = np.stack(rows)
    return cloth(sheet(points, True, middle - back * 0.3), under, skull.local(points).reshape(-1, 3), 0.8)


def covered_by(skull: Skull, opening: Callable) -> Callable[[np.ndarray], np.ndarray]:
    def covered(points):
        local = skull.local(np.asarray(points).reshape(-1, 3))
        return (opening(local) > -0.004).reshape(np.shape(points)[:-1])

    return covered


def turban(surface: Surface, fabric: Fabric, rng: np.random.Generator):
    """Cloth wound around the head, its layers crossing over the forehead."""
    skull = Skull(surface)
    edge = line(rng.uniform(22, 30), rng.uniform(-6, 6), rng.uniform(-30, -18))
    bulk, layers = rng.uniform(0.016, 0.034), int(rng.integers(5, 8))
    crossing = rng.uniform(0.25, 0.6)
    rows = 60

    def clearance(t, azimuth):
        body = 0.009 + bulk * np.sin(np.pi * np.clip(t * 1.05, 0, 1) ** 0.8) * (0.8 + 0.2 * np.cos(2 * azimuth))
        left = (t * layers + crossing * layers * 0.5 * np.abs(np.sin(azimuth / 2 + 0.15))) % 1
        right = (t * layers + 0.5 + crossing * layers * 0.5 * np.abs(np.sin(azimuth / 2 - 0.15))) % 1
        over = np.maximum(np.sqrt(left) * (1 - smoothstep(0.92, 1, left)), 0.9 * np.sqrt(right) * (1 - smoothstep(0.92, 1, right)))
        crease = 0.0012 * np.sin(40 * t + 5 * np.abs(azimuth) + 3 * np.sin(2 * azimuth))
        return body + (0.009 * over + crease) * smoothstep(0, 0.05, t) * smoothstep(1, 0.8, t)

    points = crown(skull, edge, clearance, rows)
    points = np.concatenate([lining(points[0], 0.004), points])
    return [skull.placed(fabric_sheet(points, fabric))], above(skull, edge, 0.02)
