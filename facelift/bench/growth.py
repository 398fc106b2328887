"""How time and memory grow with the side of the pictures, the number of views, photos at once and Gaussians."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from ..cameras import turntable, view_rig
from ..multiview.attention import set_view_attention
from ..multiview.pipeline import Condition
from ..rendering import render
from .clock import Clock, in_turn
from .film import ball
from .memory import peak_above
from .models import FULL, TOKENS, VIEWS, Sizes, System, in_format, random_system, with_numbers
from .results import Results, Row, rows_of

RIG_OF = {4: "four", 6: "six", 8: "eight"}
WHY = {  # where it is not linear
    ("unet", "image side"): "pixels are the square of the side; attention at a level the square of its pixels",
    ("gslrm", "image side"): "tokens are the square of the side; attention is their square, all else in proportion to them",
    ("unet", "views"): "linear: a view attends to the front and itself, however many there are",
    ("gslrm", "views"): "above linear: each token attends to those of all views",
    ("unet", "photos"): "linear: photos do not see each other; below where one alone leaves the device idle",
    ("gslrm", "photos"): "as the UNet",
    ("frame", "Gaussians"): "below linear: the pixels of a frame are as many, and Gaussians of a ball shrink as their number grows",
}


@dataclass(frozen=True)
class Axis:
    """works: by stage and value, what is measured."""

    name: str
    works: dict[str, dict[int, Callable[[], object]]]


def axes(system: System, large: bool) -> list[Axis]:
    """large: of the released sizes."""
    side = system.multiview.config.image_size
    sides = (side // 2, 3 * side // 4, side, 5 * side // 4) if large else (side, 2 * side, 3 * side)
    counts = (30_000, 100_000, 300_000, 1_000_000) if large else (1_000, 4_000, 16_000)

    def networks(values: tuple[int, ...], sized: Callable[[int], tuple[int, int, int]]) -> dict[str, dict[int, Callable[[], object]]]:
        return {kind.__name__: {value: kind(system, *sized(value)) for value in values} for kind in (unet, gslrm)}

    return [
        Axis("image side", networks(sides, lambda value: (value, VIEWS, 1))),
        Axis("views", networks(tuple(RIG_OF), lambda value: (side, value, 1))),
        Axis("photos", networks((1, 2, 4), lambda value: (side, VIEWS, value))),
        Axis("Gaussians", {"frame": {count: frame(system, count, side) for count in counts}}),
    ]


def unet(system: System, side: int, views: int, photos: int) -> Callable[[], object]:
    """One guided step."""
    pipeline, rows = system.multiview, views * photos
    config, device, dtype = pipeline.unet.config, pipeline.device, system.dtype
    random = partial(torch.randn, generator=torch.Generator().manual_seed(0))
    latent = side // pipeline.codec.factor
    noisy, known = (random(rows, pipeline.codec.latent_channels, latent, latent).to(device, dtype) for _ in range(2))
    labels = random(rows, config["projection_class_embeddings_input_dim"]).to(device, dtype)
    condition = Condition(known, labels, random(rows, TOKENS, config["cross_attention_dim"]).to(device, dtype))
    t, scale = torch.tensor(501, device=device), pipeline.config.guidance_scale

    def step() -> object:
        set_view_attention(pipeline.unet, views)
        return pipeline.predict(noisy, t, condition, scale)

    return with_numbers(system.format, step)


def gslrm(system: System, side: int, views: int, photos: int) -> Callable[[], object]:
    images = torch.rand(photos, views, 3, side, side, generator=torch.Generator().manual_seed(0)).to(system.multiview.device, system.dtype)
    cameras = view_rig(RIG_OF[views]).cameras(side).to(system.multiview.device)
    return with_numbers(system.format, lambda: system.reconstructor.predict(images, cameras))


def frame(system: System, count: int, side: int) -> Callable[[], object]:
    gaussians, camera = ball(count).to(system.multiview.device), turntable(8, side)[3]
    return lambda: render(gaussians, camera)


def measure_growth(sizes: Sizes, device: torch.device, format: str, clock: Clock, results: Results, rounds: int, processor: bool) -> None:
    """Adds a row for each stage, axis and value; what does not fit the time is named. processor: as of `clock.timed`."""
    system = in_format(random_system(sizes, device), format)
    for axis in axes(system, sizes is FULL):
        for stage, works in axis.works.items():
            if clock.left <= 0:
                results.note(f"left out for lack of time: {stage} by {axis.name}")
                continue
            named = {str(value): work for value, work in works.items()}
            runs = in_turn(named, device, clock.part(0.12), rounds, processor=processor)
            if device.type == "cpu":
                for name, work in named.items():
                    runs[name].working_bytes = peak_above(work)
            results.add(rows_of(f"{stage} by {axis.name}", format, runs, {}, None))


def power(values: list[float], found: list[float]) -> float:
    """k of the power law value^k that fits best."""
    if len(values) < 2 or min(found) <= 0:
        return math.nan
    return float(np.polyfit(np.log(values), np.log(found), 1)[0])


def curves(rows: list[Row]) -> dict[tuple[str, str], list[Row]]:
    """What was measured, by stage and axis, in the order it was."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        stage, _, axis = row.stage.partition(" by ")
        if row.runs and not row.error:
            found.setdefault((stage, axis), []).append(row)
    return found


def growth_table(rows: list[Row]) -> str:
    """Markdown. In brackets the powers of the value that time and memory grow with."""
    lines = ["| | | ms | time | MiB | memory | why |", "| --- | --- | --- | --- | --- | --- | --- |"]
    for (stage, axis), points in curves(rows).items():
        values = [float(row.way) for row in points]
        memory = [(row.working_bytes or 0) / 2**20 for row in points]
        cells = [
            stage,
            f"{axis} {', '.join(row.way for row in points)}",
            ", ".join(f"{1000 * row.seconds:.3g}" for row in points),
            f"^{power(values, [row.seconds for row in points]):.2f}",
            ", ".join(f"{size:.3g}" for size in memory) if all(memory) else "",
            f"^{power(values, memory):.2f}" if all(memory) else "",
            WHY[stage, axis],
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def save_plot(rows: list[Row], path: Path) -> None:
    from ..files import write_whole
    from .growth_plot import growth_plot

    found = curves(rows).items()
    picture = growth_plot({key: [(float(row.way), row.seconds, row.working_bytes) for row in points] for key, points in found})
    write_whole(path, lambda part: part.write_text(picture))
