"""Which triangle each Gaussian of a head follows, and what of it is eye or mouth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree
from skimage.measure import points_in_poly

from ..arrays import smoothstep
from ..cameras import Cameras
from ..face.fit import head_depth
from ..face.geometry import nearest_triangles, project
from ..face.landmarks import EYES, LID_LOWER, LID_UPPER, LIP_LOWER_INNER, LIP_UPPER_INNER
from ..gaussians import Gaussians
from .anatomy import FittedFace
from .head_rig import EYE_LEFT, EYE_RIGHT, MOUTH, SEAM, SKIN

NEAR, FAR = 0.05, 0.16  # world units from the face's surface: up to the first a Gaussian follows in full, beyond the second not at all
FRONT_LAYER = 0.12  # world units behind what the photo's camera sees: what is deeper is neither eye nor mouth
MOVING = 2e-4  # world units by which a unit moves what it moves
LASHES = 0.3  # of the eye's height, above the upper lid
SEAM_WIDTH = 2.0  # pixels of 512
RECESS = 0.04, 0.12  # world units that what shows between the lips steps back, at least and at most
TEETH_GAP = 0.012  # world units that teeth stand behind the lips, at least
BALL_GAP = 0.006  # world units that an eyeball lies behind what the photo shows of it, at least


@dataclass(frozen=True)
class Binding:
    """As in HeadRig, of the head's own Gaussians; triangle: of the template's body, or beyond it of its teeth. eyes: as in HeadRig."""

    kind: np.ndarray
    triangle: np.ndarray
    barycentric: np.ndarray
    follow: np.ndarray
    recess: np.ndarray
    eyes: np.ndarray


def bind(face: FittedFace, gaussians: Gaussians, landmarks: np.ndarray, camera: Cameras) -> Binding:
    """landmarks: Shape (468 or more, 2 or 3), pixels of `camera`, the photo's."""
    means = gaussians.means.double().cpu().numpy()
    c2w, intrinsics = camera.c2w[0].double().cpu().numpy(), camera.intrinsics[0].double().cpu().numpy()
    pixels, depths = project(means, c2w, intrinsics)
    depth, _ = head_depth(gaussians, camera)
    x, y = np.clip(pixels, 0, camera.width - 1).astype(int).T
    front = np.abs(depths - depth[y, x]) < FRONT_LAYER
    kind, below = regions(landmarks, pixels, front)
    moved = np.abs(face.moves).max((0, 2)) > MOVING
    moving = moved[face.body].any(1)
    triangle, barycentric, away = follow_skin(face, means, kind, below, moving)
    follow = np.where(triangle >= 0, 1 - smoothstep(NEAR, FAR, away), 0)
    bind_lashes(face, means, pixels, front & (kind == SKIN), landmarks, triangle, barycentric, follow)
    recess, eyes = np.zeros(len(means)), face.eyes.copy()
    ray = (means - c2w[:3, 3]) / np.linalg.norm(means - c2w[:3, 3], axis=1, keepdims=True)
    for side, eye in enumerate((EYE_LEFT, EYE_RIGHT)):
        mine = kind == eye
        follow[mine], triangle[mine] = 0, -1
        if mine.any():
            eyes[side] = behind(means[mine], ray[mine], eyes[side], face.radii[side])
            recess[mine] = to_ball(means[mine], ray[mine], eyes[side], face.radii[side]).clip(0, 2 * face.radii[side])
    follow_teeth(face, means, depths, kind == MOUTH, below, triangle, barycentric, follow, recess, (c2w, intrinsics))
    triangle[follow <= 0] = -1
    return Binding(kind, triangle, barycentric, follow, recess, eyes)


def regions(landmarks: np.ndarray, pixels: np.ndarray, front: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Kind of each Gaussian, uint8 (N,), and whether it lies below the line between the lips, (N,)."""
    upper, lower = landmarks[list(LIP_UPPER_INNER), :2], landmarks[list(LIP_LOWER_INNER), :2]
    top, bottom = np.interp(pixels[:, 0], *upper.T), np.interp(pixels[:, 0], *lower.T)
    within = (pixels[:, 0] > upper[0, 0]) & (pixels[:, 0] < upper[-1, 0])
    kind = np.full(len(pixels), SKIN, np.uint8)
    kind[front & within & (bottom - top > 1.5) & (pixels[:, 1] > top + 0.3) & (pixels[:, 1] < bottom - 0.3)] = MOUTH
    seam = front & within & (np.abs(pixels[:, 1] - (top + bottom) / 2) < SEAM_WIDTH + (bottom - top) / 2)
    kind[seam & (kind == SKIN)] = SEAM
    for side, eye in enumerate((EYE_LEFT, EYE_RIGHT)):
        outline = np.concatenate([landmarks[list(LID_UPPER[side]), :2], landmarks[list(LID_LOWER[side][-2:0:-1]), :2]])
        middle = outline.mean(0)
        box = np.abs(pixels - middle).max(1) < np.ptp(outline, 0).max()
        inside = np.flatnonzero(front & box)
        kind[inside[points_in_poly(pixels[inside], middle + 0.96 * (outline - middle))]] = eye
    return kind, pixels[:, 1] > (top + bottom) / 2


def follow_skin(
    face: FittedFace, means: np.ndarray, kind: np.ndarray, below: np.ndarray, moving: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The nearest triangle that carries skin, on a Gaussian's own side of the mouth; -1 where nothing that moves is near."""
    n = len(means)
    triangle, barycentric, away = np.full(n, -1), np.zeros((n, 3)), np.full(n, np.inf)
    centres = face.vertices[face.body].mean(1)
    near, _ = cKDTree(centres[moving][::4]).query(means, distance_upper_bound=FAR + 0.05, workers=2)
    close = np.isfinite(near)
    for side, other in ((~below, face.lower_lip), (below, face.upper_lip)):
        mine, carriers = np.flatnonzero(close & side), np.flatnonzero(face.skin & ~other)
        if len(mine):
            found, barycentric[mine], away[mine] = nearest_triangles(means[mine], face.vertices, face.body[carriers])
            triangle[mine] = carriers[found]
    still = (triangle >= 0) & ~moving[triangle]
    triangle[still] = -1
    return triangle, barycentric, away


def bind_lashes(face, means, pixels, among, landmarks, triangle, barycentric, follow) -> None:
    """What stands on the upper lid's edge follows the edge, not the skin behind it that folds."""
    for side in range(2):
        edge = landmarks[list(LID_UPPER[side]), :2]
        height = np.ptp(landmarks[list(EYES[side]), 1])
        top = np.interp(pixels[:, 0], *edge.T)
        mine = among & (pixels[:, 0] > edge[0, 0]) & (pixels[:, 0] < edge[-1, 0])
        mine &= (pixels[:, 1] <= top + 0.5) & (pixels[:, 1] > top - max(1.5, LASHES * height / 2))
        mine = np.flatnonzero(mine)
        if len(mine) and len(face.lid_edges[side]):
            found, barycentric[mine], _ = nearest_triangles(means[mine], face.vertices, face.body[face.lid_edges[side]])
            triangle[mine], follow[mine] = face.lid_edges[side][found], 1


def to_ball(points: np.ndarray, rays: np.ndarray, centre: np.ndarray, radius: float) -> np.ndarray:
    """How far along unit rays points (N, 3) lie before a ball's near side, or before its middle where a ray misses it; below 0 what lies
    behind it. Shape (N,)."""
    away = centre - points
    along = (away * rays).sum(1)
    beside = (away**2).sum(1) - along**2
    return along - np.sqrt(np.maximum(radius**2 - beside, 0))


def behind(points: np.ndarray, rays: np.ndarray, centre: np.ndarray, radius: float) -> np.ndarray:
    """The centre of an eyeball, moved back where it would cover what the photo shows of the eye: the fit of a turned face says little of
    how far away its eyes are."""
    gap = np.median(to_ball(points, rays, centre, radius))
    return centre + max(BALL_GAP - gap, 0.0) * rays.mean(0)


def follow_teeth(face, means, depths, mine, below, triangle, barycentric, follow, recess, camera) -> None:
    """What shows between the lips belongs to the row of teeth behind it: the upper one is still, the lower one goes with the jaw."""
    if not mine.any():
        return
    template = face.model.template
    teeth = template.triangles["teeth"]
    _, deep = project(face.vertices[template.ranges["teeth"]], *camera)
    back = max(np.percentile(deep, 8), np.median(depths[mine]) + TEETH_GAP)
    recess[mine] = np.clip(back - depths[mine], *RECESS)
    lower = np.abs(face.moves[:, teeth].max((2, 3))).max(0) > MOVING
    follow[mine], triangle[mine] = 0, -1
    low = np.flatnonzero(mine & below)
    if len(low) and lower.any():
        found, barycentric[low], _ = nearest_triangles(means[low], face.vertices, teeth[lower])
        triangle[low], follow[low] = len(face.body) + np.flatnonzero(lower)[found], 1
