"""What every request passes before anything else looks at it: host, origin, rate, size, time; and the headers of every answer."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import secrets
import socket
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from .clients import Open, Presence, Rate, client_of
from .logs import log_request
from .metrics import Metrics
from .settings import ServiceSettings

Message = MutableMapping[str, Any]  # ASGI
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

UPLOADS = re.compile(r"(/gradio_api)?/upload/?")
HEARTBEAT = re.compile(r"(?:/gradio_api)?/heartbeat/([\w-]{1,64})/?")
LOGIN = re.compile(r"/login/?")
PAGES = re.compile(r"/|/config/?|/openapi\.json|/gradio_api/(info/?|openapi\.json)")  # some 250 kB, made anew for each visitor
CLOSED = re.compile(
    r"/monitoring(/.*)?|/gradio_api/(runs|run-history|dev|vibe-\w+|vibe-edit|undo-vibe-edit|process_recording|profiling|component_server"
    r"|custom_component|proxy=|stream)(/.*|\b.*)?|/gradio_api/deep_link.*|/(dev|proxy=).*|/gradio_api/file[=/]\s*https?:.*",
    re.IGNORECASE | re.DOTALL,
)  # what Gradio offers to those who build pages, and the web, which it would fetch for anybody
LONGEST_ADDRESS = 4096  # bytes: a file with a name of 200 letters of any script
FORM = re.compile(r"multipart/form-data;\s*boundary=(\"?)([\w-]{1,70})\1", re.IGNORECASE | re.ASCII)
MOST_PARTS = 16  # of an upload: the page sends one file at a time
ONE_RANGE = re.compile(rb"bytes=(\d{0,18}-\d{0,18})")
SHARED_PATH = "/shared/"  # links that visitors share
POLICY = "; ".join(
    f"{what} {where}"
    for what, where in {
        "default-src": "'self'",
        "script-src": "'self' 'unsafe-inline' 'unsafe-eval' 'wasm-unsafe-eval' blob:",  # Gradio's page is made by scripts in it
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "media-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "connect-src": "'self' data: blob:",
        "worker-src": "'self' blob:",
        "object-src": "'none'",
        "base-uri": "'self'",
        "form-action": "'self'",
    }.items()
)
# A shared head is one file with all it needs: its page may ask nobody for anything, is no part of ours, and may stand in others.
SHARED_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval' 'wasm-unsafe-eval' blob:; style-src 'unsafe-inline'; "
    "img-src data: blob:; media-src data: blob:; connect-src data: blob:; worker-src data: blob:; base-uri 'none'; form-action 'none'; "
    "sandbox allow-scripts allow-downloads; frame-ancestors *"
)
SHARED_HEADERS = {
    "content-security-policy": SHARED_POLICY, "cross-origin-resource-policy": "cross-origin", "x-robots-tag": "noindex",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=()",
}  # fmt: skip
HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=(), payment=()",
}


class Guard:
    """Around an application: `application` is called with what passes."""

    def __init__(
        self, application: Application, settings: ServiceSettings, presence: Presence, metrics: Metrics,
        full: Callable[[], bool] = lambda: False,
    ):  # fmt: skip
        """full: whether there is no room for uploads."""
        self.application, self.settings, self.presence, self.metrics, self.full = application, settings, presence, metrics, full
        self.hosts = {"localhost", socket.gethostname().lower(), *(host.lower() for host in settings.hosts)}
        self.proxies = [ipaddress.ip_network(network) for network in settings.proxies]
        self.rate = Rate(settings.requests_a_second, settings.requests_at_once)
        self.pages = Rate(settings.pages_a_second, settings.pages_at_once)
        self.logins = Rate(settings.logins_a_minute / 60, settings.logins_a_minute)
        self.sent = Rate(settings.sent_bytes_a_second, settings.sent_bytes_at_once)
        self.open = Open(settings.requests_open)
        frames = " ".join(["'self'", *(["https://huggingface.co"] if any(host.endswith(".hf.space") for host in settings.hosts) else [])])
        self.headers = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
        self.headers.append((b"content-security-policy", f"{POLICY}; frame-ancestors {frames}".encode()))
        if frames == "'self'":
            self.headers.append((b"x-frame-options", b"SAMEORIGIN"))
        shared = {**HEADERS, **SHARED_HEADERS}
        self.shared_headers = [(name.encode(), value.encode()) for name, value in shared.items()]

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":  # the page opens none
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.application(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send, self)
        refusal = self._refusal(scope, exchange.headers)
        if refusal is not None:
            await exchange.refuse(*refusal)
        else:
            try:
                await exchange.pass_on()
            finally:
                self.open.leave(scope["client"][0])
            if "/file=" in scope["path"]:
                self.presence.fetched()
        log_request(exchange.id, scope["method"], scope["path"], exchange.status, time.monotonic() - exchange.started)

    def _refusal(self, scope: Message, headers: dict[str, str]) -> tuple[int, str, str] | None:
        """Status, reason and sentence; without one, the client has one more request open."""
        path, host = scope["path"], headers.get("host", "")
        client = client_of((scope.get("client") or ("", 0))[0], headers.get("x-forwarded-for"), self.proxies)
        scope["client"] = (client, 0)
        if not self._known(host):
            return 421, "host", "This server does not answer to that name: start it with --host NAME."
        if not self._same_site(headers):
            return 403, "origin", "Other sites may not use this server."
        if CLOSED.fullmatch(path):
            return 404, "closed", "Not found."
        if not self.rate.allows(client) or PAGES.fullmatch(path) and not self.pages.allows(client):
            return 429, "rate", "Too many requests: try again in a few seconds."
        if scope["method"] == "POST" and LOGIN.fullmatch(path) and not self.logins.allows(client):
            return 429, "login", "Too many attempts: try again in a minute."
        if len(scope.get("raw_path") or b"") + len(scope.get("query_string", b"")) > LONGEST_ADDRESS:
            return 414, "address", "That address is too long."
        length = headers.get("content-length", "" if "transfer-encoding" in headers else "0")
        if length and not re.fullmatch("[0-9]{1,18}", length) or int(length or 0) > self.most(path):
            return 413, "size", TOO_LARGE
        if scope["method"] == "POST" and UPLOADS.fullmatch(path):
            if not FORM.fullmatch(headers.get("content-type", "")):
                return 415, "form", "Files are sent as a form."
            if self.full():
                return 507, "disk", "The server has no room left: try again later."
            if not self.sent.allows(client, int(length) if length else self.most(path)):
                return 429, "sent", "You have sent a lot already: try again in some minutes."
        if not self.open.enter(client):
            return 429, "open", "Too many requests at a time: close some pages."
        return None

    def most(self, path: str) -> int:
        """Bytes of a request."""
        return self.settings.call_bytes + (self.settings.photo_bytes if UPLOADS.fullmatch(path) else 0)

    def _known(self, host: str) -> bool:
        """A name of this server, or a numeric address: a foreign name that was made to point here is neither."""
        try:
            name = (urlsplit(f"//{host}").hostname or "").lower() if _plain(host) else ""
        except ValueError:  # half an IPv6 address
            return False
        try:
            return bool(ipaddress.ip_address(name))
        except ValueError:
            return name in self.hosts or any(known.startswith("*.") and name.endswith(known[1:]) for known in self.hosts)

    def _same_site(self, headers: dict[str, str]) -> bool:
        """Whether a browser says that a page of ours asks; what is no browser says nothing."""
        origin = headers.get("origin")
        if origin is None:  # a page of another site may be a way here, but nothing that it loads
            return headers.get("sec-fetch-site") != "cross-site" or headers.get("sec-fetch-mode") == "navigate"
        here = {headers.get("host", "").lower(), headers.get("x-forwarded-host", "").lower()} - {""}
        return _plain(origin) and origin.lower().partition("://")[2] in here


TOO_LARGE = "That is larger than this server accepts."
TOO_SLOW = "The request took too long to arrive."


def _plain(text: str) -> bool:
    return re.fullmatch(r"[\w.:/\[\]-]{1,300}", text) is not None


def _one_range(header: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    """A Range of one part, written so that Starlette answers it: Gradio's own answer repeats the request's headers, cookies too."""
    name, value = header
    if name != b"range":
        return header
    wanted = ONE_RANGE.fullmatch(value)
    return name, b"Bytes=" + wanted[1] if wanted else b""


class _Parts:
    """Counts the parts of a form as it arrives: each becomes a file."""

    def __init__(self, form: re.Match[str] | None):
        self._mark = b"--" + form[2].encode() if form else b""
        self._end, self._count = b"", 0

    def count(self, data: bytes) -> int:
        """data: what has just arrived. Those so far."""
        if self._mark:
            data = self._end + data
            self._count += data.count(self._mark)
            self._end = data[-len(self._mark) + 1 :]  # a mark may arrive in two pieces
        return self._count


class _Exchange:
    """One request and its answer, which may be cut off."""

    def __init__(self, scope: Message, receive: Receive, send: Send, guard: Guard):
        self.scope, self._receive, self._send, self.guard = scope, receive, send, guard
        self.headers: dict[str, str] = {}
        for name, value in scope["headers"]:  # one that comes twice is both, as others read the first alone, or the last
            key, text = name.decode("latin-1").lower(), value.decode("latin-1")
            self.headers[key] = f"{self.headers[key]}, {text}" if key in self.headers else text
        self.id = secrets.token_hex(8)
        self.status, self.started = 0, time.monotonic()
        self.got, self.whole, self.refused = 0, False, False
        self.parts = _Parts(FORM.fullmatch(self.headers.get("content-type", "")))
        scope["headers"] = [(name, value) for name, value in map(_one_range, scope["headers"]) if value or name != b"range"]
        scope.setdefault("state", {})["request_id"] = self.id

    async def pass_on(self) -> None:
        visitor = HEARTBEAT.fullmatch(self.scope["path"])
        if visitor:
            self.guard.presence.came(visitor[1])
        try:
            await self.guard.application(self.scope, self.receive, self.send)
        except Exception:
            if not self.refused:  # what was cut off ends in its own way
                raise
        finally:
            if visitor:
                self.guard.presence.left(visitor[1])

    async def receive(self) -> Message:
        """A part of the request, as long as it is not too much or too slow."""
        if self.refused:
            return {"type": "http.disconnect"}
        if self.whole:
            return await self._receive()
        left = self.started + self.guard.settings.body_seconds - time.monotonic()
        try:
            message = await asyncio.wait_for(self._receive(), max(0.01, left))
        except TimeoutError:
            await self.refuse(408, "slow", TOO_SLOW)
            return {"type": "http.disconnect"}
        if message["type"] == "http.request":
            self.got += len(message.get("body", b""))
            self.whole = not message.get("more_body", False)
            if self.got > self.guard.most(self.scope["path"]) or self.parts.count(message.get("body", b"")) > MOST_PARTS:
                await self.refuse(413, "size", TOO_LARGE)
                return {"type": "http.disconnect"}
        return message

    async def send(self, message: Message) -> None:
        if self.refused:
            return
        if message["type"] == "http.response.start":
            self.status = message["status"]
            guarded = self.guard.shared_headers if self.scope["path"].startswith(SHARED_PATH) else self.guard.headers
            message["headers"] = [*self.kept(message.get("headers", [])), *guarded, (b"x-request-id", self.id.encode())]
        await self._send(message)

    def kept(self, headers) -> list[tuple[bytes, bytes]]:
        ours = {name for name, _ in self.guard.headers}
        return [(name, value) for name, value in headers if name.lower() not in ours]

    async def refuse(self, status: int, reason: str, sentence: str) -> None:
        """Answers with a sentence, unless an answer has begun; nothing else is sent."""
        self.guard.metrics.count("facelift_refusals_total", reason=reason)
        if not self.status:
            headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
            if status == 429:
                headers.append((b"retry-after", b"5"))
            await self.send({"type": "http.response.start", "status": status, "headers": headers})
            await self._send({"type": "http.response.body", "body": sentence.encode()})
        self.refused = True
