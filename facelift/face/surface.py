"""How deep skin and skull lie in a portrait, told from the landmarks alone: where nothing that was learned knows how a head is turned."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from ..arrays import smoothstep
from ..cameras import FOCAL_512, RADIUS, orbit, rays
from ..portrait.crop import SIZE
from ..portrait.pose import FORWARD, HeadPose
from .fit import REACHES, SPREAD_LIMIT, spread_out
from .geometry import project, rasterise
from .landmarks import COUNT
from .model import load_face_model

MIDLINE = (10, 151, 9, 8, 168, 6, 197, 195, 5, 4, 1, 2, 164, 0, 17, 18, 200, 199, 175, 152)  # landmarks, from the forehead to the chin
THICKEST = 0.3  # world units of hair
CHIN, SHOULDERS = 0.62, 0.11  # metres at rest: from which height, and from how far beside the middle on, skin or clothes are seen
SCALP = 0.66, 0.72  # heights at rest, metres, from which on up to which it begins


def head_surface(pose: HeadPose, alpha: Tensor) -> Tensor:
    """Ray depth (S, S) of the average head, bent to the landmarks, with as much hair as the outline says; nan where it shows nothing.

    pose: in a portrait of 512 px.
    alpha: Shape (S, S), of that portrait.
    """
    size = len(alpha)
    model, camera = load_face_model(), orbit([0.0], size=size)
    places, rest = model.on_landmarks @ model.mean.astype(np.float64), model.template.control_rest
    seen, distance = pose.landmarks[:COUNT], _distance(pose)
    centred = (places - places.mean(0)) @ pose.rotation.T
    sure = np.isfinite(model.spread) & (model.spread < SPREAD_LIMIT)
    flat = (seen - seen.mean(0))[:, :2] * distance / FOCAL_512
    scale = np.linalg.norm(flat[sure]) / np.linalg.norm(centred[sure][:, [0, 2]])
    world = _in_space(pose)
    origin = world[sure].mean(0) - scale * centred[sure].mean(0)
    control = scale * (model.mean - places.mean(0)) @ pose.rotation.T + origin
    left, total = (world - origin - scale * centred)[sure], np.zeros_like(control)
    sources = (model.on_landmarks @ rest)[sure]
    for reach in REACHES:
        total += spread_out(rest, sources, left, reach)
        left = left - spread_out(sources, sources, left, reach)
    vertices, template = model.surface(control + total), model.template
    c2w, intrinsics = camera.c2w[0].double().numpy(), camera.intrinsics[0].double().numpy()
    body = slice(0, template.body)
    scalp = smoothstep(*SCALP, template.rest[body, 2]) * (1 - template.masks["face"])
    points, depths = project(vertices, c2w, intrinsics)
    crown, person = points[body][scalp > 0.5, 1].min(), np.flatnonzero((alpha > 0.5).any(1).numpy())
    over = (crown - person[0]) * distance / intrinsics[0] if len(person) else 0.0
    vertices[body] += (np.clip(over, 0, THICKEST) * scalp)[:, None] * template.normals(vertices)[body]
    points, depths = project(vertices, c2w, intrinsics)
    triangles = template.triangles["body"]
    height, aside = template.rest[triangles, 2], np.abs(template.rest[triangles, 0])
    triangles = triangles[((height > CHIN) | (aside > SHOULDERS)).all(1)]  # a beard hides what lies between
    found, corners = rasterise(points, depths, triangles, size)
    z = (depths[triangles[found]] * corners).sum(-1)
    origins, directions = rays(camera)
    along = torch.from_numpy(z).float() / (directions[0] * camera.c2w[0, :3, 2, None, None]).sum(0)
    ray_depth = along + (origins[0] * directions[0]).sum(0)
    return torch.where(torch.from_numpy(found >= 0), ray_depth, torch.nan)


def off_middle(pose: HeadPose) -> float:
    """By how much the middle of the face stands to the right of the front camera's axis, world units."""
    x, y, _ = _in_space(pose)[list(MIDLINE)].mean(0)
    angle = math.radians(pose.azimuth)
    return float(x * math.cos(angle) - y * math.sin(angle))


def _distance(pose: HeadPose) -> float:
    """From the camera to the middle of the landmarks, world units."""
    return RADIUS - FORWARD * math.cos(math.radians(pose.azimuth))


def _in_space(pose: HeadPose) -> np.ndarray:
    """Where the landmarks stand before a front camera, Shape (468, 3)."""
    seen, distance = pose.landmarks[:COUNT], _distance(pose)
    deep = distance + (seen - seen.mean(0))[:, 2] * distance / FOCAL_512
    x, y = ((seen[:, :2] - SIZE / 2) / FOCAL_512).T
    return np.stack([x * deep, deep - RADIUS, -y * deep], 1)
