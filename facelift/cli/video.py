"""facelift video clip.mp4 -o DIR: a clip of a person becomes a head of them that moves as they do."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ..choices import METHODS
from .clips import add_clip_words, perform

if TYPE_CHECKING:
    from ..pipeline import FaceLiftPipeline
    from ..video.heads import Take
    from ..video.methods import Moved
    from ..video.track import Performance


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        prog="facelift video",
        description="A clip of a person becomes a head that moves as they do: writes driven.head4d, driven.mp4, head.ply and portrait.png"
        " of the best frame, report.json, and for a rig head.headrig and track.json. What was stopped goes on when it is called again."
        " Only for people who agreed.",
    )
    p.add_argument("clip", type=Path, metavar="CLIP", help="MP4, MOV, WEBM, MKV, AVI, GIF ... of one person, from the front")
    p.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    about = (
        "rig: the head of the best frame, moved by what the face does (default); frames: a head of every frame; deform: the head of the"
        " best frame, which a small network moves to what the heads of the others show. The last two take seconds a frame"
    )
    p.add_argument("--method", choices=METHODS, default="rig", help=about)
    add_clip_words(p)
    p.add_argument("--weights", default="auto", help="auto, compact, released, a folder or a Hub repo (default: auto)")
    p.add_argument("--seed", type=int, default=4, help="default: 4")
    p.add_argument("--size", type=even, default=512, help="pixels a side of the film, even (default: 512)")
    p.add_argument("--device", default="auto", help="auto, cpu, cuda ... (default: auto)")
    return p


def even(text: str) -> int:
    value = int(text)
    if value < 2 or value % 2:
        raise argparse.ArgumentTypeError("must be even and at least 2")
    return value


def main(argv: list[str] | None = None) -> int:
    """What stops it is one sentence, and the exit status 1; of a bad clip nothing is written."""
    args = parser().parse_args(argv)
    from ..devices import resolve_device

    try:
        device = resolve_device(args.device)
    except ValueError as error:
        parser().error(str(error))
    try:
        start = time.perf_counter()
        performance = perform(args.clip, args.fps, args.seconds)
        clip_seconds = time.perf_counter() - start
        from ..pipeline import FaceLiftPipeline  # seconds, which a bad clip need not take

        pipe = FaceLiftPipeline.from_pretrained(args.weights, device=device)
        take = take_of(args, performance, pipe)
        moved = moved_by(args.method, take)
        moved.report["clip"] = {"file": args.clip.name, "method": args.method, **described(performance)}
        count = len(moved.moving[0])
        write(args.output, moved, clip_seconds, args.size)
        take.kept.remove()
    except (OSError, ValueError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{args.clip} -> {args.output}: {len(performance)} frames of {count} Gaussians, the head by frame {performance.anchor}")
    for sentence in moved.report["advice"]:
        print(f"  {sentence}")
    return 0


def take_of(args: argparse.Namespace, performance: Performance, pipe: FaceLiftPipeline) -> Take:
    from .. import __version__
    from ..video.frames import Clip
    from ..video.heads import Take
    from ..video.unfinished import Unfinished
    from ..weights.cache import sha256_of

    about = {
        "clip": sha256_of(args.clip), "fps": args.fps, "seconds": args.seconds, "seed": args.seed, "method": args.method,
        "weights": str(pipe.weights.folder), "device": str(pipe.device), "version": __version__,
    }  # fmt: skip
    return Take(Clip(args.clip, args.fps, args.seconds), performance, pipe, args.seed, Unfinished(args.output, about))


def moved_by(method: str, take: Take) -> Moved:
    """With a bar for each stage, which says how long it still takes. Raises PhotoError and ClipError."""
    from tqdm import tqdm

    from ..portrait.quiet import without_native_chatter
    from ..video.methods import METHODS

    bars: dict[str, tqdm] = {}
    with without_native_chatter() as terminal:

        def tell(stage: str, done: int, total: int) -> None:
            if stage not in bars:
                quiet = not sys.stderr.isatty()
                bars[stage] = tqdm(total=total, desc=stage, unit=" frames", disable=quiet, leave=False, file=terminal)
            bars[stage].update(done - bars[stage].n)

        try:
            return METHODS[method](take, tell)
        finally:
            for bar in bars.values():
                bar.close()


def described(performance: Performance) -> dict:
    return {
        "fps": performance.fps,
        "frames": len(performance),
        "anchor": performance.anchor,
        "without_face": performance.lost,
        "notes": list(performance.notes),
    }


def write(folder: Path, moved: Moved, clip_seconds: float, size: int) -> None:
    """All files, or none."""
    from tqdm import tqdm

    from ..animation.export import save_frames
    from ..animation.files import save_rig
    from ..animation.head4d import DrivenHead
    from ..cameras import orbit
    from ..files import write_whole_files

    def files(partial: Path) -> None:
        start = time.perf_counter()
        moved.portrait.save(partial / "portrait.png")
        moved.gaussians.save(partial / "head.ply")
        if isinstance(moved.moving, DrivenHead):
            save_rig(moved.moving.rig, partial / "head.headrig")
            moved.moving.track.save(partial / "track.json")
        with tqdm(total=len(moved.moving), desc="film", disable=not sys.stderr.isatty(), leave=False) as bar:
            save_frames(moved.moving, partial, "mp4", orbit([0.0], 0.0, size), lambda done, _: bar.update(done - bar.n))
        save_frames(moved.moving, partial, "head4d")
        seconds = {"clip": clip_seconds, **moved.report["seconds"], "files": time.perf_counter() - start}
        seconds["total"] = sum(value for name, value in seconds.items() if name != "total")
        report = {**moved.report, "seconds": {name: round(value, 3) for name, value in seconds.items()}}
        (partial / "report.json").write_text(json.dumps(report, indent=2) + "\n")

    write_whole_files(folder, files)
