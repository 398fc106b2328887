"""Skin: its colour at every vertex. What is finer than a vertex (pores, freckles, fine lines) the skin shader adds from `parameters`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import smoothstep
from .hair import HairAppearance, beard_mask
from .identity import Identity
from .scene import Mesh, Surface
from .template import load_template

MELANIN = np.array([0, 0.2, 0.4, 0.6, 0.8, 1])
TONES = np.array(
    [(0.74, 0.52, 0.42), (0.62, 0.39, 0.28), (0.47, 0.27, 0.175), (0.29, 0.150, 0.084), (0.152, 0.075, 0.037), (0.066, 0.0325, 0.0165)]
)
LIPSTICKS = ((0.45, 0.03, 0.05), (0.5, 0.12, 0.12), (0.30, 0.03, 0.10), (0.55, 0.2, 0.18), (0.25, 0.05, 0.05), (0.1, 0.01, 0.06))
# places on the average face: centre (|x|, y, z) and extent, metres
CHEEKS = (0.042, -0.12, 0.695), (0.022, 0.04, 0.02)
NOSE = (0, -0.165, 0.695), (0.016, 0.03, 0.014)
CHIN = (0, -0.15, 0.635), (0.02, 0.03, 0.015)
ABOVE_EYES = (0.03, -0.13, 0.745), (0.02, 0.03, 0.012)
BELOW_EYES = (0.028, -0.13, 0.717), (0.016, 0.03, 0.008)
LIDS = (0.031, -0.13, 0.748), (0.018, 0.03, 0.007)
INNER_CORNERS = (0.0185, -0.130, 0.7328), (0.0022, 0.005, 0.0022)
T_ZONE = (0, -0.15, 0.725), (0.016, 0.03, 0.035)


@dataclass(frozen=True)
class SkinAppearance:
    """melanin: 0 palest .. 1 darkest. color: linear RGB of clean skin. redness: of cheeks, nose, chin, eyes. Strengths are 0..1.

    blotches: how unevenly blood shows. spots: of age. moles: Shape (6, 4). Place on the average face and radius, metres; radius 0: none.
    lipstick, eye_shadow: linear RGB or None. gloss, roughness: factors on the shine. bump: on the fine relief. noise: seed of the mottling.
    """

    melanin: float
    color: np.ndarray
    redness: tuple[float, float, float, float]
    under_eyes: float
    dark_lids: float
    blotches: float
    freckles: float
    spots: float
    moles: np.ndarray
    lipstick: np.ndarray | None
    eye_shadow: np.ndarray | None
    painted: bool
    gloss: float
    roughness: float
    bump: float
    noise: int


def draw_skin_appearance(rng: np.random.Generator, identity: Identity) -> SkinAppearance:
    african, asian, caucasian = identity.ethnicity
    melanin = float(np.clip(african * 0.78 + asian * 0.30 + caucasian * 0.14 + rng.normal(0, 0.13), 0, 1))
    if rng.random() < 0.25:
        melanin = float(rng.random())
    color = tone(melanin) * np.exp(rng.normal(0, 0.05, 3) * [0.5, 1, 1.2]) * np.exp(rng.normal(0, 0.08))
    cheeks, nose, chin, eyes = (float(rng.uniform(*span)) for span in ((0.15, 0.9), (0.1, 0.8), (0, 0.5), (0.1, 0.4)))
    made_up = rng.random() < (0.03 if identity.male or identity.child else 0.45)
    return SkinAppearance(
        melanin=melanin,
        color=np.clip(color, 0.012, 0.86),
        redness=(cheeks, nose, chin, eyes),
        under_eyes=float(rng.uniform(0.05, 0.45)),
        dark_lids=float(rng.uniform(0.05, 0.3)),
        blotches=float(rng.uniform(0.2, 1.0)),
        freckles=float(rng.uniform(0.25, 1)) if melanin < 0.45 and rng.random() < 0.16 else 0.0,
        spots=float(rng.uniform(0.2, 1) * smoothstep(0.35, 0.8, identity.old)),
        moles=draw_moles(rng),
        lipstick=np.array(LIPSTICKS[rng.integers(len(LIPSTICKS))]) if made_up and rng.random() < 0.7 else None,
        eye_shadow=np.exp(rng.normal(-2, 0.6, 3)) if made_up and rng.random() < 0.6 else None,
        painted=bool(rng.random() < 0.03),
        gloss=float(rng.uniform(0.3, 1.05)),
        roughness=float(rng.uniform(0.75, 1.35)),
        bump=float(rng.uniform(0.5, 1.3) + 0.8 * identity.old),
        noise=int(rng.integers(1 << 31)),
    )


def draw_moles(rng: np.random.Generator) -> np.ndarray:
    """None to a few, anywhere on the face."""
    template = load_template()
    front = np.flatnonzero((template.masks["face"] > 0.5) & (template.masks["lips"] < 0.05) & (template.masks["eyelids"] < 0.05))
    places = template.rest[rng.choice(front, 6)]
    radii = rng.uniform(0.0006, 0.0017, 6) * (rng.random(6) < rng.uniform(0, 0.5))
    return np.c_[places, radii].round(5)


def tone(melanin: float) -> np.ndarray:
    """Linear RGB, between measured-looking tones in log space."""
    return np.exp([np.interp(melanin, MELANIN, np.log(TONES[:, c])) for c in range(3)])


def skin_mesh(surface: Surface, identity: Identity, skin: SkinAppearance, hair: HairAppearance, scalp: np.ndarray) -> Mesh:
    """scalp: Shape (B,). How much the roots of hair darken the skin, 0..1. `extra` holds hair roots (scalp, stubble) and the face mask."""
    template = surface.template
    masks, rest = template.masks, template.rest[: template.body]
    vertices, normals = surface.body
    rng = np.random.default_rng(skin.noise)
    lips = smoothstep(0.1, 0.85, masks["lips"])
    stubble = beard_shadow(template, identity, hair, rng)

    color = np.tile(skin.color, (len(rest), 1))
    color *= np.exp(waves(rest, rng, 40)[:, None] * [0.025, 0.05, 0.055] + waves(rest, rng, 130)[:, None] * [0.018, 0.03, 0.03])
    color *= np.exp(-(redness(rest, masks, skin) * (1 - 0.9 * skin.melanin))[:, None] * [0.06, 0.32, 0.30])
    color *= np.exp(-0.45 * skin.melanin * outskirts(rest, masks)[:, None] * [0.8, 1, 1.1])
    color *= np.exp(-skin.under_eyes * near(rest, *BELOW_EYES)[:, None] * [0.5, 0.75, 0.55])
    color *= np.exp(-skin.dark_lids * masks["eyelids"][:, None] * [0.8, 1.0, 0.9])
    color = blend(color, skin.color * 0.6 + np.array([0.30, 0.10, 0.09]) * 0.4, 0.8 * near(rest, *INNER_CORNERS))
    color = make_up(color, rest, masks, lips, skin, rng)
    inside = smoothstep(0.3, 0.8, masks["inside_mouth"] * (1 - lips))
    color = blend(color, np.array([0.16, 0.035, 0.03]), inside)
    color = blend(color, root_color(skin, hair) * 0.5 + skin.color * 0.3, 0.55 * stubble)
    color = blend(color, hair.color * 0.55 + skin.color * 0.07, np.clip(1.05 * scalp, 0, 0.95))
    if skin.painted:
        color = face_paint(color, rest, masks, rng)
    color *= np.exp(-creases(surface, identity, lips)[:, None] * [0.75, 1, 1])
    roots = np.maximum(scalp, 0.6 * stubble)
    return Mesh(
        kind="skin",
        vertices=vertices,
        normals=normals,
        triangles=template.triangles["body"],
        albedo=color.astype(np.float32),
        rest=rest,
        gloss=skin.gloss * (0.85 + 0.4 * near(rest, *T_ZONE)) * (1 + 0.6 * lips) * (1 - 0.8 * roots.clip(0, 1)),
        roughness=skin.roughness * (1 - 0.35 * lips),
        extra=np.stack([roots, masks["face"]], 1),
        two_sided=False,  # no camera sees the inside of a body that is closed or clothed
        parameters=dict(
            bump=skin.bump,
            freckles=skin.freckles,
            age=max(0.0, (identity.old - 0.2) / 0.8),
            spots=skin.spots,
            blotches=skin.blotches,
            melanin=skin.melanin,
            marks=int((skin.moles[:, 3] > 0).sum()),
            moles=skin.moles[np.argsort(-skin.moles[:, 3], kind="stable")],
        ),
    )


def near(rest: np.ndarray, center, extent) -> np.ndarray:
    """1 at a place on the average face (both sides), falling off as a Gaussian. Shape (B,)."""
    mirrored = np.stack([np.abs(rest[:, 0]), rest[:, 1], rest[:, 2]], 1)
    return np.exp(-(((mirrored - center) / extent) ** 2).sum(1))


def waves(points: np.ndarray, rng: np.random.Generator, frequency: float, octaves: int = 3) -> np.ndarray:
    """Cheap smooth noise, about -1..1. Shape (N,)."""
    total = np.zeros(len(points))
    for octave in range(octaves):
        total += np.sin(points @ (rng.normal(0, 1, 3) * frequency * 1.7**octave) + rng.uniform(0, 2 * np.pi)) * 0.7**octave
    return total / 1.6


def blend(color: np.ndarray, other: np.ndarray, amount: np.ndarray) -> np.ndarray:
    return color + (other - color) * amount[:, None]


def redness(rest, masks, skin: SkinAppearance) -> np.ndarray:
    places = (CHEEKS, NOSE, CHIN, ABOVE_EYES)
    return sum(red * near(rest, *place) for red, place in zip(skin.redness, places, strict=True)) + 0.6 * masks["ears"]


def outskirts(rest, masks) -> np.ndarray:
    """Forehead, temples, around the mouth: where brown skin is darkest. Shape (B,)."""
    center = near(rest, (0.030, -0.14, 0.700), (0.030, 0.06, 0.032))
    mouth = near(rest, (0, -0.15, 0.668), (0.030, 0.03, 0.016))
    return masks["face"] * (1 - center).clip(0, 1) * 0.6 + 0.5 * mouth


def make_up(color, rest, masks, lips, skin: SkinAppearance, rng) -> np.ndarray:
    if skin.eye_shadow is not None:
        color = blend(color, skin.eye_shadow, 0.55 * np.clip(masks["eyelids"] + near(rest, *LIDS), 0, 1))
    bare = color * np.array([0.80, 0.47, 0.52]) ** rng.uniform(0.6, 1.1) * (1 - 0.2 * skin.melanin)
    lower = smoothstep(0.669, 0.664, rest[:, 2]) * near(rest, (0, -0.147, 0.664), (0.014, 0.02, 0.006))
    bare = blend(bare, bare * [1.25, 1.05, 1.1], lower)  # paler where the lips meet
    lip_color = bare if skin.lipstick is None else 0.75 * skin.lipstick + 0.25 * bare
    return blend(color, lip_color * np.exp(rng.normal(0, 0.06)), lips)


def root_color(skin: SkinAppearance, hair: HairAppearance) -> np.ndarray:
    return np.minimum(hair.brow_color if hair.name == "dyed" else hair.color, 0.25)


def beard_shadow(template, identity: Identity, hair: HairAppearance, rng) -> np.ndarray:
    """Shaved cheeks are seldom quite clean. Shape (B,), 0..1."""
    if hair.beard != "none":
        return beard_mask(template, hair.beard, at="body") * rng.uniform(0.45, 0.9)
    if identity.male and not identity.child:
        return beard_mask(template, "stubble", at="body") * rng.uniform(0, 0.35)
    return np.zeros(template.body)


def face_paint(color, rest, masks, rng) -> np.ndarray:
    """Half a face in one colour, sometimes stripes."""
    first, second = rng.random((2, 3)) ** 2.2
    half = masks["face"] * smoothstep(-0.003, 0.003, rest[:, 0] * rng.choice([-1, 1]))
    color = blend(color, first, 0.8 * half)
    if rng.random() < 0.5:
        stripes = np.sin(rest @ (rng.normal(0, 1, 3) * rng.uniform(60, 200)) + rng.uniform(0, 6)) > 0.2
        color = blend(color, second, 0.8 * stripes * masks["face"])
    return color


def creases(surface: Surface, identity: Identity, lips: np.ndarray) -> np.ndarray:
    """Folds are darker, ridges a little lighter: where the surface lies below or above its neighbours. Shape (B,)."""
    template = surface.template
    vertices, normals = surface.body
    bent = ((template.smooth @ vertices - vertices) * normals).sum(1) / 0.0006
    bent = bent.clip(-1, 2.5) * (1 - lips) * (1 - template.masks["ears"]) * smoothstep(0.56, 0.60, template.rest[: template.body, 2])
    return (0.17 + 0.25 * identity.old) * bent.clip(0) - 0.04 * (-bent).clip(0)
