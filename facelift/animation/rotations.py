"""Quaternions w x y z, as torch tensors."""

from __future__ import annotations

import torch
from torch import Tensor

IDENTITY = torch.tensor([1.0, 0.0, 0.0, 0.0])


def multiply(a: Tensor, b: Tensor, dim: int = -1) -> Tensor:
    """First the turn b, then a. Components along `dim`."""
    aw, ax, ay, az = a.unbind(dim)
    bw, bx, by, bz = b.unbind(dim)
    return torch.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        dim,
    )


def rotate(quats: Tensor, vectors: Tensor, dim: int = -1) -> Tensor:
    """Vectors turned by unit quaternions, components along `dim`. Component by component, which is several times faster on a CPU."""
    w, x, y, z = quats.unbind(dim)
    a, b, c = vectors.unbind(dim)
    u, v, t = 2 * (y * c - z * b), 2 * (z * a - x * c), 2 * (x * b - y * a)
    return torch.stack([a + w * u + y * t - z * v, b + w * v + z * u - x * t, c + w * t + x * v - y * u], dim)


def matrices(quats: Tensor) -> Tensor:
    """Shape (n, 3, 3) of unit quaternions (n, 4)."""
    w, x, y, z = quats.unbind(1)
    rows = [
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    ]  # fmt: skip
    return torch.stack(rows, 1).view(-1, 3, 3)


def quaternions(matrix: Tensor) -> Tensor:
    """Unit quaternions (n, 4), w >= 0, of rotations (n, 3, 3); what is no rotation, of a triangle without area say, turns nothing."""
    m = matrix.flatten(1)
    trace = m[:, 0] + m[:, 4] + m[:, 8]
    diagonal = torch.stack([trace, 2 * m[:, 0] - trace, 2 * m[:, 4] - trace, 2 * m[:, 8] - trace], 1)
    a, b, c = m[:, 7] - m[:, 5], m[:, 2] - m[:, 6], m[:, 3] - m[:, 1]
    d, e, f = m[:, 3] + m[:, 1], m[:, 2] + m[:, 6], m[:, 7] + m[:, 5]
    size = 1 + diagonal
    columns = torch.stack(
        [
            torch.stack([size[:, 0], a, b, c], 1),
            torch.stack([a, size[:, 1], d, e], 1),
            torch.stack([b, d, size[:, 2], f], 1),
            torch.stack([c, e, f, size[:, 3]], 1),
        ],
        1,
    )
    best = columns[torch.arange(len(m), device=m.device), size.argmax(1)]
    quats = torch.nn.functional.normalize(best, dim=1)
    quats = quats * torch.where(quats[:, :1] < 0, -1.0, 1.0)
    proper = (matrix.norm(dim=(1, 2)) - 3**0.5).abs() < 1e-2
    return torch.where(proper[:, None], quats, IDENTITY.to(quats))
