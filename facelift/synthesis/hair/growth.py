"""Growing hair: roots chosen on the scalp, then every strand stepped outward at once, pushed off the skin as it goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from ...arrays import smoothstep
from ..scene import Surface
from ..template import unit

REACH = 0.06  # metres from the skin beyond which strands are free


class Roots(NamedTuple):
    """N places on the head. points, normals, rest: Shape (N, 3). azimuth, elevation: degrees. edge: degrees inside the hairline."""

    points: np.ndarray
    normals: np.ndarray
    rest: np.ndarray
    azimuth: np.ndarray
    elevation: np.ndarray
    edge: np.ndarray

    def take(self, index: np.ndarray) -> Roots:
        return Roots(*(field[index] for field in self))


@dataclass(frozen=True)
class Scalp:
    """One posed head, ready to grow hair.

    density: Shape (R,). Hair at the places of the template's root pool, 0..1. edge: Shape (R,). Degrees above the hairline there.
    crown: Shape (3,). The whorl. covered: says what of (..., 3) points lies under a hat; hair is pressed to the head there.
    """

    surface: Surface
    density: np.ndarray
    edge: np.ndarray
    crown: np.ndarray
    covered: Callable[[np.ndarray], np.ndarray] | None = None

    @cached_property
    def skin(self) -> tuple[cKDTree, np.ndarray, np.ndarray, np.ndarray]:
        """Every second body vertex above the chest: tree, positions, normals, and the room clothes take there, metres."""
        template = self.surface.template
        vertices, normals = self.surface.body
        outside = (template.rest[: template.body, 2] > 0.45) & (template.masks["inside_mouth"] < 0.3)
        index = np.flatnonzero(outside)[::2]
        height = template.rest[index, 2]
        clothes = 0.013 * smoothstep(0.605, 0.575, height) + 0.008 * smoothstep(0.60, 0.58, height) * smoothstep(0.53, 0.56, height)
        tree = cKDTree(vertices[index], leafsize=24)
        return tree, vertices[index].astype(np.float32), normals[index].astype(np.float32), clothes.astype(np.float32)

    def local(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 3) in the posed head's own axes (left, back, up) from its centre."""
        return (points - self.surface.head_center) @ self.surface.head_rotation

    def place(self, left: float, back: float, up: float) -> np.ndarray:
        """The point at these head coordinates (metres). Shape (3,)."""
        return self.surface.head_center + self.surface.head_rotation @ np.array([left, back, up])

    def over(self, direction: np.ndarray, height: float) -> np.ndarray:
        """The point `height` metres off the skin in this direction (3,) from the head's centre. Shape (3,)."""
        _, skin, _, _ = self.skin
        ray = skin - self.surface.head_center
        distance = np.linalg.norm(ray, axis=1)
        nearest = np.argsort(-(ray @ direction) / distance)[:6]
        return self.surface.head_center + direction * (distance[nearest].mean() + height)

    def roots(self, count: int, rng: np.random.Generator, weight: np.ndarray | None = None) -> Roots:
        """At most `count` places, as dense as `weight` (R,) says (the scalp's density if None). The pool is an evenly spread sequence, so
        a run of it is too."""
        pool = self.surface.template.pool
        weight = self.density if weight is None else weight
        accepted = np.flatnonzero(rng.random(len(weight), np.float32) < weight)
        start = rng.integers(max(len(accepted), 1))
        index = np.roll(accepted, -start)[:count]
        vertices, normals = self.surface.body
        return Roots(
            pool.on(vertices, index).astype(np.float32),
            unit(pool.on(normals, index)).astype(np.float32),
            pool.rest[index].astype(np.float32),
            pool.azimuth[index],
            pool.elevation[index],
            self.edge[index],
        )

    def grow(
        self,
        roots: Roots,
        lengths: np.ndarray,
        start: np.ndarray,
        flow: Callable[[np.ndarray, float], np.ndarray] | None,
        count: int,
        lift: np.ndarray,
        rng: np.random.Generator,
        stiffness: float = 0.6,
        comb: float = 0.3,
        gravity: float = 0.15,
        gravity_rise: float = 1.0,
        jitter: float = 0.08,
        hug: bool = False,
        press: float = 0.0,
    ) -> np.ndarray:
        """Strands of `count` points. Shape (N, count, 3).

        lengths: Shape (N,). start: Shape (N, 3). First directions. flow(points, t): where the comb pulls, Shape (N, 3); t runs 0..1.
        lift: Shape (N,). Distance kept from the skin, metres. stiffness, comb, gravity, jitter: weights of the last direction, the flow,
        the fall (which grows as t to the power of gravity_rise) and of waywardness. hug: the comb does not lift hair off the head.
        press: weight of the hair above, which brings strands that stand off further than `lift` back.
        """
        n, random = len(roots.points), lambda: rng.standard_normal((len(roots.points), 3), np.float32)
        tree, skin, skin_normals, clothes = self.skin
        down = np.array([0, 0, -1], np.float32)
        steps = np.linspace(0.5, 1.35, count - 1, dtype=np.float32)
        steps = steps / steps.sum() * np.asarray(lengths, np.float32)[:, None]
        strands = np.empty((n, count, 3), np.float32)
        strands[:, 0] = roots.points - roots.normals * 0.001
        point, normal = roots.points + roots.normals * 0.0005, roots.normals
        direction = unit(start).astype(np.float32)
        wayward = random() * jitter * 0.5
        nearness, excess = np.zeros((n, 1), np.float32), np.zeros((n, 1), np.float32)
        lift = np.broadcast_to(np.asarray(lift, np.float32), (n,))
        for j in range(1, count):
            t = j / (count - 1)
            turn = direction * stiffness + down * (gravity * t**gravity_rise) + wayward + random() * (jitter * 0.35)
            if flow is not None:
                pull = flow(point, t)
                if hug:
                    pull = pull - normal * np.clip((pull * normal).sum(1, keepdims=True) + 0.12 * nearness, 0, None) * nearness
                turn = turn + pull * comb
            if press:
                turn = turn - normal * (press * (1 - smoothstep(0.35, 0.65, t)) * excess)
            direction = unit(turn)
            point = (point + direction * steps[:, j - 1 : j]).astype(np.float32)
            distance, index = tree.query(point, distance_upper_bound=REACH)
            near = distance < REACH
            index[~near] = 0
            normal = skin_normals[index]
            height = ((point - skin[index]) * normal).sum(1)
            push = np.where(near, np.clip(np.maximum(lift * min(1, 0.25 + 1.5 * t), clothes[index]) - height, 0, None), 0)
            excess = np.where(near, np.clip((height - lift) / 0.025, 0, 1), 0)[:, None].astype(np.float32)
            if self.covered is not None:
                push -= np.where(near & self.covered(point), np.clip(height - 0.004, 0, None), 0)
            nearness = ((1 - smoothstep(0.012, 0.035, height)) * near)[:, None].astype(np.float32)
            push = push[:, None].astype(np.float32)
            point = point + normal * push
            direction = unit(direction - normal * np.minimum((direction * normal).sum(1, keepdims=True), 0) * (push > 0))
            strands[:, j] = point
        return strands


def tangential(directions: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """What of the directions (N, 3) lies along the skin."""
    return directions - normals * (directions * normals).sum(-1, keepdims=True)
