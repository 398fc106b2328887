"""A clip becomes a track: one face is followed, its units and its turns are read, and carried over to another head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import dist
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.spatial.transform import Rotation

from ..animation.track import Track
from ..choices import CLIP_FPS, CLIP_SECONDS
from ..errors import ClipError
from ..face.model import load_face_model
from ..face.units import UNITS, FaceReading, read_face
from ..portrait.faces import Face, face_from_landmarks, find_faces
from .frames import Clip
from .smoothing import smoothed, without_gaps

ZOOM = 2.4  # faces across, of the square that is read
SIZE = 512  # pixels of that square
NEAR, FASTEST = 0.7, 3.0  # face sizes that a face may be off from one frame to the next; and, once lost, a second
GROWTH = 1.6  # of its size from one frame to the next, at most
WEIGHTS_FILTER = 1.2, 4.0  # cutoff and beta: a still face rests, a blink and a syllable are kept
TURN_FILTER = 1.2, 4.0
PLACE_FILTER = 0.6, 2.0  # of the face in the picture, in sizes of it
SURELY_READ = 0.5  # response of the units that tell whether a face is at rest: the sum of all others is noise
FRONT = 15.0  # degrees off the front that cost as much as a unit at 1
BLUR_COST, DOUBT_COST = 0.3, 1.0  # of an e-fold of sharpness, and of no confidence, likewise


@dataclass(frozen=True)
class Seen:
    """A face in one frame. face: in pixels of the frame. reading: of a square around it. sharpness: of that square. among: faces in the
    frame, where all were sought."""

    face: Face
    reading: FaceReading
    sharpness: float
    among: int = 1


@dataclass(frozen=True, eq=False)
class Performance:
    """What the face in a clip does, T frames, smoothed, without gaps.

    weights: Shape (T, 52), of UNITS; 0 is what MediaPipe reads in most faces at rest, 1 what it reads where a unit is at 1; in this face
    it may be less or more.
    rotation: Shape (T, 4), w x y z, from the anchor's pose, in the world's axes.
    anchor: the frame that all is relative to: the face from the front, at rest, sharp. picture: that frame, uint8 (H, W, 3).
    face: in it. lost: frames without a face. notes: sentences on what was done to the clip.
    places: Shape (T, 3). Where the face is in the frames, x, y and size, pixels.
    """

    fps: float
    weights: np.ndarray
    rotation: np.ndarray
    anchor: int
    picture: np.ndarray = field(repr=False)
    face: Face
    lost: int
    notes: tuple[str, ...]
    places: np.ndarray

    def __len__(self) -> int:
        return len(self.weights)

    def track(self, rest: np.ndarray) -> Track:
        """For a head whose photo has unit weights `rest` (52,): what changes from the anchor on is added to them."""
        return Track(self.fps, np.clip(rest + self.weights - self.weights[self.anchor], 0, 1), self.rotation)


def read_clip(
    path: str | Path,
    fps: float = CLIP_FPS,
    seconds: float = CLIP_SECONDS,
    progress: Callable[[int, int], None] | None = None,
) -> Performance:
    """fps, seconds: see `Clip`. progress: called with frames done and the most that come.

    The largest face of the first frame that shows one is followed. Raises ClipError where there is none, and what `Clip` raises.
    """
    clip, model = Clip(Path(path), fps, seconds), load_face_model()
    weights: list[np.ndarray] = []
    turns: list[np.ndarray] = []
    places: list[np.ndarray] = []
    notes: list[str] = []
    last: Face | None = None
    best: tuple[float, int, Face, np.ndarray] | None = None  # cost, frame, face and picture of the anchor
    unseen = 0
    for frame, picture in enumerate(clip):
        seen = follow(picture, last, unseen / fps)
        if seen and last is None and seen.among > 1:
            notes.append(f"{seen.among} faces were found where the first appears: the largest is followed.")
        unseen = 0 if seen else unseen + 1
        weights.append(model.performed(seen.reading.weights) if seen else np.full(len(UNITS), np.nan))
        turns.append(seen.reading.rotation if seen else np.full((3, 3), np.nan))
        places.append(np.array([*seen.face.centre, seen.face.size]) if seen else np.full(3, np.nan))
        if seen:
            last = seen.face
            cost = anchor_cost(weights[-1], seen)
            if best is None or cost < best[0]:
                best = cost, frame, seen.face, picture
        if progress:
            progress(frame + 1, len(clip))
    if best is None:
        raise ClipError(f"{Path(path).name} shows no face: use a clip of one person, from the front, upright and well lit.")
    _, anchor, face, picture = best
    lost = sum(bool(np.isnan(row[0])) for row in weights)
    if clip.cut:
        notes.insert(0, f"The clip is longer than {seconds:g} seconds: the rest was left out.")
    if clip.damaged:
        notes.insert(0, "The clip is damaged: what could be read of it is used.")
    if lost:
        notes.append(f"No face was found in {lost} of {len(weights)} frames: what it does there is drawn between its neighbours.")
    if len(weights) == 1:
        notes.append("The clip has one picture only, so the head does not move.")
    smooth = smoothed(without_gaps(np.stack(weights)), fps, *WEIGHTS_FILTER)
    place = face.size * smoothed(without_gaps(np.stack(places)) / face.size, fps, *PLACE_FILTER)
    return Performance(fps, smooth, relative_turns(np.stack(turns), anchor, fps), anchor, picture, face, lost, tuple(notes), place)


def follow(picture: np.ndarray, last: Face | None, gap: float) -> Seen | None:
    """The face that was `last` seen before a gap of so many seconds, or the largest where none was; None where it is not there."""
    if last is not None and (seen := read_around(picture, last)) and same(seen.face, last, gap):
        return seen
    faces = [face for face in find_faces(Image.fromarray(picture)) if last is None or same(face, last, gap)]
    if not faces:
        return None
    seen = read_around(picture, faces[0] if last is None else min(faces, key=lambda face: dist(face.centre, last.centre)))
    return seen and replace(seen, among=len(faces))


def same(face: Face, last: Face, gap: float) -> bool:
    """Whether it may be the face seen before a gap of so many seconds."""
    growth = max(face.size / last.size, last.size / face.size)
    return dist(face.centre, last.centre) < (NEAR + FASTEST * gap) * last.size and growth < GROWTH * (1 + gap)


def read_around(picture: np.ndarray, face: Face) -> Seen | None:
    """What a square around a face shows; beyond the border the outermost pixels go on, so that the face stays in its middle."""
    side = max(8, round(ZOOM * face.size))
    x, y = (round(v - side / 2) for v in face.centre)
    rows, columns = np.arange(y, y + side).clip(0, len(picture) - 1), np.arange(x, x + side).clip(0, picture.shape[1] - 1)
    square = Image.fromarray(picture[rows][:, columns]).resize((SIZE, SIZE), Image.Resampling.BILINEAR, reducing_gap=2.0)
    pixels = np.asarray(square)
    reading = read_face(pixels)
    if reading is None:
        return None
    found = face_from_landmarks(reading.landmarks[:, :2] * side / SIZE + (x, y), reading.confidence)
    return Seen(found, reading, sharpness(pixels))


def sharpness(pixels: np.ndarray) -> float:
    """Mean contrast of neighbouring pixels in the middle of a square, where the face is."""
    middle = pixels[SIZE // 4 : -SIZE // 4, SIZE // 4 : -SIZE // 4].astype(np.float32).mean(2)
    return float(np.abs(np.diff(middle, axis=0)).mean() + np.abs(np.diff(middle, axis=1)).mean())


def anchor_cost(weights: np.ndarray, seen: Seen) -> float:
    """The less, the better a head is made of this frame: at rest, from the front, sharp, surely found."""
    angle = np.degrees(Rotation.from_matrix(seen.reading.rotation).magnitude())
    blur = -np.log(max(seen.sharpness, 1e-3))
    expression = weights[load_face_model().response > SURELY_READ].clip(0).sum()
    return float(expression + (angle / FRONT) ** 2 + BLUR_COST * blur + DOUBT_COST * (1 - seen.reading.confidence))


def relative_turns(turns: np.ndarray, anchor: int, fps: float) -> np.ndarray:
    """Quaternions w x y z (T, 4) of rotations (T, 3, 3), NaN where unknown, from the anchor's on; smoothed, without gaps."""
    known = ~np.isnan(turns[:, 0, 0])
    vectors = np.full((len(turns), 3), np.nan)
    vectors[known] = Rotation.from_matrix(turns[known] @ turns[anchor].T).as_rotvec()
    vectors = smoothed(without_gaps(vectors), fps, *TURN_FILTER)
    quats = Rotation.from_rotvec(vectors - vectors[anchor]).as_quat()[:, [3, 0, 1, 2]]
    return quats * np.where(quats[:, :1] < 0, -1, 1)
