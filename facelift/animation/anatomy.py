"""The fitted face in a head's world: its surface, eyeballs and teeth, and which of its triangles may carry what is seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..cameras import orbit
from ..face.anatomy import eyeballs, hold_teeth_back, lid_middles
from ..face.fit import FaceFit
from ..face.geometry import project, rasterise
from ..face.landmarks import LID_UPPER, LIP_LOWER_INNER, LIP_UPPER_INNER
from ..face.model import FaceModel
from ..face.units import UNITS

CHEST = 0.50  # height at rest, metres, below which nothing moves by units
FRONT = -0.085  # where the face begins, metres from the ears' plane: what lies before it and is seen from nowhere carries no skin
LOOKS = (0.0, 40.0, -40.0, 75.0, -75.0)  # azimuths from which skin is seen
LID_EDGE = 0.0028  # metres
LIPS_WIDE, LIPS_HIGH, MOUTH_HEIGHT = 0.029, 0.017, 0.6687  # metres, around the closed mouth at rest
SHUT_LIMITS = 0.5, 1.5


@dataclass(frozen=True, eq=False)
class FittedFace:
    """vertices: Shape (S, 3), world. moves: Shape (52, S, 3), world. eyes: Shape (2, 3). radii: Shape (2,). shut: as in HeadRig.

    skin: bool, Shape (T,), which body triangles carry skin. lower_lip: bool, Shape (T,), those around the mouth that are below its line;
    upper_lip: the others around it. lid_edges: of the left and the right eye, indices of the triangles at the upper lid's edge.
    """

    model: FaceModel
    fit: FaceFit
    vertices: np.ndarray
    moves: np.ndarray
    eyes: np.ndarray
    radii: np.ndarray
    shut: np.ndarray
    skin: np.ndarray
    upper_lip: np.ndarray
    lower_lip: np.ndarray
    lid_edges: tuple[np.ndarray, np.ndarray]

    @property
    def body(self) -> np.ndarray:
        """Triangles (T, 3)."""
        return self.model.template.triangles["body"]

    def mask(self, name: str) -> np.ndarray:
        """A mask of the template at the body's triangles, Shape (T,)."""
        return self.model.template.masks[name][self.body].mean(1)


def fitted_face(model: FaceModel, fit: FaceFit) -> FittedFace:
    template = model.template
    control = model.control(fit.identity, fit.weights)
    surface = model.surface(control)
    hold_teeth_back(surface, template.normals(surface), template, np.array([0.0, 1.0, 0.0]))
    vertices = fit.to_world(surface) + template.subdivide @ fit.residual
    moves = (model.moves().reshape(-1, 3) @ (fit.scale * fit.rotation.T).astype(np.float32)).reshape(len(UNITS), -1, 3)
    centres, radii = eyeballs(template, control)
    upper, lower = lid_middles(template)
    shift = (template.subdivide @ fit.residual)[np.stack([upper, lower])].mean(0)
    body = template.triangles["body"]
    up, low = around_mouth(model)
    return FittedFace(
        model, fit, vertices, moves, fit.to_world(centres) + shift, radii * fit.scale, shutting(fit, vertices, moves, upper, lower),
        carriers(model, vertices, body), up, low, (lid_edge(model, 0), lid_edge(model, 1)),
    )  # fmt: skip


def shutting(fit: FaceFit, vertices: np.ndarray, moves: np.ndarray, upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """Blink weights at which the middles of the lids meet, left and right."""
    blinks = [UNITS.index("eyeBlinkLeft"), UNITS.index("eyeBlinkRight")]
    up = fit.rotation[:, 2]
    gap = (vertices[upper] - vertices[lower]) @ up
    travel = np.array([(moves[b, lower[i]] - moves[b, upper[i]]) @ up for i, b in enumerate(blinks)])
    return np.clip(fit.weights[blinks] + gap / np.maximum(travel, 1e-6), *SHUT_LIMITS)


def carriers(model: FaceModel, vertices: np.ndarray, body: np.ndarray) -> np.ndarray:
    """Which triangles may carry skin: all above the chest but the mouth's lining and what of the face is hidden in folds and sockets."""
    template = model.template
    rest = template.rest[body].mean(1)
    outside = (template.masks["inside_mouth"][body].mean(1) < 0.45) & (rest[:, 2] > CHEST)
    seen = np.zeros(len(body), bool)
    cameras = orbit(LOOKS, 0.0, 640)
    for i in range(len(cameras)):
        pixels, depths = project(vertices, cameras.c2w[i].double().numpy(), cameras.intrinsics[i].double().numpy())
        index, _ = rasterise(pixels, depths, body, cameras.width)
        seen[np.unique(index[index >= 0])] = True
    return outside & (seen | (rest[:, 1] > FRONT))


def around_mouth(model: FaceModel) -> tuple[np.ndarray, np.ndarray]:
    """Body triangles around the mouth, above and below the line between the lips; bool, Shape (T,) each."""
    template = model.template
    rest = template.rest[template.triangles["body"]].mean(1)
    places = model.on_landmarks @ template.control_rest
    upper, lower = places[list(LIP_UPPER_INNER)], places[list(LIP_LOWER_INNER)]
    line = np.interp(rest[:, 0], upper[:, 0], (upper[:, 2] + lower[:, 2]) / 2)
    near = (np.abs(rest[:, 0]) < LIPS_WIDE) & (np.abs(rest[:, 2] - MOUTH_HEIGHT) < LIPS_HIGH) & (rest[:, 1] < -0.12)
    return near & (rest[:, 2] >= line), near & (rest[:, 2] < line)


def lid_edge(model: FaceModel, eye: int) -> np.ndarray:
    template = model.template
    points = (model.on_landmarks @ template.control_rest)[list(LID_UPPER[eye])]
    t = np.linspace(0, len(points) - 1, 60)
    chain = np.stack([np.interp(t, np.arange(len(points)), points[:, d]) for d in range(3)], 1)
    rest = template.rest[template.triangles["body"]].mean(1)
    near = np.flatnonzero((template.masks["eyelids"][template.triangles["body"]].mean(1) > 0.3) & (np.sign(rest[:, 0]) == (1, -1)[eye]))
    away = np.linalg.norm(rest[near][:, None] - chain, axis=-1).min(1)
    return near[away < LID_EDGE]


def lip_middles(model: FaceModel) -> tuple[int, int]:
    """Vertices in the middle of the inner edges of the upper and the lower lip."""
    template = model.template
    corners = template.triangles["body"]
    places = (model.on_landmarks @ template.control_rest)[[LIP_UPPER_INNER[5], LIP_LOWER_INNER[5]]]
    found = []
    for place, side in zip(places, around_mouth(model), strict=True):
        mine = np.unique(corners[side])
        found.append(int(mine[np.linalg.norm(template.rest[mine] - place, axis=1).argmin()]))
    return found[0], found[1]
