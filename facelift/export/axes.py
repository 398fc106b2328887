"""Which way is up in a splat file of another program: told by the face of the head in it, or else by the shape of a bust."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from PIL import Image
from torch import Tensor

from ..cameras import orbit
from ..gaussians import UP, Gaussians
from ..portrait.quiet import without_native_chatter
from ..portrait.upright import LEAST, SURE, certainty
from ..rendering import render, to_bytes

SIZE = 320  # pixels of the pictures that are looked at
SPANS = (1.0, 0.7)  # how much of what stands out of a head's middle they show
FEW = 100  # Gaussians that show no head
# A bust is longer than deep, and wider at its end below than above: by these factors at least (1.4 and 1.4 to 2.1 of ten heads of ours).
LONGER, WIDER, END = 1.2, 1.25, 0.2


def guess_up(gaussians: Gaussians) -> str | None:
    """The key of `gaussians.UP` with which the head stands upright and faces the front; None where nothing tells."""
    if len(gaussians) < FEW:
        return None
    head, found = _centred(gaussians.detach().to("cpu")), {}
    with without_native_chatter():
        for up in UP:
            turned = head.with_z_up(up)
            found[up] = certainty([_front(turned, span) for span in SPANS])
            if found[up] >= SURE:
                return up
    best = max(found, key=lambda up: found[up])
    return best if found[best] >= LEAST else _up_of_bust(_solid(head))


def _up_of_bust(means: Tensor) -> str | None:
    """By shape alone: the longer of y and z is the height, the wider of its ends is below."""
    _, depth, height = (_quantile(means, 0.98) - _quantile(means, 0.02)).tolist()
    axis, sign = (2, "z") if height > depth else (1, "y")
    if max(height, depth) < LONGER * min(height, depth):
        return None
    low, high = (float(_quantile(means, q)[axis]) for q in (0.02, 0.98))
    ends = means[means[:, axis] < low + END * (high - low)], means[means[:, axis] > high - END * (high - low)]
    below, above = (float(_quantile(end, 0.95)[0] - _quantile(end, 0.05)[0]) for end in ends)
    return sign if below > WIDER * above else f"-{sign}" if above > WIDER * below else None


def _quantile(means: Tensor, share: float) -> Tensor:
    return torch.quantile(means[:: 1 + len(means) // 2**20], share, dim=0)


def _solid(gaussians: Gaussians) -> Tensor:
    means = gaussians.means[gaussians.opacities > 0]
    return means if len(means) >= FEW else gaussians.means


def _centred(gaussians: Gaussians) -> Gaussians:
    """Around the origin, in the size that heads have here."""
    low, high = (_quantile(_solid(gaussians), share) for share in (0.02, 0.98))
    k = 1.7 / float((high - low).max().clamp_min(1e-9))
    return replace(gaussians, means=(gaussians.means - (low + high) / 2) * k, scales=gaussians.scales + math.log(k))


def _front(head: Gaussians, span: float) -> Image.Image:
    pixels = to_bytes(render(head, orbit([0.0], size=round(SIZE / span))).rgb)[0]
    edge = (len(pixels) - SIZE) // 2
    return Image.fromarray(pixels[edge : edge + SIZE, edge : edge + SIZE])
