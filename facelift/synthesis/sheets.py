"""Contact sheets, to see what the generator makes.

python -m facelift.synthesis.sheets --out DIR                     # all of them
python -m facelift.synthesis.sheets --out DIR --only heads light  # some; names as in SHEETS, a hair style is hair:bob
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from tqdm import tqdm

from ..cameras import VIEW_NAMES, Cameras, six_views
from .cycles import NoBlenderError
from .dataset import prepare_worker
from .expression import FAMILIES, draw_expression
from .hair import STYLES
from .head import EXPRESSION, POSE, SKIN, HeadParameters, build_head, draw_parameters, stream
from .identity import draw_identity
from .light import draw_light
from .renderer import NoContextError
from .sampler import RENDERERS, make_renderer
from .skin import draw_skin_appearance, tone
from .surface import draw_rotation
from .template import load_template

PAPER_WHITE, INK = (255, 255, 255), (40, 40, 40)
MARGIN, LABEL = 4, 14  # pixels around pictures; height of a line of text
LIGHTS = ("ambient", "environment", "studio")
Row = tuple[str, HeadParameters]  # what is written beside it, and whom it shows


def heads(seed: int) -> Iterator[Row]:
    """Random people as they come."""
    for i in range(seed, seed + 32):
        yield str(i), draw_parameters(i)


def hair(style: str, seed: int) -> Iterator[Row]:
    """People who may wear the style, with nothing on their heads."""
    found = 0
    for i in range(seed, seed + 100_000):
        parameters = draw_parameters(i)
        if parameters.hair.style == style:
            yield f"{i} {parameters.hair.name}", replace(parameters, clothing=replace(parameters.clothing, hat=None, scarf=None))
            found += 1
        if found == 6:
            return


def ages(seed: int) -> Iterator[Row]:
    """Children, adults and old people, women and men."""
    template = load_template()
    group: dict[str, int] = {}
    for i in range(seed, seed + 3000):
        identity = draw_identity(stream(i, 0, 0), template)
        age = "child" if identity.child else "old" if identity.old > 0.6 else "young" if identity.old < 0.2 else ""
        name = f"{age} {'man' if identity.male else 'woman'}".replace("child man", "boy").replace("child woman", "girl")
        if age and group.setdefault(name, 0) < 6:
            group[name] += 1
            yield f"{name} {i}", draw_parameters(i)
        if len(group) == 6 and min(group.values()) == 6:
            return


def skin(seed: int) -> Iterator[Row]:
    """The same people in eight amounts of melanin, each in the three kinds of light."""
    for step, melanin in enumerate(np.linspace(0, 1, 8)):
        for k, mode in enumerate(LIGHTS):
            parameters = draw_parameters(seed + 3 * step + k)
            made = draw_skin_appearance(stream(parameters.seed, 0, SKIN), parameters.identity)
            made = replace(made, melanin=float(melanin), color=tone(melanin), freckles=0.0 if melanin > 0.45 else made.freckles)
            yield f"{melanin:.2f} {mode}", replace(parameters, skin=made, light=light_of(mode, parameters.seed))


def light(seed: int) -> Iterator[Row]:
    """One person in eighteen lights."""
    parameters = draw_parameters(seed + 3)
    for i in range(6):
        for mode in LIGHTS:
            yield f"{mode} {i}", replace(parameters, light=light_of(mode, 100 * i + seed))


def light_of(mode: str, seed: int):
    return draw_light(np.random.default_rng(seed), mode)


def expressions(seed: int) -> Iterator[Row]:
    """Each family on three people."""
    template = load_template()
    for k, kind in enumerate(FAMILIES):
        for i in range(3):
            parameters = draw_parameters(seed + 3 * k + i)
            made = draw_expression(stream(parameters.seed, 0, EXPRESSION), template, draw_rotation(stream(parameters.seed, 0, POSE)), kind)
            yield f"{kind} {parameters.seed}", replace(parameters, expression=made)


SIX, FRONT = tuple(VIEW_NAMES), ("front",)
THREE = ("front", "front_left", "back")
# how the rows come about; views of each; rows beside each other
SHEETS: dict[str, tuple[Callable[[int], Iterator[Row]], tuple[str, ...], int]] = {
    "heads": (heads, SIX, 2),
    "ages": (ages, FRONT, 6),
    "skin": (skin, ("front", "front_left"), 3),
    "light": (light, ("front", "front_left"), 3),
    "expressions": (expressions, ("front", "front_left"), 3),
    **{f"hair:{style}": (partial(hair, style), THREE, 2) for style in STYLES},
}


def sheet(renderer, rows: list[Row], views: tuple[str, ...], beside: int, size: int) -> Image.Image:
    """A page with the views of each row next to each other, on white."""
    cameras = named_views(views, size)
    cell = (len(views) * size + 3 * MARGIN, size + LABEL)
    page = Image.new("RGB", (beside * cell[0] + MARGIN, -(-len(rows) // beside) * cell[1] + MARGIN), PAPER_WHITE)
    pen = ImageDraw.Draw(page)
    for i, (label, parameters) in enumerate(tqdm(rows, unit="head", leave=False)):
        x, y = MARGIN + i % beside * cell[0], MARGIN + i // beside * cell[1]
        renderer.load(build_head(parameters))
        for k, rgba in enumerate(renderer.render(cameras).rgba):
            picture = Image.fromarray(rgba)
            page.paste(picture, (x + k * size, y), picture)
        pen.text((x, y + size), label, INK)
    return page


def named_views(names: tuple[str, ...], size: int) -> Cameras:
    return six_views(size)[[VIEW_NAMES.index(name) for name in names]]


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="python -m facelift.synthesis.sheets", description="Draw contact sheets of synthetic heads.")
    p.add_argument("--out", type=Path, required=True, metavar="DIR")
    p.add_argument("--only", nargs="+", metavar="SHEET", help=f"of: {', '.join(SHEETS)} (default: all)")
    p.add_argument("--size", type=int, default=192, help="pixels a side of each picture (default: 192)")
    p.add_argument("--seed", type=int, default=0, help="first person (default: 0)")
    p.add_argument("--renderer", choices=RENDERERS, default="opengl")
    p.add_argument("--samples", type=int, default=32, help="paths a pixel, of cycles alone (default: 32)")
    p.add_argument("--format", choices=("webp", "png", "jpg"), default="webp")
    return p


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    if unknown := set(args.only or ()) - set(SHEETS):
        print(f"error: no sheet {', '.join(sorted(unknown))}; there are {', '.join(SHEETS)}", file=sys.stderr)
        return 2
    prepare_worker()
    try:
        args.out.mkdir(parents=True, exist_ok=True)
        renderer = make_renderer(args.renderer, args.samples)
        for name in tqdm(args.only or SHEETS, unit="sheet"):
            rows, views, beside = SHEETS[name]
            page = sheet(renderer, list(rows(args.seed)), views, beside, args.size)
            page.save(args.out / f"{name.replace(':', '_').replace(' ', '_')}.{args.format}", quality=82)
    except (NoContextError, NoBlenderError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
