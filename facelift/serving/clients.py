"""Who asks, how often, and whether they are still there."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Sequence

MOST_CLIENTS = 10_000  # remembered at once
NETWORK = 64  # bits of an IPv6 address that one client is given


Networks = Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]
THIS_COMPUTER: Networks = (ipaddress.IPv4Network("127.0.0.0/8"), ipaddress.IPv6Network("::1/128"))


def client_of(peer: str, forwarded: str | None, proxies: Networks = THIS_COMPUTER) -> str:
    """The address of a client, as a key.

    peer: whom the connection comes from.
    forwarded: the X-Forwarded-For header, of which the last entry is believed where one of our proxies wrote it.
    """
    try:
        address = ipaddress.ip_address(peer)
        if forwarded and any(address in network for network in proxies):
            address = ipaddress.ip_address(forwarded.rpartition(",")[2].strip())
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, NETWORK), strict=False).network_address)
    return str(address)


class Rate:
    """So many a second for each client, and `at_once` that were not used before."""

    def __init__(self, a_second: float, at_once: float):
        self.a_second, self.at_once = a_second, at_once
        self._left: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def allows(self, client: str) -> bool:
        now = time.monotonic()
        with self._lock:
            left, since = self._left.pop(client, (self.at_once, now))
            left = min(self.at_once, left + (now - since) * self.a_second)
            self._left[client] = (max(0.0, left - 1), now)  # the last one asked is the last to be forgotten
            while len(self._left) > MOST_CLIENTS:
                del self._left[next(iter(self._left))]
            return left >= 1


class Presence:
    """Which visitors have a page open, by the connection that each page holds."""

    def __init__(self) -> None:
        self._open: dict[str, int] = {}
        self._left: dict[str, float] = {}
        self._fetched = time.monotonic()
        self._lock = threading.Lock()

    def fetched(self) -> None:
        """One of them got a file."""
        self._fetched = time.monotonic()

    @property
    def since_fetched(self) -> float:
        """Seconds since anybody got a file."""
        return time.monotonic() - self._fetched

    def came(self, visitor: str) -> None:
        with self._lock:
            self._open[visitor] = self._open.get(visitor, 0) + 1
            self._left.pop(visitor, None)

    def left(self, visitor: str) -> None:
        with self._lock:
            self._open[visitor] = self._open.get(visitor, 1) - 1
            if self._open[visitor] <= 0:
                del self._open[visitor]
                self._left[visitor] = time.monotonic()

    def __contains__(self, visitor: str) -> bool:
        return visitor in self._open

    def __len__(self) -> int:
        return len(self._open)

    def gone(self, grace: float) -> list[str]:
        """Those who left so many seconds ago and did not come back; each is told once."""
        before = time.monotonic() - grace
        with self._lock:
            gone = [visitor for visitor, when in self._left.items() if when <= before]
            for visitor in gone:
                del self._left[visitor]
            return gone
