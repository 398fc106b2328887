"""Links to heads that visitors share: unguessable, with an end, withdrawn at will. What they show lies beside the visitors' folders."""

from __future__ import annotations

import asyncio
import hmac
import os
import secrets
import shutil
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ..errors import BusyError
from ..files import write_whole
from .guard import SHARED_PATH, Application, Message, Receive, Send
from .operations import answer
from .visitors import SHARED

ENDED = "This link has ended, or there never was one: ask whoever sent it for another."
PIECE = 2**18  # bytes
WITHDRAWN = "This link shows nothing any more."


@dataclass(frozen=True)
class Link:
    """name: what of its address cannot be guessed.
    key: withdraws it.
    ends: by the clock that nobody sets.
    until: by everybody's, seconds.
    """

    name: str
    key: str
    page: Path
    visitor: str
    client: str
    ends: float
    until: float

    @property
    def path(self) -> str:
        """Its address, from that of the page."""
        return f"{SHARED_PATH}{self.name}".removeprefix("/")


class Shares:
    """The links of one server; they end with it."""

    def __init__(self, above: Path, seconds: float, each: int, most: int):
        """above: the visitors' root. seconds: how long a link lasts; 0: there are none. each, most: of one client, and of all."""
        self.folder, self.seconds, self.each, self.most = above / SHARED, seconds, each, most
        self._links: dict[str, Link] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._links)

    def add(self, visitor: str, client: str, page: Path) -> Link:
        """A link to a copy of `page`. Raises BusyError, OSError."""
        self.sweep()
        name, ends = secrets.token_hex(20), time.monotonic() + self.seconds
        link = Link(name, secrets.token_hex(20), self.folder / f"{name}.html", visitor, client, ends, time.time() + self.seconds)
        with self._lock:
            if not self.seconds:
                raise BusyError("This server makes no links.")
            if sum(other.client == client for other in self._links.values()) >= self.each or len(self._links) >= self.most:
                raise BusyError("There are as many links as may be: withdraw one of yours, or try again later.")
            self._links[name] = link
        try:
            write_whole(link.page, lambda path: shutil.copyfile(page, path))
        except OSError:
            self._drop(link)
            raise
        return link

    def find(self, name: str) -> Link | None:
        """None: ended, withdrawn or never there."""
        link = self._links.get(name)
        return link if link is not None and link.ends > time.monotonic() else None

    def withdraw(self, name: str, key: str) -> bool:
        """Whether there was one, and this is its key."""
        link = self.find(name)
        if link is None or not hmac.compare_digest(link.key.encode(), key.encode()):
            return False
        self._drop(link)
        return True

    def forget(self, visitor: str) -> None:
        """Withdraws all of a visitor."""
        for link in list(self._links.values()):
            if link.visitor == visitor:
                self._drop(link)

    def sweep(self) -> None:
        """Deletes what has ended."""
        for name, link in list(self._links.items()):
            if self.find(name) is None:
                self._drop(link)

    def _drop(self, link: Link) -> None:
        with self._lock:
            self._links.pop(link.name, None)
        link.page.unlink(missing_ok=True)


class SharedPages:
    """Around an application: answers GET of a link with its page, DELETE with the header x-key by withdrawing it."""

    def __init__(self, application: Application, shares: Shares):
        self.application, self.shares = application, shares

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(SHARED_PATH):
            await self.application(scope, receive, send)
            return
        name, method = scope["path"].removeprefix(SHARED_PATH), scope["method"]
        if method == "DELETE":
            keys = [value.decode("latin-1") for header, value in scope["headers"] if header.lower() == b"x-key"]
            done = self.shares.withdraw(name, keys[0] if keys else "")
            await answer(send, 200 if done else 404, f"{WITHDRAWN if done else ENDED}\n")
        elif method in ("GET", "HEAD"):
            page = await asyncio.to_thread(self._page, name)
            if page is None:
                await answer(send, 404, b"" if method == "HEAD" else f"{ENDED}\n")
            else:
                with page:
                    await _send_page(send, page, method == "GET")
        else:
            await answer(send, 405, "A link can be looked at, and withdrawn.\n")

    def _page(self, name: str) -> BinaryIO | None:
        link = self.shares.find(name)
        try:
            return None if link is None else link.page.open("rb")
        except OSError:  # withdrawn in this moment
            return None


async def _send_page(send: Send, page: BinaryIO, whole: bool) -> None:
    """In pieces: who reads slowly keeps one of them in memory. whole: with more than its headers."""
    size = str(os.fstat(page.fileno()).st_size).encode()
    headers = [(b"content-type", b"text/html; charset=utf-8"), (b"cache-control", b"no-store"), (b"content-length", size)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    while whole and (piece := await asyncio.to_thread(page.read, PIECE)):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
