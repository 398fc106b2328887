"""Driven heads as files: Gaussians, pictures or a film of every frame. Each says in its metadata that it is synthetic."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
from PIL import Image, PngImagePlugin

from ..cameras import Cameras, orbit
from ..export.splats import save_splats
from ..files import write_whole
from ..gaussians import Gaussians
from ..rendering import render, to_bytes
from ..rendering.film import save_film
from .drive import Driver
from .files import NOTE
from .head_rig import HeadRig
from .track import Track

FRAMES = ("ply", "png", "mp4")


@torch.inference_mode()
def driven(rig: HeadRig, track: Track, device: torch.device | str = "cpu") -> Iterator[Gaussians]:
    """The Gaussians of each frame, all of one number and order."""
    driver = Driver(rig, device)
    for frame in range(len(track)):
        yield driver(track[frame])


def save_frames(
    rig: HeadRig,
    track: Track,
    folder: str | Path,
    form: str = "ply",
    camera: Cameras | None = None,
    device: torch.device | str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Writes folder/000.ply or .png, 001 ..., or folder/driven.mp4, and returns the paths; each appears whole or not at all.

    form: of FRAMES. camera: of pictures and films, one, square; default: the front one, 512 px. progress: called with (done, in all).
    Raises ValueError for another form, and what `save_film` raises.
    """
    if form not in FRAMES:
        raise ValueError(f"frames are {', '.join(FRAMES)}, not {form}")
    folder = Path(folder)
    camera = camera or orbit([0.0])

    def told(done: int) -> None:
        if progress:
            progress(done, len(track))

    if form == "mp4":
        path = folder / "driven.mp4"
        pictures = (to_bytes(render(g, camera.to(device)).rgb[0]) for g in driven(rig, track, device))
        write_whole(path, lambda film: save_film(pictures, film, camera.width, track.fps, told, NOTE))
        return [path]
    paths = []
    digits = max(3, len(str(len(track) - 1)))
    for frame, gaussians in enumerate(driven(rig, track, device)):
        path = folder / f"{frame:0{digits}d}.{form}"
        if form == "ply":
            write_whole(path, partial(save_splats, gaussians, comment=NOTE))
        else:
            save_picture(gaussians, camera.to(device), path)
        paths.append(path)
        told(frame + 1)
    return paths


def save_picture(gaussians: Gaussians, camera: Cameras, path: Path) -> None:
    words = PngImagePlugin.PngInfo()
    words.add_text("Comment", NOTE)
    picture = Image.fromarray(to_bytes(render(gaussians, camera).rgb[0]))
    write_whole(path, lambda file: picture.save(file, pnginfo=words))
