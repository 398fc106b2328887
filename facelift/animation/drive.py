"""A head rig and a pose become Gaussians: the work of every frame, on the device that the driver is made for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..face.units import UNITS
from ..gaussians import Gaussians
from .head_rig import BALL_LEFT, BALL_RIGHT, CAVITY, EYE_LEFT, EYE_RIGHT, MOUTH, SEAM, UNDER, HeadRig
from .rotations import matrices, multiply, quaternions, rotate
from .track import Pose

HIDDEN = -12.0  # logit: no renderer draws it
MOST_SHOWN = 0.9975  # opacity of added skin that shows in full
STRETCH = (1.06, 1.25)  # of a triangle's longest-grown edge: where the skin below begins to show, and does in full
LIMITS = (0.35, 3.0)  # of what a Gaussian is stretched
REACH = 0.03  # world units: Gaussians farther from the skin turn with it as if they were this near
STEP_BACK = 0.03  # world units that an eyeball goes back below a lid that shuts
APART = (0.004, 0.03)  # world units between the lips, more than at rest, over which the line between them fades
SET_OFF = 0.12  # change of a unit at which all that lies behind lids or lips is in its place
GAZE_SET_OFF = 5.0  # degrees, likewise

MOUTH_UNITS = [i for i, unit in enumerate(UNITS) if unit.startswith(("mouth", "jaw", "tongue", "cheekPuff"))]
EYE_UNITS = [[i for i, unit in enumerate(UNITS) if unit.startswith("eye") and unit.endswith(side)] for side in ("Left", "Right")]
BLINKS = [UNITS.index("eyeBlinkLeft"), UNITS.index("eyeBlinkRight")]
LOOKS = {"OutLeft": (17.5, 0), "InRight": (17.5, 0), "InLeft": (-17.5, 0), "OutRight": (-17.5, 0), "UpLeft": (0, 7.5), "UpRight": (0, 7.5),
         "DownLeft": (0, -10), "DownRight": (0, -10)}  # fmt: skip  # degrees to the left and up that eyeLook... at weight 1 turns both eyes


@dataclass(frozen=True)
class Skin:
    """What moved triangles do to what is bound to them. turn: Shape (4, T), quaternions. gradient: Shape (9, T), of the deformation, row
    by row. shift: Shape (9, T), of the corners, one after the other. growth: Shape (T,), of the edge that grows most."""

    turn: Tensor
    gradient: Tensor
    shift: Tensor
    growth: Tensor


class Driver:
    """Holds a rig as tensors; call it with a pose.

    At rest, `Pose(rig.rest)`, the head's own Gaussians come back bit for bit and the added ones are not drawn.
    """

    def __init__(self, rig: HeadRig, device: torch.device | str = "cpu"):
        self.rig, self.base = rig, rig.gaussians.to(device)
        self.device = self.base.means.device
        kind, self.triangle = self._tensor(rig.kind), self._tensor(rig.triangle).long()
        self.hidden = torch.where(kind >= UNDER, HIDDEN, self.base.opacities)
        self.vertices, self.triangles = self._tensor(rig.vertices), self._tensor(rig.triangles).long()
        self.moves = self._tensor(rig.moves)
        self.axes, self.pivot, self.eyes = (self._tensor(a) for a in (rig.axes, rig.pivot, rig.eyes))
        self.bend = ramp((self.base.means - self.pivot) @ self.axes[:, 2], *rig.neck.tolist())
        corners = self.vertices[self.triangles]
        self.inverse, self.upright = torch.linalg.inv(spans(corners)), uprights(corners)
        self.edges = edges(corners)
        self.bound = torch.nonzero(self.triangle >= 0).squeeze(1)
        self.at = self.triangle[self.bound]
        barycentric, bound = self._tensor(rig.barycentric)[self.bound], self.base[self.bound]
        off = bound.means - (barycentric[..., None] * corners[self.at]).sum(1)
        off = off * (REACH / off.norm(dim=1, keepdim=True).clamp_min(1e-9)).clamp_max(1)
        self.follow = self._tensor(rig.follow)[self.bound]
        axes = matrices(torch.nn.functional.normalize(bound.quats, dim=1)).flatten(1)
        # components first: so many small vectors are several times faster one component at a time
        self.parts = [t.T.contiguous() for t in (barycentric, off, bound.means, bound.quats, bound.scales, axes)]
        ray = torch.nn.functional.normalize(self.base.means - self._tensor(rig.eye), dim=1)
        self.back = ray * self._tensor(rig.recess)[:, None]
        self.kinds = {k: torch.nonzero(kind == k).squeeze(1) for k in range(9)}

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.as_tensor(array, device=self.device)

    def __call__(self, pose: Pose) -> Gaussians:
        """All N Gaussians of the rig, in its order."""
        change = self.change(pose.weights)
        gaze = self.gaze(change) if pose.gaze is None else pose.gaze
        b = self.base
        if not change.any() and not any(gaze):
            return self.placed(Gaussians(b.means, b.quats, b.scales, self.hidden, b.sh0), pose)
        means, quats, scales, opacities = (t.clone() for t in (b.means, b.quats, b.scales, self.hidden))
        if change.any():
            self.deform(self.skin(change), means, quats, scales, opacities)
            self.open_mouth(change, means, opacities)
        for side in range(2):
            self.move_eye(side, change, gaze, means, quats, opacities)
        return self.placed(Gaussians(means, quats, scales, opacities, b.sh0), pose)

    def change(self, weights: np.ndarray) -> np.ndarray:
        """Of the units (52,), from the photo's; blinks end where the lids meet."""
        rest = self.rig.rest.astype(np.float64)
        change = np.clip(weights, 0, 1) - rest
        change[np.abs(change) < 1e-6] = 0
        for side, blink in enumerate(BLINKS):
            if change[blink] > 0:
                change[blink] *= (self.rig.shut[side] - rest[blink]) / max(1 - rest[blink], 1e-3)
        return change

    def gaze(self, change: np.ndarray) -> tuple[float, float]:
        """Degrees to the left and up that changed units ask for."""
        turn = sum((change[UNITS.index(f"eyeLook{name}")] * np.array(by) for name, by in LOOKS.items()), np.zeros(2))
        return float(turn[0]), float(turn[1])

    def skin(self, change: np.ndarray) -> Skin:
        units = np.flatnonzero(change)
        weights = torch.as_tensor(change[units], dtype=torch.float32, device=self.device)
        moved = torch.tensordot(weights, self.moves[torch.as_tensor(units, device=self.device)], 1)
        corners = (self.vertices + moved)[self.triangles]
        gradient = (spans(corners) @ self.inverse).flatten(1)
        turn = quaternions(uprights(corners) @ self.upright.transpose(1, 2))
        growth = (edges(corners) / self.edges.clamp_min(1e-9)).amax(1)
        turn, gradient, shift = (t.T.contiguous() for t in (turn, gradient, moved[self.triangles].flatten(1)))
        return Skin(turn, gradient, shift, growth)

    def deform(self, skin: Skin, means: Tensor, quats: Tensor, scales: Tensor, opacities: Tensor) -> None:
        turn, gradient, shift = (t.index_select(1, self.at) for t in (skin.turn, skin.gradient, skin.shift))
        barycentric, off, old_means, old_quats, old_scales, axes = self.parts
        follow, w = self.follow, turn[0]
        away = rotate(turn, off, 0)
        new = [
            old_means[d] + follow * (sum(barycentric[k] * shift[3 * k + d] for k in range(3)) + away[d] - off[d]) for d in range(3)
        ]
        means.index_copy_(0, self.bound, torch.stack(new, 1))
        part = torch.stack([1 + follow * (w - 1), *(follow * turn[d] for d in (1, 2, 3))])
        quats.index_copy_(0, self.bound, multiply(part, old_quats, 0).T)  # not of length 1, as Gaussians need not be
        grown = []
        for axis in range(3):
            a, b, c = axes[axis], axes[3 + axis], axes[6 + axis]
            x, y, z = (gradient[3 * i] * a + gradient[3 * i + 1] * b + gradient[3 * i + 2] * c for i in range(3))
            squares = x * x + y * y + z * z
            grown.append(old_scales[axis] + follow / 2 * squares.clamp(LIMITS[0] ** 2, LIMITS[1] ** 2).log())
        scales.index_copy_(0, self.bound, torch.stack(grown, 1))
        under = self.kinds[UNDER]
        opacities[under] = shown(ramp(skin.growth[self.triangle[under]], *STRETCH))

    def open_mouth(self, change: np.ndarray, means: Tensor, opacities: Tensor) -> None:
        """What shows between the lips steps back to the teeth, what is behind it comes into being, the line where lips touched goes."""
        amount = float(ramp(torch.tensor(np.abs(change[MOUTH_UNITS]).max()), 0, SET_OFF))
        means[self.kinds[MOUTH]] += amount * self.back[self.kinds[MOUTH]]
        opacities[self.kinds[CAVITY]] = shown(torch.tensor(amount)).to(opacities)
        upper, lower = self.rig.lips
        moved = np.tensordot(change, self.rig.moves[:, [upper, lower]], 1)
        apart = ramp(torch.tensor(float((moved[0] - moved[1]) @ self.rig.axes[:, 2])), *APART)
        seam = self.kinds[SEAM]
        opacities[seam] = torch.lerp(opacities[seam], torch.full_like(opacities[seam], HIDDEN), float(apart))

    def move_eye(self, side: int, change: np.ndarray, gaze: tuple[float, float], means: Tensor, quats: Tensor, opacities: Tensor) -> None:
        own, ball = self.kinds[(EYE_LEFT, EYE_RIGHT)[side]], self.kinds[(BALL_LEFT, BALL_RIGHT)[side]]
        most = max(np.abs(change[EYE_UNITS[side]]).max() / SET_OFF, float(np.hypot(*gaze)) / GAZE_SET_OFF)
        if most <= 0:
            return
        amount = float(ramp(torch.tensor(most), 0, 1))
        means[own] += amount * self.back[own]
        opacities[ball] = shown(torch.tensor(amount)).to(opacities)
        index = torch.cat([own, ball])
        if any(gaze):
            yaw, pitch = np.radians(gaze)
            turn = multiply(about(self.axes[:, 2], yaw), about(self.axes[:, 0], -pitch))
            means[index] = self.eyes[side] + rotate(turn, means[index] - self.eyes[side])
            quats[index] = multiply(turn, quats[index])
        if (shutting := change[BLINKS[side]]) > 0:
            means[index] += float(shutting) * STEP_BACK * self.axes[:, 1]

    def placed(self, gaussians: Gaussians, pose: Pose) -> Gaussians:
        """The head turned on its neck, and everything moved."""
        means, quats = gaussians.means, gaussians.quats
        turn = torch.nn.functional.normalize(torch.tensor(pose.rotation, dtype=torch.float32, device=self.device), dim=0)
        turn = turn * torch.where(turn[0] < 0, -1.0, 1.0)
        half = torch.acos(turn[0].clamp(-1, 1))
        if half > 1e-6:
            axis = turn[1:] / turn[1:].norm()
            part = self.bend[:, None] * half
            part = torch.cat([part.cos(), part.sin() * axis], 1)
            means = self.pivot + rotate(part, means - self.pivot)
            quats = multiply(part, quats)
        if any(pose.translation):
            means = means + torch.tensor(pose.translation, dtype=torch.float32, device=self.device)
        return Gaussians(means, quats, gaussians.scales, gaussians.opacities, gaussians.sh0)


def ramp(x: Tensor, low: float, high: float) -> Tensor:
    t = ((x - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def shown(share: Tensor) -> Tensor:
    """Logit of the opacity of added Gaussians that show to this share, 0..1."""
    return torch.logit((MOST_SHOWN * share).clamp_min(1e-9)).clamp_min(HIDDEN)


def about(axis: Tensor, angle: float) -> Tensor:
    """Quaternion (4,) of a turn about a unit axis."""
    return torch.cat([axis.new_tensor([np.cos(angle / 2)]), float(np.sin(angle / 2)) * axis])


def spans(corners: Tensor) -> Tensor:
    """Two edges and the normal, as long as the edges' mean, as columns: (L, 3, 3) of corners (L, 3, 3). Triangles without area get none."""
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    normal = torch.linalg.cross(a, b)
    area = normal.norm(dim=1, keepdim=True)
    span = torch.stack([a, b, normal / area.clamp_min(1e-12).sqrt()], 2)
    return torch.where((area > 1e-9)[..., None], span, torch.eye(3, device=corners.device))


def uprights(corners: Tensor) -> Tensor:
    """An orthonormal frame on each triangle, as columns. Shape (L, 3, 3)."""
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    along = torch.nn.functional.normalize(a, dim=1)
    normal = torch.nn.functional.normalize(torch.linalg.cross(a, b), dim=1)
    return torch.stack([along, torch.linalg.cross(normal, along), normal], 2)


def edges(corners: Tensor) -> Tensor:
    """Lengths (L, 3)."""
    a, b, c = ((corners[:, i] - corners[:, i - 1]).unbind(1) for i in range(3))
    return torch.stack([(x * x + y * y + z * z).sqrt() for x, y, z in (a, b, c)], 1)
