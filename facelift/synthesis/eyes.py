"""Eyeballs, teeth, tongue and lashes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.spatial import cKDTree

from ..arrays import smoothstep
from .expression import Expression
from .scene import Mesh, Surface
from .surface import lash_strips, turn_x, turn_z
from .template import unit

IRISES = ((0.045, 0.022, 0.010), (0.11, 0.055, 0.02), (0.16, 0.11, 0.04), (0.10, 0.14, 0.06), (0.10, 0.19, 0.28), (0.22, 0.27, 0.30))
CONVERGENCE = 1.5  # degrees each eye turns in: people look at the camera, not at infinity
IRIS_ANGLE = 22.0  # degrees from the gaze to the rim of the iris, seen from the middle of the eyeball


@dataclass(frozen=True)
class EyeAppearance:
    """iris, white, teeth: linear RGB. pupil: degrees from the gaze to its rim."""

    iris: np.ndarray
    pupil: float
    white: np.ndarray
    teeth: np.ndarray


def draw_eye_appearance(rng: np.random.Generator, melanin: float, old: float) -> EyeAppearance:
    fair = float(np.clip(1 - 2.2 * melanin, 0, 1))
    odds = np.array([0.4 + 1.2 * (1 - fair), 0.25, 0.12 * fair + 0.02, 0.15 * fair + 0.01, 0.25 * fair + 0.01, 0.12 * fair + 0.01])
    iris = np.array(IRISES[rng.choice(len(IRISES), p=odds / odds.sum())]) * np.exp(rng.normal(0, 0.15, 3))
    yellow = rng.uniform(0, 0.5) + 0.5 * old
    teeth = np.array([0.80, 0.765, 0.69]) * np.array([0.92, 0.86, 0.70]) ** yellow
    aged = np.array([1, 0.97, 0.88]) ** (rng.uniform(0, 0.8) + old + 0.8 * melanin)
    white = np.array([0.72, 0.68, 0.64]) * aged * rng.uniform(0.88, 1.05) * (1 - 0.3 * melanin)
    return EyeAppearance(iris, float(rng.uniform(7.8, 10.5) - 1.5 * old), white, teeth)


def eye_meshes(surface: Surface, expression: Expression, eyes: EyeAppearance) -> list[Mesh]:
    """`rest` is the direction in the eyeball's own frame, the gaze at -y."""
    directions, points, normals, triangles = eyeball()
    lids = Lids(surface)
    meshes = []
    for center, radius, inward in zip(surface.eye_centers, surface.eye_radii, (-CONVERGENCE, CONVERGENCE), strict=True):
        gaze = turn_z(np.radians(expression.yaw + inward)) @ turn_x(np.radians(-expression.pitch - surface.eye_pitch))
        rotation = surface.head_rotation @ gaze
        vertices = (center + points @ rotation.T * radius * 0.985).astype(np.float32)
        shade = lids.shade(vertices)
        meshes.append(
            Mesh(
                kind="eye",
                vertices=vertices,
                normals=(normals @ rotation.T).astype(np.float32),
                triangles=triangles,
                albedo=np.tile(eyes.white, (len(points), 1)).astype(np.float32),
                rest=directions,
                gloss=1.0,
                roughness=0.2,
                extra=np.stack([shade, np.zeros_like(shade)], 1).astype(np.float32),
                parameters=dict(iris=eyes.iris, iris_angle=IRIS_ANGLE, pupil_angle=eyes.pupil),
            )
        )
    return meshes


class Lids:
    """What the lids keep from the eyeballs: a soft shadow, wider below the upper lid and its lashes."""

    def __init__(self, surface: Surface):
        template = surface.template
        lids = template.masks["eyelids"] > 0.5
        self.up = surface.up
        self.points = surface.body[0][lids]
        self.tree = cKDTree(self.points)

    def shade(self, vertices: np.ndarray) -> np.ndarray:
        """Part of the light that reaches each place, Shape (N,)."""
        distance, nearest = self.tree.query(vertices)
        below_upper = smoothstep(-0.001, 0.001, (self.points[nearest] - vertices) @ self.up)
        upper = 0.42 + 0.58 * smoothstep(0.0, 0.0055, distance)
        lower = 0.68 + 0.32 * smoothstep(0.0, 0.0028, distance)
        return upper * below_upper + lower * (1 - below_upper)


@lru_cache(maxsize=1)
def eyeball(rings: int = 20, around: int = 26) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Unit eyeball with a bulging cornea at -y, open at the back: directions, points and normals (N, 3), triangles."""
    polar = np.radians(np.r_[np.linspace(0, 40, 13), np.linspace(46, 125, rings - 13)])
    turn = np.linspace(0, 2 * np.pi, around, endpoint=False)
    polar, turn = (x.ravel() for x in np.meshgrid(polar, turn, indexing="ij"))
    at = lambda polar: np.stack([np.sin(polar) * np.cos(turn), -np.cos(polar), np.sin(polar) * np.sin(turn)], 1)  # noqa: E731
    directions, t = at(polar), np.clip(np.degrees(polar) / 26, 0, 1)
    bulge = 1 + 0.055 * (1 - smoothstep(0, 1, t))
    normals = at(polar + np.arctan(0.055 * 6 * t * (1 - t) / np.radians(26) / bulge))  # the cornea gathers highlights on the iris
    ring, step = np.arange(rings - 1)[:, None] * around, np.arange(around)
    a, b = ring + step, ring + (step + 1) % around
    triangles = np.stack([a, b, a + around, b, b + around, a + around], -1).reshape(-1, 3).astype(np.int32)
    points = directions * bulge[:, None]
    return directions.astype(np.float32), points.astype(np.float32), normals.astype(np.float32), triangles


def mouth_mesh(surface: Surface, eyes: EyeAppearance) -> Mesh:
    """Teeth, darker towards the back of the mouth, and the tongue."""
    template = surface.template
    teeth, tongue = template.ranges["teeth"], template.ranges["tongue"]
    part = slice(teeth.start, tongue.stop)
    rest = template.rest[part]
    is_tooth = np.arange(len(rest)) < teeth.stop - teeth.start
    deep = smoothstep(-0.150, -0.115, rest[:, 1])
    albedo = np.where(is_tooth[:, None], eyes.teeth * (1 - 0.75 * deep[:, None]), (0.38, 0.10, 0.09))
    triangles = np.concatenate([template.triangles["teeth"], template.triangles["tongue"]]) - part.start
    return Mesh(
        kind="mouth",
        vertices=surface.vertices[part],
        normals=surface.normals[part],
        triangles=triangles,
        albedo=albedo.astype(np.float32),
        rest=rest,
        gloss=np.where(is_tooth, 1.6, 1.0),
        roughness=np.where(is_tooth, 0.5, 0.6),
        extra=np.stack([is_tooth, deep], 1).astype(np.float32),
        shadows=False,
    )


def lash_mesh(surface: Surface, length: float) -> Mesh:
    """Strips that the shader cuts into hairs. `rest`: as lash_strips() says."""
    template = surface.template
    part = template.ranges["lashes"]
    along, across, upper = lash_strips(template)
    return Mesh(
        kind="lash",
        vertices=surface.vertices[part],
        normals=unit(surface.normals[part]),
        triangles=template.triangles["lashes"] - part.start,
        albedo=np.full((len(along), 3), 0.012, np.float32),
        rest=np.stack([across, along, upper], 1).astype(np.float32),
        gloss=0.0,
        parameters=dict(length=length),
        shadows=False,
    )
