"""Several photos of one person: those from the side or from behind take the place of views that would be made up.

The first photo is the front. Each other one is cut out, and laid on the view of the rig it is nearest to: by the face's landmarks where a
face shows, else by the outline of the head that the first photo makes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .cameras import ViewRig
from .errors import PhotoError, SettingsError
from .gaussians import Gaussians
from .portrait import NoFaceError, Portrait, find_faces, make_portrait
from .rendering import render, to_bytes

NEAR = 25.0  # degrees from a view of the rig up to which a photo is taken for it
FRONTAL = 20.0  # a photo turned less shows what the first one shows
SIDEWAYS = 55.0  # degrees from which on landmarks tell how far a face is turned only roughly: it may be a profile
UNSEEN = (90.0, -90.0, 180.0, 45.0, -45.0)  # where a photo without a face may have been taken
COARSE = 128  # pixels at which outlines are laid upon each other
SCALES = np.geomspace(0.4, 2.5, 38)
LEAST, WELL = 0.65, 0.8  # of intersection over union: that a photo may be used, and that no other way is tried


@dataclass(frozen=True)
class OtherPhoto:
    """A further photo of the person. azimuth: degrees, as of `cameras.orbit`: 90 shows the subject's left side; None is found out."""

    photo: str | Path | bytes | Image.Image
    azimuth: float | None = None


@dataclass(frozen=True)
class Placed:
    """A photo as a view.

    view: index in the rig.
    rgba: Shape (4, S, S), colour on white.
    azimuth: where it was taken, degrees.
    fit: how well its outline agrees with the head's there, 0..1.
    """

    view: int
    rgba: Tensor
    azimuth: float
    fit: float


def add_photos(
    views: Tensor, rough: Gaussians, rig: ViewRig, others: Sequence[OtherPhoto], matting: str = "auto"
) -> tuple[Tensor, list[str]]:
    """Views with those replaced that photos show, and sentences on what was done.

    views: Shape (V, 3 or 4, S, S), of the first photo, 0..1.
    rough: the head that they make.
    A side that no photo shows takes the mirror picture of the other side's: heads are nearly symmetric.
    Raises PhotoError for a photo that cannot be laid upon the head, SettingsError where the rig has no view near a given azimuth.
    """
    views, notes, known = views.clone(), [], set()
    for number, other in enumerate(others, 2):
        found = place(other, rough, rig, views.shape[-1], matting)
        if found is None:
            notes.append(f"Photo {number} shows the head from the front, as the first does, and is not used.")
            continue
        if found.view in known:
            notes.append(f"Photo {number} shows the same side as one before, and is not used.")
            continue
        known.add(found.view)
        views[found.view] = found.rgba[: views.shape[1]].to(views)
        notes.append(f"Photo {number} was taken for the {rig.names[found.view].replace('_', ' ')} view ({found.azimuth:.0f} degrees).")
    for view in sorted(known):
        mirrored = rig.mirrored[view]
        if mirrored not in known and mirrored != view:
            views[mirrored] = views[view].flip(-1)
    return views, notes


def place(other: OtherPhoto, rough: Gaussians, rig: ViewRig, size: int, matting: str = "auto") -> Placed | None:
    """Where in the rig a photo belongs, and how it looks there; None for one from the front. Raises as `add_photos`."""
    best: Placed | None = None
    for crop in (True, False):  # around the face; and, where none is found or the wrong one, the whole picture
        try:
            portrait = make_portrait(other.photo, crop=crop, matting=matting, fov="off", cautious=True)
        except NoFaceError:
            continue
        candidates = _candidates(other.azimuth, portrait)
        if candidates is None:
            return None
        for candidate in candidates:
            view = _nearest(rig, candidate)
            if view is not None:
                rgba, fit = _laid(portrait, rough, rig, view, size)
                best = max(best or Placed(view, rgba, candidate, fit), Placed(view, rgba, candidate, fit), key=lambda placed: placed.fit)
        if best is not None and best.fit > WELL:
            return best
    if best is None:
        raise SettingsError(f"No view is near enough to {other.azimuth} degrees: the weights make {', '.join(map(str, rig.azimuths))}.")
    if best.fit < LEAST:
        raise PhotoError(
            "A further photo does not fit the head of the first: use one that shows head and shoulders, or say from where it was taken."
        )
    return best


def _candidates(azimuth: float | None, portrait: Portrait) -> tuple[float, ...] | None:
    """Where a photo may have been taken; None for the front."""
    turned = portrait.pose.azimuth if azimuth is None and portrait.pose else azimuth
    if turned is None:
        return UNSEEN
    if abs(_turn(turned, 0.0)) < FRONTAL:
        return None
    return (turned,) if azimuth is not None or abs(turned) < SIDEWAYS else tuple(float(np.copysign(a, turned)) for a in (90.0, 45.0))


def _turn(a: float, b: float) -> float:
    return (a - b + 180) % 360 - 180


def _nearest(rig: ViewRig, azimuth: float) -> int | None:
    """The view of the rig at eye level that is near enough, but for the first."""
    level = [v for v in range(1, len(rig)) if abs(rig.elevations[v]) < 10]
    best = min(level, key=lambda v: abs(_turn(rig.azimuths[v], azimuth)), default=None)
    return best if best is not None and abs(_turn(rig.azimuths[best], azimuth)) <= NEAR else None


def _laid(portrait: Portrait, rough: Gaussians, rig: ViewRig, view: int, size: int) -> tuple[Tensor, float]:
    """The portrait as the view shows it, RGBA (4, size, size), and how well the outlines agree, 0..1."""
    drawn = render(rough, rig.cameras(portrait.image.width)[view].to(rough.means.device))
    target = drawn.alpha[0, 0].cpu().numpy()
    ways = [_by_landmarks(portrait, to_bytes(drawn.rgb)[0]), _by_outline(np.asarray(portrait.alpha, np.float32) / 255, target)]
    tried = [(rgba, _agreement(rgba, target)) for rgba in (_moved(portrait, matrix, size) for matrix in ways if matrix is not None)]
    return tried[0] if tried[0][1] > LEAST else max(tried, key=lambda pair: pair[1])  # landmarks are finer, where they are right


def _agreement(rgba: Tensor, target: np.ndarray) -> float:
    """Intersection over union of outlines."""
    small = torch.nn.functional.interpolate(rgba[None, 3:], size=(COARSE, COARSE), mode="area")[0, 0].numpy()
    reach = torch.nn.functional.interpolate(torch.from_numpy(target)[None, None], size=(COARSE, COARSE), mode="area")[0, 0].numpy()
    return float(np.minimum(small, reach).sum() / np.maximum(small, reach).sum().clip(1e-6))


def _by_landmarks(portrait: Portrait, picture: np.ndarray) -> np.ndarray | None:
    """From pixels of the portrait to those of a render of the same size, Shape (2, 3), without a turn; None where either shows no face."""
    ours = find_faces(portrait.image)
    theirs = find_faces(Image.fromarray(picture))
    if not ours or not theirs or ours[0].landmarks is None or theirs[0].landmarks is None:
        return None
    a, b = ours[0].landmarks, theirs[0].landmarks
    scale = float(np.linalg.norm(b - b.mean(0)) / np.linalg.norm(a - a.mean(0)))
    shift = b.mean(0) - scale * a.mean(0)
    return np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])


def _by_outline(alpha: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The scale and shift with which an outline covers most of another and least beside it. Shapes (S, S); returns Shape (2, 3)."""
    from scipy.signal import fftconvolve  # a second to import, and most heads are of one photo

    step = len(target) / COARSE
    wanted = 2 * np.asarray(Image.fromarray(target).resize((COARSE, COARSE), Image.Resampling.BOX)) - 1
    best, found = -np.inf, np.array([[1.0, 0, 0], [0, 1, 0]])
    for scale in SCALES:
        side = round(COARSE * scale)
        person = np.asarray(Image.fromarray(alpha).resize((side, side), Image.Resampling.BOX))
        scores = fftconvolve(wanted, person[::-1, ::-1])
        y, x = np.unravel_index(int(scores.argmax()), scores.shape)
        if scores[y, x] > best:
            k = side / COARSE
            best, found = scores[y, x], np.array([[k, 0, (x - side + 1) * step], [0, k, (y - side + 1) * step]])
    return found


def _moved(portrait: Portrait, matrix: np.ndarray, size: int) -> Tensor:
    import cv2

    side = portrait.image.width
    bands = [
        cv2.warpAffine(np.asarray(band), matrix, (side, side), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT, borderValue=fill)
        for band, fill in ((portrait.image, (255, 255, 255)), (portrait.alpha, 0))
    ]
    rgba = torch.from_numpy(np.dstack(bands)).permute(2, 0, 1)[None].float() / 255
    return torch.nn.functional.interpolate(rgba, size=(size, size), mode="area")[0]
