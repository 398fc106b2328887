"""A still head becomes a head rig: the face is fitted, every Gaussian finds what it follows, and what will show is added."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from ..arrays import smoothstep
from ..cameras import Cameras, orbit
from ..errors import PhotoError
from ..face.fit import fit_face
from ..face.landmarks import COUNT
from ..face.model import load_face_model
from ..face.units import read_face
from ..gaussians import Gaussians, concatenate
from .anatomy import fitted_face
from .binding import bind
from .head_rig import HeadRig
from .layers import BALLS, eyeballs, flat, layers, on

NECK = (0.545, 0.645)  # heights at rest, metres, between which the neck bends
PIVOT = np.array([0.0, 0.105, -0.112])  # metres from between the eyes to where the head turns
EYE_HEIGHT = 0.735  # metres, at rest


def rig_head(gaussians: Gaussians, portrait: Image.Image, camera: Cameras | None = None) -> HeadRig:
    """portrait: 512 px, as the head's folder has it. camera: the one that sees the head as the portrait does; default: the front one.

    Raises PhotoError where the portrait shows no face.
    """
    picture = np.array(portrait.convert("RGB"))
    camera = camera or orbit([0.0], 0.0, picture.shape[1])
    reading = read_face(picture)
    if reading is None:
        raise PhotoError("The portrait shows no face that can be found, so the head cannot be driven.")
    gaussians = gaussians.detach().to("cpu", torch.float32)
    model = load_face_model()
    fit = fit_face(model, reading, gaussians, camera)
    face = fitted_face(model, fit)
    binding = bind(face, gaussians, reading.landmarks[:COUNT, :2], camera)
    at = fit.to_world(model.on_landmarks @ model.control(fit.identity, fit.weights)) + model.on_landmarks @ fit.residual

    triangles = np.concatenate([model.template.triangles[part] for part in ("body", "teeth", "tongue")])
    parts, kinds = [gaussians], [binding.kind]
    triangle, barycentric, follow, recess = [binding.triangle], [binding.barycentric], [binding.follow], [binding.recess]
    for layer in layers(face, gaussians, binding, at):
        corners = face.vertices[triangles[layer.triangle]]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12
        means = on(face.vertices, triangles[layer.triangle], layer.barycentric) + layer.lift * normals
        n = len(means)
        parts.append(flat(means, normals, layer.color, np.full(n, layer.width)))
        kinds.append(np.full(n, layer.kind, np.uint8))
        triangle.append(layer.triangle), barycentric.append(layer.barycentric)
        follow.append(np.ones(n)), recess.append(np.zeros(n))
    for side in range(2):
        means, normals, color, width = eyeballs(face, gaussians, binding, side)
        n = len(means)
        parts.append(flat(means, normals, color, np.full(n, width)))
        kinds.append(np.full(n, BALLS[side], np.uint8))
        triangle.append(np.full(n, -1)), barycentric.append(np.zeros((n, 3)))
        follow.append(np.zeros(n)), recess.append(np.zeros(n))
    everything = concatenate(parts)
    index, corners, used = compact(np.concatenate(triangle), triangles)
    height = fit.to_model(everything.means.double().numpy())[:, 2] - fit.to_model(face.eyes).mean(0)[2] + EYE_HEIGHT
    return HeadRig(
        gaussians=everything,
        own=len(gaussians),
        kind=np.concatenate(kinds),
        triangle=index,
        barycentric=np.concatenate(barycentric).astype(np.float32),
        follow=np.concatenate(follow).astype(np.float32),
        recess=np.concatenate(recess).astype(np.float32),
        bend=smoothstep(*NECK, height).astype(np.float32),
        triangles=corners,
        vertices=face.vertices[used].astype(np.float32),
        moves=np.ascontiguousarray(face.moves[:, used]),
        rest=fit.weights.astype(np.float32),
        shut=face.shut.astype(np.float32),
        eyes=face.eyes.astype(np.float32),
        axes=fit.rotation.astype(np.float32),
        pivot=(face.eyes.mean(0) + fit.scale * fit.rotation @ PIVOT).astype(np.float32),
        eye=camera.c2w[0, :3, 3].cpu().numpy().astype(np.float32),
    )


def compact(triangle: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The triangles and vertices that are used at all: index into them (N,), -1 kept, triangles (T, 3), vertices' old indices (U,)."""
    kept, index = np.unique(triangle[triangle >= 0], return_inverse=True)
    used, corners = np.unique(triangles[kept], return_inverse=True)
    renumbered = np.full(len(triangle), -1, np.int32)
    renumbered[triangle >= 0] = index
    return renumbered, corners.reshape(-1, 3).astype(np.int32), used
