"""Whose face a portrait shows and what it does: the model fitted to MediaPipe's landmarks and to the head's own depth.

Damped Gauss-Newton on size, place, rotation, identity and units together; large residuals count less (Huber). What remains between the
fitted and the seen landmarks becomes a smooth field, so that the surface lies where the portrait shows it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..cameras import Cameras
from ..gaussians import SH_C0, Gaussians
from ..rendering import render
from .geometry import project
from .landmarks import COUNT, EYES, LIPS_INNER, LIPS_OUTER, OUTLINE
from .model import FaceModel
from .units import FaceReading

STEPS = 25
SURE_PIXELS, SURE_DEPTH = 6.0, 0.06  # beyond these a landmark is no longer believed in full; pixels and world units
DEPTH_WEIGHT, IDENTITY_WEIGHT, UNIT_WEIGHT, BOUND_WEIGHT = 800.0, 0.003, 0.5, 15.0  # beside one squared pixel of the mean landmark
FIRST_GUESS = 5.6, (0.0, -0.45, 0.0)  # world units a metre, and where the middle of the landmarks lies
SPREAD_LIMIT = 0.006  # metres: landmarks that wander more say little
REACHES = (0.030, 0.014, 0.007)  # metres over which the remaining field is smooth, one after the other
LOOSE = 0.35  # keeps the field down where no landmark is near


@dataclass(frozen=True)
class FaceFit:
    """identity: Shape (K,), scores. weights: Shape (52,), the portrait's own units. scale: world units a metre. rotation: Shape (3, 3).
    translation: Shape (3,). residual: Shape (C, 3), world units, added to the control vertices. error: median of what remains between
    landmarks before the residual, pixels of 512."""

    identity: np.ndarray
    weights: np.ndarray
    scale: float
    rotation: np.ndarray
    translation: np.ndarray
    residual: np.ndarray
    error: float

    def to_world(self, points: np.ndarray) -> np.ndarray:
        """Of points (N, 3) in model space, without the residual."""
        return self.scale * points @ self.rotation.T + self.translation

    def to_model(self, points: np.ndarray) -> np.ndarray:
        """Of points (N, 3) in the world."""
        return (points - self.translation) @ self.rotation / self.scale


def fit_face(model: FaceModel, reading: FaceReading, gaussians: Gaussians, camera: Cameras) -> FaceFit:
    """reading: of the portrait as `camera` (one, of the portrait's size) sees the head."""
    target = Target(model, reading, *head_depth(gaussians, camera), camera)
    prior = model.calibrated(reading.weights)
    fit = solve(model, target, prior)
    return replace(fit, residual=remaining_field(model, target, fit))


def head_depth(gaussians: Gaussians, camera: Cameras) -> tuple[np.ndarray, np.ndarray]:
    """z-depth and alpha (H, W) of the head as one camera sees it; depth 0 where nothing is."""
    c2w = camera.c2w[0].to(gaussians.means)
    depth = ((gaussians.means - c2w[:3, 3]) @ c2w[:3, :3])[:, 2]
    far = float(depth.max()) + 1e-6
    painted = ((depth / far - 0.5) / SH_C0)[:, None].expand(-1, 3).contiguous()
    seen = render(replace(gaussians, sh0=painted).detach(), camera, background=0.0)
    alpha = seen.alpha[0, 0].cpu().numpy()
    return seen.rgb[0, 0].cpu().numpy() * far / np.maximum(alpha, 1e-4), alpha


class Target:
    """What the landmarks should meet. pixels: Shape (468, 2). depths: Shape (468,). weight, deep: Shape (468,), how much each counts."""

    def __init__(self, model: FaceModel, reading: FaceReading, depth: np.ndarray, alpha: np.ndarray, camera: Cameras):
        self.c2w, self.intrinsics = camera.c2w[0].double().cpu().numpy(), camera.intrinsics[0].double().cpu().numpy()
        self.pixels = reading.landmarks[:COUNT, :2]
        x, y = np.clip(self.pixels, 0, len(depth) - 1).astype(int).T
        self.depths, sure = depth[y, x], model.spread < SPREAD_LIMIT
        weight = np.where(sure, 1 / (1 + 500 * np.where(sure, model.spread, 0)), 0.03)
        weight[list(LIPS_INNER + LIPS_OUTER)] = 2
        weight[list(EYES[0] + EYES[1])] = 3
        weight[list(OUTLINE)] = 0.5
        weight[~np.isfinite(model.spread)] = 0
        self.weight = weight / weight.sum()
        deep = (alpha[y, x] > 0.95) & sure
        deep[list(LIPS_INNER)] = False  # behind them may be teeth
        self.deep = deep / max(deep.sum(), 1)


def solve(model: FaceModel, target: Target, prior: np.ndarray) -> FaceFit:
    """prior: Shape (52,), units that are likely."""
    at = model.on_landmarks
    mean = at @ model.mean.astype(np.float64)
    middle = mean.mean(0)
    mean = mean - middle
    moves = np.stack([at @ move for move in (*model.identities, *model.units)])  # (K + 52, 468, 3)
    people = len(model.identities)
    shape = np.concatenate([np.zeros(people), 0.8 * prior])
    scale, translation, rotation = FIRST_GUESS[0], np.array(FIRST_GUESS[1]), np.eye(3)
    quiet = np.concatenate([np.full(people, IDENTITY_WEIGHT), np.full(len(prior), UNIT_WEIGHT)])
    wanted = np.concatenate([np.zeros(people), prior])
    camera = target.c2w[:3, :3]
    fx, fy, cx, cy = target.intrinsics
    axes, damping = np.eye(3)[:, None], 1e-3
    for _ in range(STEPS):
        local = mean + np.tensordot(shape, moves, 1)
        turned = scale * local @ rotation.T
        seen = (turned + translation - target.c2w[:3, 3]) @ camera
        depth = seen[:, 2]
        turns, shifts = np.cross(axes, turned[None]), np.broadcast_to(axes, (3, len(mean), 3))
        towards = np.concatenate([turned[None], turns, shifts, scale * moves @ rotation.T]) @ camera  # by size, rotation, place, shape
        x, y = seen[:, 0] / depth, seen[:, 1] / depth
        across = fx * (towards[..., 0] - x * towards[..., 2]) / depth, fy * (towards[..., 1] - y * towards[..., 2]) / depth
        miss = np.stack([fx * x + cx, fy * y + cy], 1) - target.pixels
        far = np.linalg.norm(miss, axis=1)
        weight = target.weight * np.minimum(1, SURE_PIXELS / np.maximum(far, 1e-9))
        deep = depth - target.depths
        deep_weight = DEPTH_WEIGHT * target.deep * np.minimum(1, SURE_DEPTH / np.maximum(np.abs(deep), 1e-9))
        jacobian = np.stack([*across, towards[..., 2]], -1).reshape(len(towards), -1)  # (7 + K + 52, 468 * 3)
        weights = np.stack([weight, weight, deep_weight], 1).ravel()
        residuals = np.concatenate([miss, deep[:, None]], 1).ravel()
        normal = (jacobian * weights) @ jacobian.T
        gradient = (jacobian * weights) @ residuals
        outside = np.where(shape[people:] < 0, shape[people:], np.maximum(shape[people:] - 1, 0))
        beyond = np.concatenate([np.zeros(people), BOUND_WEIGHT * (outside != 0)])
        limit = np.concatenate([np.zeros(people), np.round(np.clip(shape[people:], 0, 1)) * (outside != 0)])
        normal[7:, 7:] += np.diag(quiet + beyond)
        gradient[7:] += quiet * (shape - wanted) + beyond * (shape - limit)
        step = np.linalg.solve(normal + damping * np.diag(np.diag(normal)), -gradient)
        scale *= float(np.exp(np.clip(step[0], -0.3, 0.3)))
        rotation = turn(step[1:4]) @ rotation
        translation = translation + step[4:7]
        shape = shape + step[7:]
        damping = max(damping * 0.5, 1e-6)
        if np.abs(step).max() < 1e-4:
            break
    error = float(np.median(far))
    translation = translation - scale * rotation @ middle
    return FaceFit(shape[:people], np.clip(shape[people:], 0, 1), scale, rotation, translation, np.zeros_like(model.mean), error)


def turn(vector: np.ndarray) -> np.ndarray:
    """Rotation (3, 3) by a rotation vector (3,)."""
    angle = np.linalg.norm(vector)
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = vector / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def remaining_field(model: FaceModel, target: Target, fit: FaceFit) -> np.ndarray:
    """A smooth field (C, 3), world units, that takes the fitted landmarks to those seen; few and far landmarks move little."""
    control = model.control(fit.identity, fit.weights)
    places = model.on_landmarks @ control
    world = fit.to_world(places)
    pixels, depths = project(world, target.c2w, target.intrinsics)
    away = target.pixels - pixels
    deeper = np.where(target.deep > 0, np.clip(target.depths - depths, -SURE_DEPTH, SURE_DEPTH), 0)
    lips = list(LIPS_INNER)
    deeper[lips] = np.median(deeper[list(LIPS_OUTER)])
    focal, centre = target.intrinsics[:2], target.intrinsics[2:]
    sideways = away * depths[:, None] / focal + (pixels - centre) / focal * deeper[:, None]
    field = np.concatenate([sideways, deeper[:, None]], 1) @ target.c2w[:3, :3].T
    good = (model.spread < SPREAD_LIMIT) & (np.linalg.norm(field, axis=1) < 0.15)
    rest = model.template.control_rest
    sources, left = (model.on_landmarks @ rest)[good], field[good]
    return smooth_field(rest, sources, left)


def smooth_field(points: np.ndarray, sources: np.ndarray, values: np.ndarray) -> np.ndarray:
    """At points (N, 3), what nearly is the values (M, D) at sources (M, 3): far-reaching first, then what that leaves. Shape (N, D)."""
    total = np.zeros((len(points), values.shape[1]))
    for reach in REACHES:
        total += spread_out(points, sources, values, reach)
        values = values - spread_out(sources, sources, values, reach)
    return total


def spread_out(points: np.ndarray, sources: np.ndarray, values: np.ndarray, reach: float) -> np.ndarray:
    """Weighted means at points (N, 3) of values (M, D) at sources (M, 3); towards 0 where none is near."""
    distances = (points**2).sum(1)[:, None] + (sources**2).sum(1) - 2 * points @ sources.T
    near = np.exp(-distances / (2 * reach**2))
    return near @ values / (near.sum(1, keepdims=True) + LOOSE)
