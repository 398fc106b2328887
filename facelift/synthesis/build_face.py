"""Builds assets/face/model.npz: how drawn identities differ, where MediaPipe's landmarks lie on the template, and what it reads of a unit.

    python -m facelift.synthesis.build_face OUT [--identities 1200] [--renders 70]

Deterministic. The landmarks are those that MediaPipe finds in renders of synthetic heads, whose surface is known; each keeps the median
of its places. Needs OpenGL.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..cameras import orbit
from ..face.geometry import nearest_triangles, project, rasterise
from ..face.landmarks import COUNT
from ..face.model import shape_space
from ..face.units import read_face
from .expression import Expression
from .head import build_head, draw_parameters
from .identity import draw_identity
from .options import PAPER
from .renderer import Renderer
from .scene import Scene
from .template import Template, load_template
from .unit_responses import unit_responses

COMPONENTS = 50
SIZE = 512
OPEN = 0.5  # of jawOpen: lips are told apart on a surface whose mouth is open
HEAD = 0.60  # height at rest above which shapes count in full
SHOULDERS = 0.05  # what the rest counts
SEEN = 0.2  # share of the renders from which a landmark is placed; others get a spread without end
STREAM = 77  # of random numbers
FIRST = 8_000_000  # seed of the split "train"
RESPONDING = range(FIRST + 200, FIRST + 210)  # heads on which units are tried


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--identities", type=int, default=1200)
    parser.add_argument("--renders", type=int, default=70)
    arguments = parser.parse_args()
    template = load_template()
    mean, components = identity_space(template, arguments.identities)
    renderer = Renderer()
    arrays: dict[str, Any] = dict(mean=mean, components=components, **landmarks(renderer, template, arguments.renders))
    arrays["response"] = unit_responses(renderer, template, RESPONDING).astype(np.float32)
    np.savez_compressed(arguments.out, **arrays)
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1e3:.0f} kB; spread of landmarks {np.median(arrays['spread']) * 1e3:.1f} mm")


def identity_space(template: Template, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Principal components of drawn identities, as morph weights: Shape (M,) and Shape (COMPONENTS, M), for one standard deviation."""
    weights = np.stack([draw_identity(np.random.default_rng([i, STREAM]), template).weights for i in range(count)]).astype(np.float64)
    mean = weights.mean(0)
    _, moves = shape_space(template, mean.astype(np.float32), (weights - mean).astype(np.float32))
    height = (template.control + (template.morphs @ mean.astype(np.float32)).reshape(-1, 3))[:, 2]
    moves = (moves * np.where(height > HEAD, 1, SHOULDERS)[:, None]).reshape(count, -1)
    values, vectors = np.linalg.eigh(moves @ moves.T)
    scores = vectors[:, ::-1][:, :COMPONENTS] * np.sqrt(count)  # of unit variance
    kept = values[::-1][:COMPONENTS].sum() / values.sum()
    print(f"{COMPONENTS} components hold {100 * kept:.1f} % of the variance of {count} identities")
    return mean.astype(np.float32), (scores.T @ (weights - mean) / count).astype(np.float32)


def landmarks(renderer: Renderer, template: Template, count: int) -> dict[str, np.ndarray]:
    """triangles (468,) of the body, barycentric (468, 3), spread (468,) metres, neutral (52,): MediaPipe's mean readings at rest."""
    camera = orbit([0.0], 0.0, SIZE)
    jaw = (template.morphs @ unit_column(template, "jawOpen", OPEN)).reshape(-1, 3)
    opened = template.subdivide @ jaw + template.rest
    found, readings = [], []
    for seed in range(FIRST, FIRST + count):
        speaking = seed % 3 == 0  # lips that touch cannot be told apart
        scene = posed(seed, unit_column(template, "jawOpen", 0.3 * speaking))
        renderer.load(scene)
        rgba = renderer.render(camera, 2).rgba[0].astype(np.float32)
        picture = (rgba[..., :3] * rgba[..., 3:] / 255 + 255 - rgba[..., 3:]).round().astype(np.uint8)
        if (reading := read_face(picture)) is None:
            continue
        if not speaking:
            readings.append(reading.weights)
        found.append(places(scene, reading.landmarks[:COUNT, :2], opened))
    at = np.stack(found)
    seen = np.isfinite(at[..., 0]).mean(0) > SEEN
    middle = np.where(seen[:, None], np.nanmedian(at, 0), 0.0)
    spread = np.where(seen, np.nanmedian(np.linalg.norm(at - middle, axis=-1), 0), np.inf)
    outside = np.flatnonzero(template.masks["inside_mouth"][template.triangles["body"]].mean(1) < 0.9)
    index, barycentric, _ = nearest_triangles(middle, opened, template.triangles["body"][outside])
    arrays = dict(barycentric=barycentric, spread=spread, neutral=np.median(readings, 0))
    return dict(triangles=outside[index].astype(np.int32), **{name: values.astype(np.float32) for name, values in arrays.items()})


def unit_column(template: Template, unit: str, value: float) -> np.ndarray:
    weights = np.zeros(len(template.names), np.float32)
    weights[template.index(f"fu/{unit}")] = value
    return weights


def posed(seed: int, weights: np.ndarray) -> Scene:
    """A head that looks at the camera, shaven and bare-headed, with this expression. weights: Shape (M,)."""
    drawn = draw_parameters(seed, options=PAPER)
    return build_head(replace(drawn, expression=Expression("given", weights, 0.0, 0.0), hair=replace(drawn.hair, beard="none")))


def places(scene: Scene, pixels: np.ndarray, surface: np.ndarray) -> np.ndarray:
    """Where pixels (N, 2) of the front view meet the body, as places on another of its surfaces (S, 3); NaN where they meet none."""
    template, camera = scene.surface.template, orbit([0.0], 0.0, SIZE)
    world = scene.surface.vertices @ scene.to_world[:3, :3].T + scene.to_world[:3, 3]
    seen, depths = project(world, camera.c2w[0].double().numpy(), camera.intrinsics[0].double().numpy())
    body = template.triangles["body"]
    triangles = np.concatenate([body, template.triangles["teeth"], template.triangles["tongue"]])
    index, barycentric = rasterise(seen, depths, triangles, SIZE)
    x, y = np.clip(pixels, 0, SIZE - 1).astype(int).T
    index, barycentric = index[y, x], barycentric[y, x]
    inside = template.masks["inside_mouth"][body].mean(1) > 0.6
    good = (index >= 0) & (index < len(body))
    good &= ~inside[np.where(good, index, 0)]
    at = (surface[triangles[np.where(good, index, 0)]] * barycentric[..., None]).sum(1)
    return np.where(good[:, None], at, np.nan)


if __name__ == "__main__":
    main()
