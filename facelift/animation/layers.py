"""What a head does not have but shows once it moves: skin under the skin, lids, teeth, tongue, the mouth's lining, eyeballs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial import cKDTree

from ..arrays import smoothstep
from ..face.landmarks import BELOW_EYE, LIPS_OUTER
from ..face.units import UNITS, unit_weights
from ..gaussians import Gaussians
from .anatomy import FittedFace
from .binding import Binding
from .head_rig import BALL_LEFT, BALL_RIGHT, CAVITY, EYE_LEFT, EYE_RIGHT, MOUTH, SKIN, UNDER

SPACING = {"under": 0.011, "lid": 0.0065, "teeth": 0.008, "tongue": 0.011, "lining": 0.012, "ball": 0.009}  # world units
INSET = 0.010  # world units below the skin
OVERLAP = 0.75  # standard deviation as a share of the spacing
THIN = 0.2  # across the surface, of the same
LINING, TONGUE, TEETH = (0.13, 0.04, 0.035), (0.44, 0.19, 0.17), (0.64, 0.62, 0.58)  # sRGB, in the shade of the lips
LIGHT_TINT = 0.6  # how much of the skin's tint is the light's, which teeth take on
OPAQUE = 6.0  # logit


@dataclass(frozen=True)
class Layer:
    """Added Gaussians on triangles of all parts (body, teeth, tongue in this order); as in HeadRig. lift: along the normal.

    color: Shape (n, 3), sRGB. width: standard deviation.
    """

    kind: int
    triangle: np.ndarray
    barycentric: np.ndarray
    lift: float
    color: np.ndarray
    width: float


def layers(face: FittedFace, gaussians: Gaussians, binding: Binding, landmarks_at: np.ndarray) -> list[Layer]:
    """landmarks_at: Shape (468, 3), world places of the landmarks."""
    rng = np.random.default_rng(0)
    means, rgb = gaussians.means.double().cpu().numpy(), gaussians.rgb.clamp(0, 1).cpu().numpy()
    solid = (gaussians.opacities.cpu().numpy() > 0) & (binding.kind == SKIN) & (binding.triangle >= 0)
    paint = Paint(means[solid], rgb[solid])
    return [
        under_skin(face, paint, rng),
        lids(face, paint, landmarks_at, rng),
        *cavity(face, paint, landmarks_at, rgb[binding.kind == MOUTH], rng),
    ]


class Paint:
    """Colours of the head's skin at places in the world."""

    def __init__(self, means: np.ndarray, rgb: np.ndarray):
        self.rgb, self.tree = rgb, cKDTree(means)

    def at(self, points: np.ndarray, count: int = 12) -> np.ndarray:
        _, found = self.tree.query(points, k=count, workers=2)
        return np.median(self.rgb[found], 1)

    def light(self, points: np.ndarray, share: float = 0.4) -> np.ndarray:
        """One colour of skin around all points, without lashes and shadows: the median of the lighter part."""
        colors = self.rgb[np.unique(self.tree.query(points, k=40)[1])]
        value = colors.sum(1)
        return np.median(colors[value >= np.quantile(value, share)], 0)


def sample(vertices: np.ndarray, triangles: np.ndarray, spacing: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Places spread over triangles (T, 3), one on each at least that a place's square covers: index into them and barycentric."""
    a, b, c = (vertices[triangles[:, i]] for i in range(3))
    share = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2 / spacing**2
    count = np.floor(share + rng.random(len(triangles))).astype(int)
    index = np.repeat(np.arange(len(triangles)), count)
    u, v = rng.random((2, len(index)))
    root = np.sqrt(u)
    return index, np.stack([1 - root, root * (1 - v), root * v], 1)


def on(vertices: np.ndarray, triangles: np.ndarray, barycentric: np.ndarray) -> np.ndarray:
    return np.einsum("nk,nkd->nd", barycentric, vertices[triangles])


def under_skin(face: FittedFace, paint: Paint, rng: np.random.Generator) -> Layer:
    """Opaque skin in the photo's colours below all that moves."""
    moved = np.abs(face.moves).max((0, 2)) > 2e-3
    chosen = np.flatnonzero(moved[face.body].any(1) & (face.mask("inside_mouth") < 0.45) & (face.mask("eyelids") < 0.9))
    index, barycentric = sample(face.vertices, face.body[chosen], SPACING["under"], rng)
    color = paint.at(on(face.vertices, face.body[chosen[index]], barycentric))
    return Layer(UNDER, chosen[index], barycentric, -INSET, color, SPACING["under"] * OVERLAP)


def lids(face: FittedFace, paint: Paint, landmarks_at: np.ndarray, rng: np.random.Generator) -> Layer:
    """Skin of the lids that a blink unfolds, as dense as it lies on the shut eye."""
    chosen = np.flatnonzero((face.mask("eyelids") > 0.3) & (face.mask("inside_mouth") < 0.1))
    shut = face.vertices + np.tensordot(unit_weights(eyeBlink=1), face.moves, 1)
    index, barycentric = sample(shut, face.body[chosen], SPACING["lid"], rng)
    triangle = chosen[index]
    left = face.model.template.rest[face.body[triangle]].mean(1)[:, 0] > 0
    tones = [paint.light(landmarks_at[list(BELOW_EYE[side])]) * 0.97 for side in range(2)]
    color = np.where(left[:, None], *tones)
    return Layer(UNDER, triangle, barycentric, -0.002, color, SPACING["lid"] * OVERLAP)


def cavity(face: FittedFace, paint: Paint, landmarks_at: np.ndarray, mouth: np.ndarray, rng: np.random.Generator) -> list[Layer]:
    """Lining, teeth and tongue. mouth: Shape (n, 3), colours that the photo shows between the lips."""
    template = face.model.template
    body, teeth, tongue = (template.triangles[part] for part in ("body", "teeth", "tongue"))
    lip = paint.light(landmarks_at[list(LIPS_OUTER)], 0.2)
    skin = paint.light(landmarks_at[list(BELOW_EYE[0] + BELOW_EYE[1])])
    enamel = np.array(TEETH) * min(1.0, float(skin.max()) + 0.05) * (skin / skin.mean()) ** LIGHT_TINT
    if len(mouth) > 50:
        value = mouth.sum(1)
        enamel = np.median(mouth[value >= np.quantile(value, 0.7)], 0)
    opened = face.vertices + 0.7 * face.moves[UNITS.index("jawOpen")]
    inner = np.flatnonzero((face.mask("inside_mouth") >= 0.45) & (template.rest[body].mean(1)[:, 1] > -0.150))

    def layer(
        name: str, triangles: np.ndarray, chosen: np.ndarray, start: int, front: np.ndarray, back: np.ndarray, near: float, far: float
    ) -> Layer:
        """Colours from `front` to `back` between two depths at rest, metres."""
        index, barycentric = sample(opened, triangles[chosen], SPACING[name], rng)
        depth = on(template.rest, triangles[chosen[index]], barycentric)[:, 1]
        deep = smoothstep(near, far, depth)[:, None]
        return Layer(CAVITY, start + chosen[index], barycentric, 0.0, front * (1 - deep) + back * deep, SPACING[name] * OVERLAP)

    everything = np.arange(len(teeth)), np.arange(len(tongue))
    return [
        layer("lining", body, inner, 0, lip * 0.8, np.array(LINING), -0.147, -0.128),
        layer("teeth", teeth, everything[0], len(body), enamel * 0.95, enamel * 0.2, -0.137, -0.105),
        layer("tongue", tongue, everything[1], len(body) + len(teeth), np.array(TONGUE), np.array(TONGUE) * 0.35, -0.140, -0.100),
    ]


def eyeballs(face: FittedFace, gaussians: Gaussians, binding: Binding, side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """White of one eye around what the photo shows of it. Means (n, 3), normals (n, 3), colours (n, 3), width; just below the ball."""
    mine = binding.kind == (EYE_LEFT, EYE_RIGHT)[side]
    rgb = gaussians.rgb.clamp(0, 1).cpu().numpy()[mine]
    spacing, radius = SPACING["ball"], face.radii[side] * 0.97
    count = int(2 * np.pi * radius**2 / spacing**2)
    forward = -face.fit.rotation[:, 1]
    i = np.arange(count) + 0.5
    polar, around = np.arccos(1 - 0.75 * i / count), np.pi * (1 + 5**0.5) * i
    local = np.stack([np.sin(polar) * np.cos(around), -np.cos(polar), np.sin(polar) * np.sin(around)], 1)
    normals = local @ face.fit.rotation.T
    white = np.array([0.80, 0.77, 0.75])
    if len(rgb) > 30:
        value = rgb.sum(1)
        white = np.median(rgb[value >= np.quantile(value, 0.75)], 0)
    color = white * (0.72 + 0.28 * smoothstep(0.3, 0.95, normals @ forward))[:, None]
    return binding.eyes[side] + normals * radius, normals, color, spacing * OVERLAP


def above(vertices: np.ndarray, triangles: np.ndarray, barycentric: np.ndarray, lift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places (n, 3) at a height over triangles (n, 3), and the triangles' normals (n, 3)."""
    corners = vertices[triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12
    return on(vertices, triangles, barycentric) + lift[:, None] * normals, normals


def discs(means: np.ndarray, normals: np.ndarray, sh0: np.ndarray, width: np.ndarray) -> Gaussians:
    """Opaque discs. means, normals, sh0: Shape (n, 3). width: Shape (n,)."""
    w = 1 + normals[:, 2]
    quats = np.stack([w, -normals[:, 1], normals[:, 0], np.zeros(len(w))], 1)
    quats[w < 1e-4] = (0, 1, 0, 0)
    quats /= np.linalg.norm(quats, axis=1, keepdims=True)
    wide = np.log(np.maximum(width, 1e-5))
    scales = np.stack([wide, wide, wide + np.log(THIN)], 1)
    parts = (means, quats, scales, np.full(len(means), OPAQUE), sh0)
    return Gaussians(*(torch.from_numpy(np.ascontiguousarray(part, np.float32)) for part in parts))


def disc_normals(quats: np.ndarray) -> np.ndarray:
    """What `discs` was given, of its quats. Shape (n, 3)."""
    w, x, y, z = quats.T
    return np.stack([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)], 1)


BALLS = BALL_LEFT, BALL_RIGHT
