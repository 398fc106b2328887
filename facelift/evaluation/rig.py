"""Cameras of a foreign dataset carried into our system (FaceLift supplement 5.1)."""

from __future__ import annotations

import numpy as np
import torch

from ..cameras import RADIUS, Cameras, orbit


def midpoint(c2w: np.ndarray) -> np.ndarray:
    """Mean of the camera positions. c2w: Shape (V, 4, 4). The paper's centre of Ava-256."""
    return np.asarray(c2w, np.float64)[:, :3, 3].mean(0)


def look_at_point(c2w: np.ndarray) -> np.ndarray:
    """The point nearest to all optical axes. c2w: Shape (V, 4, 4). Raises ValueError where the axes are parallel."""
    c2w = np.asarray(c2w, np.float64)
    axes = c2w[:, :3, 2] / np.linalg.norm(c2w[:, :3, 2], axis=1, keepdims=True)
    across = np.eye(3) - axes[:, :, None] * axes[:, None, :]  # projects onto the plane across each axis
    if np.linalg.cond(across.sum(0)) > 1e8:
        raise ValueError("the cameras look along parallel lines, so they have no common centre")
    return np.linalg.solve(across.sum(0), np.einsum("vij,vj->i", across, c2w[:, :3, 3]))


def into_our_system(input_c2w: np.ndarray, test_c2w: np.ndarray, centre: np.ndarray, size: int = 512) -> Cameras:
    """Test cameras as our world has them, when the input camera is our front camera.

    The origin moves to `centre`; the rotation from the input to the test camera is carried over; translations are rescaled so that the
    input camera stands at our radius. Intrinsics are ours, as in the paper: landmark alignment makes up for what remains.

    input_c2w: Shape (4, 4), OpenCV axes, any world frame and unit.
    test_c2w: Shape (V, 4, 4), in the same.
    centre: Shape (3,). Where the head is.
    Raises ValueError for an input camera at the centre or a rotation that is none.
    """
    input_c2w, test_c2w = np.asarray(input_c2w, np.float64), np.asarray(test_c2w, np.float64)
    rotation, tests = input_c2w[:3, :3], test_c2w[:, :3, :3]
    for name, part in (("input", rotation[None]), ("test", tests)):
        if not np.allclose(part @ part.transpose(0, 2, 1), np.eye(3), atol=1e-3) or (np.linalg.det(part) < 0).any():
            raise ValueError(f"the {name} camera's rotation is not a rotation matrix")
    distance = np.linalg.norm(input_c2w[:3, 3] - centre)
    if distance < 1e-9:
        raise ValueError("the input camera stands at the centre of the cameras, so it looks at nothing")
    front = orbit([0.0], 0.0, size)
    turn = front.c2w[0, :3, :3].double().numpy() @ rotation.T  # their world -> ours
    c2w = np.tile(np.eye(4), (len(test_c2w), 1, 1))
    c2w[:, :3, :3] = turn @ tests
    c2w[:, :3, 3] = (test_c2w[:, :3, 3] - centre) @ turn.T * (RADIUS / distance)
    return Cameras(front.intrinsics.expand(len(c2w), -1), torch.from_numpy(c2w).float(), size, size)


def angle_from_front(cameras: Cameras) -> np.ndarray:
    """Degrees between each camera's place and the front camera's, seen from the origin. Shape (V,)."""
    places = cameras.c2w[:, :3, 3].double().cpu().numpy()
    places /= np.linalg.norm(places, axis=1, keepdims=True)
    return np.degrees(np.arccos(np.clip(places @ (0, -1, 0), -1, 1)))
