"""A head that can be driven: its Gaussians, what each of them follows, and what the 52 face units move."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..gaussians import Gaussians

# kinds of Gaussians: the head's own ...
SKIN, EYE_LEFT, EYE_RIGHT, MOUTH = range(4)  # MOUTH: what shows between the lips
# ... and those added, hidden at rest: skin below the skin that shows where it stretches; teeth, tongue and lining; eyeballs
UNDER, CAVITY, BALL_LEFT, BALL_RIGHT = range(4, 8)


@dataclass(frozen=True, eq=False)
class HeadRig:
    """N Gaussians, the head's own first; T triangles over U vertices. All lengths in world units, all arrays float32 where not said.

    gaussians: N of them at rest, added ones included, at the opacities they have when they show. own: how many are the head's.
    kind: uint8, Shape (N,). triangle: int32, Shape (N,), which it follows; -1: none. barycentric: Shape (N, 3). follow: Shape (N,), 0..1.
    recess: Shape (N,). How far what lies behind lids or lips steps back, along `ray`, as soon as these move. bend: Shape (N,), 0..1,
    how far it turns with the head.
    triangles: int32, Shape (T, 3). vertices: Shape (U, 3). moves: Shape (52, U, 3), at unit weight 1.
    rest: Shape (52,). The unit weights of the photo. shut: Shape (2,), the weight of a blink, left and right, at which lids meet.
    eyes: Shape (2, 3), centres of the eyeballs. axes: Shape (3, 3), columns are the head's left, back and up. pivot: Shape (3,), of turns
    of the head. eye: Shape (3,), where the photo's camera stands.
    """

    gaussians: Gaussians
    own: int
    kind: np.ndarray
    triangle: np.ndarray
    barycentric: np.ndarray
    follow: np.ndarray
    recess: np.ndarray
    bend: np.ndarray
    triangles: np.ndarray
    vertices: np.ndarray
    moves: np.ndarray
    rest: np.ndarray
    shut: np.ndarray
    eyes: np.ndarray
    axes: np.ndarray
    pivot: np.ndarray
    eye: np.ndarray

    def __len__(self) -> int:
        return len(self.gaussians)

    @property
    def head(self) -> Gaussians:
        """The head as it was before it was rigged."""
        return self.gaussians[: self.own]
