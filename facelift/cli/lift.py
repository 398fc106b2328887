"""facelift photo.jpg [more.jpg | folder] -o outputs: every photo becomes a folder with a 3D head."""

from __future__ import annotations

import argparse
import itertools
import json
import math
import sys
import traceback
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .. import __version__
from ..choices import MATTINGS, MESHES, PRESETS, SPLATS, SPZ_VERSIONS
from ..errors import ResourceError, WeightsError
from ..files import write_whole_files
from . import VERBS

if TYPE_CHECKING:
    from ..person import OtherPhoto

LAST = "report.json"  # where it is, the files beside it are whole and of the same head


def parser() -> argparse.ArgumentParser:
    verbs = "\n".join(f"  facelift {name:<11} {verb.about}" for name, verb in VERBS.items())
    p = argparse.ArgumentParser(
        prog="facelift",
        usage="facelift PHOTO [PHOTO ...] [-o DIR] [options]\n       facelift VERB [options]",
        description="Turn portrait photos into 3D heads made of Gaussians.",
        epilog=f"verbs, each with its own --help:\n{verbs}\n\nA photo that is called like a verb is written ./VERB.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("photos", nargs="+", type=Path, metavar="PHOTO", help="photos (JPEG, PNG, WEBP, HEIC, TIFF ...) or folders of them")
    p.add_argument("-o", "--output", type=Path, default=Path("outputs"), metavar="DIR", help="default: outputs")
    p.add_argument("--weights", default="auto", help="auto, compact, released, a folder or a Hub repo (default: auto)")
    p.add_argument("--seed", type=int, default=4, help="default: 4")
    p.add_argument("--steps", type=positive, help="denoising steps (default: the preset's, or the weight set's own)")
    about = "exact: as released (default); fast: released weights with a third of the arithmetic, and other views"
    p.add_argument("--preset", choices=PRESETS, default="exact", help=about)
    p.add_argument("--guidance-scale", type=finite, metavar="G", help="default: the weight set's own")
    p.add_argument("--no-crop", action="store_true", help="the photo is an aligned portrait already: only pad and resize it")
    p.add_argument("--face", type=face, default=1, metavar="N", help="which face, by size (default: 1, the largest); all: one head each")
    p.add_argument("--matting", choices=MATTINGS, default="auto", help="how the background goes (default: auto); alpha: by transparency")
    p.add_argument("--person", action="store_true", help="all photos show one person, the first from the front: they make one head")
    p.add_argument("--azimuth", nargs="+", type=finite, metavar="DEG", help="with --person: where the photos after the first were taken")
    p.add_argument("--fov", type=degrees, default="auto", metavar="DEG", help="what the photo's longer side spans, or off (default: EXIF)")
    p.add_argument("--no-turntable", action="store_true", help="do not write turntable.mp4")
    p.add_argument("--formats", nargs="+", choices=SPLATS + MESHES, default=["ply"], help="files to write (default: ply); glb, obj: a mesh")
    p.add_argument("--spz-version", type=int, choices=SPZ_VERSIONS, default=3, help="of .spz files (default: 3); 2: old programs, 4: new")
    p.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 ... (default: auto)")
    about = "for cards of 6 to 8 GB: each of the released networks is on the GPU only while it works"
    p.add_argument("--offload", action="store_true", help=about)
    p.add_argument("--version", action="version", version=f"facelift {__version__}")
    return p


def finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError("must be a finite number")
    return value


def positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def degrees(text: str) -> float | str:
    return text if text in ("auto", "off") else finite(text)


def face(text: str) -> int:
    """0 for all."""
    return 0 if text == "all" else positive(text)


def output_folders(photos: list[Path], root: Path) -> list[Path]:
    """One folder a photo, always in `root`: its stem, its full name where two stems clash, numbered where even those do."""
    stems = Counter(p.stem.lower() for p in photos)
    taken: set[str] = set()
    folders = []
    for photo in photos:
        name = photo.stem if stems[photo.stem.lower()] == 1 else photo.name
        name = name if name.strip(".") else "photo"  # ...jpg has the stem ..
        numbered = (f"{name}_{n}" for n in itertools.count(2))
        free = next(one for one in itertools.chain([name], numbered) if one.lower() not in taken)
        taken.add(free.lower())
        folders.append(root / free)
    return folders


def main(argv: list[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    if not argv:
        parser().print_help(sys.stderr)
        raise SystemExit(2)
    args = parser().parse_args(argv)

    from ..portrait.photo import find_photos, other_files  # seconds, which --help need not take

    photos, wrong = [], []
    for path in args.photos:
        try:
            photos += find_photos([path])
        except ValueError as error:
            wrong.append(str(error))
    if not photos:
        parser().error(wrong[0])
    photos = find_photos(photos)  # each once
    for path in other_files(args.photos):
        print(f"skipped: {path} is no picture by its name", file=sys.stderr)

    if args.person and (args.face != 1 or len(photos) < 2):
        parser().error("--person needs two photos or more, of which the first shows the person alone, and no --face")
    if args.azimuth and (not args.person or len(args.azimuth) != len(photos) - 1):
        parser().error("--azimuth goes with --person: one number for each photo after the first")

    from ..person import OtherPhoto
    from ..pipeline import FaceLiftPipeline
    from ..portrait.lens import check_fov
    from ..portrait.quiet import without_native_chatter

    try:
        check_fov(args.fov)
        pipe = FaceLiftPipeline.from_pretrained(args.weights, device=args.device, offload=args.offload)
        pipe.multiview.preset(args.preset)
    except (WeightsError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, ValueError) else 1
    print(f"weights: {pipe.weights.note}; licence: {pipe.weights.licence}; device: {pipe.device}", flush=True)
    for sentence in wrong:
        print(f"error: {sentence}", file=sys.stderr)
    failed = len(wrong)
    others: list[OtherPhoto] = []
    if args.person:
        azimuths = args.azimuth or [None] * (len(photos) - 1)
        others = [OtherPhoto(photo, azimuth) for photo, azimuth in zip(photos[1:], azimuths, strict=True)]
        photos = photos[:1]
    for photo, folder in zip(photos, output_folders(photos, args.output), strict=True):
        try:
            with without_native_chatter():
                lift(pipe, photo, folder, args, others)
        except (ValueError, OSError, RuntimeError) as error:  # PhotoError is a ValueError; the other photos are still done
            failed += 1
            if not isinstance(error, (ValueError, OSError, ResourceError)):
                traceback.print_exc()
            print(f"error: {photo}: {error}", file=sys.stderr)
    if failed:
        print(f"{failed} of {len(photos) + len(wrong)} photos failed", file=sys.stderr)
    return 1 if failed else 0


def lift(pipe, photo: Path, folder: Path, args: argparse.Namespace, others: Sequence[OtherPhoto] = ()) -> None:
    """One head, or with --face all one of each face, in a folder each. One that fails does not stop the others; ValueError then ends it."""
    if args.face:
        return lift_one(pipe, photo, folder, args, args.face, others)
    from ..portrait import make_portrait

    portrait = make_portrait(photo, crop=not args.no_crop, matting=args.matting)
    count, failed = max(1, len(portrait.faces)), 0
    print(f"{photo}: faces found: {len(portrait.faces)}; each becomes a head, by size, in {folder}_face1 ...")
    for number in range(1, count + 1):
        try:
            lift_one(pipe, photo, folder.with_name(f"{folder.name}_face{number}"), args, number)
        except ValueError as error:
            print(f"error: {photo}, face {number}: {error}", file=sys.stderr)
            failed += 1
    if failed:
        raise ValueError(f"{failed} of {count} faces failed")


def lift_one(pipe, photo: Path, folder: Path, args: argparse.Namespace, number: int, others: Sequence[OtherPhoto] = ()) -> None:
    from tqdm import tqdm

    bar = tqdm(total=None, desc=photo.name, disable=not sys.stderr.isatty(), leave=False)

    def advance(done: int, total: int, stage: str) -> None:
        bar.total = total
        bar.set_description(f"{photo.name}: {stage}", refresh=False)
        bar.update(done - bar.n)

    with bar:
        head = pipe(
            photo, seed=args.seed, steps=args.steps, guidance_scale=args.guidance_scale, crop=not args.no_crop,
            on_step=lambda step: advance(step.index, step.total, step.stage), face_index=number - 1, matting=args.matting,
            fov=args.fov, others=others, preset=args.preset,
        )  # fmt: skip
        bar.reset()
        filmed = lambda done, total: advance(done, total, "turntable")  # noqa: E731
        write_whole_files(folder, lambda part: head.save(part, tuple(args.formats), not args.no_turntable, filmed, args.spz_version), LAST)
    report = json.loads((folder / LAST).read_text())
    seconds = ", ".join(f"{name} {value:.1f}" for name, value in report["seconds"].items())
    print(f"{photo} -> {folder}: {report['gaussians']} Gaussians, matting by {report['matting']}; seconds: {seconds}")
    if report["faces"] > 1 and args.face:
        print(f"  {report['faces']} faces found, number {number} by size is used: --face takes another, --face all makes a head of each")
    for sentence in report["advice"]:
        print(f"  {sentence}")
