"""A head of every frame of a clip: the same noise, a steady crop, and one mask of Gaussians for all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image, ImageOps

from ..animation.drive import HIDDEN
from ..animation.head4d import in_range
from ..errors import ClipError, PhotoError
from ..gaussians import PARTS, Gaussians
from ..portrait.crop import FACE_CENTRE, FACE_SIZE, SIZE
from .frames import Clip
from .track import Performance
from .unfinished import Unfinished

if TYPE_CHECKING:
    from ..pipeline import FaceLiftPipeline
    from ..portrait import Portrait

Kept = dict[str, np.ndarray]
Progress = Callable[[str, int, int], object]  # what is done, how many of them, of how many
EXACT = ("means",)  # the others are kept in half precision, which is finer than any splat file


@dataclass(frozen=True)
class Take:
    """A clip that was read, and what makes heads of its frames.

    seed: of the noise, the same for all. kept: parts that are done. steady: False keeps the clip's own framing, for clips that were made
    as portraits are.
    """

    clip: Clip
    performance: Performance
    pipe: FaceLiftPipeline
    seed: int
    kept: Unfinished
    steady: bool = True

    def portrait(self, picture: np.ndarray, frame: int) -> Portrait:
        """Raises PhotoError."""
        image = Image.fromarray(picture)
        return self.pipe.make_portrait(steady_square(image, self.performance.places[frame]) if self.steady else image, crop=False)


class FrameHeads:
    """A moving head, one that was made of each frame. All have one mask, the Gaussians that the filters leave in any of them; where they
    leave one out it is hidden, and stays where the first frame that has it saw it."""

    def __init__(self, read: Callable[[int], Kept], count: int, fps: float, device: torch.device | str = "cpu"):
        """read: `kept_head` of a frame. Raises ClipError where none has a Gaussian."""
        self.fps, self.device, self._read = fps, device, read
        self._masks = [unpacked(read(frame)) for frame in range(count)]
        self._shown = nearest_filled(self._masks)
        self.mask = np.logical_or.reduce([self._masks[frame] for frame in set(self._shown)])
        self._index = np.cumsum(self.mask) - 1
        self._first: Kept = {}
        for frame in reversed(self._shown):
            for name, values in self._own(frame).items():
                self._first.setdefault(name, np.zeros((int(self.mask.sum()), *values.shape[1:]), np.float32))[self._rows(frame)] = values
        self._first["opacities"][:] = HIDDEN

    def _own(self, frame: int) -> Kept:
        kept = self._read(frame)
        return {name: kept[name] for name in PARTS}

    def _rows(self, frame: int) -> np.ndarray:
        return self._index[self._masks[frame]]

    def __len__(self) -> int:
        return len(self._shown)

    def __getitem__(self, frame: int) -> Gaussians:
        shown = self._shown[in_range(frame, len(self))]
        values = {name: array.copy() for name, array in self._first.items()}
        for name, own in self._own(shown).items():
            values[name][self._rows(shown)] = own
        return Gaussians(**{name: torch.from_numpy(array).to(self.device) for name, array in values.items()})

    def alone(self, frame: int) -> Gaussians:
        """Without those that are hidden in this frame."""
        own = self._own(self._shown[in_range(frame, len(self))])
        return Gaussians(**{name: torch.from_numpy(array.astype(np.float32)).to(self.device) for name, array in own.items()})


def make_heads(take: Take, progress: Progress) -> FrameHeads:
    """Goes on where it was stopped."""
    for frame, picture in enumerate(take.clip):
        take.kept.arrays(name_of(frame), partial(kept_head, take, picture, frame))
        progress("heads", frame + 1, len(take.performance))
    return FrameHeads(lambda frame: take.kept.read(name_of(frame)), len(take.performance), take.performance.fps, take.pipe.device)


def name_of(frame: int) -> str:
    return f"frame_{frame:05d}"


def kept_head(take: Take, picture: np.ndarray, frame: int) -> Kept:
    """The Gaussians of one frame that the filters leave, and `mask`, which of all they are; none where the frame shows nobody."""
    pipe = take.pipe
    try:
        portrait = take.portrait(picture, frame)
    except PhotoError:
        return {"mask": np.zeros(0, np.uint8), "count": np.array(0)}
    generated = pipe.make_views(portrait, take.seed)
    reconstruction = pipe.refine(pipe.reconstruct(generated.views), pipe.context(generated, portrait), finish=True)
    gaussians = reconstruction.gaussians().detach().to("cpu", torch.float32)
    mask = gaussians.kept_by(pipe.filters)
    left = gaussians[mask]
    values = {name: getattr(left, name).numpy() for name in PARTS}
    halves = {name: value if name in EXACT else value.astype(np.float16) for name, value in values.items()}
    return {"mask": np.packbits(mask.numpy()), "count": np.array(len(mask)), **halves}


def unpacked(kept: Kept) -> np.ndarray:
    """The mask, bool (N,)."""
    return np.unpackbits(kept["mask"], count=int(kept["count"])).astype(bool)


def nearest_filled(masks: list[np.ndarray]) -> list[int]:
    """For each frame itself, or where it shows nobody the nearest that does. Raises ClipError where none does."""
    there = [frame for frame, mask in enumerate(masks) if mask.any()]
    if not there:
        raise ClipError("No head could be made of any frame of the clip: use a clip of one person, from the front, upright and well lit.")
    return [min(there, key=lambda other: abs(other - frame)) for frame in range(len(masks))]


def steady_square(image: Image.Image, place: np.ndarray) -> Image.Image:
    """The 512 px square, on white, that has the face where portraits have it. place: x, y and size of the face, pixels.

    To a part of a pixel, where the crop of a photo is cut at whole ones: a head must not jump from frame to frame.
    """
    x, y, size = (float(v) for v in place)
    k = size / FACE_SIZE
    left, top = x - FACE_CENTRE[0] * k, y - FACE_CENTRE[1] * k
    beyond = [max(0, ceil(v)) for v in (-left, -top, left + SIZE * k - image.width, top + SIZE * k - image.height)]
    wide = ImageOps.expand(image, (beyond[0], beyond[1], beyond[2], beyond[3]), "white")
    left, top = left + beyond[0], top + beyond[1]
    return wide.resize((SIZE, SIZE), Image.Resampling.BICUBIC, box=(left, top, left + SIZE * k, top + SIZE * k))
