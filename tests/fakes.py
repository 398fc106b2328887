"""A pipeline without weights, for tests of what is built on one: real portraits, made-up heads."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch

from facelift.animation.head_rig import BALL_LEFT, BALL_RIGHT, CAVITY, EYE_LEFT, EYE_RIGHT, MOUTH, SEAM, SKIN, UNDER, HeadRig
from facelift.animation.layers import above, discs
from facelift.cameras import RIGS, six_views
from facelift.face.units import UNITS, unit_weights
from facelift.gaussians import SH_C0, Gaussians, concatenate
from facelift.head import Head
from facelift.pipeline import Step
from facelift.portrait import Portrait, make_portrait
from facelift.rendering import render
from facelift.rendering.turntable import save_turntable
from facelift.weights.find import WeightSet


def painted_head(n: int = 12000) -> Gaussians:
    """An egg with nose, eyes, mouth, hair, a green cheek and ear on its left and a red ear on its right: no two sides look alike."""
    i = torch.arange(n) + 0.5
    polar, turn = torch.acos(1 - 2 * i / n), torch.pi * (1 + 5**0.5) * i
    unit = torch.stack([polar.sin() * turn.cos(), polar.sin() * turn.sin(), polar.cos()], 1)
    x, y, z = unit.unbind(1)
    front = y < 0
    color = torch.tensor([0.85, 0.66, 0.55]).repeat(n, 1)

    def paint(where: torch.Tensor, r: float, g: float, b: float) -> None:
        color[where] = torch.tensor([r, g, b])

    paint((z > 0.55) | (~front & (z > -0.2)), 0.25, 0.16, 0.1)  # hair
    for side in (-0.33, 0.33):
        paint(front & ((x - side) ** 2 + (z - 0.2) ** 2 < 0.012), 0.1, 0.1, 0.3)
    paint(front & (x.abs() < 0.3) & ((z + 0.45).abs() < 0.05), 0.7, 0.15, 0.2)
    paint(front & ((x - 0.45) ** 2 + (z + 0.25) ** 2 < 0.03), 0.2, 0.5, 0.3)
    paint(x > 0.93, 0.1, 0.6, 0.2)
    paint(x < -0.93, 0.75, 0.1, 0.1)
    nose = torch.exp(-((x / 0.12) ** 2) - ((z + 0.08) / 0.18) ** 2) * front
    paint(nose > 0.4, 0.95, 0.75, 0.62)
    means = unit * torch.tensor([0.55, 0.65, 0.75])
    means[:, 1] -= 0.2 * nose
    quats = torch.tensor([1.0, 0, 0, 0]).repeat(n, 1)
    return Gaussians(means, quats, torch.full((n, 3), -4.2), torch.full((n,), 4.0), (color - 0.5) / SH_C0)


def toy_rig() -> HeadRig:
    """Two triangles side by side; jawOpen takes the lower one down, mouthSmileLeft stretches it. Eight Gaussians of the head, six added."""
    rng = np.random.default_rng(0)
    vertices = np.array([[-0.1, -0.4, 0.1], [0.1, -0.4, 0.1], [-0.1, -0.4, 0], [0.1, -0.4, 0]], np.float32)
    triangles = np.array([[0, 2, 1], [1, 2, 3]], np.int32)
    moves = np.zeros((52, 4, 3), np.float32)
    moves[UNITS.index("jawOpen"), 2:, 2] = -0.1
    moves[UNITS.index("mouthSmileLeft"), 3, 0] = 0.1
    kind = np.array([SKIN, SKIN, SKIN, EYE_LEFT, EYE_RIGHT, MOUTH, SEAM, SKIN, UNDER, CAVITY, BALL_LEFT, BALL_RIGHT], np.uint8)
    triangle = np.array([0, 1, 1, -1, -1, -1, 1, -1, 1, 1, -1, -1], np.int32)
    barycentric = np.where((triangle >= 0)[:, None], np.array([0.4, 0.2, 0.4], np.float32), 0).astype(np.float32)
    lift = np.where(kind == UNDER, -0.01, 0).astype(np.float32)
    own = Gaussians(
        torch.from_numpy(rng.uniform(-0.3, 0.3, (8, 3)).astype(np.float32)),
        torch.nn.functional.normalize(torch.from_numpy(rng.normal(size=(8, 4)).astype(np.float32)), dim=1),
        torch.full((8, 3), -4.0),
        torch.full((8,), 2.0),
        torch.zeros(8, 3),
    )
    means, normals = above(vertices, triangles[np.maximum(triangle[8:], 0)], barycentric[8:], lift[8:])
    means[2:], normals[2:] = ((0.1, -0.3, 0.2), (-0.1, -0.3, 0.2)), (0, -1, 0)
    added = discs(means, normals, np.full((4, 3), 0.5), np.full(4, 0.01))
    return HeadRig(
        gaussians=concatenate([own, added]), own=8, kind=kind, triangle=triangle, barycentric=barycentric, lift=lift,
        follow=(triangle >= 0).astype(np.float32), recess=np.where((kind >= EYE_LEFT) & (kind <= MOUTH), 0.05, 0).astype(np.float32),
        triangles=triangles, vertex=np.arange(4, dtype=np.int32), vertices=vertices, moves=moves,
        rest=unit_weights(jawOpen=0.25).astype(np.float32), shut=np.array([0.8, 1.2], np.float32), lips=np.array([0, 2], np.int32),
        eyes=np.array([[0.1, -0.2, 0.2], [-0.1, -0.2, 0.2]], np.float32),
        axes=np.eye(3, dtype=np.float32), pivot=np.array([0, 0, -0.4], np.float32), neck=np.array([-0.2, 0.3], np.float32),
        eye=np.array([0, -2.7, 0], np.float32),
    )  # fmt: skip


class ShortHead(Head):
    """A head with a film of 12 small frames: the film itself is tested elsewhere."""

    def save_turntable(self, path, progress=None) -> Path:
        return save_turntable(self.gaussians, path, 12, 64, progress=progress)


class FakePipeline:
    """The interface of `FaceLiftPipeline`. step_seconds: how long a denoising step seems to take. endless: steps go on until stopped."""

    default_steps = 6
    default_guidance_scale = 3.0
    device = torch.device("cpu")
    rig = RIGS["six"]
    weights = WeightSet("stand-in", Path("nowhere"), "compact", "CC0-1.0", "A painted egg, for tests.")

    def __init__(self, step_seconds: float = 0.1):
        self.step_seconds, self.endless = step_seconds, False
        self.steps_run = self.running = self.most_at_once = 0
        self.gaussians = painted_head()
        views = render(self.gaussians, six_views(128)).rgb.clamp(0, 1)
        self.views = (views * 255).round().byte().permute(0, 2, 3, 1).numpy()

    def make_portrait(self, photo, crop: bool = True, face_index: int = 0) -> Portrait:
        return make_portrait(photo, crop=crop, face_index=face_index, matting="mediapipe")

    def __call__(self, photo, seed=4, steps=None, guidance_scale=None, crop=True, on_step=None) -> Head:
        self.running += 1
        self.most_at_once = max(self.most_at_once, self.running)
        try:
            return self._make(photo, seed, steps, guidance_scale, crop, on_step)
        finally:
            self.running -= 1

    def _make(self, photo, seed, steps, guidance_scale, crop, on_step) -> Head:
        portrait = photo if isinstance(photo, Portrait) else self.make_portrait(photo, crop)
        noise = np.random.default_rng(seed).integers(0, 256, self.views.shape, dtype=np.uint8)
        steps = self.default_steps if steps is None else steps
        i = 0
        while i < steps:
            i += not (self.endless and i)
            time.sleep(self.step_seconds)
            self.steps_run += 1
            mixed = (self.views * (i / steps) + noise * (1 - i / steps)).astype(np.uint8)
            if on_step:
                on_step(Step("views", i, steps, lambda mixed=mixed: mixed))
        report = {
            "weights": self.weights.name,
            "device": "cpu",
            "seed": seed,
            "steps": steps,
            "guidance_scale": self.default_guidance_scale if guidance_scale is None else guidance_scale,
            "gaussians": len(self.gaussians),
            "face": {"found": True, "box": list(portrait.face.box) if portrait.face else None, "confidence": None},
            "matting": portrait.matting,
            "seconds": {"portrait": 0.0, "views": self.step_seconds * steps, "gaussians": 0.0, "total": self.step_seconds * steps},
            "versions": {},
        }
        return ShortHead(portrait.image, self.views, six_views(128), self.gaussians, report)
