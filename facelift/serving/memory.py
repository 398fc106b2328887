"""Memory that a long-running server gives back. glibc alone needs this; elsewhere nothing is done."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache

M_ARENA_MAX = -8  # malloc.h
ARENAS = 2  # one for each thread, as glibc would have it, keeps what was freed in all of them


@cache
def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "malloc_trim") and hasattr(library, "mallopt") else None


def few_arenas() -> None:
    """To be called before there are threads: those that are there keep their arenas."""
    if library := _glibc():
        library.mallopt(M_ARENA_MAX, ARENAS)


def give_back() -> None:
    """Returns freed pages to the system: milliseconds, for after a job."""
    if library := _glibc():
        library.malloc_trim(0)


def resident() -> int:
    """Bytes of memory that this process holds; 0 where the system does not say."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0
