"""What real photos do to a portrait: backgrounds that shine through wrong mattes, neighbours, backlight, blur, noise, JPEG."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

Rng = np.random.Generator
Person = tuple[Tensor, Tensor]  # colour, straight, Shape (3, S, S); alpha, Shape (1, S, S); 0..1


def degrade_portrait(color: Tensor, alpha: Tensor, rng: Rng, neighbour: Callable[[], Person] | None = None) -> Tensor:
    """A clean render -> what a phone and a matting network make of it.

    color: Shape (3, S, S), straight, 0..1. alpha: Shape (1, S, S).
    neighbour: somebody who may stand beside the person and whom the matte may keep in part.
    Returns Shape (4, S, S), colour on white and alpha.
    """
    if rng.random() < 0.3:
        color = backlit(color, alpha, rng)
    if rng.random() < 0.6:
        color, alpha = cut_out(color, alpha, rng, neighbour)
    else:
        if rng.random() < 0.5:
            alpha = (dilated if rng.random() < 0.5 else eroded)(alpha, int(rng.integers(1, 3)))
        if rng.random() < 0.5:
            alpha = smoothed(alpha, 3)
    picture = taken(color * alpha + 1 - alpha, alpha, rng)
    return torch.cat([picture, alpha])


def cut_out(color: Tensor, alpha: Tensor, rng: Rng, neighbour: Callable[[], Person] | None) -> Person:
    """The person before a background, and a matte that is wrong: halos have the background's colour."""
    size = color.shape[-1]
    behind, other = background(rng, size), None
    if neighbour is not None and rng.random() < 0.2:
        other_color, other = beside(*neighbour(), rng)
        behind = other_color * other + behind * (1 - other)
    photo = color * alpha + behind * (1 - alpha)
    matte = wrong_matte(alpha, rng)
    if other is not None and rng.random() < 0.5:  # a piece of the neighbour stays
        piece = other * (clouds(rng, size, 4) > 0.3) * (dilated(alpha, 12) > 0)
        matte = torch.maximum(matte, piece)
    if rng.random() < 0.5:  # as the portrait stage does
        photo = foreground_grown(photo, color, alpha, float(rng.uniform(0.5, 1.0)))
    return photo, matte


def wrong_matte(alpha: Tensor, rng: Rng) -> Tensor:
    """Too wide, too narrow, wavering or soft."""
    size, chance, matte = alpha.shape[-1], rng.random(), alpha
    if chance < 0.35:
        matte = dilated(matte, int(rng.integers(1, 4)))
    elif chance < 0.55:
        matte = eroded(matte, int(rng.integers(1, 3)))
    if rng.random() < 0.3:
        wavering = smoothed(matte, 9) + 0.35 * clouds(rng, size, int(rng.integers(8, 24)))
        matte = ((wavering - 0.5) * 6 + 0.5).clamp(0, 1) * (dilated(alpha, 4) > 0)
        matte = torch.maximum(matte, (eroded(alpha, 6) > 0.9).float())
    return smoothed(matte, 3) if rng.random() < 0.5 else matte


def backlit(color: Tensor, alpha: Tensor, rng: Rng) -> Tensor:
    """A bright rim, on one side more than on the other or all around."""
    size, width = color.shape[-1], int(rng.integers(2, 7))
    band = smoothed((alpha - eroded(alpha, width)).clamp(0, 1), 2 * (width // 2) + 1)
    side = clouds(rng, size, 2).sigmoid() if rng.random() < 0.7 else 1.0
    light = torch.from_numpy(rng.uniform(0.8, 1.0, (3, 1, 1))).float()
    return torch.lerp(color, light.expand_as(color), band * side * float(rng.uniform(0.3, 0.9)))


def beside(color: Tensor, alpha: Tensor, rng: Rng) -> Person:
    """A person moved to the left or right, so far that the face is beside the first one's."""
    size = color.shape[-1]
    shift, drop = int(rng.choice([-1, 1]) * rng.integers(size // 3, int(size * 0.7))), int(rng.integers(-size // 8, size // 8))
    color, alpha = color.roll((drop, shift), (1, 2)), alpha.roll((drop, shift), (1, 2)).clone()
    gone = slice(None, shift) if shift > 0 else slice(shift, None)
    alpha[..., gone] = 0
    return color, alpha


def foreground_grown(photo: Tensor, color: Tensor, alpha: Tensor, amount: float) -> Tensor:
    """The person's own colours grown three pixels over the outline, `amount` of them."""
    known = (alpha > 0.9).float()
    grown = color * known
    for _ in range(3):
        share = F.avg_pool2d(known[None], 3, 1, 1)[0]
        mean = F.avg_pool2d(grown[None], 3, 1, 1)[0] / share.clamp_min(1e-6)
        grown, known = torch.where(known > 0, grown, mean * (share > 0)), (share > 0).float()
    return torch.where((known > 0) & (alpha < 0.95), torch.lerp(photo, grown, amount), photo)


def background(rng: Rng, size: int) -> Tensor:
    """Something out of focus: one colour, or clouds, boxes and texture. Shape (3, size, size)."""
    picture = torch.from_numpy(rng.uniform(0, 1, (3, 1, 1))).float().expand(3, size, size)
    if rng.random() < 0.25:
        return picture
    picture = picture + float(rng.uniform(0.05, 0.35)) * clouds(rng, size, int(rng.integers(2, 7)), 3)
    for _ in range(int(rng.integers(0, 7))):
        (width, height), (top, left) = rng.integers(size // 16, size, 2), rng.integers(-size // 4, size, 2)
        box = torch.zeros(1, size, size)
        box[:, max(0, top) : max(0, top + height), max(0, left) : max(0, left + width)] = 1
        box = smoothed(box, 2 * int(rng.integers(0, 9)) + 1)
        picture = torch.lerp(picture, torch.from_numpy(rng.uniform(0, 1, (3, 1, 1))).float().expand_as(picture), box)
    if rng.random() < 0.4:
        bands = int(rng.choice([1, 3]))
        picture = picture + float(rng.uniform(0.02, 0.12)) * clouds(rng, size, int(rng.integers(20, 90)), bands)
    return picture.clamp(0, 1)


def taken(picture: Tensor, alpha: Tensor, rng: Rng) -> Tensor:
    """Blur, sensor noise and JPEG, each now and then. Shape (3, S, S), 0..1."""
    size = picture.shape[-1]
    if rng.random() < 0.3:
        small = F.interpolate(picture[None], size=int(size / rng.uniform(1.2, 2.5)), mode="area")
        picture = F.interpolate(small, size=(size, size), mode="bicubic", align_corners=False)[0]
    if rng.random() < 0.3:
        noise = torch.from_numpy(rng.normal(0, rng.uniform(0.005, 0.03), tuple(picture.shape))).float()
        picture = picture + noise * alpha
    picture = picture.clamp(0, 1)
    if rng.random() < 0.3:
        buffer = io.BytesIO()
        Image.fromarray((picture.permute(1, 2, 0).numpy() * 255).astype(np.uint8)).save(buffer, "JPEG", quality=int(rng.integers(40, 92)))
        picture = torch.from_numpy(np.array(Image.open(buffer))).permute(2, 0, 1).float() / 255
    return picture


def clouds(rng: Rng, size: int, cells: int, bands: int = 1) -> Tensor:
    """Smooth noise, standard normal at `cells` points a side. Shape (bands, size, size)."""
    coarse = torch.from_numpy(rng.normal(0, 1, (1, bands, cells, cells))).float()
    return F.interpolate(coarse, size=(size, size), mode="bicubic", align_corners=True)[0]


def dilated(mask: Tensor, width: int) -> Tensor:
    return F.max_pool2d(mask[None], 2 * width + 1, 1, width)[0]


def eroded(mask: Tensor, width: int) -> Tensor:
    return -dilated(-mask, width)


def smoothed(mask: Tensor, size: int) -> Tensor:
    """Box filter of an odd size."""
    return F.avg_pool2d(mask[None], size, 1, size // 2, count_include_pad=False)[0]
