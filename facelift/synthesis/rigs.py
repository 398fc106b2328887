"""Which cameras look at a head, and how far the head stands from where a perfect crop would put it.

A rig is named by words joined with "+": "six", "random32", "six+near4", "six+eight+raised" (the six and what those add to them).
"""

from __future__ import annotations

import re

import numpy as np
import torch

from ..cameras import RADIUS, RIGS, Cameras, orbit
from ..choices import RIG_WORDS

SHELL_ELEVATIONS, SHELL_RADII = (-30.0, 60.0), (2.4, 3.0)
NEAR_ELEVATIONS, NEAR_AZIMUTHS = (-15.0, 30.0), (-75.0, 75.0)
TURNS = (7.0, 5.0, 2.5)  # degrees of yaw, pitch, roll that people hold their heads off the camera, standard deviations
SCALE, SHIFT = 0.045, (0.02, 0.0, 0.02)  # of the crop of a photo around its mean; world units. A crop moves no head in depth
FACE = np.array([-0.016, -0.55, -0.094])  # middle of the face in the cameras' world: where a crop is centred


def make_rig(name: str, rng: np.random.Generator, size: int) -> Cameras:
    """Raises ValueError for a name that is no rig."""
    parts: list[Cameras] = []
    for word in name.split("+"):
        match = re.fullmatch(r"(random|near)([1-9]\d*)", word)
        if word in RIGS:
            parts += new_views(RIGS[word].cameras(size), parts)
        elif match and match[1] == "random":
            parts.append(shell(rng, int(match[2]), size))
        elif match:
            parts.append(near(rng, int(match[2]), size))
        else:
            raise ValueError(f"{name!r} is no camera rig: words are {RIG_WORDS}, joined with +")
    return Cameras(torch.cat([p.intrinsics for p in parts]), torch.cat([p.c2w for p in parts]), size, size)


def new_views(cameras: Cameras, parts: list[Cameras]) -> list[Cameras]:
    """Those that do not stand in `parts` yet; none or one."""
    there = torch.cat([torch.zeros(0, 4, 4), *(p.c2w for p in parts)])
    fresh = [i for i, pose in enumerate(cameras.c2w) if not len(there) or (there - pose).abs().amax((1, 2)).min() > 1e-3]
    return [cameras[fresh]] if fresh else []


def shell(rng: np.random.Generator, count: int, size: int) -> Cameras:
    """Anywhere around the head, looking at the origin."""
    azimuths, elevations, radii = rng.uniform(-180, 180, count), rng.uniform(*SHELL_ELEVATIONS, count), rng.uniform(*SHELL_RADII, count)
    views = [orbit([float(a)], float(e), size, float(r)) for a, e, r in zip(azimuths, elevations, radii, strict=True)]
    return Cameras(torch.cat([v.intrinsics for v in views]), torch.cat([v.c2w for v in views]), size, size)


def near(rng: np.random.Generator, count: int, size: int) -> Cameras:
    """Every other one in front: where the photo shows most, a reconstruction is judged most."""
    azimuths = [float(rng.uniform(*NEAR_AZIMUTHS) if i % 2 == 0 else rng.uniform(0, 360)) for i in range(count)]
    return orbit(azimuths, [float(e) for e in rng.uniform(*NEAR_ELEVATIONS, count)], size, RADIUS)


def off_centre(rng: np.random.Generator, amount: float) -> np.ndarray:
    """Turns, scales and shifts the head as photos differ; the crop follows the face, so its middle stays nearly in place. Shape (4, 4).

    amount: 0 nothing, 1 as photos differ. A similarity of the cameras' world, to be put before `Scene.to_world`.
    """
    yaw, pitch, roll = np.radians(rng.normal(0, TURNS) * amount)
    scale, shift = float(np.exp(rng.normal(0, SCALE) * amount)), rng.normal(0, SHIFT) * amount
    turn = rotation(2, yaw) @ rotation(0, pitch) @ rotation(1, roll)
    moved = scale * turn @ FACE - FACE
    world = np.eye(4)
    world[:3, :3], world[:3, 3] = scale * turn, shift - moved * [1, 0, 1]
    return world


def rotation(axis: int, angle: float) -> np.ndarray:
    """About x, y or z. Shape (3, 3)."""
    c, s = np.cos(angle), np.sin(angle)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[i, i] = matrix[j, j] = c
    matrix[i, j], matrix[j, i] = -s, s
    return matrix
