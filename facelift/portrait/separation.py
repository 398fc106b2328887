"""One person out of several: colours near each face say whose a pixel is where bodies touch.

GrabCut (Rother et al. 2004) between the chosen person and all others. Its colour models are learned from sure pixels alone: learned from
all, as usual, they take what they should decide for granted.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

SIDE = 256  # pixels of the longer side at which pixels are told apart
NEAR = 0.45  # in faces: up to here a pixel is surely of the face that is nearest
MINE, THEIRS = 0.8, 0.6  # in faces: it is surely of the person whose face is so much nearer
FEWEST = 50  # sure pixels of each side that make a colour model
NO_BOX = (0, 0, 0, 0)  # GrabCut starts from a mask
SHIRT = 0.6  # of the own face: a smaller one below the chin is a picture on the clothes


def is_own(pixels: np.ndarray, person: np.ndarray, own: np.ndarray, others: Sequence[np.ndarray]) -> np.ndarray:
    """Which pixels are the chosen person's rather than another's.

    pixels: Shape (H, W, 3), 0..1. person: Shape (H, W), probability of any person. own, others: face boxes x0, y0, x1, y1 in these pixels.
    Returns Shape (H, W), bool; True everywhere without others.
    """
    import cv2

    others = [box for box in others if not _on_clothes(box, own)]
    if not others:
        return np.ones(person.shape, bool)
    height, width = person.shape
    k = SIDE / max(width, height)
    size = (max(1, round(width * k)), max(1, round(height * k)))
    mine = _distance(size, own * k)
    theirs = np.min([_distance(size, box * k) for box in others], 0)
    body = cv2.resize(person, size, interpolation=cv2.INTER_AREA) > 0.5
    labels = _cut(np.rint(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA) * 255).astype(np.uint8), body, mine, theirs)
    labels = cv2.morphologyEx(labels, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    own_part = cv2.GaussianBlur(component_at(labels, own * k).astype(np.float32), (0, 0), 1.5)
    return cv2.resize(own_part, (width, height)) > 0.5


def component_at(mask: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The connected part of a mask that fills most of a box. mask: Shape (H, W), uint8. Returns Shape (H, W), bool; none may be true."""
    import cv2

    count, labels = cv2.connectedComponents(mask)
    x0, y0, x1, y1 = (max(0, int(v)) for v in box)
    inside = np.bincount(labels[y0:y1, x0:x1].ravel(), minlength=count)
    inside[0] = 0
    return (labels == inside.argmax()) & (mask > 0)


def _cut(pixels: np.ndarray, body: np.ndarray, mine: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """1 where the person is the chosen one, else 0, Shape (H, W), uint8. mine, theirs: distances to the nearest face of each side."""
    import cv2

    nearer = mine < theirs
    own = body & nearer & ((mine < NEAR) | (mine + MINE < theirs))
    other = body & ~nearer & ((theirs < NEAR) | (theirs + THEIRS < mine))
    if min(own.sum(), other.sum()) < FEWEST:
        return (body & nearer).astype(np.uint8)
    colours = np.concatenate([pixels[other], pixels[own]])[None]
    known = np.repeat(np.array([cv2.GC_BGD, cv2.GC_FGD], np.uint8), [other.sum(), own.sum()])[None]
    models = np.zeros((1, 65)), np.zeros((1, 65))  # background, foreground
    cv2.setRNGSeed(0)  # of the clusters that the colour models start from
    cv2.grabCut(colours, known, NO_BOX, *models, 3, cv2.GC_INIT_WITH_MASK)
    labels = np.select([~body | other, own, nearer], [cv2.GC_BGD, cv2.GC_FGD, cv2.GC_PR_FGD], cv2.GC_PR_BGD).astype(np.uint8)
    cv2.grabCut(pixels, labels, NO_BOX, *models, 1, cv2.GC_EVAL_FREEZE_MODEL)
    return labels & 1  # GC_FGD and GC_PR_FGD are odd


def _distance(size: tuple[int, int], box: np.ndarray) -> np.ndarray:
    """To a face, in faces: bodies are taller than wide, so upwards and downwards count less. size: (width, height). Shape (H, W)."""
    x0, y0, x1, y1 = box
    face = ((x1 - x0) + (y1 - y0)) / 2
    x, y = np.meshgrid(np.arange(size[0]) - (x0 + x1) / 2, np.arange(size[1]) - (y0 + y1) / 2)
    return np.hypot(x / face, 0.6 * np.maximum(np.abs(y) / face - 0.35, 0))


def _on_clothes(box: np.ndarray, own: np.ndarray) -> bool:
    """Whether a face is no neighbour but printed on what the chosen person wears."""
    size, own_size = ((b[2] - b[0] + b[3] - b[1]) / 2 for b in (box, own))
    x, y = (box[:2] + box[2:] - own[:2] - own[2:]) / 2 / own_size
    return bool(size < SHIRT * own_size and abs(x) < 0.8 and y > 0.8)
