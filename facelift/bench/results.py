"""What a bench found: rows as they come, a JSON file after each stage, a table in the end."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ..files import write_whole
from .clock import Runs
from .kernels import Kernel


@dataclass
class Row:
    """One way of doing one stage.

    seconds: median of the runs. spread: fastest and slowest. first: of the warm-up.
    flops: counted, of one run. rate: flops a second. share: of the machine's own peak in that format.
    working_bytes: taken above what was there, on CUDA. weights_bytes: of all networks in that format.
    """

    stage: str
    way: str
    format: str
    seconds: float
    spread: tuple[float, float]
    runs: int
    first: float
    flops: float | None = None
    rate: float | None = None
    share: float | None = None
    working_bytes: int | None = None
    weights_bytes: int | None = None
    error: str | None = None

    def __str__(self) -> str:
        if self.error and not self.runs:
            return f"{self.stage:<20} {self.way:<30} {self.format:<5} failed: {self.error}"
        rate = f"{self.rate / 1e12:8.2f} TFLOP/s" if self.rate else " " * 16
        share = f"{self.share:5.0%}" if self.share else " " * 5
        memory = f"{self.working_bytes / 2**30:6.2f} GiB" if self.working_bytes is not None else ""
        spread = f"{1000 * self.spread[0]:.2f} to {1000 * self.spread[1]:.2f}"
        took = f"{1000 * self.seconds:10.2f} ms ({spread}; {self.runs})"
        return f"{self.stage:<20} {self.way:<30} {self.format:<5} {took:<40} {rate} {share} {memory}"


@dataclass
class Results:
    """differences: by name, relative L2 or dB. notes: what was left out or is to be known, in the order it came.
    kernels: by stage and format, the longest first. spent: seconds in all.
    """

    machine: dict[str, object]
    arguments: dict[str, object]
    rows: list[Row] = field(default_factory=list)
    differences: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    kernels: dict[str, list[Kernel]] = field(default_factory=dict)
    spent: float = 0.0

    def add(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self.rows.append(row)
            print(row, flush=True)

    def differ(self, name: str, value: float) -> None:
        self.differences[name] = value
        print(f"{name}: {value:.3g}", flush=True)

    def note(self, text: str) -> None:
        self.notes.append(text)
        print(text, flush=True)

    def peak(self, name: str, format: str) -> float | None:
        """The best rate measured in a stage "peak", of any way whose name begins so."""
        rates = [row.rate for row in self.rows if row.stage == "peak" and row.way.startswith(name) and row.format == format and row.rate]
        return max(rates, default=None)

    def faster(self, stage: str, format: str, way: str, other: str) -> bool:
        """Whether one way was measured faster than another; false where one is not there."""
        seconds = {row.way: row.seconds for row in self.rows if (row.stage, row.format) == (stage, format) and row.runs and not row.error}
        return way in seconds and other in seconds and seconds[way] < seconds[other]

    def write(self, path: Path | None) -> None:
        if path is not None:
            write_whole(path, lambda part: part.write_text(json.dumps(asdict(self), indent=1) + "\n"))

    def ratios(self) -> list[str]:
        """How many times faster ours is than the naive way, stage by stage and format by format."""
        found = []
        for naive in (row for row in self.rows if row.way == "naive" and row.runs):
            same = [row for row in self.rows if row.stage == naive.stage and row.format == naive.format and row.runs]
            ours = [row for row in same if row.way.startswith("ours")]
            if ours:
                best = min(ours, key=lambda row: row.seconds)
                found.append(f"{naive.stage} {naive.format}: {naive.seconds / best.seconds:.2f} times the naive way's speed ({best.way})")
        return found


def rows_of(
    stage: str,
    format: str,
    runs: dict[str, Runs],
    flops: dict[str, float],
    peak: float | None,
    weights: int | None = None,
) -> list[Row]:
    """runs, flops: by way. peak: flops a second. weights: bytes."""
    made = []
    for way, r in runs.items():
        count = flops.get(way)
        rate = count / r.median if count and r.median else None
        spread = (min(r.seconds), max(r.seconds)) if r.seconds else (r.first, r.first)
        share = rate / peak if rate and peak else None
        measured = r.median, spread, len(r.seconds), r.first
        made.append(Row(stage, way, format, *measured, count, rate, share, r.working_bytes, weights, r.error))
    return made
