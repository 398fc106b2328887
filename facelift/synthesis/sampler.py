"""Heads rendered on the fly, by seed: the same seed gives the same pixels on the same driver."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from ..cameras import Cameras
from ..choices import RENDERERS
from .cycles import CyclesRenderer
from .head import HeadParameters, draw_parameters, make_head
from .options import Options
from .renderer import Renderer
from .rigs import make_rig, off_centre
from .scene import Light, Scene, Views

# Seeds of identities. Evaluation uses heads of "held-out" by this name; training never reaches them.
SPLITS = {"train": range(0, 9_000_000), "held-out": range(9_000_000, 10_000_000)}
GENERATOR = 2  # counted up whenever a seed comes to look different, so that no dataset mixes two generators
SHORT_STYLES = ("buzz", "short", "crop", "side part", "slick", "quiff", "pixie", "receding")
FAIR_COLORS = ("grey", "white", "blond", "platinum")
GREYING = 0.3  # share of grey hairs from which hair of any colour counts as grey
RIG, JITTER = 100, 101  # streams of random numbers beside those of head.py


@dataclass(frozen=True)
class Settings:
    """views: name of a rig (rigs.py). size: pixels a side. supersample: samples a pixel and side.

    jitter: how far heads stand off the perfect crop, 1 as photos differ. exact: every strand in every view.
    normals, classes: made beside the pictures and depth; classes by opengl alone. options: what heads wear.
    renderer: of RENDERERS. samples: paths a pixel, of cycles alone. light: of `light.MODES`; None draws it for each head.
    """

    views: str = "six"
    size: int = 512
    supersample: int = 2
    jitter: float = 0.0
    exact: bool = False
    normals: bool = False
    classes: bool = False
    options: Options = field(default_factory=Options)
    renderer: str = "opengl"
    samples: int = 64
    light: str | None = None

    def __post_init__(self):
        make_rig(self.views, np.random.default_rng(0), 8)
        if self.size < 16 or self.supersample < 1:
            raise ValueError(f"size must be at least 16 and supersample at least 1, not {self.size} and {self.supersample}")
        if self.renderer not in RENDERERS or self.samples < 1:
            raise ValueError(f"renderer must be {' or '.join(RENDERERS)} and samples at least 1, not {self.renderer} and {self.samples}")
        if self.classes and self.renderer != "opengl":
            raise ValueError(f"{self.renderer} tells no classes")


@dataclass(frozen=True)
class RenderedHead:
    """views: the pictures, as Renderer.render. cameras: V of them. metadata: every parameter drawn, ready for JSON."""

    seed: int
    appearance: int
    views: Views
    cameras: Cameras
    metadata: dict


def plan(seed: int, heads: int | None, appearances: int = 1, split: str = "train") -> Iterator[tuple[int, int]]:
    """(seed, appearance) of each head.

    seed: the first identity, counted from the start of the split.
    heads: how many; None goes to the end of the split.
    appearances: of each identity.
    split: of SPLITS.
    Raises ValueError when the split is too small.
    """
    if split not in SPLITS:
        raise ValueError(f"no split {split!r}; there are {', '.join(SPLITS)}")
    if appearances < 1:
        raise ValueError("a person needs at least one appearance")
    people = len(SPLITS[split])
    last = people if heads is None else seed - (-heads // appearances)
    if not 0 <= seed <= last <= people:
        raise ValueError(f"seeds {seed} to {last - 1} are not all in the split {split}: it has {people}")
    pairs = ((identity, appearance) for identity in SPLITS[split][seed:last] for appearance in range(appearances))
    return itertools.islice(pairs, heads)


def short_grey(parameters: HeadParameters) -> bool:
    """Whether this is a head whose short, fair hair nothing hides."""
    hair, clothing = parameters.hair, parameters.clothing
    return (
        hair.style in SHORT_STYLES and (hair.name in FAIR_COLORS or hair.grey > GREYING) and clothing.hat is None and clothing.scarf is None
    )


KINDS: dict[str, Callable[[HeadParameters], bool]] = {"short-grey": short_grey}


def chosen(
    tasks: Iterable[tuple[int, int]], heads: int, wanted: Callable[[HeadParameters], bool], options: Options | None = None
) -> list[tuple[int, int]]:
    """The first `heads` of `tasks` that are wanted; nothing is rendered. Raises ValueError when there are fewer."""
    fits = (task for task in tasks if wanted(draw_parameters(*task, options, "ambient")))  # no kind asks for the light
    found = list(itertools.islice(fits, heads))
    if len(found) < heads:
        raise ValueError(f"only {len(found)} heads of the split are of this kind, not {heads}")
    return found


def make_renderer(kind: str, samples: int = 64) -> Renderer | CyclesRenderer:
    """kind: of RENDERERS; one of each per process.
    samples: paths a pixel, of cycles alone.
    Raises NoContextError or NoBlenderError.
    """
    return CyclesRenderer(samples) if kind == "cycles" else Renderer()


def render_head(renderer: Renderer | CyclesRenderer, seed: int, appearance: int, settings: Settings) -> RenderedHead:
    """seed, appearance: as `plan` gives them."""

    def stream(part: int) -> np.random.Generator:
        return np.random.default_rng([seed, part, appearance])

    scene: Scene = make_head(seed, appearance, settings.options, settings.light)
    metadata = {**scene.meta, "options": asdict(settings.options)}
    if settings.jitter:
        world = off_centre(stream(JITTER), settings.jitter)
        scene = replace(scene, to_world=world @ scene.to_world)
    metadata["lighting"] = describe_light(scene.light)
    metadata["to_world"] = np.round(scene.to_world, 6).tolist()
    cameras = make_rig(settings.views, stream(RIG), settings.size)
    renderer.load(scene)
    views = renderer.render(cameras, settings.supersample, settings.normals, settings.exact, settings.classes)
    return RenderedHead(seed, appearance, views, cameras, metadata)


def describe_light(light: Light) -> dict:
    """What was drawn, without the picture of the surroundings."""
    keys = zip(light.key_directions, light.key_colors, light.key_radii, strict=True)
    return dict(
        mode=light.mode,
        exposure=round(light.exposure, 4),
        ambient=np.round(light.radiance.mean(0), 4).tolist(),
        keys=[dict(direction=np.round(d, 4).tolist(), color=np.round(c, 4).tolist(), radius=round(float(r), 4)) for d, c, r in keys],
    )


def iterate_heads(
    seed: int = 0,
    views: str = "six",
    size: int = 256,
    heads: int | None = None,
    appearances: int = 1,
    split: str = "train",
    worker: int = 0,
    workers: int = 1,
    renderer: Renderer | CyclesRenderer | str = "opengl",
    **settings,
) -> Iterator[RenderedHead]:
    """Renders heads as they are asked for; endless within the split unless `heads` is given.

    seed, heads, appearances, split: as of `plan`.
    views, size: as of `Settings`.
    worker, workers: this process's share, so that of several processes no two render the same head; every process makes its own
        iterator (and with it its OpenGL context, unless `renderer` is one and no name).
    renderer: of RENDERERS, or one that is there.
    settings: the other fields of Settings.
    Raises ValueError, NoContextError and NoBlenderError.
    """
    kind = renderer if isinstance(renderer, str) else "opengl"
    chosen = Settings(views=views, size=size, renderer=kind, **settings)
    if not 0 <= worker < workers:
        raise ValueError(f"worker {worker} of {workers}")
    tasks = plan(seed, heads, appearances, split)
    draws = make_renderer(kind, chosen.samples) if isinstance(renderer, str) else renderer
    for identity, appearance in itertools.islice(tasks, worker, None, workers):
        yield render_head(draws, identity, appearance, chosen)
