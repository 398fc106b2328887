"""What makes a finished head move, as `making` makes it: functions that a `serving.worker` runs, maybe in another process."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from ..animation.export import save_page
from ..animation.files import load_rig, save_rig
from ..animation.head_rig import HeadRig
from ..animation.rig import rig_head
from ..gaussians import Gaussians
from ..video.track import read_clip
from .making import Tell, Update

RIG, TRACK, PAGE = "head.headrig", "track.json", "head_moving.html"  # in the folder of a head


def make_moving(pipeline, tell: Tell, folder: Path, clip: str | None) -> tuple[str, ...]:
    """Adds a rig and a page that plays offline to the folder of a finished head, and the motion of a clip's face where there is a clip.

    Returns what is to be said of the clip. Raises PhotoError and ClipError.
    """
    tell(Update("rig"))
    rig, track = rigged(folder), None
    notes: tuple[str, ...] = ()
    if clip is not None:
        tell(Update("clip"))
        performance = read_clip(clip)
        track, notes = performance.track(rig.rest), tuple(performance.notes)
        track.save(folder / TRACK)
    save_page(rig, folder / PAGE, track, folder / "portrait.png")
    return notes


def rigged(folder: Path) -> HeadRig:
    """Of a finished head's folder; made once. Raises PhotoError."""
    path = folder / RIG
    if not path.exists():
        with Image.open(folder / "portrait.png") as portrait:
            save_rig(rig_head(Gaussians.load(folder / "head.ply"), portrait), path)
    return load_rig(path)
