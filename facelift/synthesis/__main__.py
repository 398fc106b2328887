"""python -m facelift.synthesis --out DIR --heads 1000 --views six: renders synthetic heads. Run again to continue or to add heads."""

from __future__ import annotations

import argparse
import os
import sys
from concurrent.futures import BrokenExecutor
from pathlib import Path

from tqdm import tqdm

from .cycles import NoBlenderError
from .dataset import HEADS_PER_SHARD, Output, prepare_worker, write_dataset
from .light import MODES
from .options import PAPER, Options
from .renderer import NoContextError
from .rigs import RIG_WORDS
from .sampler import RENDERERS, SPLITS, Settings, plan


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="python -m facelift.synthesis", description="Render synthetic heads with exact cameras.")
    p.add_argument("--out", type=Path, required=True, metavar="DIR")
    p.add_argument("--heads", type=int, default=100, metavar="N")
    p.add_argument("--views", metavar="RIG", help=f"{RIG_WORDS}; joined with + (default: six, for shards six+near4)")
    p.add_argument("--size", type=int, help="pixels a side (default: 512, for shards 256)")
    p.add_argument("--seed", type=int, default=0, help="first identity, counted within the split (default: 0)")
    p.add_argument("--split", choices=list(SPLITS), default="train", help="held-out: identities that training never sees")
    p.add_argument("--appearances", type=int, default=1, metavar="K", help="of each person: hair, skin, expression, clothes, light")
    p.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) // 2), help="processes (default: half of the processors)")
    p.add_argument("--format", choices=("heads", "shards"), default="heads", help=f"a folder a head, or {HEADS_PER_SHARD} heads a shard")
    p.add_argument("--picture", choices=("webp", "png"), default="webp", help="straight alpha, lossless (default: webp)")
    p.add_argument("--depth", action="store_true", help="16-bit PNG of z-depth in steps of 0.0001, 0 is empty")
    p.add_argument("--normals", action="store_true", help="PNG of world normals, 128 is 0")
    p.add_argument("--classes", action="store_true", help="what each pixel shows: 0 nothing, 1 skin, 2 hair, 3 what is worn; opengl alone")
    p.add_argument("--supersample", type=int, default=2, help="samples a pixel and side (default: 2)")
    p.add_argument("--jitter", type=float, metavar="X", help="heads stand off the perfect crop, 1 as photos differ (default: 0, shards 1)")
    p.add_argument("--exact", action="store_true", help="every hair in every view, slower; else small and far ones are thinned out")
    p.add_argument("--renderer", choices=RENDERERS, default="opengl", help="cycles: path tracing by Blender's package bpy, far slower")
    p.add_argument("--samples", type=int, default=64, help="paths a pixel, of cycles alone (default: 64)")
    p.add_argument("--light", choices=MODES, help="of all heads (default: drawn for each)")
    p.add_argument("--paper", action="store_true", help="no glasses, hats, scarves or earrings")
    return p


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    shards = args.format == "shards"
    prepare_worker()
    try:
        settings = Settings(
            views=args.views or ("six+near4" if shards else "six"),
            size=args.size or (256 if shards else 512),
            supersample=args.supersample,
            jitter=args.jitter if args.jitter is not None else float(shards),
            exact=args.exact,
            normals=args.normals,
            classes=args.classes,
            renderer=args.renderer,
            samples=args.samples,
            light=args.light,
            options=PAPER if args.paper else Options(),
        )
        if shards and not settings.views.startswith("six"):
            raise ValueError("the first six views of a shard are the six: --views must start with six")
        tasks = list(plan(args.seed, args.heads, args.appearances, args.split))
        output = Output(args.out, args.format, args.picture, args.depth, args.normals, args.classes)
        with tqdm(total=args.heads, unit="head", smoothing=0.05) as bar:
            per_folder = HEADS_PER_SHARD if shards else 1
            failed = write_dataset(tasks, settings, output, args.workers, done=lambda _: bar.update(per_folder))
    except BrokenExecutor:
        print("error: a worker process died, perhaps for want of memory; start again to continue", file=sys.stderr)
        return 1
    except (ValueError, NoContextError, NoBlenderError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for name, error in failed.items():
        print(f"{name} could not be made: {error}", file=sys.stderr)
    print(f"{args.heads - len(failed) * per_folder} heads in {args.out}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
