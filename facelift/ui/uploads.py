"""Which files a visitor may name: those this page was sent or made, and its examples. Whatever else a call names is not opened."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
import stat
import tempfile
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import gradio as gr
from gradio.processing_utils import httpx, sh
from gradio.utils import get_upload_folder
from gradio_client.utils import is_file_obj, is_http_url_like, traverse

from ..portrait.photo import SUFFIXES as PICTURES
from ..resources import resource
from ..serving.visitors import Visitors
from . import texts

log = logging.getLogger(__name__)
EXAMPLES = resource("assets/examples")
MOST_SENT = 20 * 2**20  # bytes of one upload or download: larger than any photo of 50 megapixels people share
MOST_READ = 64 * 2**20  # bytes of a file that is here: a head of a million Gaussians, made here, is one of 59 MB
MOST_FILES = 1  # in one call: no function takes more
FETCH_SECONDS = 20.0  # for a photo at a public address, redirects included: a visitor's turn waits meanwhile
MOST_REDIRECTS = 5
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
SUFFIXES = (*PICTURES, ".ply", ".splat", ".spz", ".sog")


class Refused(Exception):
    """A file that may not be read, whether it exists or not."""


_visitor: ContextVar[str] = ContextVar("visitor", default="")


class GuardedBlocks(gr.Blocks):
    """A page that looks at every file named in a call, to whatever function and component, before Gradio does anything with it.

    Gradio's own check passes over files without `meta`, and its downloads have no limit.
    """

    visitors: Visitors  # who is told whose files these are
    service: Any  # what runs around the page, until it is closed

    async def process_api(self, *args, **kwargs):
        session, request = kwargs.get("session_hash") or "", kwargs.get("request")
        _visitor.set(session)
        if session and isinstance(request, gr.Request):
            self.service.used(request.client.host if request.client else "unknown", session)
        try:
            return await super().process_api(*args, **kwargs)
        except gr.Error as error:
            raise gr.Error(error.message, print_exception=False) from None
        except Exception:  # which Gradio would print, with words that may be a visitor's
            log.exception("A call failed")
            raise gr.Error(texts.UNEXPECTED, print_exception=False) from None

    async def preprocess_data(self, block_fn, inputs, *args, **kwargs):
        try:
            inputs = await admitted(inputs, self._note)
        except Refused:
            raise gr.Error(texts.NOT_SENT, print_exception=False) from None
        except RecursionError:
            raise gr.Error(texts.NOT_UNDERSTOOD, print_exception=False) from None
        try:
            return await super().preprocess_data(block_fn, inputs, *args, **kwargs)
        except gr.Error:
            raise
        except Exception:  # of another kind than a component takes
            raise gr.Error(texts.NOT_UNDERSTOOD, print_exception=False) from None

    def close(self, verbose: bool = True) -> None:
        self.service.close()
        super().close(verbose)

    def _note(self, path: Path) -> None:
        self.visitors.uses(_visitor.get(), path)


async def admitted(data: Any, note: Callable[[Path], None] | None = None) -> Any:
    """JSON of a call with each file in it (a dictionary with a "path") replaced by one with a real path that may be read.

    note: is told of each file. A public http(s) address is downloaded to the upload folder. Raises Refused, for all reasons alike.
    """
    named: list[str] = []
    traverse(data, lambda file: named.append(file["path"]), is_file_obj)
    if len(named) > MOST_FILES:
        raise Refused
    real = {path: await fetched(path) if is_http_url_like(path) else real_path(path) for path in named}

    for path in real.values():
        if note is not None:
            note(path)

    def replaced(file: dict) -> dict:
        name = file.get("orig_name")
        return {
            "path": str(real[file["path"]]), "orig_name": name if isinstance(name, str) else None,
            "meta": {"_type": "gradio.FileData"},
        }  # fmt: skip

    return traverse(data, replaced, is_file_obj)


def real_path(path: str) -> Path:
    """The file itself, links followed: regular, not too large, in the upload folder or among the examples. Raises Refused."""
    try:
        real = Path(os.path.realpath(path))
        if not any(real.is_relative_to(os.path.realpath(folder)) for folder in (get_upload_folder(), EXAMPLES)):
            raise Refused
        found = real.lstat()
    except (OSError, ValueError):  # not there, no such name possible
        raise Refused from None
    if not stat.S_ISREG(found.st_mode) or found.st_size > MOST_READ:
        raise Refused
    return real


async def fetched(url: str) -> Path:
    """Downloads a public address to the upload folder. Raises Refused: not public, not there, too large, too slow."""
    try:
        async with asyncio.timeout(FETCH_SECONDS):
            data = await _download(url)
    except (OSError, ValueError, TimeoutError, httpx.HTTPError, httpx.InvalidURL):
        raise Refused from None
    folder = Path(get_upload_folder())
    folder.mkdir(parents=True, exist_ok=True)
    suffix = Path(urlsplit(url).path).suffix.lower()
    path = Path(tempfile.mkdtemp(dir=folder)) / f"file{suffix if suffix in SUFFIXES else ''}"
    path.write_bytes(data)
    return path.resolve()


async def _download(url: str) -> bytes:
    for _ in range(MOST_REDIRECTS + 1):
        transport = sh.AsyncSecureTransport(await _public_address(httpx.URL(url).host))  # each redirect is looked at anew
        plain = {"accept-encoding": "identity"}  # so that the bytes counted are the bytes there are
        async with httpx.AsyncClient(transport=transport) as client, client.stream("GET", url, headers=plain) as answer:
            if answer.has_redirect_location:
                url = urljoin(url, answer.headers["location"])
                continue
            if answer.status_code != 200:
                raise Refused
            data = bytearray()
            async for part in answer.aiter_raw():
                data += part
                if len(data) > MOST_SENT:
                    raise Refused
            return bytes(data)
    raise Refused


async def _public_address(host: str) -> str:
    """One IP address of a host that all can reach. Raises ValueError."""
    address = await sh.async_validate_url(host)
    ip = ipaddress.ip_address(address)
    if not _innermost(ip).is_global:
        raise ValueError(f"{host} is not public")
    return address


def _innermost(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The IPv4 address within one of IPv6 that routers translate."""
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    if ip in NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or ip
