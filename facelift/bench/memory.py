"""The memory that a work on a CPU takes, as Linux tells it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path

PROCESS = Path("/proc/self")


def peak_above(work: Callable[[], object]) -> int | None:
    """The most bytes that the process held during one run, above what it held before; None where the system does not say."""
    try:
        before = _after_giving_back()
        (PROCESS / "clear_refs").write_text("5")  # the peak begins anew: proc(5)
    except (OSError, AttributeError):
        return None
    work()
    return max(0, _status("VmHWM") - before)


def _after_giving_back() -> int:
    """What is held once freed pages are the system's again; else they would hide what a work takes."""
    ctypes.CDLL(None).malloc_trim(0)
    return _status("VmRSS")


def _status(name: str) -> int:
    line = next(line for line in (PROCESS / "status").read_text().splitlines() if line.startswith(f"{name}:"))
    return 1024 * int(line.split()[1])
