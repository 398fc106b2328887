"""The compact weights from nothing, or better from what there is, on one CUDA GPU: seven stages, each a call of some minutes.

    facelift train data --work DIR --heads 4000 --workers 16
    facelift train depth --work DIR --minutes 4 --start weights/compact
    facelift train views --work DIR --minutes 9 --start weights/compact
    facelift train reconstructor --work DIR --minutes 6 --start weights/compact
    facelift train joint --work DIR --minutes 4
    facelift train export --work DIR
    facelift train evaluate --work DIR

A stage goes on with what --work holds, data shard by shard; a training begins anew from the best it finds there, else from --start, with
warm-up. What a stage leaves is enough for the next: nothing but --work/runs need be kept. --tiny runs it all in minutes on a CPU.
For the paper's ablations give every stage the same --rig and --attention, and the data stage --light, in a --work of their own.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from ..choices import ATTENTIONS, LIGHTS, RIGS

STAGES = ("data", "depth", "views", "reconstructor", "joint", "export", "evaluate")


@dataclass(frozen=True)
class Scale:
    """Batch sizes and learning rates for one kind of machine."""

    depth_batch: int = 64
    depth_lr: float = 1e-3
    view_batch: int = 48
    view_lr: float = 2e-4  # ten times that for the decoder
    batch: int = 8
    lr: float = 4e-4
    joint_batch: int = 4
    joint_lr: float = 2e-4
    channels: str | None = None
    evaluate_every: int = 1000
    steps: int = 1_000_000  # the clock ends a stage
    test_heads: int | None = None  # None: each training's own
    measured: int = 20  # heads, by the last stage


TINY = Scale(
    depth_batch=1, view_batch=1, batch=1, joint_batch=1, channels="32,32,32,32", evaluate_every=1, steps=1, test_heads=1, measured=1
)


def run_stage(stage: str, args: argparse.Namespace, scale: Scale) -> None:
    from ..training import depth, export, generate, reconstructor, views  # seconds, which --help need not take

    work: Path = args.work
    runs = work / "runs"
    data = ["--data", str(work / "train"), "--test", str(work / "test")]
    machine = ["--device", args.device, "--workers", str(args.workers), "--minutes", str(args.minutes)]
    machine += ["--steps", str(scale.steps), "--evaluate-every", str(scale.evaluate_every)]
    machine += ["--channels", scale.channels] if scale.channels else []
    machine += ["--test-heads", str(scale.test_heads)] if scale.test_heads else []

    def train(main, name: str, batch: int, lr: float, *more: str) -> None:
        """A run of its own each time, so that the learning rate has its whole course; it starts from the one before."""
        before = sorted((p for p in runs.glob(f"{name}_*") if (p / "last.pt").exists()), key=number)
        start = str(before[-1] / "last.pt") if before else args.start and str(args.start)
        out = runs / f"{name}_{number(before[-1]) + 1 if before else 0}"
        main([*data, "--out", str(out), *machine, "--batch", str(batch), "--lr", str(lr), *(["--init", start] if start else []), *more])

    if stage == "data":
        from ..synthesis.__main__ import main as synthesise

        common = ["--format", "shards", "--workers", str(max(1, args.workers))]
        rig = "six" if args.rig == "six" else f"six+{args.rig}"
        held_out = ["--out", str(work / "test"), "--heads", str(min(48, args.heads)), "--split", "held-out", "--views", f"{rig}+near12"]
        train_heads = ["--out", str(work / "train"), "--heads", str(args.heads), "--views", f"{rig}+near4"]
        train_heads += ["--classes", *(["--light", args.light] if args.light else [])]
        for wanted in (held_out, train_heads):
            if synthesise([*wanted, *common]):
                raise SystemExit("not all heads could be made")
    elif stage == "depth":
        train(depth.main, "depth", scale.depth_batch, scale.depth_lr)
    elif stage == "views":
        shape = ["--rig", args.rig, "--attention", args.attention]
        train(views.main, "views", scale.view_batch, scale.view_lr, "--depth", str(latest(runs, "depth")), "--decoder", *shape)
    elif stage == "reconstructor":
        train(reconstructor.main, "reconstructor", scale.batch, scale.lr, "--stage", "rendered", "--rig", args.rig)
    elif stage == "joint":
        made = work / "generated"
        trained = [word for name in ("depth", "views") for word in (f"--{name}", str(latest(runs, name)))]
        generate.main(["--data", str(work / "train"), *trained, "--out", str(made), "--device", args.device])
        more = ["--stage", "rendered", "--rig", args.rig, "--generated", str(made)]
        train(reconstructor.main, "reconstructor", scale.joint_batch, scale.joint_lr, *more)
    elif stage == "export":
        trained = [word for name in ("depth", "views", "reconstructor") for word in (f"--{name}", str(latest(runs, name)))]
        parts = ["--part-megabytes", str(args.part_megabytes)] if args.part_megabytes else []
        export.main([*trained, "--out", str(work / "compact"), *parts])
    else:
        from ..evaluation.__main__ import main as measure

        compared = ["--train", str(work / "train")] if (work / "train").is_dir() else []
        places = ["--data", str(work / "test"), "--weights", str(work / "compact"), "--out", str(work / "report"), *compared]
        if measure(["--benchmark", "synthetic", *places, "--limit", str(scale.measured), "--device", args.device]):
            raise SystemExit("the weights could not be measured")


def number(run: Path) -> int:
    return int(run.name.rsplit("_", 1)[1])


def latest(runs: Path, name: str) -> Path:
    found = sorted((p for p in runs.glob(f"{name}_*") if (p / "last.pt").exists()), key=number)
    if not found:
        raise SystemExit(f"no finished {name} run in {runs}: run that stage first")
    return found[-1]


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        prog="facelift train", description=__doc__.split("\n")[0], epilog=__doc__.split("\n", 2)[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    p.add_argument("stage", choices=STAGES)
    p.add_argument("--work", type=Path, required=True, metavar="DIR")
    p.add_argument("--heads", type=int, default=4000, metavar="N")
    p.add_argument("--minutes", type=float, default=9.0, help="of training in this call")
    p.add_argument("--start", type=Path, help="weights to begin with where --work has none: a run's last.pt or a compact folder")
    p.add_argument("--rig", choices=RIGS, default="six", help="which views a head is made of (default: %(default)s)")
    p.add_argument("--attention", choices=ATTENTIONS, default="sparse", help="across views (default: %(default)s)")
    p.add_argument("--light", choices=LIGHTS, help="of all training heads (default: drawn for each)")
    p.add_argument("--part-megabytes", type=int, help="export: split larger files into parts of at most this (16 for 16 MiB)")
    p.add_argument("--device", default="cuda")
    p.add_argument("--workers", type=int, default=12)
    p.add_argument("--tiny", action="store_true", help="smallest models and one step: a trial of the whole recipe")
    return p


def main(argv: list[str] | None = None) -> None:
    args = parser().parse_args(argv)
    run_stage(args.stage, args, TINY if args.tiny else Scale())


if __name__ == "__main__":
    main()
