"""What `facelift bench` takes."""

from __future__ import annotations

import argparse
from pathlib import Path

FORMATS = ("fp16", "bf16", "tf32", "fp32")
RANDOM = ("random-full", "random-small", "random-tiny")


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        prog="facelift bench",
        description="Times every stage of the full-size system, ours and the naive way in turn, beside this machine's own peak.",
    )
    p.add_argument(
        "--weights", choices=RANDOM, default="random-tiny",
        help="random numbers, for which no weights need be at hand: in the released sizes, a fifth of them, or tiny (default: %(default)s)",
    )  # fmt: skip
    p.add_argument("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    p.add_argument("--formats", nargs="+", choices=FORMATS, help="the most important first (default: all on CUDA, fp32 on a CPU)")
    p.add_argument("--seconds", type=float, default=100.0, help="imports included; what does not fit is named (default: %(default)g)")
    p.add_argument("--steps", type=int, default=50, help="of diffusion, end to end (default: %(default)s)")
    p.add_argument("--rounds", type=int, default=9, help="measured runs of each way, at most (default: %(default)s)")
    p.add_argument("--naive", action=argparse.BooleanOptionalAction, default=True, help="also the naive way (default: yes)")
    p.add_argument("--graphs", action=argparse.BooleanOptionalAction, default=True, help="also the UNet as a CUDA graph (default: yes)")
    p.add_argument("--compile", action="store_true", help="also torch.compile of the UNet, where time is left")
    p.add_argument("--processor-time", action="store_true", help="on a CPU: seconds that it worked for this alone, for a busy machine")
    p.add_argument("--stages", nargs="+", metavar="NAME", help="only these; the table names them")
    p.add_argument("--growth", action="store_true", help="instead: time and memory by image side, views, photos and number of Gaussians")
    p.add_argument("--plot", type=Path, metavar="FILE.svg", help="of --growth")
    p.add_argument("--count", action="store_true", help="instead: the arithmetic of a photo and the size of the weights, nothing computed")
    p.add_argument("--json", type=Path, metavar="FILE", help="where all numbers go, written anew after each stage")
    return p


def checked(words: list[str] | None) -> argparse.Namespace:
    """Ends the program for words that exclude each other."""
    p = parser()
    args = p.parse_args(words)
    if args.plot and not args.growth:
        p.error("--plot draws what --growth measures: give both")
    if args.growth and args.count:
        p.error("--growth and --count are two commands: give one")
    return args
