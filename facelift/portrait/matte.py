"""Cutting one person out of a photo: rembg as the release does, or what is shipped where rembg cannot run.

Shipped are MediaPipe's segmentation of persons and the small U-2-Net, which corrects the former's outline where both see the same person.
The colours on both sides of the outline decide about the pixels in between, wherever the background is plain enough to be told from the
person. Beside other faces, only the chosen one's person stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops

from ..arrays import smoothstep
from .faces import Face
from .foreground import foreground
from .photo import on_white
from .rembg_session import MODEL as REMBG_MODEL
from .rembg_session import MattingUnavailable, rembg_session
from .saliency import SaliencyUnavailable, saliency
from .segmentation import Box, Pixels, clipped, person_probability
from .separation import component_at, is_own

WORK = 768  # pixels of the longer side at which edges are refined; lengths below are at this size
COLOUR_REACH = 10.0  # sigma of the neighbourhood whose colours count as those of person and background
EDGE = 6  # half width of the band around the outline in which colours decide
LOOSE = 0.25  # alpha below which two parts do not hang together

SALIENT = 0.6  # weight of the U-2-Net where it agrees
AGREEMENT = (0.6, 0.9)  # share of a neighbourhood seen alike: from none of that weight to all of it
AGREEMENT_REACH = 40.0  # sigma of that neighbourhood

MEDIAPIPE = "mediapipe selfie segmentation"
JOINED = f"{MEDIAPIPE} and rembg u2netp"


@dataclass(frozen=True)
class Cutout:
    """A person on white, as large as the photo.

    image: RGB. alpha: L. matting: what made it, for the report.
    """

    image: Image.Image
    alpha: Image.Image
    matting: str

    def within(self, mask: Image.Image) -> Cutout:
        """The same, where a mask (L) is."""
        alpha = ImageChops.multiply(self.alpha, mask)
        return Cutout(on_white(self.image, mask), alpha, self.matting)


def rembg_cutout(image: Image.Image, retry: bool = True) -> Cutout:
    """As the release: rembg on the whole RGB picture, then over white. The first use downloads its model. Raises MattingUnavailable.

    retry: False keeps to an earlier failure, so that a batch does not ask the network for the model once per photo.
    """
    session = rembg_session().get(retry)
    from rembg import remove

    rgba = remove(image, session=session)
    alpha = rgba.getchannel("A")
    return Cutout(on_white(rgba, alpha), alpha, f"rembg {REMBG_MODEL}")


def person_cutout(
    image: Image.Image, face: Face | None = None, others: Sequence[Face] = (), region: Box | None = None, matting: str = "auto"
) -> Cutout:
    """By what is shipped.

    image: RGB.
    face: the person to keep; without it, every person in sight. others: the neighbours' faces.
    region: the part of the photo that is needed, the rest becomes white.
    matting: "mediapipe" alone; "u2netp" joined with it, which raises MattingUnavailable without `weights/rembg/`; "auto" is the second
    where it can run, else the first.
    """
    view = _View.of(image, region)
    person, made_by = person_probability(image, face, view.region, view.size), MEDIAPIPE
    if matting != "mediapipe":
        try:
            person, made_by = _joined(person, saliency(image.crop(view.region))), JOINED
        except SaliencyUnavailable as error:
            if matting == "u2netp":
                raise MattingUnavailable(f"u2netp cannot run: {error}.") from error
    if face is None:
        return view.cutout(image, _refined(view.pixels, _connected(person, None)), made_by)
    box, neighbours = view.box(face), [view.box(other) for other in others]
    alpha = _refined(view.pixels, _connected(person * is_own(view.pixels, person, box, neighbours), box))
    return view.cutout(image, _without_loose_parts(alpha, box) if others else alpha, made_by)


def without_others(cutout: Cutout, image: Image.Image, face: Face, others: Sequence[Face], region: Box | None = None) -> Cutout:
    """A cut-out of several persons -> of the one with this face. image: the photo. region: as for `person_cutout`."""
    import cv2

    view = _View.of(image, region)
    alpha = np.asarray(cutout.alpha.resize(view.size, Image.Resampling.BILINEAR, box=view.region), np.float32) / 255
    own = is_own(view.pixels, alpha, view.box(face), [view.box(f) for f in others])
    share = cv2.GaussianBlur(own.astype(np.float32), (0, 0), 1.5)
    return view.cutout(image, _without_loose_parts(alpha * share, view.box(face)), cutout.matting)


@dataclass(frozen=True)
class _View:
    """The part of a photo in work. size: (width, height). pixels: Shape (H, W, 3), 0..1."""

    region: Pixels
    size: tuple[int, int]
    pixels: np.ndarray

    @classmethod
    def of(cls, image: Image.Image, region: Box | None) -> _View:
        whole = clipped(region or (0, 0, *image.size), image.size)
        width, height = whole[2] - whole[0], whole[3] - whole[1]
        k = WORK / max(width, height)
        size = (max(1, round(width * k)), max(1, round(height * k)))
        return cls(whole, size, np.asarray(image.resize(size, Image.Resampling.BICUBIC, box=whole), np.float32) / 255)

    def box(self, face: Face) -> np.ndarray:
        """Of a face, in work pixels."""
        return (np.array(face.box) - np.tile(self.region[:2], 2)) * (self.size[0] / (self.region[2] - self.region[0]))

    def cutout(self, image: Image.Image, alpha: np.ndarray, matting: str) -> Cutout:
        """The photo with this alpha, Shape (H, W), on white; where it is not opaque, with the foreground's colours."""
        extent = (self.region[2] - self.region[0], self.region[3] - self.region[1])
        mask = _grey(alpha).resize(extent, Image.Resampling.BILINEAR)
        part = image.crop(self.region)
        soft = _grey((alpha < 0.99).astype(np.float32)).resize(extent, Image.Resampling.BILINEAR)
        colours = Image.fromarray(np.rint(foreground(self.pixels, alpha) * 255).astype(np.uint8))
        part.paste(colours.resize(extent, Image.Resampling.BICUBIC), (0, 0), soft)
        white, whole_mask = Image.new("RGB", image.size, (255, 255, 255)), Image.new("L", image.size, 0)
        white.paste(part, self.region[:2], mask)
        whole_mask.paste(mask, self.region[:2])
        return Cutout(white, whole_mask, matting)


def _joined(person: np.ndarray, salient: np.ndarray) -> np.ndarray:
    """Probability of a person, corrected by the U-2-Net: not where that misses half a shoulder, say, or takes a motorcycle for the person.

    person: Shape (H, W). salient: of the same view, any shape. Returns Shape (H, W), float32 0..1.
    """
    import cv2

    size = person.shape[::-1]
    salient = cv2.resize(salient, size, interpolation=cv2.INTER_CUBIC).clip(0, 1)
    small = [max(1, n // 8) for n in size]
    a, b = (cv2.resize(x, small, interpolation=cv2.INTER_AREA) for x in (person, salient))

    def share(of: np.ndarray, seen: np.ndarray) -> np.ndarray:
        near, all_near = (cv2.GaussianBlur(x, (0, 0), AGREEMENT_REACH / 8) for x in (of * seen, of))
        return (near + 1e-3) / (all_near + 1e-3)

    agreement = cv2.resize(np.minimum(share(a, b), share(1 - a, 1 - b)), size)
    return person + SALIENT * smoothstep(*AGREEMENT, agreement) * (salient - person)


def _connected(person: np.ndarray, box: np.ndarray | None) -> np.ndarray:
    """Keeps the part that holds the face; without a face, every part not tiny beside the largest."""
    import cv2

    likely = (person > 0.5).astype(np.uint8)
    if box is None:
        _, labels, stats, _ = cv2.connectedComponentsWithStats(likely)
        areas = stats[1:, cv2.CC_STAT_AREA]
        body = np.isin(labels, 1 + np.flatnonzero(areas >= 0.05 * areas.max(initial=0)))
    else:
        body = component_at(likely, box)
    if not body.any():
        return person
    whole = _without_holes(body.astype(np.uint8))
    near, core = cv2.dilate(whole, _disk(2 * EDGE)), cv2.erode(whole, _disk(2 * EDGE))
    return np.maximum(person * near, core.astype(np.float32))


def _without_holes(body: np.ndarray, largest: float = 0.01) -> np.ndarray:
    """Fills the holes up to a share of the picture: a badge or a shirt front, not the gap between arm and chest."""
    import cv2

    _, labels, stats, _ = cv2.connectedComponentsWithStats(1 - body)
    small = stats[:, cv2.CC_STAT_AREA] <= largest * body.size
    small[np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))] = False
    return np.maximum(body, small[labels].astype(np.uint8))


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


def _without_loose_parts(alpha: np.ndarray, box: np.ndarray | None) -> np.ndarray:
    """Keeps what hangs together with the face, and the soft edge around it. Without a face, everything."""
    import cv2

    if box is None:
        return alpha
    body = component_at((alpha > LOOSE).astype(np.uint8), box)
    return alpha * cv2.dilate(body.astype(np.uint8), _disk(2 * EDGE)) if body.any() else alpha


def _disk(radius: int) -> np.ndarray:
    import cv2

    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))


def _grey(values: np.ndarray) -> Image.Image:
    return Image.fromarray(np.rint(values * 255).astype(np.uint8))
