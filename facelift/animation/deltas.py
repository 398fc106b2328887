"""Moving Gaussians as differences: pieces of the head that turn and shift as one, and what each Gaussian does beyond its piece.

All values are whole numbers of a step, so that no error adds up. A frame holds what changed since the one before; a key frame, what differs
from the first state, so that reading may begin there.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from ..errors import MotionFileError
from ..export.spz import from_smallest_three, smallest_three
from ..gaussians import Gaussians

STEPS = {"means": 6e-4, "turns": 0.02, "scales": 0.04, "opacities": 0.01, "sh0": 0.01}
WIDTHS = {"means": 3, "turns": 3, "scales": 3, "opacities": 1, "sh0": 3}
WIDTH = sum(WIDTHS.values())
BOUNDS = {name: round(step / 2 * (3**0.5 if name in ("means", "turns") else 1), 6) for name, step in STEPS.items()}
PIECE = 0.2  # world units across
KEYS_EVERY = 24  # frames
LEAST_OPACITY = 6.2e-6  # logit -12: no renderer draws it
LEVEL = 6  # of zlib


@dataclass(frozen=True, eq=False)
class Base:
    """The first state, which all frames are kept against. means: int32, Shape (N, 3), in steps. quats: uint32, Shape (N,), packed as in
    .spz. values: int16, Shape (N, 7), scales, opacities and sh0 in steps. piece: uint16, Shape (N,)."""

    means: np.ndarray
    quats: np.ndarray
    values: np.ndarray
    piece: np.ndarray

    @property
    def pieces(self) -> int:
        return int(self.piece.max()) + 1

    @property
    def rotations(self) -> Rotation:
        return Rotation.from_quat(from_smallest_three(self.quats))

    def pack(self) -> bytes:
        return zlib.compress(b"".join(part.tobytes() for part in (self.means.T, self.quats, self.values.T, self.piece)), 9)

    @staticmethod
    def unpack(data: bytes, count: int) -> Base:
        """Raises MotionFileError."""
        raw = inflated(data, count * 32)
        means, quats, values, piece = (raw[count * a : count * b] for a, b in ((0, 12), (12, 16), (16, 30), (30, 32)))
        return Base(
            np.frombuffer(means, "<i4").reshape(3, count).T, np.frombuffer(quats, "<u4"), np.frombuffer(values, "<i2").reshape(7, count).T,
            np.frombuffer(piece, "<u2"),
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class State:
    """One frame. moves: float32, Shape (K, 7), rotation x, y, z, w and shift of each piece. steps: int32, Shape (N, WIDTH), what each
    Gaussian does beyond it: means in the piece's own axes, turns, scales, opacities, sh0."""

    moves: np.ndarray
    steps: np.ndarray


def base_of(gaussians: Gaussians) -> Base:
    means, quats, values = arrays(gaussians)
    cells = np.floor(means / PIECE).astype(int)
    _, piece = np.unique(cells, axis=0, return_inverse=True)
    whole = np.rint(values / value_steps()).clip(-(2**15), 2**15 - 1).astype("<i2")
    return Base(np.rint(means / STEPS["means"]).astype("<i4"), smallest_three(quats), whole, piece.ravel().astype("<u2"))


def arrays(gaussians: Gaussians) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """means (N, 3), quats (N, 4) x y z w of length 1, and (N, 7): scales, opacities 0..1, sh0; float64."""
    g = gaussians.detach().to("cpu", torch.float64)
    quats = torch.nn.functional.normalize(g.quats, dim=1).numpy()[:, [1, 2, 3, 0]]
    return g.means.numpy(), quats, torch.cat([g.scales, g.opacities.sigmoid()[:, None], g.sh0], 1).numpy()


def value_steps() -> np.ndarray:
    """Shape (7,)."""
    return np.repeat([STEPS[name] for name in ("scales", "opacities", "sh0")], [3, 1, 3])


def state_of(base: Base, gaussians: Gaussians, before: State | None) -> State:
    """before: the frame before, whose pieces stay where they are as long as that is near enough."""
    means, quats, values = arrays(gaussians)
    at = base.means * STEPS["means"]
    moves = piece_moves(at, means, base, None if before is None else before.moves)
    turn = Rotation.from_quat(moves[:, :4])[base.piece]
    local = turn.inv().apply(means - moves[base.piece, 4:]) - at
    turns = (turn.inv() * Rotation.from_quat(quats) * base.rotations.inv()).as_rotvec()
    steps = local / STEPS["means"], turns / STEPS["turns"], values / value_steps() - base.values
    return State(moves, np.rint(np.concatenate(steps, 1)).astype(np.int32))


def piece_moves(at: np.ndarray, means: np.ndarray, base: Base, before: np.ndarray | None) -> np.ndarray:
    """The rigid moves (K, 7), float32, that carry `at` nearest to `means`, by piece (Kabsch 1976)."""
    count = np.bincount(base.piece, minlength=base.pieces)[:, None]

    def by_piece(values: np.ndarray) -> np.ndarray:
        """Means over each piece of rows (N, D)."""
        return np.stack([np.bincount(base.piece, column, base.pieces) for column in values.T], 1) / count

    centre, centre_now = by_piece(at), by_piece(means)
    a, b = at - centre[base.piece], means - centre_now[base.piece]
    spread = by_piece((b[:, :, None] * a[:, None, :]).reshape(-1, 9)).reshape(-1, 3, 3)
    u, _, vt = np.linalg.svd(spread + 1e-9 * np.eye(3))
    u[:, :, 2] *= np.sign(np.linalg.det(u @ vt))[:, None]
    rotation = u @ vt
    quats = Rotation.from_matrix(rotation).as_quat()
    quats *= np.where(quats[:, 3:] < 0, -1, 1)
    moves = np.concatenate([quats, centre_now - np.einsum("kij,kj->ki", rotation, centre)], 1).astype(np.float32)
    if before is not None:
        off = np.linalg.norm(moves[:, :4] - before[:, :4], axis=1) * 2 * PIECE
        carried = Rotation.from_quat(before[:, :4]).apply(centre) + before[:, 4:]
        still = np.linalg.norm(carried - centre_now, axis=1) + off < STEPS["means"] / 4
        moves[still] = before[still]
    return moves


def gaussians_of(base: Base, state: State) -> Gaussians:
    turn = Rotation.from_quat(state.moves[:, :4])[base.piece]
    local = (base.means + state.steps[:, :3]) * STEPS["means"]
    means = turn.apply(local) + state.moves[base.piece, 4:]
    quats = (turn * Rotation.from_rotvec(state.steps[:, 3:6] * STEPS["turns"]) * base.rotations).as_quat()[:, [3, 0, 1, 2]]
    values = (base.values + state.steps[:, 6:]) * value_steps()
    opacity = values[:, 3].clip(LEAST_OPACITY, 1 - LEAST_OPACITY)
    parts = means, quats, values[:, :3], np.log(opacity / (1 - opacity)), values[:, 4:]
    return Gaussians(*(torch.from_numpy(np.ascontiguousarray(part, np.float32)) for part in parts))


def pack(state: State, before: State | None) -> bytes:
    """before: None for a key frame."""
    change = (state.steps if before is None else state.steps - before.steps).T
    folded = ((change << 1) ^ (change >> 31)).astype("<u4")  # small whatever the sign
    planes = np.ascontiguousarray(folded).view(np.uint8).reshape(-1, 4).T  # lowest bytes first: the others are nearly all 0
    return zlib.compress(state.moves.astype("<f4").T.tobytes() + planes.tobytes(), LEVEL)


def unpack(data: bytes, base: Base, before: State | None) -> State:
    """Raises MotionFileError."""
    count, moves = len(base.means), base.pieces * 28
    raw = inflated(data, moves + count * WIDTH * 4)
    planes = np.frombuffer(raw, np.uint8, offset=moves).reshape(4, -1).T
    folded = np.ascontiguousarray(planes).view("<u4").reshape(WIDTH, count).T
    change = (folded >> 1).astype(np.int32) ^ -(folded & 1).astype(np.int32)
    piece_moves = np.frombuffer(raw, "<f4", base.pieces * 7).reshape(7, -1).T.copy()
    if not np.isfinite(piece_moves).all() or not (np.linalg.norm(piece_moves[:, :4], axis=1) > 0.5).all():
        raise MotionFileError("is damaged: a piece of the head goes nowhere.")
    return State(piece_moves, change if before is None else before.steps + change)


def inflated(data: bytes, size: int, rest: bool = False) -> bytes:
    """What a block holds, of so many bytes; rest: only the first so many, whatever follows. Raises MotionFileError."""
    stream = zlib.decompressobj()
    try:
        raw = stream.decompress(data, size + (not rest))
    except zlib.error:
        raise MotionFileError("is damaged.") from None
    if len(raw) != size or not (stream.eof or rest):
        raise MotionFileError("is cut short, or damaged.")
    return raw
