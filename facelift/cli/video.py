"""facelift video clip.mp4 -o DIR: a clip of a person becomes a head of them that moves as they do."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from .clips import add_clip_words, perform

if TYPE_CHECKING:
    from ..animation.head_rig import HeadRig
    from ..animation.track import Track
    from ..head import Head
    from ..pipeline import FaceLiftPipeline
    from ..video.track import Performance


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        prog="facelift video",
        description="Make a head of the best frame of a clip and let it move as the person does: writes head.ply, head.headrig, track.json,"
        " both in driven.head4d, portrait.png, driven.mp4 and report.json. Only for people who agreed.",
    )
    p.add_argument("clip", type=Path, metavar="CLIP", help="MP4, MOV, WEBM, MKV, AVI, GIF ... of one person, from the front")
    p.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
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
    """What stops it is one sentence, and the exit status 1; nothing is written then."""
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
        head, rig, rig_seconds = head_of(performance, pipe, args.seed)
        laps = {"clip": clip_seconds, **{k: v for k, v in head.report["seconds"].items() if k != "total"}, "rig": rig_seconds}
        report = {**head.report, "clip": {"file": args.clip.name, **described(performance)}}
        write(args.output, head, rig, performance.track(rig.rest), report, laps, args.size)
    except (OSError, ValueError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{args.clip} -> {args.output}: {len(performance)} frames of {len(rig)} Gaussians, the head by frame {performance.anchor}")
    for sentence in head.report["advice"]:
        print(f"  {sentence}")
    return 0


def head_of(performance: Performance, pipe: FaceLiftPipeline, seed: int) -> tuple[Head, HeadRig, float]:
    """The head of the anchor frame, its rig, and the seconds that the rig took. Raises PhotoError."""
    from math import dist

    from PIL import Image

    from ..animation.rig import rig_head
    from ..portrait.faces import find_faces
    from ..portrait.quiet import without_native_chatter

    with without_native_chatter():
        photo = Image.fromarray(performance.picture)
        faces = find_faces(photo)
        which = min(range(len(faces)), key=lambda i: dist(faces[i].centre, performance.face.centre), default=0)
        head = pipe(photo, seed=seed, face_index=which)
        start = time.perf_counter()
        rig = rig_head(head.gaussians, head.portrait)
    return head, rig, time.perf_counter() - start


def described(performance: Performance) -> dict:
    return {
        "fps": performance.fps,
        "frames": len(performance),
        "anchor": performance.anchor,
        "without_face": performance.lost,
        "notes": list(performance.notes),
    }


def write(folder: Path, head: Head, rig: HeadRig, track: Track, report: dict, laps: dict[str, float], size: int) -> None:
    """All files, or none."""
    from tqdm import tqdm

    from ..animation.export import save_frames
    from ..animation.files import save_rig
    from ..animation.head4d import DrivenHead
    from ..cameras import orbit
    from ..files import write_whole_files

    def files(partial: Path) -> None:
        start = time.perf_counter()
        head.portrait.save(partial / "portrait.png")
        head.gaussians.save(partial / "head.ply")
        save_rig(rig, partial / "head.headrig")
        track.save(partial / "track.json")
        with tqdm(total=len(track), desc="film", disable=not sys.stderr.isatty(), leave=False) as bar:
            moving = DrivenHead(rig, track, head.gaussians.means.device)
            save_frames(moving, partial, "mp4", orbit([0.0], 0.0, size), lambda done, _: bar.update(done - bar.n))
        save_frames(moving, partial, "head4d")
        seconds = {**laps, "files": time.perf_counter() - start}
        seconds["total"] = sum(seconds.values())
        report["seconds"] = {name: round(value, 3) for name, value in seconds.items()}
        (partial / "report.json").write_text(json.dumps(report, indent=2) + "\n")

    write_whole_files(folder, files)
