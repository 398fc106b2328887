"""Datasets on disk. A folder appears whole or not at all, so a killed run is continued by starting it again.

heads:  DIR/0000012_00/ (seed, appearance) with 000.webp ..., 000_depth.png, 000_normal.png, 000_classes.png, cameras.json, head.json
shards: DIR/shard_0000000/, as `shards.py` lays them out
both:   DIR/settings.json, DIR/metadata.json (settings and every parameter drawn of every head)
"""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import lru_cache
from multiprocessing import util
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..cameras import Cameras
from ..choices import HEADS_PER_SHARD
from ..files import write_whole, write_whole_folder
from . import shards
from .cycles import CyclesRenderer
from .renderer import Renderer
from .sampler import GENERATOR, RenderedHead, Settings, make_renderer, render_head

DEPTH_UNIT = 1e-4  # of the cameras' world, one step of the 16-bit depth pictures
WEBP = dict(lossless=True, exact=True, method=1, quality=0)  # higher settings: 8 % smaller, twice as long


@dataclass(frozen=True)
class Output:
    """What is written of each head. format: "heads" or "shards". picture: "webp" (lossless) or "png"."""

    folder: Path
    format: str = "heads"
    picture: str = "webp"
    depth: bool = False
    normals: bool = False
    classes: bool = False


Job = tuple[str, list[tuple[int, int]]]  # name of a folder, (seed, appearance) of the heads that belong in it


def jobs(tasks: list[tuple[int, int]], output: Output) -> list[Job]:
    """Raises ValueError when heads do not fill shards."""
    if output.format == "heads":
        return [(f"{seed:07d}_{appearance:02d}", [(seed, appearance)]) for seed, appearance in tasks]
    if len(tasks) % HEADS_PER_SHARD:
        raise ValueError(f"shards hold {HEADS_PER_SHARD} heads each, so --heads must be a multiple of that, not {len(tasks)}")
    groups = [tasks[i : i + HEADS_PER_SHARD] for i in range(0, len(tasks), HEADS_PER_SHARD)]
    one_each = all(appearance == 0 for _, appearance in tasks)
    return [(f"shard_{group[0][0]:07d}" + ("" if one_each else f"_{group[0][1]:02d}"), group) for group in groups]


def write_dataset(tasks: list[tuple[int, int]], settings: Settings, output: Output, workers: int, done: Callable[[str], None]) -> dict:
    """Renders what is not there yet and calls `done` with the name of each finished folder, those from earlier runs first.

    Returns {folder name: error} of what could not be made. Raises ValueError when the folder holds heads made with other settings.
    """
    output.folder.mkdir(parents=True, exist_ok=True)
    keep_settings(settings, output)
    wanted = jobs(tasks, output)
    missing = []
    for job in wanted:
        if (output.folder / job[0]).is_dir():
            done(job[0])
        else:
            missing.append(job)
    failed = {}
    for name, error in make_all(missing, settings, output, workers):
        if error:
            failed[name] = error
        done(name)
    collect_metadata(settings, output)
    return failed


def keep_settings(settings: Settings, output: Output) -> None:
    path, now = output.folder / "settings.json", describe(settings, output)
    if path.is_file():
        before = {"classes": False, **json.loads(path.read_text())}  # folders from before there were classes are continued
        if changed := [name for name in now if before.get(name) != now[name]]:
            raise ValueError(f"{output.folder} holds heads made with another {', '.join(changed)}; choose another folder")
    write_whole(path, lambda partial: partial.write_text(json.dumps(now, indent=1)))


def describe(settings: Settings, output: Output) -> dict:
    written = {name: getattr(output, name) for name in ("format", "picture", "depth", "normals", "classes")}
    return {"generator": GENERATOR, **asdict(settings), **written}


def make_all(missing: list[Job], settings: Settings, output: Output, workers: int) -> Iterator[tuple[str, str | None]]:
    """Every worker process has its own OpenGL context; a job goes to one of them only."""
    if not missing:
        return
    if workers <= 1:
        for job in missing:
            yield make_folder(job, settings, output)
        return
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(missing)), fresh, initializer=start_worker) as pool:
        for future in as_completed([pool.submit(make_folder, job, settings, output) for job in missing]):
            yield future.result()


def prepare_worker() -> None:
    """One core a worker. Set before OpenGL and the numeric libraries start their threads."""
    for name, value in dict(LP_NUM_THREADS="0", OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1").items():
        os.environ.setdefault(name, value)


def start_worker() -> None:
    """A worker ends with the process that started it, even when that was killed, and at once: Blender's own farewell may hang."""
    prepare_worker()
    util.Finalize(None, os._exit, args=(0,), exitpriority=-100)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def leave_too() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=leave_too, daemon=True).start()


@lru_cache(maxsize=1)
def renderer_of_process(kind: str, samples: int) -> Renderer | CyclesRenderer:
    prepare_worker()
    return make_renderer(kind, samples)


def make_folder(job: Job, settings: Settings, output: Output) -> tuple[str, str | None]:
    """Name of the folder and None, or what went wrong: one odd head does not stop a thousand others."""
    renderer = renderer_of_process(settings.renderer, settings.samples)
    name, tasks = job
    try:
        heads = (render_head(renderer, seed, appearance, settings) for seed, appearance in tasks)
        write = write_shard if output.format == "shards" else write_head
        write_whole_folder(output.folder / name, lambda folder: write(folder, heads, output))
    except (ValueError, IndexError, FloatingPointError, np.linalg.LinAlgError) as error:
        return name, f"{type(error).__name__}: {error}"
    return name, None


def write_head(folder: Path, heads: Iterator[RenderedHead], output: Output) -> None:
    (head,) = heads
    for i, rgba in enumerate(head.views.rgba):
        save_picture(rgba, folder / f"{i:03d}.{output.picture}")
        if output.depth:
            steps = np.round(head.views.depth[i] / DEPTH_UNIT).clip(0, 65535).astype(np.uint16)
            Image.fromarray(steps).save(folder / f"{i:03d}_depth.png", compress_level=1)
        if output.normals:
            normal = np.round((made(head.views.normals)[i] * 0.5 + 0.5) * 255).astype(np.uint8)
            Image.fromarray(normal).save(folder / f"{i:03d}_normal.png", compress_level=1)
        if output.classes:
            Image.fromarray(made(head.views.classes)[i]).save(folder / f"{i:03d}_classes.png", compress_level=1)
    (folder / "cameras.json").write_text(json.dumps(camera_list(head.cameras)))
    (folder / "head.json").write_text(json.dumps(head.metadata, indent=1))


def made(pictures: np.ndarray | None) -> np.ndarray:
    """What `Output` wants written must be among what `Settings` has rendered. Raises ValueError."""
    if pictures is None:
        raise ValueError("normals or classes are to be written but were not rendered")
    return pictures


def save_picture(rgba: np.ndarray, path: Path) -> None:
    options: dict[str, Any] = WEBP if path.suffix == ".webp" else dict(compress_level=1)
    Image.fromarray(rgba).save(path, **options)


def camera_list(cameras: Cameras) -> list[dict]:
    """As `python -m facelift render --cameras` reads it: intrinsics for 512 pixels whatever the size of the pictures."""
    at_512 = cameras.at_size(512)
    return [dict(c2w=c.tolist(), fxfycxcy=k.tolist()) for c, k in zip(at_512.c2w, at_512.intrinsics, strict=True)]


def write_shard(folder: Path, heads: Iterator[RenderedHead], output: Output) -> None:
    together = list(heads)
    shards.write_shard(
        folder,
        rgba=np.stack([head.views.rgba for head in together]),
        ray_depth=np.stack([shards.ray_depth(head.views.depth, head.cameras) for head in together]),
        c2w=np.stack([head.cameras.c2w.numpy() for head in together]),
        classes=np.stack([made(head.views.classes) for head in together]) if output.classes else None,
        heads=[head.metadata for head in together],
    )


def collect_metadata(settings: Settings, output: Output) -> None:
    """All heads in the folder, those of earlier runs too."""
    if output.format == "shards":
        heads = [head for shard in shards.find_shards(output.folder) for head in shards.Shard(shard).heads]
    else:
        heads = [json.loads(path.read_text()) for path in sorted(output.folder.glob("[0-9]*/head.json"))]
    content = json.dumps(dict(settings=describe(settings, output), heads=heads))
    write_whole(output.folder / "metadata.json", lambda partial: partial.write_text(content))
