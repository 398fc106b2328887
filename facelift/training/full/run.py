"""What both full-size trainings share: options, the batches of each process, the loop."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ...devices import Net
from ..loop import Evaluation, Trainer, bf16_pays


def options(description: str, batch: int, steps: int, lr: float, test_heads: int) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True, help="weight folder of the released layout: start and result")
    parser.add_argument("--data", type=Path, required=True, help="shards or folders of posed pictures")
    parser.add_argument("--run", type=Path, required=True, help="folder of the checkpoint and the curve; goes on with what it holds")
    parser.add_argument("--batch", type=int, default=batch, help="samples a step, over all processes")
    parser.add_argument("--micro-batch", type=int, default=1, help="samples that a process takes at once")
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--lr", type=float, default=lr)
    parser.add_argument(
        "--mixed-precision", choices=("auto", "no", "bf16"), default="auto", help="auto: bf16, but no where the processor emulates it"
    )
    parser.add_argument("--no-checkpointing", action="store_true", help="keep activations: faster, more memory")
    parser.add_argument("--workers", type=int, default=4, help="processes that prepare samples")
    parser.add_argument("--save-every", type=int, default=500, help="steps between checkpoints; with --test, evaluations")
    parser.add_argument("--test", type=Path, help="held-out heads in a form that --data may have: measured, and shown in RUN/sheets")
    parser.add_argument("--test-heads", type=int, default=test_heads, help="how many of them an evaluation takes")
    parser.add_argument("--log-every", type=int, default=25)
    parser.add_argument("--device", choices=("auto", "cpu"), default="auto")
    return parser


def make_accelerator(args: argparse.Namespace) -> Accelerator:
    """Gradient accumulation is what --batch needs beyond what the processes take at once."""
    on_cpu = args.device == "cpu" or not torch.cuda.is_available()
    automatic = "bf16" if bf16_pays(torch.device("cpu" if on_cpu else "cuda")) else "no"
    precision = automatic if args.mixed_precision == "auto" else args.mixed_precision
    accelerator = Accelerator(cpu=args.device == "cpu", mixed_precision=precision)
    at_once = args.micro_batch * accelerator.num_processes
    if args.batch % at_once:
        raise SystemExit(f"--batch {args.batch} is not a multiple of {at_once}, the samples that all processes take at once")
    accelerator.gradient_accumulation_steps = args.batch // at_once
    return accelerator


def batches(dataset: Dataset, accelerator: Accelerator, start: int, args: argparse.Namespace) -> Iterator[tuple[int, tuple[Tensor, ...]]]:
    """(number, batch) of this process from step `start` on.

    A step's samples depend on its number alone: step s sees s * batch to (s + 1) * batch.
    """
    size, world, rank = args.micro_batch, accelerator.num_processes, accelerator.process_index
    blocks = range(start * args.batch // size + rank, args.steps * args.batch // size, world)
    samples = [range(b * size, (b + 1) * size) for b in blocks]
    loader = DataLoader(dataset, batch_sampler=samples, num_workers=args.workers)  # type: ignore[arg-type]  # not only lists will do
    yield from zip(blocks, loader, strict=True)


def train(
    trainer: Trainer[Net],
    dataset: Dataset,
    loss_of: Callable[[tuple[Tensor, ...], torch.Generator], dict[str, Tensor]],
    args: argparse.Namespace,
    evaluate: Callable[[Net], Evaluation] | None = None,
) -> None:
    """Runs to `args.steps`.

    trainer: with an accelerator.
    loss_of: a batch on the device and its noise -> {"loss": what is minimised, other parts of the curve}.
    evaluate: as of `Trainer.record`.
    """
    accelerator = trainer.accelerator
    assert accelerator is not None
    device = accelerator.device
    for number, batch in batches(dataset, accelerator, trainer.step, args):
        generator = torch.Generator(device).manual_seed(number)
        with trainer.accumulate():
            values = loss_of(tuple(t.to(device) for t in batch), generator)
            norm = trainer.update(values["loss"], values)
        trainer.record(norm, args.log_every, args.save_every, evaluate)
    accelerator.wait_for_everyone()
