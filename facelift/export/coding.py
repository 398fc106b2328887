"""What splat formats have in common: parts as arrays, bytes, and how much is read."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..errors import BudgetError

OTHER_THREE = np.array([[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]])  # the components of a quaternion but one
SEEN = (  # how files begin, and what they then are
    (b"ply", "a PLY file"), (b"NGSP", "an SPZ file of version 4 or later"), (b"\x1f\x8b", "a gzip stream, as an SPZ file is"),
    (b"PK\x03\x04", "a ZIP archive, as a SOG file is"), (b"glTF", "a glTF file (.glb)"), (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"), (b"RIFF", "a WEBP picture or another RIFF file"), (b"<", "a web page or XML"),
    (b"{", "JSON"), (b"o ", "an OBJ mesh"), (b"v ", "an OBJ mesh"), (b"solid", "an STL mesh"), (b"Kaydara", "an FBX file"),
    (b"HEADRIG1", "a .headrig"), (b"HEAD4D01", "a .head4d"),
)  # fmt: skip


class Arrays(NamedTuple):
    """Parts of N Gaussians as `Gaussians` has them, float."""

    means: np.ndarray
    quats: np.ndarray
    scales: np.ndarray
    opacities: np.ndarray
    sh0: np.ndarray
    shN: np.ndarray | None = None

    def at(self, order: np.ndarray) -> Arrays:
        """Some of them, or all in another order."""
        m, q, s, o, c, n = self
        return Arrays(m[order], q[order], s[order], o[order], c[order], None if n is None else n[order])


def seen(data: bytes) -> str:
    """What a file that is not what it should be seems to be, for a sentence; empty where nobody knows."""
    if not data:
        return ": it is empty"
    return next((f": it is {what}" for start, what in SEEN if data.startswith(start)), "")


def within(most: int, count: int) -> None:
    """Raises BudgetError for more than most."""
    if count > most:
        raise BudgetError(f"holds {count:,} Gaussians or more; at most {most:,} are read")


def to_bytes(values: np.ndarray) -> np.ndarray:
    return np.rint(values).clip(0, 255).astype(np.uint8)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits.astype(np.float64)))


def logit_of_byte(byte: np.ndarray) -> np.ndarray:
    """Of an opacity in 0..255."""
    alpha = byte.clip(0.5, 254.5) / 255  # the middle of what rounds to 0 and to 255, so that the logit is finite
    return np.log(alpha / (1 - alpha))


def unit(quats: np.ndarray) -> np.ndarray:
    return quats / np.linalg.norm(quats, axis=1, keepdims=True).clip(1e-12)


def largest_and_others(quats: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which component of unit quaternions is the largest, Shape (N,), and the other three where that one is positive, Shape (N, 3)."""
    largest = np.abs(quats).argmax(1)
    quats = quats * np.where(np.take_along_axis(quats, largest[:, None], 1) < 0, -1, 1)
    return largest, np.take_along_axis(quats, OTHER_THREE[largest], 1)


def from_largest_and_others(largest: np.ndarray, others: np.ndarray) -> np.ndarray:
    quats = np.zeros((len(others), 4))
    np.put_along_axis(quats, OTHER_THREE[largest], others, 1)
    np.put_along_axis(quats, largest[:, None], np.sqrt((1 - (others**2).sum(1, keepdims=True)).clip(0)), 1)
    return quats


def near_each_other(means: np.ndarray) -> np.ndarray:
    """An order of positions in which neighbours follow each other (Morton's), which compresses better. Shape (N,)."""
    if not len(means):
        return np.arange(0)
    low, high = means.min(0).astype(np.float64), means.max(0).astype(np.float64)
    cells = ((means - low) / np.maximum(high - low, 1e-12) * 1023).astype(np.uint32)
    for shift, mask in ((16, 0x030000FF), (8, 0x0300F00F), (4, 0x030C30C3), (2, 0x09249249)):
        cells = (cells | cells << shift) & mask
    return np.argsort(cells[:, 0] << 2 | cells[:, 1] << 1 | cells[:, 2], kind="stable")
