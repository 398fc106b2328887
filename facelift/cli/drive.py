"""facelift drive head.headrig --track t.json|clip.mp4 -o DIR: what a head does over time, as Gaussians, pictures, a film or a .head4d."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .clips import add_clip_words, perform

if TYPE_CHECKING:
    import torch

    from ..animation.head4d import MovingHead
    from ..animation.head_rig import HeadRig
    from ..animation.track import Track

FRAMES = ("ply", "png", "mp4", "head4d", "deltas", "html")  # as animation.export's, which is slow to import


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        prog="facelift drive",
        description="Drive a head by a track of face units, pose and gaze, or by the face in a clip: what changes in it, from its frame at"
        " rest on, is added to the head's own expression. Only for people who agreed.",
    )
    p.add_argument("head", type=Path, metavar="HEAD", help="head.headrig, as `facelift rig` writes it, or a .head4d, which moves by itself")
    about = 'JSON {"fps", "units": 52 ARKit names, "weights": T x 52, ...}, or a clip (MP4, MOV, WEBM, GIF ...)'
    p.add_argument("--track", type=Path, metavar="FILE", help=about)
    p.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="DIR/000.ply, 001.ply, ..., or DIR/driven.* of all")
    forms = "default: ply; head4d: rig and track in one file; deltas: the Gaussians of all frames in one .head4d; html: a page"
    p.add_argument("--frames", choices=FRAMES, default="ply", help=forms)
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
    from ..cameras import orbit
    from ..devices import resolve_device

    try:
        device = resolve_device(args.device)
    except ValueError as error:
        parser().error(str(error))
    try:
        head = moving_head(args, device)
        with tqdm(total=len(head), disable=not sys.stderr.isatty(), leave=False) as bar:
            camera = orbit([args.azimuth], args.elevation, args.size)
            paths = save_frames(head, args.output, args.frames, camera, lambda done, _: bar.update(done - bar.n))
    except (OSError, ValueError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{len(head)} frames: {paths[0]}{f' to {paths[-1].name}' if len(paths) > 1 else ''}, {sum_of_sizes(paths)}")
    return 0


def sum_of_sizes(paths: list[Path]) -> str:
    return f"{sum(path.stat().st_size for path in paths) / 1e6:.1f} MB"


def moving_head(args: argparse.Namespace, device: torch.device) -> MovingHead:
    """What the words name. Raises what reading them raises, and TrackError for a rig without a track."""
    from ..animation.files import load_rig
    from ..animation.head4d import DrivenHead, load_head4d
    from ..errors import TrackError

    if args.head.suffix.lower() == ".head4d":
        head = load_head4d(args.head, device)
        if args.track is None:
            return head
        if not isinstance(head, DrivenHead):
            raise TrackError(f"{args.head.name} holds frames, which no track can drive: give the .headrig that they were made of.")
        rig = head.rig
    else:
        rig = load_rig(args.head)
    if args.track is None:
        raise TrackError(f"{args.head.name} does not move by itself: give it a --track, a JSON file or a clip.")
    track = track_of(args.track, rig, args.fps, args.seconds)
    if args.save_track:
        track.save(args.save_track)
    return DrivenHead(rig, track, device)


def track_of(path: Path, rig: HeadRig, fps: float, seconds: float) -> Track:
    """A track file, or what a clip becomes for this head. Raises TrackError, ClipError and FileNotFoundError."""
    from ..animation.track import Track

    with path.open("rb") as file:
        written = path.suffix.lower() == ".json" or file.read(64).lstrip()[:1] in (b"{", b"[")
    return Track.load(path) if written else perform(path, fps, seconds).track(rig.rest)
