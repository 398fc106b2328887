"""The page's own title, words and picture in link previews, and its language, in place of Gradio's."""

from __future__ import annotations

import gzip
import html
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from ..resources import resource
from . import texts

Message = MutableMapping[str, Any]  # ASGI
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

PREVIEW = resource("assets/viewer/preview.jpg")
CHARSET = re.compile(r"<meta charset=[^>]*>")
THEIRS = re.compile(r"<meta\s+(?:property=\"og:|name=\"twitter:)[^>]*>\s*")


class Front:
    """Around an application: the page itself is given our head."""

    def __init__(self, application: Application):
        self.application = application

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] != "/":
            await self.application(scope, receive, send)
            return
        start: Message = {}
        body = bytearray()
        packs = any(name.lower() == b"accept-encoding" and b"gzip" in value for name, value in scope["headers"])
        scope = {**scope, "headers": [pair for pair in scope["headers"] if pair[0].lower() != b"accept-encoding"]}

        async def collected(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                return
            body.extend(message.get("body", b""))
            if message.get("more_body"):
                return
            headers = list(start["headers"])
            data = bytes(body)
            if any(name.lower() == b"content-type" and value.startswith(b"text/html") for name, value in headers):
                data = with_our_head(data.decode("utf-8"), address(scope)).encode("utf-8")
                headers = [(name, value) for name, value in headers if name.lower() != b"content-length"]
                if packs:
                    data = gzip.compress(data, 6, mtime=0)
                    headers += [(b"content-encoding", b"gzip"), (b"vary", b"accept-encoding")]
                headers.append((b"content-length", str(len(data)).encode()))
            await send({**start, "headers": headers})
            await send({"type": "http.response.body", "body": data})

        await self.application(scope, receive, collected)


def with_our_head(page: str, here: str) -> str:
    """page: as Gradio makes it. here: its own address, without a slash at the end."""
    picture = f"{here}/gradio_api/file={PREVIEW}"
    ours = {
        "og:title": texts.TITLE, "og:type": "website", "og:url": here, "og:description": texts.LEAD, "og:image": picture,
        "twitter:card": "summary_large_image", "twitter:title": texts.TITLE, "twitter:description": texts.LEAD, "twitter:image": picture,
    }  # fmt: skip
    lines = [f'<meta name="description" content="{html.escape(texts.LEAD)}">']
    for name, content in ours.items():
        kind = "property" if name.startswith("og:") else "name"
        lines.append(f'<meta {kind}="{name}" content="{html.escape(content)}">')
    head, body, rest = page.partition("<body")
    return CHARSET.sub(lambda found: "\n".join([found[0], *lines]), THEIRS.sub("", head), count=1) + body + rest


def address(scope: Message) -> str:
    """Of the page, as the visitor wrote it."""
    headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
    scheme = headers.get(b"x-forwarded-proto") or str(scope.get("scheme"))
    host = headers.get(b"host", "localhost")  # which the guard has looked at
    return f"{'https' if scheme.startswith('https') else 'http'}://{host}{scope.get('root_path', '')}".rstrip("/")
