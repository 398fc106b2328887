"""Cutting the person out of a photo: rembg as the release does, or MediaPipe's selfie segmentation where rembg cannot run.

The segmentation has 256 px. It is taken from several windows around the head, mirrored too, and averaged; then the colours on both sides
of the outline decide about the pixels in between, wherever the background is plain enough to be told from the person.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from ..arrays import smoothstep
from ..errors import PhotoError
from .faces import Face
from .models import MediaPipeModels, mediapipe_image, mediapipe_models
from .photo import on_white

SEGMENTER_SIZE = 256
REMBG_MODEL = "u2net"  # rembg's default when the release was made
REMBG_HOST = "https://github.com"  # where rembg downloads its models
WORK = 768  # pixels of the longer side at which edges are refined; lengths below are at this size
COLOUR_REACH = 10.0  # sigma of the neighbourhood whose colours count as those of person and background
EDGE = 6  # half width of the band around the outline in which colours decide

Box = tuple[float, float, float, float]  # x0, y0, x1, y1 in pixels of the photo


class MattingUnavailable(PhotoError):
    """The matting asked for by name cannot run here."""


@dataclass(frozen=True)
class Cutout:
    """A person on white, as large as the photo.

    image: RGB. alpha: L. matting: what made it, for the report.
    """

    image: Image.Image
    alpha: Image.Image
    matting: str


def rembg_cutout(image: Image.Image, retry: bool = True) -> Cutout:
    """As the release: rembg on the whole RGB picture, then over white. The first use downloads its model. Raises MattingUnavailable.

    retry: False keeps to an earlier failure, so that a batch does not ask the network for the model once per photo.
    """
    session = _rembg().session(retry)
    from rembg import remove

    rgba = remove(image, session=session)
    alpha = rgba.getchannel("A")
    return Cutout(on_white(rgba, alpha), alpha, f"rembg {REMBG_MODEL}")


@cache
def _rembg() -> _Rembg:
    return _Rembg()


class _Rembg:
    """One session for all photos and threads, made at the first use."""

    def __init__(self):
        self.lock, self.made, self.failure = threading.Lock(), None, None

    def session(self, retry: bool):
        with self.lock:
            if self.made is None and (retry or self.failure is None):
                try:
                    _ask_for_model()
                    from rembg import new_session

                    self.made = new_session(REMBG_MODEL)
                except (ImportError, OSError, ValueError, SystemExit) as error:  # without onnxruntime, rembg leaves Python by SystemExit
                    self.failure = error
            if self.made is None:
                incomplete = isinstance(self.failure, (ImportError, SystemExit))
                reason = "rembg or onnxruntime is not installed" if incomplete else f"its model {REMBG_MODEL} could not be downloaded"
                raise MattingUnavailable(f"rembg cannot run: {reason}; matting='auto' uses MediaPipe instead.") from self.failure
            return self.made


def _ask_for_model() -> None:
    """Raises OSError where the model is neither on disk nor within reach: importing rembg compiles for most of a minute the first time."""
    env, home = os.environ.get, Path.home()
    data = env("U2NET_HOME") or env("REMBG_HOME") or (f"{env('XDG_DATA_HOME')}/rembg" if env("XDG_DATA_HOME") else home / ".rembg")
    legacy = env("U2NET_HOME") or Path(env("XDG_DATA_HOME") or home) / ".u2net"
    places = (Path(data) / "models" / REMBG_MODEL, Path(legacy))
    if not any((place.expanduser() / f"{REMBG_MODEL}.onnx").exists() for place in places):
        import requests

        requests.head(REMBG_HOST, timeout=5)


def mediapipe_cutout(image: Image.Image, face: Face | None = None, region: Box | None = None) -> Cutout:
    """Selfie segmentation with refined edges.

    face: the person to keep; without it, every person in sight.
    region: the part of the photo that is needed, the rest becomes white.
    """
    region = _clipped(region or (0, 0, *image.size), image.size)
    width, height = region[2] - region[0], region[3] - region[1]
    k = WORK / max(width, height)
    work_size = (max(1, round(width * k)), max(1, round(height * k)))
    windows = [_clipped(window, image.size) for window in _windows(face, region, image.size)]
    person = _person(image, windows, region, work_size)
    person = _chosen(person, None if face is None else (np.array(face.box) - np.tile(region[:2], 2)) * k)
    pixels = np.asarray(image.resize(work_size, Image.Resampling.BICUBIC, box=region), np.float32) / 255
    alpha = _refined(pixels, person)
    colours = _foreground(pixels, alpha)

    mask = _grey(alpha).resize((width, height), Image.Resampling.BILINEAR)
    soft = _grey((alpha < 0.99).astype(np.float32)).resize((width, height), Image.Resampling.BILINEAR)
    part = image.crop(region)
    part.paste(Image.fromarray(np.rint(colours * 255).astype(np.uint8)).resize((width, height), Image.Resampling.BICUBIC), (0, 0), soft)
    white, whole_mask = Image.new("RGB", image.size, (255, 255, 255)), Image.new("L", image.size, 0)
    white.paste(part, region[:2], mask)
    whole_mask.paste(mask, region[:2])
    return Cutout(white, whole_mask, "mediapipe selfie segmentation")


def _windows(face: Face | None, region: tuple[int, int, int, int], size: tuple[int, int]) -> list[Box]:
    """Parts of the photo to segment: head and shoulders at three sizes, and the whole region where the face does not fill it."""
    windows: list[Box] = []
    if face is not None:
        (x, y), s = face.centre, face.size
        windows = [(x - k / 2 * s, y - up * s, x + k / 2 * s, y + (k - up) * s) for k, up in ((2.75, 1.5), (3.2, 1.5), (3.8, 1.6))]
    if face is None or region == (0, 0, *size):
        windows.append(region)
    return windows


def _clipped(box: Box, size: tuple[int, int]) -> tuple[int, int, int, int]:
    x0, y0 = min(max(0, int(box[0])), size[0] - 1), min(max(0, int(box[1])), size[1] - 1)
    return x0, y0, max(x0 + 1, min(size[0], int(box[2]))), max(y0 + 1, min(size[1], int(box[3])))


def _person(image: Image.Image, windows: list, region: tuple[int, int, int, int], work_size: tuple[int, int]) -> np.ndarray:
    """Probability of a person, the mean over all windows. Shape (H, W) of the region at work size, float32 0..1."""
    import cv2

    total = np.zeros(work_size[::-1], np.float32)
    weights = np.full_like(total, 1e-6)
    k = work_size[0] / (region[2] - region[0])
    models = mediapipe_models()
    with models.lock:
        for window in windows:
            pixels = np.asarray(image.resize((SEGMENTER_SIZE, SEGMENTER_SIZE), Image.Resampling.BILINEAR, box=window, reducing_gap=3.0))
            upright, mirrored = (_confidence(models, p) for p in (pixels, pixels[:, ::-1]))
            sx, sy = (k * (window[i + 2] - window[i]) / SEGMENTER_SIZE for i in (0, 1))
            place = np.array([[sx, 0, (window[0] - region[0]) * k + (sx - 1) / 2], [0, sy, (window[1] - region[1]) * k + (sy - 1) / 2]])
            weight = _feather(window, image.size)
            total += cv2.warpAffine(weight * (upright + mirrored[:, ::-1]) / 2, place, work_size, flags=cv2.INTER_CUBIC)
            weights += cv2.warpAffine(weight, place, work_size, flags=cv2.INTER_LINEAR)
    return np.clip(total / weights, 0, 1)


def _confidence(models: MediaPipeModels, pixels: np.ndarray) -> np.ndarray:
    """The segmenter's mask, copied: its memory goes with the result it belongs to."""
    result = models.segmenter.segment(mediapipe_image(pixels))
    return result.confidence_masks[0].numpy_view().squeeze().copy()


def _feather(window: tuple[int, int, int, int], size: tuple[int, int]) -> np.ndarray:
    """Weights that fall off towards the sides of a window, save where the photo ends there."""

    def ramp(low: int, high: int, end: int) -> np.ndarray:
        x = (np.arange(SEGMENTER_SIZE) + 0.5) / 32
        return np.minimum(np.where(low > 0, x, 1), np.where(high < end, x[::-1], 1)).clip(0, 1)

    return np.outer(ramp(window[1], window[3], size[1]), ramp(window[0], window[2], size[0])).astype(np.float32)


def _chosen(person: np.ndarray, box: np.ndarray | None) -> np.ndarray:
    """Keeps the connected part that holds the face; without a face, every part not tiny beside the largest."""
    import cv2

    count, labels, stats, _ = cv2.connectedComponentsWithStats((person > 0.5).astype(np.uint8))
    if count < 2:
        return person
    areas = stats[1:, cv2.CC_STAT_AREA]
    if box is None:
        keep = 1 + np.flatnonzero(areas >= 0.05 * areas.max())
    else:
        x0, y0, x1, y1 = (max(0, int(v)) for v in box)
        inside = np.bincount(labels[y0:y1, x0:x1].ravel(), minlength=count)[1:]
        keep = np.array([1 + inside.argmax()])
    body = _without_holes(np.isin(labels, keep).astype(np.uint8))
    near, core = cv2.dilate(body, _disk(2 * EDGE)), cv2.erode(body, _disk(2 * EDGE))
    return np.maximum(person * near, core.astype(np.float32))


def _without_holes(body: np.ndarray, largest: float = 0.01) -> np.ndarray:
    """Fills the holes up to a share of the picture: a badge or a shirt front, not the gap between arm and chest."""
    import cv2

    _, labels, stats, _ = cv2.connectedComponentsWithStats(1 - body)
    small = stats[:, cv2.CC_STAT_AREA] <= largest * body.size
    small[np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))] = False
    return body | small[labels].astype(np.uint8)


def _refined(pixels: np.ndarray, person: np.ndarray) -> np.ndarray:
    """Opacity from the probability of a person and the colours nearby.

    pixels: Shape (H, W, 3). person: Shape (H, W). Returns Shape (H, W), float32 0..1.
    """
    import cv2

    def colours(where: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean colour of a neighbourhood and its variance."""
        blur = lambda x: cv2.GaussianBlur(x, (0, 0), COLOUR_REACH)  # noqa: E731
        weight = where[..., None].astype(np.float32)
        share = blur(weight)[..., None] + 1e-6
        mean = blur(pixels * weight) / share
        return mean, (blur(pixels**2 * weight) / share - mean**2).clip(0).sum(-1)

    inside = cv2.erode((person > 0.9).astype(np.uint8), _disk(EDGE)) > 0
    outside = cv2.dilate((person > 0.5).astype(np.uint8), _disk(EDGE)) == 0
    mine, my_variance = colours(inside)
    other, other_variance = colours(outside)
    difference = mine - other
    contrast = (difference**2).sum(-1)
    by_colour = (((pixels - other) * difference).sum(-1) / (contrast + 1e-3)).clip(0, 1)
    # A patterned background, or one of the person's colour, says nothing: there the segmentation alone decides.
    trust = smoothstep(0.4, 0.8, contrast / (contrast + 10 * other_variance + 3 * my_variance + 0.01))
    between = trust * by_colour + (1 - trust) * smoothstep(0.5, 0.85, cv2.GaussianBlur(person, (0, 0), 2.0))
    alpha = np.where(inside, 1, np.where(outside, 0, between)).astype(np.float32)
    count, labels = cv2.connectedComponents((alpha > 0.1).astype(np.uint8))
    attached = np.bincount(labels[inside], minlength=count) > 0  # loose specks of background are dropped
    attached[0] = True
    return alpha * attached[labels]


def _foreground(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The person's own colours where background shines through: blur fusion (Forte 2021), one pass. Shape (H, W, 3), 0..1."""
    import cv2

    a = alpha[..., None]
    share = cv2.blur(alpha, (61, 61))[..., None]
    mine = cv2.blur(pixels * a, (61, 61)) / (share + 1e-4)
    other = cv2.blur(pixels * (1 - a), (61, 61)) / (1 - share + 1e-4)
    return (mine + a * (pixels - a * mine - (1 - a) * other)).clip(0, 1)


def _disk(radius: int) -> np.ndarray:
    import cv2

    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))


def _grey(values: np.ndarray) -> Image.Image:
    return Image.fromarray(np.rint(values * 255).astype(np.uint8))
