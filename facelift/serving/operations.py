"""What those who run the server ask it: /healthz, /readyz and /metrics."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable

from .guard import Application, Message, Receive, Send
from .metrics import Metrics


class Operations:
    """Around an application. ready: what is not in order, by lane; empty when all is."""

    def __init__(self, application: Application, ready: Callable[[], dict[str, str]], metrics: Metrics):
        self.application, self.ready, self.metrics = application, ready, metrics

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        path = scope["path"] if scope["type"] == "http" else ""
        if path == "/healthz":
            await answer(send, 200, "ok\n")
        elif path == "/readyz":
            missing = self.ready()
            content = missing if _near(scope) else {}
            await answer(send, 503 if missing else 200, json.dumps({"ready": not missing, **content}) + "\n", "application/json")
        elif path == "/metrics":
            if _near(scope):
                await answer(send, 200, self.metrics.text(), "text/plain; version=0.0.4; charset=utf-8")
            else:
                await answer(send, 404, "Not found.\n")
        else:
            await self.application(scope, receive, send)


def _near(scope: Message) -> bool:
    """Whether somebody on this computer or its private network asks, and not through a proxy."""
    if any(name.lower() == b"x-forwarded-for" for name, _ in scope["headers"]):
        return False
    try:
        return ipaddress.ip_address((scope.get("client") or ("", 0))[0]).is_private
    except ValueError:
        return False


async def answer(send: Send, status: int, content: str | bytes, kind: str = "text/plain; charset=utf-8") -> None:
    """A whole answer, which nobody may keep."""
    headers = [(b"content-type", kind.encode()), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content.encode() if isinstance(content, str) else content})
