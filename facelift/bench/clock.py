"""Seconds, medians of runs in turn, and the memory that a run takes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch


class Clock:
    """What is left of the seconds that a command may take. started: by `time.perf_counter`."""

    def __init__(self, seconds: float, started: float):
        self.seconds, self.started = seconds, started

    @property
    def spent(self) -> float:
        return time.perf_counter() - self.started

    @property
    def left(self) -> float:
        return self.seconds - self.spent

    def part(self, share: float) -> float:
        """A share of all seconds, and never more than half of what is left."""
        return min(share * self.seconds, self.left / 2)


@dataclass
class Runs:
    """first: seconds of the first run, in which kernels are chosen and loaded; not among `seconds`.
    working_bytes: the most that was taken above what was there before, on CUDA alone.
    error: why there are no more runs.
    """

    first: float = 0.0
    seconds: list[float] = field(default_factory=list)
    working_bytes: int | None = None
    error: str | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.seconds) if self.seconds else self.first


def timed(work: Callable[[], object], device: torch.device, processor: bool = False) -> tuple[float, int | None]:
    """Seconds of one run, by the device's own events on CUDA, and bytes as of `Runs.working_bytes`.

    processor: on a CPU the seconds that its cores worked for this process, which other work hardly changes.
    """
    if device.type != "cuda":
        clock = time.process_time if processor else time.perf_counter
        start = clock()
        work()
        return clock() - start, None
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    start_event, end_event = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start_event.record()
    work()
    end_event.record()
    torch.cuda.synchronize(device)
    return start_event.elapsed_time(end_event) / 1000, torch.cuda.max_memory_allocated(device) - before


def in_turn(
    works: dict[str, Callable[[], object]],
    device: torch.device,
    seconds: float,
    rounds: int = 9,
    least: int = 3,
    warm: bool = True,
    processor: bool = False,
) -> dict[str, Runs]:
    """Runs each once to warm up, if told so, then all in turn, so that what slows the machine slows all.

    processor: as of `timed`.
    seconds: begin no further round after them.
    rounds, least: at most, and at least where there is any time, of the measured rounds.
    A work that fails is left out from then on; `Runs.error` says why.
    """
    start = time.perf_counter()
    found = {name: Runs() for name in works}

    def run(name: str, first: bool = False) -> None:
        runs = found[name]
        try:
            taken, memory = timed(works[name], device, processor)
        except Exception as error:  # too little memory, no such kernel: the others are still measured
            runs.error = f"{type(error).__name__}: {str(error).splitlines()[0][:200] if str(error) else ''}"
            if device.type == "cuda":
                torch.cuda.empty_cache()
            return
        if first:
            runs.first = taken
        else:
            runs.seconds.append(taken)
        if memory is not None and not first:
            runs.working_bytes = max(memory, runs.working_bytes or 0)

    for name in works if warm else ():
        run(name, first=True)
    for done in range(rounds):
        late = time.perf_counter() - start > seconds * (1 if done < least else 0.5)
        if late and done:
            break
        for name in works:
            if found[name].error is None:
                run(name)
    return found
