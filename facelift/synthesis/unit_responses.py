"""What MediaPipe reads of a unit that is at 1, on our renders: the scale on which a clip's readings become unit weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..cameras import orbit
from ..face.units import UNITS, read_face, sided
from .expression import Expression
from .head import build_head, draw_parameters
from .options import PAPER
from .renderer import Renderer
from .template import Template

SIZE = 512
UNSEEN = "eyeLook", "tongueOut"  # move nothing, or are never read


def unit_responses(renderer: Renderer, template: Template, seeds: range) -> np.ndarray:
    """Shape (52,). The median over heads of how far a unit's own reading rises from rest to 1, both sides at once; 0 for UNSEEN."""
    rises = np.full((len(seeds), len(UNITS)), np.nan)
    for head, seed in enumerate(seeds):
        still = reading(renderer, template, seed, ())
        for units in pairs():
            moved = reading(renderer, template, seed, units)
            if still is not None and moved is not None:
                columns = [UNITS.index(unit) for unit in units]
                rises[head, columns] = (moved - still)[columns].mean()
    seen = [i for i, unit in enumerate(UNITS) if not unit.startswith(UNSEEN)]
    found = np.zeros(len(UNITS))
    found[seen] = np.nanmedian(rises[:, seen], 0)
    return found


def pairs() -> list[tuple[str, ...]]:
    """The units that may be seen, the left and the right one together; left and right of jaw and mouth are units of their own."""
    together = []
    for unit in UNITS:
        name = unit.removesuffix("Left")
        paired = name != unit and f"{name}Right" in UNITS and name not in ("jaw", "mouth")
        if not unit.startswith(UNSEEN) and not (unit.endswith("Right") and not unit.startswith(("jawR", "mouthRight"))):
            together.append(sided(name) if paired else (unit,))
    return together


def reading(renderer: Renderer, template: Template, seed: int, units: tuple[str, ...]) -> np.ndarray | None:
    """MediaPipe's weights (52,) of a bare head that looks at the camera with these units at 1; None where it finds no face."""
    weights = np.zeros(len(template.names), np.float32)
    weights[[template.index(f"fu/{unit}") for unit in units]] = 1
    drawn = draw_parameters(seed, options=PAPER)
    bare = replace(drawn.hair, style="bald", beard="none")
    renderer.load(build_head(replace(drawn, expression=Expression("given", weights, 0.0, 0.0), hair=bare)))
    rgba = renderer.render(orbit([0.0], 0.0, SIZE), 2).rgba[0].astype(np.float32)
    found = read_face((rgba[..., :3] * rgba[..., 3:] / 255 + 255 - rgba[..., 3:]).round().astype(np.uint8))
    return None if found is None else found.weights
