"""The three ways from a clip to a head that moves, behind one interface."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import dist

from PIL import Image

from ..animation.drive import Driver
from ..animation.head4d import DrivenHead, MovingHead
from ..animation.rig import rig_head
from ..files import write_whole
from ..gaussians import Gaussians
from ..portrait.faces import find_faces
from .deform import DeformSettings, deform_heads
from .front import front_residual
from .heads import Progress, Take, make_heads

DEFORM = DeformSettings()
HEAD = ("head.ply", "head_portrait.png", "head.json")  # kept of the anchor's head, the last one last


@dataclass(frozen=True)
class Moved:
    """portrait, gaussians, report: of the anchor's head; the report's seconds are those of everything."""

    portrait: Image.Image
    gaussians: Gaussians
    report: dict
    moving: MovingHead


Method = Callable[[Take, Progress], Moved]  # raises PhotoError and ClipError; what is done already is in `Take.kept`


def by_rig(take: Take, progress: Progress) -> Moved:
    """The head of the anchor, rigged, does what was read of each frame, in the colours that the frame shows."""
    portrait, gaussians, report = anchor_head(take)
    progress("head", 1, 1)
    start = time.perf_counter()
    rig = rig_head(gaussians, portrait)
    report["seconds"]["rig"] = time.perf_counter() - start
    start = time.perf_counter()
    residual = front_residual(take, Driver(rig, take.pipe.device), progress)
    report["seconds"]["front"] = time.perf_counter() - start
    moving = DrivenHead(rig, take.performance.track(rig.rest), take.pipe.device, residual)
    return Moved(portrait, gaussians, report, moving)


def by_frames(take: Take, progress: Progress) -> Moved:
    """Each frame is a head of its own."""
    start = time.perf_counter()
    heads = make_heads(take, progress)
    return of_frames(take, heads, heads.alone(take.performance.anchor), {"heads": time.perf_counter() - start})


def by_deform(take: Take, progress: Progress, settings: DeformSettings = DEFORM) -> Moved:
    """The head of the anchor is moved, frame by frame, to what the heads of the others show."""
    start = time.perf_counter()
    heads = deform_heads(take, progress, settings)
    return of_frames(take, heads, heads.anchor, {"heads": time.perf_counter() - start})


METHODS: dict[str, Method] = {"rig": by_rig, "deform": by_deform, "frames": by_frames}


def of_frames(take: Take, moving: MovingHead, anchor: Gaussians, seconds: dict[str, float]) -> Moved:
    portrait = take.portrait(take.performance.picture, take.performance.anchor)
    settings = {"seed": take.seed, "preset": "exact", "steps": take.pipe.default_steps, "guidance_scale": take.pipe.default_guidance_scale}
    return Moved(portrait.image, anchor, take.pipe.report(portrait, settings, len(anchor), seconds), moving)


def anchor_head(take: Take) -> tuple[Image.Image, Gaussians, dict]:
    """Portrait, Gaussians and report of the head of the anchor; kept. Raises PhotoError."""
    splats, portrait, report = (take.kept.folder / name for name in HEAD)
    if not report.is_file():
        photo = Image.fromarray(take.performance.picture)
        if take.steady:
            faces, face = find_faces(photo), take.performance.face
            which = min(range(len(faces)), key=lambda i: dist(faces[i].centre, face.centre), default=0)
            head = take.pipe(photo, seed=take.seed, face_index=which)
        else:
            head = take.pipe(photo, seed=take.seed, crop=False)
        write_whole(splats, head.gaussians.save)
        write_whole(portrait, head.portrait.save)
        write_whole(report, lambda path: path.write_text(json.dumps(head.report)))
    with Image.open(portrait) as picture:
        return picture.convert("RGB"), Gaussians.load(splats).to(take.pipe.device), json.loads(report.read_text())
