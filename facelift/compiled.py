"""Loops that numba compiles, and where their machine code is kept."""

from __future__ import annotations

import numba


def compiled(**options):
    """numba.njit with machine code kept on disk, or in memory alone where no folder can be written. options: those of numba.njit."""

    def decorate(function):
        try:
            return numba.njit(cache=True, **options)(function)
        except RuntimeError:  # "no locator available": neither the package nor the user's cache folder is writable
            return numba.njit(**options)(function)

    return decorate
