"""Glasses: rims, bridge, temples over the ears, nose pads, and lenses that reflect."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...arrays import smoothstep, triple
from ..scene import Mesh, Surface
from .geometry import join, sheet, solid, tube

SHAPES = {  # name: (squareness, trapezoid, lifted outer corners, height to width)
    "round": (2.0, 0.0, 0.0, 0.93),
    "oval": (2.2, 0.0, 0.0, 0.68),
    "panto": (2.4, 0.10, 0.0, 0.86),
    "rectangle": (4.5, 0.04, 0.0, 0.62),
    "square": (4.0, 0.05, 0.0, 0.80),
    "wayfarer": (3.4, 0.13, 0.10, 0.76),
    "cat eye": (2.8, 0.12, 0.24, 0.70),
    "aviator": (2.3, 0.22, -0.04, 0.86),
}
METALS = ((0.55, 0.55, 0.56), (0.62, 0.45, 0.22), (0.60, 0.36, 0.28), (0.06, 0.06, 0.065))  # steel, gold, rose, gun


@dataclass(frozen=True)
class GlassesAppearance:
    """shape: of SHAPES. rim: "full", "half" (open below) or "none". width: metres, of half a lens. rim_width: metres, its radius.
    tint, opacity, coating, reflectance: of the lenses; the coating colours what they mirror."""

    shape: str
    rim: str
    metal: bool
    color: tuple[float, float, float]
    width: float
    rim_width: float
    tint: tuple[float, float, float]
    opacity: float
    coating: tuple[float, float, float]
    reflectance: float


def draw_glasses_appearance(rng: np.random.Generator) -> GlassesAppearance:
    shape = str(rng.choice(list(SHAPES)))
    metal = bool(rng.random() < 0.45)
    rim = str(rng.choice(["full", "half", "none"], p=[0.7, 0.2, 0.1] if metal else [0.93, 0.07, 0.0]))
    if metal:
        color = METALS[rng.integers(len(METALS))]
    elif rng.random() < 0.6:
        color = (0.008, 0.008, 0.009) if rng.random() < 0.6 else (0.075, 0.03, 0.012)
    else:
        color = triple(rng.uniform(0.01, 1, 3) ** 2.4 * 0.7)
    sun = rng.random() < 0.04
    tint = triple(rng.uniform(0.003, 0.02, 3) if sun else rng.uniform(0.2, 0.5, 3))
    opacity = float(rng.uniform(0.55, 0.9) if sun else rng.uniform(0.0, 0.04))
    coating = triple(rng.uniform(0.5, 1.2, 3) if rng.random() < 0.4 else np.ones(3))
    reflectance = float(0.02 if sun else rng.uniform(0.001, 0.008))  # most lenses are coated against reflections
    width = float(rng.uniform(0.0225, 0.0275))
    rim_width = float(rng.uniform(0.0007, 0.0011) if metal else rng.uniform(0.0011, 0.0025))
    return GlassesAppearance(shape, rim, metal, color, width, rim_width, tint, opacity, coating, reflectance)


def glasses_meshes(surface: Surface, glasses: GlassesAppearance) -> list[Mesh]:
    """Built in the head's frame (left, back, up) from the middle between the eyes, resting on nose and ears."""
    middle, turn = surface.eye_centers.mean(0), surface.head_rotation
    skin = (surface.body[0] - middle) @ turn
    half = float(np.linalg.norm(surface.eye_centers[0] - surface.eye_centers[1])) / 2
    width = min(glasses.width, half - 0.0065)
    front = lens_plane(surface, skin, half, width)
    frame, lenses = [], []
    for side in (1, -1):
        rim = rim_path(glasses, side, half, width, front)
        lenses.append(lens(rim))
        frame += rim_tubes(rim, glasses)
        frame.append(temple(surface, skin, glasses, side, rim))
        frame += nose_pad(skin, glasses, side, rim)
    frame.append(bridge(glasses, half, width, front))
    metal = dict(metal=1.0) if glasses.metal else {}
    meshes = [solid(join(frame), glasses.color, 1.0, 0.3 if glasses.metal else 0.22, parameters=metal)]
    shine = dict(opacity=glasses.opacity, reflectance=glasses.reflectance, coating=glasses.coating)
    meshes.append(solid(join(lenses), glasses.tint, 1.0, 0.05, kind="lens", parameters=shine, shadows=glasses.opacity > 0.3))
    return [to_model(mesh, turn, middle) for mesh in meshes]


def to_model(mesh: Mesh, turn: np.ndarray, origin: np.ndarray) -> Mesh:
    vertices = (mesh.vertices @ turn.T + origin).astype(np.float32)
    return Mesh(**{**vars(mesh), "vertices": vertices, "normals": (mesh.normals @ turn.T).astype(np.float32)})


def lens_plane(surface: Surface, skin: np.ndarray, half: float, width: float) -> float:
    """How far before the eyes' middle (negative: forward) the lenses stand: clear of nose, brows and cheeks."""
    rest = surface.template.rest[: surface.template.body]
    nose = skin[(np.abs(rest[:, 0]) < 0.012) & (rest[:, 2] > 0.718) & (rest[:, 2] < 0.728)]
    off_nose = np.abs(np.abs(skin[:, 0]) - half) < width
    around = skin[off_nose & (np.abs(skin[:, 2] + 0.003) < 0.014) & (skin[:, 1] < 0)]
    return float(min(-0.024 - 0.35 * surface.eye_radii.mean(), nose[:, 1].min() + 0.008, around[:, 1].min() - 0.003))


def wrap(x: np.ndarray, front: float, half: float) -> np.ndarray:
    """Frames follow the face: their outer ends lie further back."""
    return front + 2.6 * np.clip(np.abs(x) - 0.3 * half, 0, None) ** 2


def rim_path(glasses: GlassesAppearance, side: int, half: float, width: float, front: float) -> np.ndarray:
    """Outline of one lens from its outer end, over the top first. Shape (48, 3)."""
    squareness, trapezoid, lifted, ratio = SHAPES[glasses.shape]
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    cos, sin = np.cos(angle), np.sin(angle)
    x = np.sign(cos) * np.abs(cos) ** (2 / squareness)
    z = np.sign(sin) * np.abs(sin) ** (2 / squareness)
    x = x * (1 + trapezoid * (z - 0.5))
    z = z * ratio + lifted * smoothstep(0.1, 1.0, x) * smoothstep(-0.6, 0.9, z)
    if glasses.shape == "aviator":
        z = z - 0.10 * smoothstep(0, -1, z) * smoothstep(-1, 0.3, x)
    x = side * (half + width * x)
    return np.stack([x, wrap(x, front, half), width * z - 0.0035], 1)


def lens(rim: np.ndarray):
    """A slightly bulging disc."""
    center = rim.mean(0) + [0, -0.0015, 0]
    rings = np.linspace(0, 1, 6)[:, None, None]
    points = center + (rim - center) * rings + np.array([0, 0.0015, 0]) * rings**2 * 0.3
    vertices, normals, triangles = sheet(points, True, inside=center + [0, 0.1, 0])
    normals[: len(rim)] = normals[len(rim)]
    return vertices, normals, triangles


def rim_tubes(rim: np.ndarray, glasses: GlassesAppearance) -> list:
    if glasses.rim == "none":
        return []
    if glasses.rim == "half":
        order = np.r_[-4:0, 0:29]
        return [tube(rim[order], glasses.rim_width * 1.1, sides=6)]
    weight = 1.0 if glasses.metal else 1 + 0.25 * np.sin(np.linspace(0, 2 * np.pi, len(rim), endpoint=False))  # heavier on top
    return [tube(rim, glasses.rim_width * weight, closed=True, sides=6, flat=1.0)]


def bridge(glasses: GlassesAppearance, half: float, width: float, front: float):
    inner = half - width
    x = np.linspace(-inner, inner, 11) * 1.04
    arch = np.cos(np.linspace(-1.4, 1.4, 11))
    low = 0.004 if SHAPES[glasses.shape][0] > 3 else 0.002
    thick = glasses.rim_width * (1.15 if glasses.metal else 1.35)
    return tube(np.stack([x, wrap(x, front, half) - 0.001 - 0.0012 * arch, low + 0.0028 * arch], 1), thick)


def nose_pad(skin: np.ndarray, glasses: GlassesAppearance, side: int, rim: np.ndarray) -> list:
    """Metal frames rest on two small pads on wires."""
    if not glasses.metal:
        return []
    inner = rim[np.abs(rim[:, 0]).argmin()]
    beside = skin[(skin[:, 0] * side > 0.004) & (np.abs(skin[:, 2] + 0.006) < 0.003) & (skin[:, 0] * side < 0.016) & (skin[:, 1] < -0.005)]
    if not len(beside):
        return []
    place = beside[np.abs(beside[:, 1] - inner[1] - 0.008).argmin()] + [side * 0.0012, -0.001, 0]
    wire = np.stack([inner, (inner + place) / 2 + [side * 0.001, 0.001, -0.002], place])
    pad = place + np.linspace(-0.005, 0.005, 5)[:, None] * [0.15 * side, 0.1, 1]
    return [tube(wire, 0.0005), tube(pad, 0.0016 * np.sqrt(1 - np.linspace(-0.95, 0.95, 5) ** 2), flat=0.5, up=(side, 0.6, 0.0))]


def temple(surface: Surface, skin: np.ndarray, glasses: GlassesAppearance, side: int, rim: np.ndarray):
    """From the hinge back over the ear and down behind it, never through the skin."""
    outer = rim[np.abs(rim[:, 0]).argmax()]
    hinge = np.array([outer[0] + side * glasses.rim_width, outer[1] + 0.002, max(outer[2], 0.3 * rim[:, 2].max())])
    ear = skin[(surface.template.masks["ears"] > 0.6) & (skin[:, 0] * side > 0)]
    over = np.array([side * (np.percentile(np.abs(ear[:, 0]), 30) + 0.001), ear[:, 1].mean() - 0.002, np.percentile(ear[:, 2], 95)])
    behind = np.array([over[0] - side * 0.002, ear[:, 1].max() + 0.002, over[2] - 0.020])
    t = np.linspace(0, 1, 10)[:, None]
    straight = hinge + (over - hinge) * t
    t = np.linspace(0.2, 1, 5)[:, None]
    bent = over + (behind - over) * np.concatenate([t, t, t**2], 1) + [0, 0.004, 0] * np.sin(np.pi * t)
    path = np.concatenate([straight, bent])
    head = skin[(surface.template.masks["ears"] < 0.2) & (skin[:, 0] * side > 0.03)]
    for point in path[:10]:
        near = head[(np.abs(head[:, 1] - point[1]) < 0.007) & (np.abs(head[:, 2] - point[2]) < 0.007)]
        if len(near):
            point[0] = side * max(side * point[0], (near[:, 0] * side).max() + 0.0012)
    if not glasses.metal:
        return tube(path, np.linspace(1.5, 1.1, 15) * max(glasses.rim_width, 0.0014), flat=0.5, up=(1.0, 0.0, 0.0))
    return tube(path, np.r_[np.full(10, glasses.rim_width), np.full(5, 0.0013)], up=(1.0, 0.0, 0.0))
