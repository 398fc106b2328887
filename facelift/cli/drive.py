"""facelift drive head.headrig --track t.json|clip.mp4 -o DIR: what a head does over time, as Gaussians, pictures or a film."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .clips import add_clip_words, perform

if TYPE_CHECKING:
    from ..animation.head_rig import HeadRig
    from ..animation.track import Track

FRAMES = ("ply", "png", "mp4")  # as animation.export's, which is slow to import


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        prog="facelift drive",
        description="Drive a head by a track of face units, pose and gaze, or by the face in a clip: what changes in it, from its frame at"
        " rest on, is added to the head's own expression. Only for people who agreed.",
    )
    p.add_argument("rig", type=Path, metavar="HEADRIG", help="head.headrig, as `facelift rig` writes it")
    about = 'JSON {"fps", "units": 52 ARKit names, "weights": T x 52, ...}, or a clip (MP4, MOV, WEBM, GIF ...)'
    p.add_argument("--track", type=Path, required=True, metavar="FILE", help=about)
    p.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="DIR/000.ply, 001.ply, ..., or DIR/driven.mp4")
    p.add_argument("--frames", choices=FRAMES, default="ply", help="default: ply")
    p.add_argument("--size", type=int, default=512, help="pixels a side of png and mp4 (default: 512)")
    p.add_argument("--azimuth", type=float, default=0.0, metavar="DEG", help="of the camera; positive is the subject's left")
    p.add_argument("--elevation", type=float, default=0.0, metavar="DEG", help="of the camera; up is positive")
    add_clip_words(p)
    p.add_argument("--save-track", type=Path, metavar="JSON", help="keeps the track that a clip became, for this head")
    p.add_argument("--device", default="auto", help="auto, cpu, cuda ... (default: auto)")
    return p


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    if args.size < 1 or (args.frames == "mp4" and args.size % 2):
        parser().error("--size must be at least 1, and even for mp4")
    from tqdm import tqdm

    from ..animation.export import save_frames
    from ..animation.files import load_rig
    from ..cameras import orbit
    from ..devices import resolve_device

    try:
        device = resolve_device(args.device)
    except ValueError as error:
        parser().error(str(error))
    try:
        rig = load_rig(args.rig)
        track = track_of(args.track, rig, args.fps, args.seconds)
        if args.save_track:
            track.save(args.save_track)
        with tqdm(total=len(track), disable=not sys.stderr.isatty(), leave=False) as bar:
            camera = orbit([args.azimuth], args.elevation, args.size)
            paths = save_frames(rig, track, args.output, args.frames, camera, device, lambda done, _: bar.update(done - bar.n))
    except (OSError, ValueError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{len(track)} frames of {len(rig)} Gaussians: {paths[0]}{f' to {paths[-1].name}' if len(paths) > 1 else ''}")
    return 0


def track_of(path: Path, rig: HeadRig, fps: float, seconds: float) -> Track:
    """A track file, or what a clip becomes for this head. Raises TrackError, ClipError and FileNotFoundError."""
    from ..animation.track import Track

    with path.open("rb") as file:
        written = path.suffix.lower() == ".json" or file.read(64).lstrip()[:1] in (b"{", b"[")
    return Track.load(path) if written else perform(path, fps, seconds).track(rig.rest)
