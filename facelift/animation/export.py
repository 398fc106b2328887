"""Moving heads as files: Gaussians, pictures or a film of every frame, or all in one. Each says in its metadata that it is synthetic."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from PIL import Image, PngImagePlugin

from ..cameras import Cameras, orbit
from ..export.splats import save_splats
from ..export.viewer_page import save_viewer
from ..files import write_whole
from ..gaussians import Gaussians
from ..rendering import render, to_bytes
from ..rendering.film import save_film
from .files import NOTE, save_rig
from .head4d import DrivenHead, MovingHead, save_deltas, save_driven
from .head_rig import HeadRig
from .track import Track

FRAMES = ("ply", "png", "mp4", "head4d", "deltas", "html")
SINGLE = {"mp4": "driven.mp4", "head4d": "driven.head4d", "deltas": "driven.head4d", "html": "driven.html"}  # all frames in one file


def save_frames(
    head: MovingHead,
    folder: str | Path,
    form: str = "ply",
    camera: Cameras | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Writes folder/000.ply or .png, 001 ..., or a file of SINGLE, and returns the paths; each appears whole or not at all.

    form: of FRAMES; "head4d": rig and track where there are such, else as "deltas", which keeps differences of frames; "html": a page that
    plays by double click. camera: of pictures and films, one, square; default: the front one, 512 px. progress: called with (done, in all).
    Raises ValueError for another form and for a page of a head without a rig, and what `save_film` raises.
    """
    if form not in FRAMES:
        raise ValueError(f"frames are {', '.join(FRAMES)}, not {form}")
    folder, camera = Path(folder), camera or orbit([0.0])

    def told(done: int) -> None:
        if progress:
            progress(done, len(head))

    def frames() -> Iterator[Gaussians]:
        for frame in range(len(head)):
            yield head[frame]
            told(frame + 1)

    if form in SINGLE:
        path = folder / SINGLE[form]
        if form == "mp4":
            pictures = (to_bytes(render(g, camera.to(g.means.device)).rgb[0]) for g in frames())
            write_whole(path, lambda film: save_film(pictures, film, camera.width, head.fps, comment=NOTE))
        elif form == "html":
            if not isinstance(head, DrivenHead):
                raise ValueError("a page needs a rig: it cannot play frames that were kept without one")
            save_page(head.rig, path, head.track)
        elif form == "head4d" and isinstance(head, DrivenHead):
            save_driven(head.rig, head.track, path, head.residual)
        else:
            save_deltas(frames(), head.fps, path)
        return [path]
    paths = []
    digits = max(3, len(str(len(head) - 1)))
    for frame, gaussians in enumerate(frames()):
        path = folder / f"{frame:0{digits}d}.{form}"
        if form == "ply":
            write_whole(path, partial(save_splats, gaussians, comment=NOTE))
        else:
            save_picture(gaussians, camera.to(gaussians.means.device), path)
        paths.append(path)
    return paths


def save_page(rig: HeadRig, path: Path, track: Track | None = None, portrait: Path | None = None) -> Path:
    """A page without a server: the head, which visitors can move, and what it does at first."""
    with tempfile.TemporaryDirectory() as folder:
        kept = save_rig(rig, Path(folder) / "head.headrig")
        words = track.save(Path(folder) / "track.json").read_text() if track else "null"
        write_whole(path, lambda page: save_viewer(kept, page, portrait, "A head that moves", words, NOTE))
    return path


def save_picture(gaussians: Gaussians, camera: Cameras, path: Path) -> None:
    words = PngImagePlugin.PngInfo()
    words.add_text("Comment", NOTE)
    picture = Image.fromarray(to_bytes(render(gaussians, camera).rgb[0]))
    write_whole(path, lambda file: picture.save(file, pnginfo=words))
