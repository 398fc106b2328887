"""Keeps the chatter of native libraries off the terminal."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from typing import TextIO


@contextmanager
def without_native_chatter() -> Iterator[TextIO]:
    """Drops what C++ code writes to stderr (MediaPipe logs a dozen lines a photo, whatever its flags say).

    What Python writes, warnings and errors included, still comes through: `sys.stderr` is a copy of the real one, which is also yielded.
    Not for programs with several threads that log: the process has one file descriptor 2.
    """
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # MediaPipe brings it, and it complains of a home that cannot be written
    sys.stderr.flush()
    real = os.dup(2)
    void = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(void, 2)
        with os.fdopen(os.dup(real), "w", buffering=1) as terminal, redirect_stderr(terminal):
            yield terminal
    finally:
        os.dup2(real, 2)
        os.close(real)
        os.close(void)
