"""How deep skin and skull lie in a portrait, told from the landmarks alone: where nothing that was learned knows how a head is turned."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from ..arrays import smoothstep
from ..cameras import FOCAL_512, RADIUS, orbit, rays
from ..portrait.crop import SIZE
from ..portrait.pose import FORWARD, HeadPose
from .fit import SPREAD_LIMIT, smooth_field
from .geometry import project, rasterise
from .landmarks import COUNT
from .model import load_face_model

MIDLINE = (10, 151, 9, 8, 168, 6, 197, 195, 5, 4, 1, 2, 164, 0, 17, 18, 200, 199, 175, 152)  # landmarks, from the forehead to the chin
READ, MODEL = 0.4, 0.5  # of the depth that is read with the landmarks, and of the average face: together nearest to held-out heads
THICKEST = 0.3  # world units of hair
CHIN = 0.62  # metres at rest
SCALP = 0.66, 0.72  # heights at rest, metres, from which on up to which it begins


def head_surface(pose: HeadPose, alpha: Tensor) -> tuple[Tensor, Tensor]:
    """Ray depth (S, S) of the average head, bent to the landmarks, with as much hair as the outline says; nan where it shows nothing.
    And where that is above the chin, bool (S, S): neck and chest may be hidden, and are as they are.

    pose: in a portrait of 512 px.
    alpha: Shape (S, S), of that portrait.
    """
    size = len(alpha)
    model, camera = load_face_model(), orbit([0.0], size=size)
    places, rest = model.on_landmarks @ model.mean.astype(np.float64), model.template.control_rest
    world, (scale, centred) = in_space(pose), _laid(pose)
    sure = model.spread < SPREAD_LIMIT
    origin = world[sure].mean(0) - scale * centred[sure].mean(0)
    control = scale * (model.mean - places.mean(0)) @ pose.rotation.T + origin
    bend = smooth_field(rest, (model.on_landmarks @ rest)[sure], (world - origin - scale * centred)[sure])
    vertices, template = model.surface(control + bend), model.template
    c2w, intrinsics = camera.c2w[0].double().numpy(), camera.intrinsics[0].double().numpy()
    body = slice(0, template.body)
    scalp = smoothstep(*SCALP, template.rest[body, 2]) * (1 - template.masks["face"])
    points, depths = project(vertices, c2w, intrinsics)
    crown, person = points[body][scalp > 0.5, 1].min(), np.flatnonzero((alpha > 0.5).any(1).numpy())
    over = (crown - person[0]) * _distance(pose) / intrinsics[0] if len(person) else 0.0
    vertices[body] += (np.clip(over, 0, THICKEST) * scalp)[:, None] * template.normals(vertices)[body]
    points, depths = project(vertices, c2w, intrinsics)
    triangles = template.triangles["body"]
    found, corners = rasterise(points, depths, triangles, size)
    z = (depths[triangles[found]] * corners).sum(-1)
    origins, directions = rays(camera)
    along = torch.from_numpy(z).float() / (directions[0] * camera.c2w[0, :3, 2, None, None]).sum(0)
    ray_depth = along + (origins[0] * directions[0]).sum(0)
    drawn = found >= 0
    above = drawn & (template.rest[triangles[found], 2] > CHIN).all(-1)
    return torch.where(torch.from_numpy(drawn), ray_depth, torch.nan), torch.from_numpy(above)


def in_space(pose: HeadPose) -> np.ndarray:
    """Where the landmarks stand before a front camera, Shape (468, 3): where they are seen, as deep as they and the average face say."""
    seen, distance, (scale, centred) = pose.landmarks[:COUNT], _distance(pose), _laid(pose)
    read = (seen - seen.mean(0))[:, 2] * distance / FOCAL_512
    deep = distance + READ * read + MODEL * scale * centred[:, 1]
    x, y = ((seen[:, :2] - SIZE / 2) / FOCAL_512).T
    return np.stack([x * deep, deep - RADIUS, -y * deep], 1)


def symmetric_places(pose: HeadPose) -> tuple[np.ndarray, np.ndarray, float]:
    """Landmarks in space, seen from the front of the head, and where those of a face would stand whose sides are alike.

    Returns Shape (468, 3) each, and by how much the middle of the face stands beside the axis of the front camera, world units.
    What a turn makes wrong of one side it makes wrong of the other the other way, so that their mean is nearer to the truth.
    """
    angle = math.radians(pose.azimuth)
    cos, sin = math.cos(angle), math.sin(angle)
    turned = in_space(pose) @ np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]).T
    middle = float(turned[list(MIDLINE), 0].mean())
    centred, across = turned - (middle, 0, 0), np.array([-1, 1, 1])
    return turned, (centred + centred[_partners()] * across) / 2 + (middle, 0, 0), middle


@lru_cache(maxsize=1)
def _partners() -> np.ndarray:
    """Of each landmark the one on the other side, Shape (468,)."""
    model = load_face_model()
    places = model.on_landmarks @ model.mean
    return cKDTree(places).query(places * (-1, 1, 1))[1]


def _laid(pose: HeadPose) -> tuple[float, np.ndarray]:
    """World units a metre, and the average face's landmarks about their middle, held as the head is, metres, Shape (468, 3)."""
    model, seen = load_face_model(), pose.landmarks[:COUNT]
    places = model.on_landmarks @ model.mean.astype(np.float64)
    centred, sure = (places - places.mean(0)) @ pose.rotation.T, model.spread < SPREAD_LIMIT
    flat = (seen - seen.mean(0))[sure, :2] * _distance(pose) / FOCAL_512
    return float(np.linalg.norm(flat) / np.linalg.norm(centred[sure][:, [0, 2]])), centred


def _distance(pose: HeadPose) -> float:
    """From the camera to the middle of the landmarks, world units."""
    return RADIUS - FORWARD * math.cos(math.radians(pose.azimuth))
