"""Who asks, how often, and whether they are still there."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import Counter
from collections.abc import Container, Sequence

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
    """So many a second (requests, bytes) for each client, and `at_once` that were not used before."""

    def __init__(self, a_second: float, at_once: float):
        self.a_second, self.at_once = a_second, at_once
        self._left: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def allows(self, client: str, amount: float = 1) -> bool:
        now = time.monotonic()
        with self._lock:
            left, since = self._left.pop(client, (self.at_once, now))
            left = min(self.at_once, left + (now - since) * self.a_second)
            allowed = left >= amount
            self._left[client] = (left - amount if allowed else left, now)  # the last one asked is the last to be forgotten
            while len(self._left) > MOST_CLIENTS:
                del self._left[next(iter(self._left))]
            return allowed


class Open:
    """So many things at a time for each client."""

    def __init__(self, each: int):
        self.each = each
        self._open: Counter[str] = Counter()

    def enter(self, client: str) -> bool:
        if self._open[client] >= self.each:
            return False
        self._open[client] += 1
        return True

    def leave(self, client: str) -> None:
        self._open[client] -= 1
        if self._open[client] <= 0:
            del self._open[client]


class Sessions:
    """The sessions that each client began, so that one who begins many loses their own and nobody else's."""

    def __init__(self, each: int):
        self.each = each
        self._begun: dict[str, dict[str, None]] = {}
        self._lock = threading.Lock()

    def used(self, client: str, session: str, kept: Container[str]) -> str | None:
        """The session to be forgotten, if any: the one used longest ago that is not among `kept`."""
        with self._lock:
            begun = self._begun.pop(client, {})
            begun.pop(session, None)
            begun[session] = None
            self._begun[client] = begun  # as with rates, the last is the last to be forgotten
            while len(self._begun) > MOST_CLIENTS:
                del self._begun[next(iter(self._begun))]
            if len(begun) <= self.each:
                return None
            gone = next((old for old in begun if old not in kept and old != session), None)
            if gone is not None:
                del begun[gone]
            return gone


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

    def __contains__(self, visitor: object) -> bool:
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
