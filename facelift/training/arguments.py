"""The command line that the three compact trainings share."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..choices import RIGS


def training_parser(
    description: str, steps: int, batch: int, lr: float | None, channels: str, evaluate_every: int, test_heads: int
) -> argparse.ArgumentParser:
    """The values are defaults. lr None: the caller chooses."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", required=True)
    parser.add_argument("--test", required=True, help="held-out shards")
    parser.add_argument("--out", required=True)
    parser.add_argument("--init", type=Path, help="begin with the weights of another run or of a compact weight folder")
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--minutes", type=float, help="stop by then, with the learning rate brought down in time")
    parser.add_argument("--batch", type=int, default=batch)
    parser.add_argument("--lr", type=float, default=lr)
    parser.add_argument("--channels", default=channels, help="of each level of the UNet (default: %(default)s)")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=0, help="processes that prepare samples")
    parser.add_argument("--log-every", type=int, default=25)
    parser.add_argument("--evaluate-every", type=int, default=evaluate_every, help="steps; then a sample sheet and a checkpoint, too")
    parser.add_argument("--test-heads", type=int, default=test_heads, help="how many of them an evaluation takes")
    return parser


def add_rig(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rig", choices=RIGS, default="six", help="which views a head is made of (default: %(default)s)")


def use_threads(count: int) -> None:
    """For torch and for our renderer. numba's pool starts first: when the first render starts it, it gives torch all processors."""
    import numba
    import torch

    most = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]  # numba fills its config when it is imported
    numba.set_num_threads(min(count, most))
    torch.set_num_threads(count)


def numbers(text: str) -> tuple[int, ...]:
    """ "32,64" -> (32, 64)."""
    return tuple(int(part) for part in text.split(","))
