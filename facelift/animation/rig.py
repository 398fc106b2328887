"""A still head becomes a head rig: the face is fitted, every Gaussian finds what it follows, and what will show is added."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

from ..cameras import Cameras, orbit
from ..errors import PhotoError
from ..face.fit import FaceFit, fit_face
from ..face.landmarks import COUNT
from ..face.model import load_face_model
from ..face.units import read_face
from ..gaussians import SH_C0, Gaussians, concatenate
from .anatomy import fitted_face, lip_middles
from .binding import bind
from .head_rig import HeadRig
from .layers import BALLS, above, discs, eyeballs, layers

NECK = (0.545, 0.645)  # heights at rest, metres, between which the neck bends
PIVOT = np.array([0.0, 0.105, -0.112])  # metres from between the eyes to where the head turns
EYE_HEIGHT = 0.735  # metres, at rest


class Piece(NamedTuple):
    """Gaussians with what HeadRig says of each; triangle: of body, teeth and tongue together."""

    gaussians: Gaussians
    kind: np.ndarray
    triangle: np.ndarray
    barycentric: np.ndarray
    lift: np.ndarray
    follow: np.ndarray
    recess: np.ndarray


def joined(pieces: list[Piece], name: str) -> np.ndarray:
    return np.concatenate([getattr(piece, name) for piece in pieces])


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
    return bound_head(gaussians, fit_face(load_face_model(), reading, gaussians, camera), reading.landmarks[:COUNT, :2], camera)


def bound_head(gaussians: Gaussians, fit: FaceFit, landmarks: np.ndarray, camera: Cameras) -> HeadRig:
    """gaussians: float32 on the CPU. landmarks: Shape (468, 2), pixels of `camera`, the photo's."""
    model = load_face_model()
    face = fitted_face(model, fit)
    binding = bind(face, gaussians, landmarks, camera)
    at = fit.to_world(model.on_landmarks @ model.control(fit.identity, fit.weights)) + model.on_landmarks @ fit.residual

    triangles = np.concatenate([model.template.triangles[part] for part in ("body", "teeth", "tongue")])
    zero = np.zeros(len(gaussians))
    pieces = [Piece(gaussians, binding.kind, binding.triangle, binding.barycentric, zero, binding.follow, binding.recess)]
    for layer in layers(face, gaussians, binding, at):
        n = len(layer.triangle)
        lift, ones = np.full(n, layer.lift), np.ones(n)
        means, normals = above(face.vertices, triangles[layer.triangle], layer.barycentric, lift)
        shown = discs(means, normals, (layer.color - 0.5) / SH_C0, ones * layer.width)
        pieces.append(Piece(shown, np.full(n, layer.kind, np.uint8), layer.triangle, layer.barycentric, lift, ones, 0 * ones))
    for side in range(2):
        means, normals, color, width = eyeballs(face, gaussians, binding, side)
        n = len(means)
        zeros = np.zeros(n)
        shown = discs(means, normals, (color - 0.5) / SH_C0, np.full(n, width))
        pieces.append(Piece(shown, np.full(n, BALLS[side], np.uint8), np.full(n, -1), np.zeros((n, 3)), zeros, zeros, zeros))
    index, corners, used = compact(joined(pieces, "triangle"), triangles, lip_middles(model))
    neck = fit.scale * (np.array(NECK) - EYE_HEIGHT - PIVOT[2])
    return HeadRig(
        gaussians=concatenate([piece.gaussians for piece in pieces]),
        own=len(gaussians),
        kind=joined(pieces, "kind"),
        triangle=index,
        barycentric=joined(pieces, "barycentric").astype(np.float32),
        lift=joined(pieces, "lift").astype(np.float32),
        follow=joined(pieces, "follow").astype(np.float32),
        recess=joined(pieces, "recess").astype(np.float32),
        triangles=corners,
        vertex=used.astype(np.int32),
        vertices=face.vertices[used].astype(np.float32),
        moves=np.ascontiguousarray(face.moves[:, used]),
        rest=fit.weights.astype(np.float32),
        shut=face.shut.astype(np.float32),
        lips=np.searchsorted(used, lip_middles(model)).astype(np.int32),
        eyes=binding.eyes.astype(np.float32),
        axes=fit.rotation.astype(np.float32),
        pivot=(face.eyes.mean(0) + fit.scale * fit.rotation @ PIVOT).astype(np.float32),
        neck=neck.astype(np.float32),
        eye=camera.c2w[0, :3, 3].cpu().numpy().astype(np.float32),
    )


def compact(triangle: np.ndarray, triangles: np.ndarray, needed: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The triangles and vertices that are used at all, and those `needed`: index into the triangles (N,), -1 kept, triangles (T, 3),
    vertices' old indices (U,), rising."""
    kept, index = np.unique(triangle[triangle >= 0], return_inverse=True)
    used = np.union1d(triangles[kept], needed)
    renumbered = np.full(len(triangle), -1, np.int32)
    renumbered[triangle >= 0] = index
    return renumbered, np.searchsorted(used, triangles[kept]).astype(np.int32), used
