"""Does the sitter's colour reach the sides? Mean colours of skin and hair, compared by CIEDE2000."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from ...portrait.crop import FACE_CENTRE, FACE_SIZE, SIZE
from .faces import face_in
from .pictures import delta_e, lab

ALIKE = 20.0  # Euclidean distance in Lab up to which a pixel counts as the sitter's skin or hair
APART = 12.0  # nearer together than this, skin and hair cannot be told apart by colour
FEWEST = 60  # pixels
CHEEKS = {1: 280, -1: 50}  # MediaPipe's landmark on the cheek that a camera on the sitter's left (+) or right (-) sees
SIDES = (45.0, -45.0)


def colours_beside_truth(
    pictures: np.ndarray, alpha: np.ndarray, truth: Tensor, views: Iterable[int] = range(1, 6)
) -> dict[str, float | None]:
    """Side and back views against true ones, the mean over `views` of the six. None where skin and hair look alike, as on a bald head.

    Skin is what looks like the true cheeks, hair what looks like the true back of the head, both above the chin.

    pictures: uint8 (6, H, W, 3).
    alpha: Shape (6, H, W), 0..1.
    truth: Shape (6, 4, H, W), on white, 0..1.
    """
    size = truth.shape[-1]
    k, (x, y) = size / SIZE, FACE_CENTRE
    colours = lab(truth[:, :3].permute(0, 2, 3, 1)).numpy()
    inside = truth[:, 3].numpy() > 0.95
    chin = round((y + 0.55 * FACE_SIZE) * k)
    cheek_rows = slice(round((y + 0.02 * FACE_SIZE) * k), round((y + 0.14 * FACE_SIZE) * k))
    columns = [slice(round((x + a * FACE_SIZE) * k), round((x + b * FACE_SIZE) * k)) for a, b in ((-0.30, -0.18), (0.18, 0.30))]
    skin = np.median(np.concatenate([colours[0, cheek_rows, c].reshape(-1, 3) for c in columns]), 0)
    crown = inside[3].copy()
    crown[round(y * k) :] = False
    if crown.sum() < FEWEST:
        return {"skin": None, "hair": None}
    hair = np.median(colours[3][crown], 0)
    if np.linalg.norm(skin - hair) < APART:
        return {"skin": None, "hair": None}
    made = lab(torch.from_numpy(pictures).double() / 255).numpy()
    gaps: dict[str, list[float]] = {"skin": [], "hair": []}
    for view in views:
        to_skin, to_hair = (np.linalg.norm(colours[view] - c, axis=-1) for c in (skin, hair))
        usable = inside[view] & (alpha[view] > 0.5)
        usable[chin:] = False
        for name, mine, other in (("skin", to_skin, to_hair), ("hair", to_hair, to_skin)):
            where = usable & (mine < ALIKE) & (mine < other)
            if where.sum() >= FEWEST:
                gaps[name].append(_gap(made[view][where].mean(0), colours[view][where].mean(0)))
    return {name: float(np.mean(found)) if found else None for name, found in gaps.items()}


def colours_beside_photo(
    front: np.ndarray, alpha: np.ndarray, turned: dict[float, tuple[np.ndarray, np.ndarray]]
) -> dict[str, float | None]:
    """Renders against the portrait, where no other truth is known: cheeks at 45 degrees, the top of the head all around.

    front, alpha: uint8 (H, W, 3), the portrait, and (H, W), 0..1.
    turned: azimuth -> picture and alpha.
    """
    skins, hairs = [], []
    crown = _crown(front, alpha)
    for azimuth, (picture, inside) in turned.items():
        if azimuth in SIDES:
            cheek = CHEEKS[1 if azimuth > 0 else -1]
            skins.append((_spot(front, cheek), _spot(picture, cheek)))
        hairs.append((crown, _crown(picture, inside)))
    found = {"skin": skins, "hair": hairs}
    gaps = {name: [_gap(a, b) for a, b in pairs if a is not None and b is not None] for name, pairs in found.items()}
    return {name: float(np.mean(values)) if values else None for name, values in gaps.items()}


def _crown(picture: np.ndarray, alpha: np.ndarray) -> np.ndarray | None:
    """Median colour of the top eighth of the head (the foreground above the usual chin)."""
    k = picture.shape[0] / SIZE
    chin = round((FACE_CENTRE[1] + 0.55 * FACE_SIZE) * k)
    rows = np.flatnonzero((alpha[:chin] > 0.9).sum(1) > 4)
    if not len(rows):
        return None
    band = slice(rows[0], rows[0] + max(2, (chin - rows[0]) // 8))
    return _median(picture[band][alpha[band] > 0.9])


def _spot(picture: np.ndarray, landmark: int) -> np.ndarray | None:
    face = face_in(picture)
    if face is None or face.landmarks is None:
        return None
    x, y = face.landmarks[landmark].round().astype(int)
    r = max(1, round(0.04 * face.size))
    spot = picture[max(y - r, 0) : y + r + 1, max(x - r, 0) : x + r + 1]
    return _median(spot.reshape(-1, 3)) if spot.size else None


def _median(pixels: np.ndarray) -> np.ndarray | None:
    return np.median(lab(torch.from_numpy(pixels).double() / 255).numpy(), 0) if len(pixels) else None


def _gap(a: np.ndarray, b: np.ndarray) -> float:
    return float(delta_e(torch.from_numpy(a), torch.from_numpy(b)))
