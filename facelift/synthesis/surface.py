"""Identity, expression and head pose become the surface everything else is built on."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.spatial import cKDTree

from ..arrays import smoothstep
from ..face.anatomy import eyeballs, hold_teeth_back, lid_middles, lids_that_meet, settle_mouth, shape
from .expression import Expression
from .identity import Identity
from .scene import Surface
from .template import Template

POSE_SPREAD = (5.0, 3.5, 2.0)  # degrees of yaw, pitch, roll: the crop turns no face upright, people look about
POSE_LIMIT = 14.0
PUPIL_HEIGHT = 0.56  # between the lower and the upper lid
NECK = (0.545, 0.645)  # heights at rest between which the neck bends


def make_surface(template: Template, identity: Identity, expression: Expression, rng: np.random.Generator) -> Surface:
    """The generator draws the pose of the head."""
    control = shape(template, lids_that_meet(template, identity.weights + expression.weights))
    vertices = (template.subdivide @ control).astype(np.float32)
    settle_mouth(vertices, template)
    centers, radii = eyeballs(template, control)
    pitch = resting_pitch(template, identity, radii.mean())
    middle = centers.mean(0)
    head_center = np.array([0, middle[1] + 0.085, middle[2] + 0.008])
    rotation = draw_rotation(rng)
    pivot = head_center + [0, 0.02, -0.12]

    def turn(points):
        return (points - pivot) @ rotation.T + pivot

    bend = smoothstep(*NECK, template.rest[:, 2])[:, None]
    vertices = (vertices * (1 - bend) + turn(vertices) * bend).astype(np.float32)
    curl_lashes(vertices, template, rotation)
    normals = template.normals(vertices)
    hold_teeth_back(vertices, normals, template, rotation[:, 1])
    return Surface(template, vertices, normals, turn(centers), radii, turn(head_center), rotation, pitch)


def draw_rotation(rng: np.random.Generator) -> np.ndarray:
    """Shape (3, 3)."""
    yaw, pitch, roll = np.radians(np.clip(rng.normal(0, POSE_SPREAD), -POSE_LIMIT, POSE_LIMIT))
    return turn_z(yaw) @ turn_x(pitch) @ turn_y(roll)


def turn_x(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def turn_y(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def turn_z(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def resting_pitch(template: Template, identity: Identity, radius: float) -> float:
    """Degrees up from straight ahead to where the pupil stands in the open eye at rest: a little above the middle."""
    control = shape(template, identity.weights)
    upper, lower = (template.subdivide[index] @ control for index in lid_middles(template))
    pupil = lower[:, 2] + PUPIL_HEIGHT * (upper - lower)[:, 2]
    centers, _ = eyeballs(template, control)
    return float(np.degrees(np.arcsin(((pupil - centers[:, 2]) / radius).clip(-0.2, 0.2).mean())))


@lru_cache(maxsize=2)
def lash_strips(template: Template) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(along, across, upper) of each lash vertex: 0 at the lid .. 1 at the tips; 0 at the inner .. 1 at the outer corner of the eye;
    whether it is on the upper lid."""
    rest, uv = template.rest[template.ranges["lashes"]], template.uv["lashes"]
    lids = template.rest[: template.body][template.masks["eyelids"] > 0.5]
    length = cKDTree(lids).query(rest)[0]
    upper, left = uv[:, 1] < 0.957, rest[:, 0] > 0
    along, across = np.zeros(len(rest)), np.zeros(len(rest))
    for strip in (upper & left, upper & ~left, ~upper & left, ~upper & ~left):
        x = np.abs(rest[strip, 0])
        across[strip] = (x - x.min()) / np.ptp(x)
        bins = np.minimum((across[strip] * 12).astype(int), 11)
        longest = [length[strip][np.abs(bins - i) <= 1].max() for i in range(12)]
        along[strip] = length[strip] / np.interp(across[strip] * 12 - 0.5, np.arange(12), longest)
    return along, across, upper


def curl_lashes(vertices: np.ndarray, template: Template, rotation: np.ndarray) -> None:
    along, _, upper = lash_strips(template)
    lift = along**1.3 * np.where(upper, 0.0035, -0.0015)
    vertices[template.ranges["lashes"]] += (lift[:, None] * (rotation @ [0, -0.25, 1])).astype(np.float32)
