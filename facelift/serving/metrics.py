"""What happened so far, as numbers: Prometheus' text format."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable

HELP = {
    "facelift_jobs_total": "Work that ended, by lane and how it ended.",
    "facelift_stage_seconds": "Seconds spent in each stage of a head.",
    "facelift_lane_seconds": "Seconds that finished work of a lane took.",
    "facelift_refusals_total": "Requests refused, by reason.",
    "facelift_line": "Heads being made or waiting.",
    "facelift_visitors": "Pages that are open.",
    "facelift_links": "Links to shared heads that have not ended.",
    "facelift_memory_bytes": "Memory held, by process.",
    "facelift_disk_bytes": "Size of all visitors' files.",
    "facelift_disk_free_bytes": "What is free where they lie.",
    "facelift_worker_restarts_total": "Processes ended, because they took too long, died or grew.",
    "facelift_lane_passed_seconds": "Seconds since work last passed through a lane.",
}
Labels = tuple[tuple[str, str], ...]


class Metrics:
    """Counts, sums of seconds, and values that are asked for when they are read. No label says who a visitor is."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, Labels], float] = defaultdict(float)
        self._asked: dict[tuple[str, Labels], Callable[[], float]] = {}
        self._lock = threading.Lock()

    def count(self, name: str, **labels: str) -> None:
        with self._lock:
            self._counts[name, tuple(labels.items())] += 1

    def took(self, name: str, seconds: float, **labels: str) -> None:
        """A summary: how many, and how long all of them."""
        with self._lock:
            self._counts[name + "_count", tuple(labels.items())] += 1
            self._counts[name + "_sum", tuple(labels.items())] += seconds

    def ask(self, name: str, value: Callable[[], float], **labels: str) -> None:
        self._asked[name, tuple(labels.items())] = value

    def text(self) -> str:
        with self._lock:
            values = dict(self._counts)
        values |= {key: float(value()) for key, value in self._asked.items()}
        lines, family = [], ""
        for (name, labels), value in sorted(values.items()):
            base = name.removesuffix("_count").removesuffix("_sum")
            if base != family:
                kind = "counter" if base.endswith("_total") else "summary" if base != name else "gauge"
                lines += [f"# HELP {base} {HELP[base]}", f"# TYPE {base} {kind}"]
                family = base
            named = ",".join(f'{key}="{value}"' for key, value in labels)
            lines.append(f"{name}{{{named}}} {value:.10g}" if named else f"{name} {value:.10g}")
        return "\n".join(lines) + "\n"
