"""The words of `facelift evaluate`, read without importing what measures."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..choices import BENCHMARKS
from .registry import OFFERED


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        prog="facelift evaluate",
        description="Measures weight sets on a benchmark and writes report.md, report.json, a contact sheet and plots.",
        epilog="Two reports that exist already: python -m facelift.evaluation.compare a/report.json b/report.json",
    )
    p.add_argument("--benchmark", choices=BENCHMARKS, required=True)
    p.add_argument("--data", type=Path, metavar="DIR", help="the data set (photos: default are the shipped examples)")
    p.add_argument(
        "--weights", nargs="+", default=["compact"], metavar="SET",
        help="weight sets, each maybe with switches (compact:fuse_depths=off); several are compared with the first (default: compact)",
    )  # fmt: skip
    p.add_argument("--out", type=Path, required=True, metavar="DIR")
    p.add_argument("--publish", type=Path, metavar="FILE.md", help="also write the report as it is kept in a repository (one weight set)")
    p.add_argument("--against", type=Path, metavar="REPORT.JSON", help="an earlier report, compared at the end of FILE.md")
    p.add_argument("--limit", type=int, metavar="N", help="measure N cases, evenly spread, instead of all")
    p.add_argument("--metrics", nargs="+", choices=OFFERED, help="default: all that can run here")
    p.add_argument("--train", type=Path, metavar="DIR", help="synthetic: shards of training heads, for the baselines")
    p.add_argument("--input-view", metavar="NAME", help="posed, facescape: which view is the input (default: the front-most)")
    p.add_argument("--matting", choices=("auto", "none"), default="auto", help="what to do about backgrounds that have no mask")
    p.add_argument("--seed", type=int, default=4, help="default: 4")
    p.add_argument("--second-seed", type=int, metavar="SEED", help="photos: make each head again and say what differs")
    p.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 ... (default: auto)")
    p.add_argument("--download", action="store_true", help="fetch weights of metric models that are missing")
    return p
