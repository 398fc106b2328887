"""A head that can be driven: its Gaussians, what each of them follows, and what the 52 face units move."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..gaussians import Gaussians

# kinds of Gaussians: the head's own; MOUTH: what shows between the lips, SEAM: the dark line where they touch ...
SKIN, EYE_LEFT, EYE_RIGHT, MOUTH, SEAM = range(5)
# ... and those added, hidden at rest: skin below the skin that shows where it stretches; teeth, tongue and lining; eyeballs
UNDER, CAVITY, BALL_LEFT, BALL_RIGHT = range(5, 9)


@dataclass(frozen=True, eq=False)
class HeadRig:
    """N Gaussians, the head's own first; T triangles over U vertices. Lengths in world units; arrays float32 where not said otherwise.

    gaussians: N of them at rest, the added ones as they are when they show. own: how many are the head's.
    kind: uint8, Shape (N,). triangle: int32, Shape (N,), which it follows; -1: none. barycentric: Shape (N, 3). lift: Shape (N,), of the
    added ones above their triangle. follow: Shape (N,), 0..1. recess: Shape (N,). How far what lies behind lids or lips steps back, away
    from `eye`, as soon as these move.
    triangles: int32, Shape (T, 3). vertex: int32, Shape (U,), which of the face template they are. vertices: Shape (U, 3).
    moves: Shape (52, U, 3), at unit weight 1.
    rest: Shape (52,). The unit weights of the photo. shut: Shape (2,), the weight of a blink, left and right, at which lids meet.
    lips: int32, Shape (2,), vertices in the middle of the upper and the lower lip's inner edge.
    eyes: Shape (2, 3), centres of the eyeballs. axes: Shape (3, 3), columns are the head's left, back and up. pivot: Shape (3,), of turns
    of the head. neck: Shape (2,), heights over the pivot between which it bends. eye: Shape (3,), where the photo's camera stands.
    """

    gaussians: Gaussians
    own: int
    kind: np.ndarray
    triangle: np.ndarray
    barycentric: np.ndarray
    lift: np.ndarray
    follow: np.ndarray
    recess: np.ndarray
    triangles: np.ndarray
    vertex: np.ndarray
    vertices: np.ndarray
    moves: np.ndarray
    rest: np.ndarray
    shut: np.ndarray
    lips: np.ndarray
    eyes: np.ndarray
    axes: np.ndarray
    pivot: np.ndarray
    neck: np.ndarray
    eye: np.ndarray

    def __len__(self) -> int:
        return len(self.gaussians)

    @property
    def head(self) -> Gaussians:
        """The head as it was before it was rigged."""
        return self.gaussians[: self.own]
