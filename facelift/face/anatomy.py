"""Where lids, eyeballs and teeth lie on the template, whoever the face belongs to and whatever it does."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from ..arrays import smoothstep
from .template import FaceTemplate

LID_MIDDLES = (0.0293, -0.1344, 0.7382), (0.0294, -0.1323, 0.7305)  # on the average face, upper and lower
TEETH_BACK = 0.008  # metres, at most
MOUTH = np.array([0, -0.147, 0.668])


def shape(template: FaceTemplate, weights: np.ndarray) -> np.ndarray:
    """Control vertices (C, 3) of weights (M,)."""
    return template.control + (template.morphs @ weights).reshape(-1, 3)


def lids_that_meet(template: FaceTemplate, weights: np.ndarray) -> np.ndarray:
    """Weights (M,) with less of the blinks that would carry an upper lid beyond the lower one: small eyes shut sooner."""
    height, travel, blinks = lid_gaps(template)
    gaps = height[0] + height[1] @ weights
    weights = weights.copy()
    weights[blinks] = np.maximum(weights[blinks] + np.minimum(gaps, 0) / travel, 0)
    return weights


@lru_cache(maxsize=2)
def lid_gaps(template: FaceTemplate) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray, list[int]]:
    """Of the left and the right eye: the gap between the lids as constant (2,) and slopes (2, M), how much a blink takes off it, (2,),
    and the blinks' places among the morphs."""
    upper, lower = lid_middles(template)
    rows = template.subdivide[upper] - template.subdivide[lower]
    slopes = (rows @ template.morphs[2::3]).toarray()
    blinks = [template.index(f"fu/eyeBlink{side}") for side in ("Left", "Right")]
    return (rows @ template.control[:, 2], slopes), -slopes[[0, 1], blinks], blinks


def eyeballs(template: FaceTemplate, control: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centres (2, 3) and radii (2,) of the left and the right eyeball."""
    balls = [control[index] for index in template.eyes]
    centers = np.stack([(ball.max(0) + ball.min(0)) / 2 for ball in balls])
    radii = np.array([(np.ptp(ball[:, 0]) + np.ptp(ball[:, 2])) / 4 for ball in balls])
    return centers, radii


@lru_cache(maxsize=2)
def lid_middles(template: FaceTemplate) -> tuple[np.ndarray, np.ndarray]:
    """Vertices in the middle of the upper and of the lower lids' edges, left and right each."""
    tree = cKDTree(template.rest[: template.body])
    return tuple(tree.query(np.array([(x, y, z), (-x, y, z)]))[1] for x, y, z in LID_MIDDLES)


def settle_mouth(vertices: np.ndarray, template: FaceTemplate) -> None:
    """Keeps the mouth's lining off the cheeks, and brings the teeth to where a smile shows them."""
    inside = smoothstep(0.3, 0.8, template.masks["inside_mouth"]) * (1 - smoothstep(0.1, 0.5, template.masks["lips"]))
    body = vertices[: template.body]
    body[:, 1] += 0.006 * inside
    body[:, 0] *= 1 - 0.10 * inside
    teeth = vertices[template.ranges["teeth"]]
    upper = upper_teeth(template)
    teeth[upper] += np.array([0, -0.0035, -0.0042], np.float32)
    teeth[~upper] += np.array([0, -0.002, 0.0008], np.float32)


def hold_teeth_back(vertices: np.ndarray, normals: np.ndarray, template: FaceTemplate, back: np.ndarray) -> None:
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
def upper_teeth(template: FaceTemplate) -> np.ndarray:
    """Which of the teeth's vertices belong to the upper row. Shape (teeth,) bool."""
    part = template.ranges["teeth"]
    triangles = template.triangles["teeth"] - part.start
    count = part.stop - part.start
    edges = np.concatenate([triangles[:, :2], triangles[:, 1:]])
    _, label = connected_components(sp.coo_matrix((np.ones(len(edges)), edges.T), shape=(count, count)), directed=False)
    height = template.rest[part, 2]
    mean = np.bincount(label, height) / np.bincount(label)
    return mean[label] > height.mean()
