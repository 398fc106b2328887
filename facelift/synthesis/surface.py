"""Identity, expression and head pose become the surface everything else is built on."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from ..arrays import smoothstep
from .expression import Expression
from .identity import Identity
from .scene import Surface
from .template import Template

POSE_SPREAD = (5.0, 3.5, 2.0)  # degrees of yaw, pitch, roll: the crop turns no face upright, people look about
POSE_LIMIT = 14.0
LID_MIDDLES = (0.0293, -0.1344, 0.7382), (0.0294, -0.1323, 0.7305)  # on the average face, upper and lower
TEETH_BACK = 0.008  # metres, at most
MOUTH = np.array([0, -0.147, 0.668])
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


def shape(template: Template, weights: np.ndarray) -> np.ndarray:
    """Control vertices (C, 3) of weights (M,)."""
    return template.control + (template.morphs @ weights).reshape(-1, 3)


def lids_that_meet(template: Template, weights: np.ndarray) -> np.ndarray:
    """Weights (M,) with less of the blinks that would carry an upper lid beyond the lower one: small eyes shut sooner."""
    height, travel, blinks = lid_gaps(template)
    gaps = height[0] + height[1] @ weights
    weights = weights.copy()
    weights[blinks] = np.maximum(weights[blinks] + np.minimum(gaps, 0) / travel, 0)
    return weights


@lru_cache(maxsize=2)
def lid_gaps(template: Template) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray, list[int]]:
    """Of the left and the right eye: the gap between the lids as constant (2,) and slopes (2, M), how much a blink takes off it, (2,),
    and the blinks' places among the morphs."""
    upper, lower = lid_middles(template)
    rows = template.subdivide[upper] - template.subdivide[lower]
    slopes = (rows @ template.morphs[2::3]).toarray()
    blinks = [template.index(f"fu/eyeBlink{side}") for side in ("Left", "Right")]
    return (rows @ template.control[:, 2], slopes), -slopes[[0, 1], blinks], blinks


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


def eyeballs(template: Template, control: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centres (2, 3) and radii (2,) of the left and the right eyeball."""
    balls = [control[index] for index in template.eyes]
    centers = np.stack([(ball.max(0) + ball.min(0)) / 2 for ball in balls])
    radii = np.array([(np.ptp(ball[:, 0]) + np.ptp(ball[:, 2])) / 4 for ball in balls])
    return centers, radii


def resting_pitch(template: Template, identity: Identity, radius: float) -> float:
    """Degrees up from straight ahead to where the pupil stands in the open eye at rest: a little above the middle."""
    control = shape(template, identity.weights)
    upper, lower = (template.subdivide[index] @ control for index in lid_middles(template))
    pupil = lower[:, 2] + PUPIL_HEIGHT * (upper - lower)[:, 2]
    centers, _ = eyeballs(template, control)
    return float(np.degrees(np.arcsin(((pupil - centers[:, 2]) / radius).clip(-0.2, 0.2).mean())))


@lru_cache(maxsize=2)
def lid_middles(template: Template) -> tuple[np.ndarray, np.ndarray]:
    """Vertices in the middle of the upper and of the lower lids' edges, left and right each."""
    tree = cKDTree(template.rest[: template.body])
    return tuple(tree.query(np.array([(x, y, z), (-x, y, z)]))[1] for x, y, z in LID_MIDDLES)


def settle_mouth(vertices: np.ndarray, template: Template) -> None:
    """Keeps the mouth's lining off the cheeks, and brings the teeth to where a smile shows them."""
    inside = smoothstep(0.3, 0.8, template.masks["inside_mouth"]) * (1 - smoothstep(0.1, 0.5, template.masks["lips"]))
    body = vertices[: template.body]
    body[:, 1] += 0.006 * inside
    body[:, 0] *= 1 - 0.10 * inside
    teeth = vertices[template.ranges["teeth"]]
    upper = upper_teeth(template)
    teeth[upper] += np.array([0, -0.0035, -0.0042], np.float32)
    teeth[~upper] += np.array([0, -0.002, 0.0008], np.float32)


def hold_teeth_back(vertices: np.ndarray, normals: np.ndarray, template: Template, back: np.ndarray) -> None:
    """No tooth comes through lips or chin: each row moves back as a whole, as single teeth would gape. back: Shape (3,)."""
    masks, forward = template.masks, -normals[: template.body] @ back
    outside = np.flatnonzero((masks["inside_mouth"] < 0.3) & (masks["face"] > 0.3) & (forward > 0.4))
    outside = outside[np.linalg.norm(template.rest[outside] - MOUTH, axis=1) < 0.05]
    teeth, upper = vertices[template.ranges["teeth"]], upper_teeth(template)
    distance, nearest = cKDTree(vertices[outside]).query(teeth)
    skin, outward = vertices[outside[nearest]], normals[outside[nearest]]
    beyond = ((teeth - skin) * outward).sum(1) + 0.002
    beyond = np.where(distance < 0.010, beyond, 0).clip(0)
    for row in (upper, ~upper):
        teeth[row] += (back * min(float(np.percentile(beyond[row], 98)), TEETH_BACK)).astype(np.float32)


@lru_cache(maxsize=2)
def upper_teeth(template: Template) -> np.ndarray:
    """Which of the teeth's vertices belong to the upper row. Shape (teeth,) bool."""
    part = template.ranges["teeth"]
    triangles = template.triangles["teeth"] - part.start
    count = part.stop - part.start
    edges = np.concatenate([triangles[:, :2], triangles[:, 1:]])
    _, label = connected_components(sp.coo_matrix((np.ones(len(edges)), edges.T), shape=(count, count)), directed=False)
    height = template.rest[part, 2]
    mean = np.bincount(label, height) / np.bincount(label)
    return mean[label] > height.mean()


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
