"""What one client may take, however it asks: addresses, open requests, bytes, files, connections, sessions, turns."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from facelift.serving import clients, connections
from facelift.serving.clients import Presence, Sessions
from facelift.serving.connections import Silent
from facelift.serving.guard import MOST_PARTS, Guard
from facelift.serving.metrics import Metrics
from facelift.serving.settings import ServiceSettings
from facelift.ui import server

FORM = b"multipart/form-data; boundary=b"


class Asked:
    """A guard with an application that answers 200 to all, and what reached it."""

    def __init__(self, full: bool = False, **settings):
        self.seen: list[dict] = []
        self.guard = Guard(self.application, ServiceSettings(**settings), Presence(), Metrics(), lambda: full)
        self.release: asyncio.Event | None = None

    async def application(self, scope, receive, send) -> None:
        while (await receive()).get("more_body"):
            pass
        self.seen.append({name.decode(): value.decode() for name, value in scope["headers"]})
        if self.release:
            await self.release.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def send(self, path: str, headers: dict[str, bytes] | None = None, body: Iterable[bytes] = (b"",), client: str = "") -> int:
        parts, sent = list(body), []

        async def receive():
            return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

        async def took(message):
            sent.append(message)

        named = {"host": b"127.0.0.1", "x-forwarded-for": (client or "203.0.113.1").encode(), **(headers or {})}
        path, _, query = path.partition("?")
        await self.guard(
            {
                "type": "http", "method": "POST" if "upload" in path else "GET", "path": path, "query_string": query.encode(),
                "headers": [(name.rstrip("2").encode(), value) for name, value in named.items()], "client": ("127.0.0.1", 1),
            },
            receive, took,
        )  # fmt: skip
        return sent[0]["status"]

    def __call__(self, *asked, **more) -> int:
        return alone(self.send(*asked, **more))


def alone(coroutine):
    """From a thread of its own: a browser of another test may have left a running loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


@pytest.mark.parametrize(
    "path", ["file=http://a.example/", "FILE=https://a.example/x.jpg", "file/http://a.example/", "file= https:/a", "file=\nhttp://a"]
)
def test_the_server_fetches_no_address_for_anybody(path):
    asked = Asked()
    assert asked(f"/gradio_api/{path}") == 404 and not asked.seen
    assert asked("/gradio_api/file=/var/http:/me.jpg") == 200


def test_long_addresses_are_not_kept():
    assert Asked()("/gradio_api/upload_progress?upload_id=" + "x" * 5000) == 414


@pytest.mark.parametrize("said", [b"bytes=0-1-2", "bytes=²-3".encode(), b"bytes=0-0,1-1", b"bytes=0-" + b"9" * 30])
def test_odd_ranges_are_as_none(said):
    asked = Asked()
    assert asked("/gradio_api/file=x", {"range": said}) == 200 and "range" not in asked.seen[0]


def test_one_client_holds_few_requests_open():
    asked = Asked(requests_open=3)

    async def many() -> list[int]:
        asked.release = asyncio.Event()
        first = [asyncio.create_task(asked.send("/gradio_api/heartbeat/a")) for _ in range(5)]
        await asyncio.sleep(0)
        while len(asked.seen) < 3 or sum(task.done() for task in first) < 2:
            await asyncio.sleep(0)
        asked.release.set()
        return [*await asyncio.gather(*first), await asked.send("/")]

    assert sorted(alone(many())) == [200, 200, 200, 200, 429, 429]


def test_one_client_uploads_no_more_than_there_is_room_for():
    asked = Asked(sent_bytes_at_once=1000, sent_bytes_a_second=0)
    form = {"content-type": FORM, "content-length": b"400"}
    assert [asked("/gradio_api/upload", form) for _ in range(3)] == [200, 200, 429]
    assert asked("/gradio_api/upload", form, client="203.0.113.2") == 200
    assert asked("/gradio_api/upload", {"content-type": FORM, "transfer-encoding": b"chunked"}, client="203.0.113.3") == 429  # may be 20 MB
    assert asked("/") == 200
    assert Asked(full=True)("/gradio_api/upload", form) == 507 and Asked(full=True)("/") == 200


@pytest.mark.parametrize("kind", ["", "application/json", "multipart/form-data", "{}; boundary=a; boundary=b", '{}; boundary="a\\"b"'])
def test_what_is_no_plain_form_is_no_upload(kind):
    """Of two boundaries, two readers may take two."""
    assert Asked()("/gradio_api/upload", {"content-type": kind.format("multipart/form-data").encode()}) == 415


def test_headers_that_come_twice_are_not_read_in_two_ways():
    other = b"multipart/form-data; boundary=other"
    assert Asked()("/gradio_api/upload", {"content-type": FORM, "content-type2": other}) == 415
    assert Asked()("/", {"host": b"127.0.0.1", "host2": b"evil.example"}) == 421
    assert Asked()("/config", {"origin": b"http://127.0.0.1", "origin2": b"https://evil.example"}) == 403


@pytest.mark.parametrize("piece", [1, 7, 10_000])
def test_a_form_has_few_files(piece):
    """However it is cut on the way."""

    def body(files: int) -> list[bytes]:
        part = b'--b\r\ncontent-disposition: form-data; name="files"; filename="a"\r\n\r\nA\r\n'
        whole = files * part + b"--b--"
        return [whole[at : at + piece] for at in range(0, len(whole), piece)]

    assert Asked()("/gradio_api/upload", {"content-type": FORM}, body(MOST_PARTS - 1)) == 200
    assert Asked()("/gradio_api/upload", {"content-type": FORM}, body(MOST_PARTS + 1)) == 413


def test_connections_that_say_nothing_are_closed(monkeypatch):
    now, closed = [0.0], []
    monkeypatch.setattr(connections.time, "monotonic", lambda: now[0])

    class Connection:
        def __init__(self, name: str, cycle):
            self.cycle, self.loop = cycle, SimpleNamespace(call_soon_threadsafe=lambda close: close())
            self.transport = SimpleNamespace(close=lambda: closed.append(name))

    asked, answered = SimpleNamespace(response_complete=False), SimpleNamespace(response_complete=True)
    silent, served, between = Connection("silent", None), Connection("served", asked), Connection("between", answered)
    closer = Silent(15)
    for now[0], between.cycle in ((0.0, answered), (10.0, asked), (16.0, answered)):  # asks again in the meantime
        closer.close({silent, served, between})
    assert closed == ["silent"]


def test_one_client_loads_few_pages_and_more_of_all_else():
    asked = Asked(pages_a_second=0, pages_at_once=2)
    assert [asked("/"), asked("/config"), asked("/"), asked("/config/"), asked("/healthz")] == [200, 200, 429, 429, 200]
    assert asked("/", client="203.0.113.2") == 200


def test_pages_of_other_sites_load_nothing_from_here():
    asked, theirs = Asked(), {"sec-fetch-site": b"cross-site"}
    assert asked("/gradio_api/file=x", {**theirs, "sec-fetch-mode": b"no-cors"}) == 403
    assert asked("/", {**theirs, "sec-fetch-mode": b"navigate"}) == 200  # a link, or the frame of a Space
    assert asked("/config", {"sec-fetch-site": b"same-origin"}) == 200


def test_who_begins_many_sessions_loses_their_own():
    sessions = Sessions(3)
    assert [sessions.used("greedy", str(n), kept={"1"}) for n in range(6)] == [None] * 3 + ["0", "2", "3"]
    assert sessions.used("greedy", "5", kept={"1"}) is None and sessions.used("other", "a", kept=set()) is None


def test_nobody_s_second_call_comes_before_another_s_first():
    waiting = [SimpleNamespace(request=client, n=n) for n, client in enumerate("aaaab")]
    assert "".join(event.request for event in server.fairly(waiting, str)) == "abaaa"
    assert [event.n for event in server.fairly(waiting, str)] == [0, 4, 1, 2, 3]


def test_a_rate_counts_what_it_lets_through(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(clients.time, "monotonic", lambda: now[0])
    rate = clients.Rate(1, 10)
    assert [rate.allows("a", amount) for amount in (8, 5, 2, 1)] == [True, False, True, False]
