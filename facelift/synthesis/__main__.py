"""python -m facelift.synthesis --out DIR --heads 1000 --views six: renders synthetic heads. Run again to continue or to add heads."""

from __future__ import annotations

import sys
from concurrent.futures import BrokenExecutor

from tqdm import tqdm

from .arguments import parser
from .cycles import NoBlenderError
from .dataset import HEADS_PER_SHARD, Output, prepare_worker, write_dataset
from .options import PAPER, Options
from .renderer import NoContextError
from .sampler import KINDS, Settings, chosen, plan


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
        if args.only:
            every = plan(args.seed, None, args.appearances, args.split)
            tasks = chosen(every, args.heads, KINDS[args.only], settings.options)
        else:
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
    for name, reason in failed.items():
        print(f"{name} could not be made: {reason}", file=sys.stderr)
    print(f"{args.heads - len(failed) * per_folder} heads in {args.out}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
