"""Light: an environment all around and up to three key lights, drawn at random."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..arrays import smoothstep
from ..choices import LIGHTS as MODES
from .scene import Light
from .template import unit

AMBIENT_DIRECTIONS = 24
ENVIRONMENT = (32, 64)  # rows from the zenith down, columns from azimuth -180 to 180 degrees around z, 0 at +x
ODDS = (0.2, 0.4, 0.4)  # of MODES


def draw_light(rng: np.random.Generator, mode: str | None = None) -> Light:
    """mode: one of MODES; None draws it.

    ambient: the same from everywhere, as in the paper's Blender scenes. environment: sky, ground and coloured lobes, seldom a sun.
    studio: dim surroundings and one to three key lights, mostly soft boxes.
    """
    mode = mode or str(rng.choice(MODES, p=ODDS))
    if mode == "ambient":
        surroundings = np.ones((*ENVIRONMENT, 3)) * (1 + rng.uniform(0, 0.3) * grid()[..., 2:])
        if rng.random() < 0.7:  # a window or lamp to be seen in the eyes, too small to matter much elsewhere
            surroundings += window(rng) * rng.uniform(8, 25)
        keys = []
    else:
        surroundings = draw_surroundings(rng, mode)
        count = rng.choice([0, 1, 2], p=[0.45, 0.4, 0.15]) if mode == "environment" else rng.choice([1, 2, 3], p=[0.45, 0.35, 0.2])
        keys = [draw_key(rng, mode, first=i == 0) for i in range(count)]
    directions = even_directions(AMBIENT_DIRECTIONS)
    return Light(
        mode=mode,
        directions=directions,
        radiance=blurred(surroundings, directions),
        key_directions=np.array([k[0] for k in keys]).reshape(-1, 3),
        key_colors=np.array([k[1] for k in keys]).reshape(-1, 3),
        exposure=float(np.exp(rng.normal(0, 0.16))),
        key_radii=np.array([k[2] for k in keys]),
        environment=surroundings.astype(np.float32),
    )


def draw_surroundings(rng: np.random.Generator, mode: str) -> np.ndarray:
    """Radiance from all around. Shape (*ENVIRONMENT, 3)."""
    d = grid()
    base = rng.uniform(0.12, 0.55) if mode == "environment" else rng.uniform(0.12, 0.47)
    light = np.full((*ENVIRONMENT, 3), base) * tint(rng, 0.06)
    light = light + rng.uniform(0, 0.8) * (d[..., 2:] * 0.5 + 0.5) * tint(rng, 0.12)
    light = light * (1 - rng.uniform(0, 0.5) * np.clip(-d[..., 2:], 0, 1))
    if mode == "environment":
        for _ in range(rng.integers(2, 6)):
            center = unit(rng.normal(0, 1, 3) * [1, 1, 0.7] + [0, -0.3, 0.25])
            sharpness = np.exp(rng.uniform(np.log(2), np.log(40)))
            strength = np.exp(rng.uniform(np.log(0.4), np.log(2.5))) * (sharpness / 4) ** 0.5
            light = light + strength * np.exp(sharpness * (d @ center - 1))[..., None] * tint(rng, 0.25)
        if rng.random() < 0.8:
            light = light + window(rng) * rng.uniform(8, 30)
    return light


def draw_key(rng: np.random.Generator, mode: str, first: bool) -> tuple[np.ndarray, np.ndarray, float]:
    """Direction, colour and angular radius in radians; the first comes from where photographers put it, the others from anywhere."""
    azimuth = rng.normal(0, 55) if first else rng.uniform(-180, 180)
    elevation = rng.uniform(-5, 60) if first else rng.uniform(-15, 60)
    warmth = rng.normal(0, 0.18 if mode == "environment" else 0.3)
    strength = rng.uniform(0.4, 1.7) if mode == "environment" else rng.uniform(0.8, 2.6)
    color = tint(rng, 0.05) * np.exp([warmth, 0, -warmth]) * strength * (1 if first else 0.6)
    radius = np.exp(rng.uniform(np.log(0.008), np.log(0.03))) if rng.random() < 0.4 else np.exp(rng.uniform(np.log(0.03), np.log(0.2)))
    return towards(azimuth, elevation), color, float(radius)


def window(rng: np.random.Generator) -> np.ndarray:
    """A lit rectangle in front of the face, with a cross bar now and then. Shape (*ENVIRONMENT, 3)."""
    facing = towards(rng.normal(0, 45), rng.uniform(5, 50))
    side = unit(np.cross(facing, [0, 0, 1.0]))
    d = grid()
    x, y = d @ side, d @ np.cross(side, facing)
    width, height = rng.uniform(0.12, 0.3, 2)
    inside = smoothstep(width + 0.06, width, np.abs(x)) * smoothstep(height + 0.06, height, np.abs(y)) * (d @ facing > 0)
    if rng.random() < 0.3:
        inside = inside * smoothstep(0.02, 0.07, np.abs(x))
    return inside[..., None] * tint(rng, 0.1)


def tint(rng: np.random.Generator, spread: float) -> np.ndarray:
    return np.exp(rng.normal(0, spread, 3))


def towards(azimuth: float, elevation: float) -> np.ndarray:
    """Unit vector; azimuth in degrees from the front (-y), positive to the subject's left."""
    a, e = np.radians(azimuth), np.radians(elevation)
    return np.array([np.sin(a) * np.cos(e), -np.cos(a) * np.cos(e), np.sin(e)])


def even_directions(count: int) -> np.ndarray:
    """Fibonacci sphere. Shape (count, 3)."""
    i = np.arange(count) + 0.5
    z, turn = 1 - 2 * i / count, i * np.pi * (3 - np.sqrt(5))
    r = np.sqrt(1 - z * z)
    return np.stack([r * np.cos(turn), r * np.sin(turn), z], 1)


@lru_cache(maxsize=1)
def grid() -> np.ndarray:
    """Directions of the environment's texels. Shape (*ENVIRONMENT, 3)."""
    rows, columns = ENVIRONMENT
    polar = (np.arange(rows) + 0.5) / rows * np.pi
    azimuth = ((np.arange(columns) + 0.5) / columns * 2 - 1) * np.pi
    polar, azimuth = np.meshgrid(polar, azimuth, indexing="ij")
    return np.stack([np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)], -1)


def solid_angles() -> np.ndarray:
    """Share of the sphere that each texel covers. Shape (rows, 1)."""
    rows, columns = ENVIRONMENT
    edges = np.cos(np.arange(rows + 1) / rows * np.pi)
    return ((edges[:-1] - edges[1:]) / (2 * columns))[:, None]


def blurred(environment: np.ndarray, directions: np.ndarray, sharpness: float = 12.0) -> np.ndarray:
    """Mean radiance around each direction; the mean over even directions is that of the environment. Shape (D, 3)."""
    weights = np.exp(sharpness * (grid().reshape(-1, 3) @ directions.T - 1)) * np.repeat(solid_angles(), ENVIRONMENT[1])[:, None]
    weights /= weights.sum(1, keepdims=True)  # every texel is shared out among the directions ...
    share = np.repeat(solid_angles(), ENVIRONMENT[1])[:, None] * weights
    return share.T @ environment.reshape(-1, 3) / share.sum(0)[:, None]  # ... and every direction takes the mean of its shares


def harmonics(environment: np.ndarray) -> np.ndarray:
    """Environment as spherical harmonics of the second order, smoothed against ringing, constants multiplied in: radiance(d) =
    h0 + h1 x + h2 y + h3 z + h4 xy + h5 yz + h6 (3 z z - 1) + h7 xz + h8 (x x - y y). Shape (9, 3)."""
    x, y, z = np.moveaxis(grid(), -1, 0)
    basis = np.stack([np.ones_like(x), x, y, z, x * y, y * z, 3 * z * z - 1, x * z, x * x - y * y])
    area = solid_angles()
    norms = (basis**2 * area).sum((1, 2))
    coefficients = np.einsum("brc,rck->bk", basis * area, environment) / norms[:, None]
    return coefficients * np.array([1, *[0.83] * 3, *[0.5] * 5])[:, None]
