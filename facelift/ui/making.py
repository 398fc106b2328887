"""What is made for a visitor, and the news of it: functions of the pipeline that a `serving.worker` runs, maybe in another process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ..cameras import VIEW_AZIMUTHS, VIEW_NAMES, orbit
from ..errors import PhotoError
from ..export.mesh import save_mesh
from ..export.splats import load_splats
from ..export.viewer_page import save_viewer
from ..files import write_whole
from ..gaussians import Gaussians
from ..portrait import Portrait, load_photo
from ..portrait import make_portrait as aligned
from ..portrait.crop import SIZE
from ..rendering import render, to_bytes
from ..weights.find import WeightSet
from . import texts
from .aligner import CropAdjustment, adjusted
from .downloads import NAMES, THUMBNAIL, pack_views, write_report

PREVIEW_SECONDS = 0.7  # at most this often: a browser shows no more, and the released model must decode each one
PREVIEWS_KEPT = 10  # a slow browser may still be reading an older one
MOST_GAUSSIANS = 1_000_000  # that /render reads: heads have 150,000 to 400,000; decoding a million takes 0.3 GB
MOST_TILES = 3_000_000  # that /render touches: 1.1 million for 400,000 Gaussians at 1024 px; ten seconds of one core at the worst
_one_portrait = threading.Lock()


@dataclass(frozen=True)
class Facts:
    """What the page says about its pipeline."""

    weights: WeightSet
    device: torch.device
    default_steps: int
    default_guidance_scale: float


@dataclass(frozen=True)
class Settings:
    """What a visitor may choose; None takes the default of the weight set. face: 1 is the largest in the photo.

    extras: whether the files that only the page offers are made too (animated picture, viewer page).
    """

    seed: int = 4
    steps: int | None = None
    guidance_scale: float | None = None
    crop: bool = True
    face: int = 1
    adjustment: CropAdjustment = CropAdjustment()
    extras: bool = True


@dataclass(frozen=True)
class Update:
    """News of a running job. Fields left None have not changed.

    stage: a key of `texts.STAGES`; "done" is that of a `Finished`.
    fraction: of the stage, 0 to 1.
    portrait, views, splat: picture and splat files to show.
    files: what can be downloaded by now, by file name.
    seconds_left: a guess, None where there is no ground for one.
    """

    stage: str
    fraction: float = 0.0
    detail: str = ""
    portrait: Path | None = None
    views: list[Path] | None = None
    splat: Path | None = None
    files: dict[str, Path] = field(default_factory=dict)
    seconds_left: float | None = None


@dataclass(frozen=True, kw_only=True)
class Finished(Update):
    """The last update. folder: where all files are. pace: seconds of each stage, of the views those of one step."""

    stage: str = "done"
    fraction: float = 1.0
    report: dict
    folder: Path
    pace: dict[str, float] = field(default_factory=dict)


class Portraits:
    """The part of a pipeline that needs no weights."""

    def __init__(self, follow_turn: bool = False):
        """follow_turn: as the pipeline's own portraits, see `portrait.make_portrait`."""
        self.follow_turn = follow_turn

    def make_portrait(self, photo: bytes, crop: bool = True, face_index: int = 0) -> Portrait:
        return aligned(photo, crop=crop, face_index=face_index, follow_turn=self.follow_turn)


Tell = Callable[[Update], None]


def facts(pipeline, tell: Tell) -> Facts:
    return Facts(pipeline.weights, pipeline.device, pipeline.default_steps, pipeline.default_guidance_scale)


def make_portrait(pipeline, tell: Tell, data: bytes, crop: bool, face: int, adjustment: CropAdjustment) -> Portrait:
    """The aligned portrait alone, of face number `face` by size, moved as `adjustment` says. Raises PhotoError."""
    with _one_portrait:
        portrait = pipeline.make_portrait(data, crop=crop)
        if face > max(1, len(portrait.faces)):
            raise PhotoError(texts.no_such_face(face, len(portrait.faces)))
        if face > 1:
            portrait = pipeline.make_portrait(data, crop=crop, face_index=face - 1)
        return adjusted(data, portrait, adjustment)


def make_head(pipeline, tell: Tell, data: bytes, settings: Settings, folder: Path, before: dict[str, float]) -> Finished:
    """All files of a head, in a folder that is there.

    before: what a `pace` was for the last job, to guess how long this one will take.
    No file is written again once it was told of: a browser may be reading it.
    """
    clock = _Clock(expected(before, settings.steps or pipeline.default_steps))

    def say(stage: str, fraction: float = 0.0, detail: str = "", **news_of_it) -> None:
        tell(Update(stage, fraction, detail, seconds_left=clock.left(stage, fraction), **news_of_it))

    say("portrait")
    portrait = make_portrait(pipeline, tell, data, settings.crop, settings.face, settings.adjustment)
    aligned_file, portrait_file = folder / "aligned.png", folder / "portrait.png"
    portrait.image.save(aligned_file)
    say("views", portrait=aligned_file)
    head = pipeline(
        portrait,
        seed=settings.seed,
        steps=settings.steps,
        guidance_scale=settings.guidance_scale,
        on_step=_Stepper(say, folder / "previews", pipeline.rig.names),
    )
    say("files", splat=head.gaussians.save(folder / "head.spz"), portrait=aligned_file)
    head = replace(head, report={**head.report, "seconds": {**head.report["seconds"], "portrait": clock.spent["portrait"]}})
    report = {**head.save(folder, formats=("ply", "splat"), turntable=False), **_moved(settings.adjustment)}
    write_report(report, folder)
    pack_views(folder)
    if settings.extras:
        save_viewer(folder / "head.spz", folder / "head.html", portrait_file)
    clock.left("done", 1.0)
    files = files_of(folder)
    pace = {**clock.spent, "views": clock.spent.get("views", 0.0) / max(1, report.get("steps") or 1)}
    return Finished(portrait=portrait_file, views=views_of(folder), files=files, report=report, folder=folder, pace=pace)


def expected(pace: dict[str, float], steps: int) -> dict[str, float]:
    """Seconds of each stage of a head that takes so many steps."""
    return {stage: seconds * steps if stage == "views" else seconds for stage, seconds in pace.items()}


def restore_head(pipeline, tell: Tell, splats: bytes, portrait: bytes, report: dict, folder: Path) -> None:
    """The files of a head from those that a browser kept, .spz and portrait. Raises SplatFileError, BudgetError, PhotoError."""
    (folder / "head.spz").write_bytes(splats)
    gaussians = load_splats(folder / "head.spz", MOST_GAUSSIANS)
    load_photo(portrait).convert("RGB").resize((SIZE, SIZE)).save(folder / "portrait.png")
    for name in ("views", "renders"):
        (folder / name).mkdir()
    side = orbit([VIEW_AZIMUTHS[THUMBNAIL]], 0.0, 256)
    picture = to_bytes(render(gaussians, side, most_tiles=MOST_TILES).rgb[0])
    Image.fromarray(picture).save(folder / "renders" / f"{THUMBNAIL}_{VIEW_NAMES[THUMBNAIL]}.png")
    for suffix in ("ply", "splat"):
        gaussians.save(folder / f"head.{suffix}")
    write_report({**report, "gaussians": len(gaussians)}, folder)
    pack_views(folder)
    save_viewer(folder / "head.spz", folder / "head.html", folder / "portrait.png")


def make_mesh(pipeline, tell: Tell, folder: Path, device: torch.device | str) -> None:
    """Adds head.glb to the folder of a finished head. Raises MeshError."""
    path, started = folder / "head.glb", time.perf_counter()

    def say(done: int, total: int) -> None:
        left = (time.perf_counter() - started) * (total - done) / done if done > 2 else None
        tell(Update("mesh", done / total, seconds_left=left))

    gaussians = Gaussians.load(folder / "head.ply").to(device)
    write_whole(path, lambda aside: save_mesh(gaussians, aside, say))


def draw_splats(pipeline, tell: Tell, splats: Path | str, azimuth: float, elevation: float, size: int, path: Path) -> None:
    """A picture of a splat file, as a .png. Raises SplatFileError, BudgetError, OSError."""
    gaussians = load_splats(splats, MOST_GAUSSIANS)
    picture = to_bytes(render(gaussians, orbit([azimuth], elevation, size), most_tiles=MOST_TILES).rgb[0])
    Image.fromarray(picture).save(path)


def _moved(adjustment: CropAdjustment) -> dict:
    """For the report: how the crop was moved, if it was."""
    return {} if adjustment == CropAdjustment() else {"crop_moved": asdict(adjustment)}


class _Clock:
    """Measures stages as they pass, and guesses what is left from this job's pace and what later stages should take."""

    def __init__(self, before: dict[str, float]):
        """before: seconds that each stage should take."""
        self.before = before
        self.spent: dict[str, float] = {}
        self.stage: str | None = None
        self.since = time.perf_counter()

    def left(self, stage: str, fraction: float) -> float | None:
        now = time.perf_counter()
        if stage != self.stage:
            if self.stage:
                self.spent[self.stage] = now - self.since
            self.stage, self.since = stage, now
        stages = list(texts.STAGES)
        later = stages[stages.index(stage) + 1 :] if stage in stages else []
        after = sum(self.before.get(name, 0.0) for name in later)
        if fraction > 0.05:
            return (now - self.since) * (1 - fraction) / fraction + after
        return self.before[stage] + after if stage in self.before else None


class _Stepper:
    """Turns denoising steps into updates, with a preview now and then, and stops when asked."""

    def __init__(self, say: Callable[..., None], folder: Path, names: tuple[str, ...]):
        self.say, self.folder, self.names, self.last = say, folder, names, 0.0
        self.shown: list[list[Path]] = []

    def __call__(self, step) -> None:
        views, last_step = None, step.index == step.total
        if last_step or time.perf_counter() - self.last > PREVIEW_SECONDS:
            views = self.preview(step.index, step.preview())
            self.last = time.perf_counter()
        self.say("views", step.index / step.total, f"step {step.index} of {step.total}", views=views)
        if last_step:
            self.say("gaussians")

    def preview(self, index: int, pictures: np.ndarray) -> list[Path]:
        """Files, as everything shown: Gradio writes arrays again while a browser still reads them."""
        self.folder.mkdir(exist_ok=True)
        paths = [self.folder / f"{index}_{name}.jpg" for name in self.names]
        for path, picture in zip(paths, pictures, strict=True):
            Image.fromarray(picture).convert("RGB").save(path, quality=88)
        self.shown.append(paths)
        for old in self.shown[:-PREVIEWS_KEPT]:
            for path in old:
                path.unlink(missing_ok=True)
        self.shown = self.shown[-PREVIEWS_KEPT:]
        return paths


def views_of(folder: Path) -> list[Path]:
    return sorted((folder / "views").glob("*.png"))  # 0_front.png, 1_front_right.png, ...


def files_of(folder: Path) -> dict[str, Path]:
    """What of a head a visitor can download so far."""
    films = sorted(path.name for path in folder.glob("film_*.mp4"))
    return {name: folder / name for name in (*NAMES, *films) if (folder / name).exists()}
