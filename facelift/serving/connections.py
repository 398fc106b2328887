"""Connections that say nothing: each holds one of the few files that a process may have open."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any


class Silent:
    """Closes those on which no request has arrived whole for some seconds. What is being answered is left alone."""

    def __init__(self, seconds: float):
        self.seconds = seconds
        self._since: dict[Any, float] = {}

    def close(self, connections: Iterable[Any]) -> None:
        """connections: uvicorn's, of all clients. From any thread."""
        now = time.monotonic()
        silent = [one for one in connections if one.cycle is None or one.cycle.response_complete]
        self._since = {one: self._since.get(one, now) for one in silent}
        for one, since in self._since.items():
            if now - since > self.seconds:
                one.loop.call_soon_threadsafe(one.transport.close)


def allow_many(most: int = 65_536) -> None:
    """As many open files as this process may ask for: many systems begin with 1,024."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = most if hard == resource.RLIM_INFINITY else min(most, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
