"""Strands as camera-facing ribbons, in bins by where on the head they lie, so that far sides can be thinned out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..scene import Light, Strands
from ..template import unit

if TYPE_CHECKING:
    from moderngl import Buffer, VertexArray

BINS = 12  # sectors around the head
VERTEX = "3f 3f 4f 3f 3f 4f", "position", "tangent", "place", "diffuse", "tinted", "visibility"
FLOATS_PER_VERTEX = 20
STRAIGHT = 0.0006  # metres: strands that bend less between two points may skip every second one


@dataclass
class Ribbons:
    """On the GPU. counts: strands per bin. full, half: vertex arrays with all and with half of the segments, and indices a strand."""

    kind: str
    counts: np.ndarray
    full: VertexArray
    full_indices: int
    half: VertexArray | None
    half_indices: int
    buffers: list[Buffer]

    def release(self) -> None:
        self.full.release()
        if self.half is not None:
            self.half.release()
        for buffer in self.buffers:
            buffer.release()


def tangents(points: np.ndarray) -> np.ndarray:
    """Unit directions along strands of Shape (N, K, 3)."""
    t = np.empty_like(points, dtype=np.float32)
    t[:, 1:-1] = points[:, 2:] - points[:, :-2]
    t[:, 0], t[:, -1] = points[:, 1] - points[:, 0], points[:, -1] - points[:, -2]
    return unit(t).astype(np.float32)


def sectors(strands: Strands, center: np.ndarray) -> np.ndarray:
    """The bin of each strand. Shape (N,)."""
    middle = strands.points.mean(1) - center
    return np.round(np.arctan2(middle[:, 0], -middle[:, 1]) / (2 * np.pi / BINS)).astype(int) % BINS


def upload(context, program, strands: Strands, baked: np.ndarray, light: Light, center: np.ndarray) -> Ribbons:
    """baked: Shape (N K, 7), as Baked.strands."""
    count, k = len(strands.points), strands.points.shape[1]
    rng = np.random.default_rng(3)
    bins = sectors(strands, center)
    shuffled = rng.permutation(count)  # any first part of a bin is then a fair sample of it
    order = shuffled[np.argsort(bins[shuffled], kind="stable")]
    vertices = vertex_data(strands, baked.reshape(count, k, 7), light, order, rng.random(count))
    buffer = context.buffer(vertices)
    layout = [(buffer, *VERTEX)]
    every = np.arange(k)
    indices = context.buffer(ribbon_indices(count, k, every))
    half = half_indices = None
    buffers = [buffer, indices]
    if k >= 9 and is_straight(strands.points):
        some = np.unique(np.r_[0 : k - 1 : 2, k - 1])
        half_indices = context.buffer(ribbon_indices(count, k, some))
        half = context.vertex_array(program, layout, half_indices)
        buffers.append(half_indices)
    full = context.vertex_array(program, layout, indices)
    per_half = 6 * (len(some) - 1) if half is not None else 0
    return Ribbons(strands.kind, np.bincount(bins, minlength=BINS), full, 6 * (k - 1), half, per_half, buffers)


def is_straight(points: np.ndarray) -> bool:
    bend = points[::8, 1:-1] - (points[::8, :-2] + points[::8, 2:]) / 2
    return float(np.percentile(np.linalg.norm(bend, axis=-1), 90)) < STRAIGHT


def vertex_data(strands: Strands, baked: np.ndarray, light: Light, order: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """Two vertices a point. Shape (N, K, 2, FLOATS_PER_VERTEX)."""
    points = strands.points[order].astype(np.float32)
    count, k, _ = points.shape
    baked, along = baked[order], tangents(points)
    t = np.linspace(0, 1, k, dtype=np.float32)
    color = np.repeat(np.asarray(strands.color, np.float32)[order][:, None], k, 1)
    if strands.tips is not None:
        color += (np.asarray(strands.tips, np.float32)[order][:, None] - color) * t[:, None]
    light_in = baked[..., :3].copy()
    for i, (direction, key) in enumerate(zip(light.key_directions[:3], light.key_colors, strict=False)):
        across = np.sqrt((1 - (along @ direction.astype(np.float32)) ** 2).clip(0, 1))
        light_in += (baked[..., 3 + i] * across * 0.52)[..., None] * key.astype(np.float32)
    data = np.empty((count, k, 2, FLOATS_PER_VERTEX), np.float32)
    data[..., 0:3], data[..., 3:6] = points[:, :, None], along[:, :, None]
    data[:, :, 0, 6], data[:, :, 1, 6] = -1, 1
    data[..., 7] = t[:, None]
    data[..., 8] = chance[:, None, None]
    data[..., 9] = (strands.width * (0.75 + 0.5 * chance))[:, None, None]
    data[..., 10:13] = (color * light_in)[:, :, None]
    data[..., 13:16] = (color**0.75)[:, :, None]
    data[..., 16:20] = baked[:, :, None, 3:]
    return data


def ribbon_indices(count: int, k: int, kept: np.ndarray) -> np.ndarray:
    """Triangles through the kept points of each strand, strand after strand."""
    start = np.arange(count, dtype=np.int32)[:, None] * (2 * k)
    a, b = start + 2 * kept[None, :-1].astype(np.int32), start + 2 * kept[None, 1:].astype(np.int32)
    return np.ascontiguousarray(np.stack([a, a + 1, b, a + 1, b + 1, b], -1), np.int32)
