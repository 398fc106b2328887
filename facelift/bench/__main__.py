"""facelift bench: the time of every stage, ours and the naive way, beside this machine's own peak."""

from __future__ import annotations

import os
import platform
import sys
import threading
import time
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from .clock import Clock
    from .results import Results

STARTED = time.perf_counter()

from .arguments import FORMATS, checked  # noqa: E402

GRACE = 4.0  # seconds after the end in which what is running may still finish


def main(argv: list[str] | None = None) -> int:
    args = checked(argv)
    if args.count:
        return count_alone(args)
    from ..devices import resolve_device
    from .clock import Clock
    from .results import Results

    clock = Clock(args.seconds, STARTED)
    try:
        device = resolve_device(args.device)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    results = Results(machine(device), {name: str(value) for name, value in vars(args).items()})
    print(results.machine, flush=True)

    def last_word() -> None:
        results.note(f"ended at {clock.spent:.0f} s in the middle of a stage")
        results.write(args.json)
        sys.stdout.flush()
        os._exit(0)  # whatever is running may not know how to stop

    watchdog = threading.Timer(max(0.0, clock.left) + GRACE, last_word)
    watchdog.daemon = True
    formats = args.formats or (FORMATS if device.type == "cuda" else ["fp32"])
    if args.growth:
        watchdog.start()
        grow(args, device, formats[0], clock, results)
    else:
        measure(args, device, formats, clock, results, watchdog)
    watchdog.cancel()
    results.spent = clock.spent
    results.write(args.json)
    print(f"{clock.spent:.1f} s in all")
    return 0


def measure(
    args: Namespace, device: torch.device, formats: Sequence[str], clock: Clock, results: Results, watchdog: threading.Timer
) -> None:
    """Every stage. watchdog: started once there are weights."""
    from .measures import Measures, Wanted
    from .models import SIZES
    from .plan import compare, run_stages, stages

    results.note(f"imports took {clock.spent:.1f} s")
    wanted = Wanted(args.steps, args.naive, args.graphs, args.processor_time, args.rounds)
    measures = Measures(SIZES[args.weights], device, clock, results, wanted)
    results.note(f"random weights were made by {clock.spent:.1f} s")
    watchdog.start()
    run_stages(stages(measures, formats, args.compile), measures, args.stages, args.json)
    compare(measures)
    for line in results.ratios():
        results.note(line)


def grow(args: Namespace, device: torch.device, format: str, clock: Clock, results: Results) -> None:
    from .growth import growth_table, measure_growth, save_plot
    from .models import SIZES

    measure_growth(SIZES[args.weights], device, format, clock, results, args.rounds, args.processor_time)
    print(growth_table(results.rows))
    if args.plot:
        save_plot(results.rows, args.plot)


def count_alone(args: Namespace) -> int:
    from .count import count, table
    from .models import SIZES

    print(table(*count(SIZES[args.weights], args.steps), args.steps))
    return 0


def machine(device) -> dict[str, object]:
    import diffusers
    import torch
    import transformers

    found: dict[str, object] = {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "diffusers": diffusers.__version__,
        "transformers": transformers.__version__,
    }
    if device.type == "cuda":
        found["memory"] = torch.cuda.get_device_properties(device).total_memory
    return found


if __name__ == "__main__":
    sys.exit(main())
