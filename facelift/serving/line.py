"""A line in which every client has few places, and whoever leaves frees theirs."""

from __future__ import annotations

import threading

from ..errors import BusyError


class Line:
    """Who comes first is served first."""

    def __init__(self, waiting: int, each: int):
        """waiting: places behind the one who is served. each: places of one client."""
        self.waiting, self.each = waiting, each
        self.closed = ""  # the sentence that everybody gets, once nobody is let in any more
        self._places: list[Place] = []
        self._moved = threading.Condition()

    def enter(self, client: str) -> Place:
        """Raises BusyError where there is no place."""
        with self._moved:
            if self.closed:
                raise BusyError(self.closed)
            if sum(place.client == client for place in self._places) >= self.each:
                raise BusyError(f"You have {self.each} heads in the making already: wait for one, or stop it.")
            if len(self._places) > self.waiting:
                raise BusyError("Too many visitors are waiting already: try again in a minute.")
            self._places.append(place := Place(self, client))
            return place

    def __len__(self) -> int:
        return len(self._places)

    def before(self, place: Place) -> int:
        with self._moved:
            return self._places.index(place)

    def ahead(self, place: Place) -> list[Place]:
        """Those who are served first."""
        with self._moved:
            return self._places[: self._places.index(place)]

    def leave(self, place: Place) -> None:
        with self._moved:
            if place in self._places:
                self._places.remove(place)
                self._moved.notify_all()

    def wait(self, seconds: float) -> None:
        """Until somebody leaves, or so long."""
        with self._moved:
            self._moved.wait(seconds)


class Place:
    def __init__(self, line: Line, client: str):
        self.line, self.client = line, client

    @property
    def before(self) -> int:
        """How many are served first."""
        return self.line.before(self)

    def leave(self) -> None:
        self.line.leave(self)
