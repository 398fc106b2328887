"""A call may name files that were sent to the page, and its examples: no other file of the computer is opened, or told of."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from fakes import painted_head
from gradio.utils import get_upload_folder
from page import PHOTO
from PIL import Image

from facelift.ui import texts, uploads

META = {"_type": "gradio.FileData"}
INPUTS = {
    "/portrait": lambda file: [file, True, 1],
    "/generate": lambda file: [file, 4, 1, 3.0, True, 1],
    "/render": lambda file: [file, 0, 0, 64],
}


def alone(coroutine):
    """Its result, from a thread of its own: a browser of another test may have left a running loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


def answer(url: str, endpoint: str, data: list) -> tuple[str, object]:
    """How a call ends: "complete" with what came back, or "error" with its sentence."""
    asked = httpx.post(f"{url}/gradio_api/call{endpoint}", json={"data": data})
    assert asked.status_code == 200, asked.text
    told = httpx.get(f"{url}/gradio_api/call{endpoint}/{asked.json()['event_id']}", timeout=600).text
    lines = [line for line in told.splitlines() if line.startswith(("event: ", "data: "))]
    content = json.loads(lines[-1].removeprefix("data: "))
    return lines[-2].removeprefix("event: "), content["error"] if isinstance(content, dict) and "error" in content else content


@pytest.fixture
def uploaded(request):
    """A new folder within the upload folder."""
    folder = Path(get_upload_folder()) / f"test-{os.getpid()}-{abs(hash(request.node.name))}"
    folder.mkdir(parents=True)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def others(uploaded, tmp_path) -> dict[str, str]:
    """Paths that are not a visitor's, or not of a plain file, by kind."""
    photo = Path(shutil.copy(PHOTO, tmp_path / "secret.jpg"))
    locked = Path(shutil.copy(PHOTO, tmp_path / "locked.jpg"))
    locked.chmod(0)
    painted_head(100).save(tmp_path / "secret.ply")
    (uploaded / "link.jpg").symlink_to(photo)
    (uploaded / "loop.jpg").symlink_to("loop.jpg")
    (uploaded / "zero.jpg").symlink_to("/dev/zero")
    os.mkfifo(uploaded / "pipe.jpg")
    with (uploaded / "large.jpg").open("wb") as large:
        large.truncate(uploads.MOST_READ + 1)
    return {
        "there": str(photo), "locked": str(locked), "splats": str(tmp_path / "secret.ply"), "not there": str(tmp_path / "none.jpg"),
        "dots": f"{uploaded}/../../../../../../../../../..{photo}", "link": str(uploaded / "link.jpg"), "loop": str(uploaded / "loop.jpg"),
        "device": "/dev/zero", "linked device": str(uploaded / "zero.jpg"), "pipe": str(uploaded / "pipe.jpg"), "folder": str(uploaded),
        "large": str(uploaded / "large.jpg"), "gone": str(uploaded / "gone.jpg"), "empty": "", "no name": "a\0b", "long": "a" * 5000,
        "this computer": "http://127.0.0.1:9/photo.jpg", "network beside": "http://169.254.169.254/latest/meta-data",
        "scheme": "file:///etc/passwd",
        "neighbour": f"{get_upload_folder()}-other/photo.jpg", "own code": str(Path(texts.__file__)),
        "module": str(PHOTO.parents[1] / "viewer" / "spark.min.js"),
    }  # fmt: skip


@pytest.mark.parametrize("endpoint", INPUTS)
def test_refused_with_one_sentence_whether_there_or_not(stand_in, others, endpoint):
    _, url = stand_in
    told = {}
    for kind, path in others.items():
        for meta in ({}, {"meta": META}, {"meta": META, "is_stream": True})[: 3 if kind in ("there", "not there", "pipe") else 1]:
            told[kind, str(meta)] = answer(url, endpoint, INPUTS[endpoint]({"path": path, **meta}))
    assert {kind: said for kind, said in told.items() if said != ("error", texts.NOT_SENT)} == {}


@pytest.mark.parametrize("hidden", ["number", "list", "nested"])
def test_files_are_looked_at_wherever_they_are_named(stand_in, uploaded, others, hidden):
    _, url = stand_in
    good, bad = {"path": shutil.copy(PHOTO, uploaded), "meta": META}, {"path": others["there"], "meta": META}
    data = {"number": [good, True, bad], "list": [[good, bad], True, 1], "nested": [{"photo": [{"of": bad}]}, True, 1]}[hidden]
    assert answer(url, "/portrait", data) == ("error", texts.NOT_SENT)


def test_the_page_s_own_functions_are_guarded_too(stand_in, others):
    """Those that no program is meant to call can be joined by number."""
    _, url = stand_in
    config = httpx.get(f"{url}/config").json()
    photo = next(part["id"] for part in config["components"] if part["props"].get("elem_id") == "photo")
    taking = [d for d in config["dependencies"] if photo in d["inputs"]]
    assert len(taking) >= 4
    for n, dependency in enumerate(taking):
        session = f"{abs(hash(others['there']))}{n}"
        data = [{"path": others["there"]} if i == photo else None for i in dependency["inputs"]]
        body = {"data": data, "fn_index": dependency["id"], "session_hash": session, "trigger_id": photo, "event_data": None}
        assert httpx.post(f"{url}/gradio_api/queue/join", json=body).status_code == 200
        with httpx.stream("GET", f"{url}/gradio_api/queue/data", params={"session_hash": session}, timeout=600) as stream:
            ended = next(e for e in events(stream) if e["msg"] == "process_completed")
        assert not ended["success"] and ended["output"]["error"] == texts.NOT_SENT, dependency


def events(stream):
    return (json.loads(line.removeprefix("data: ")) for line in stream.iter_lines() if line.startswith("data: "))


def test_what_was_sent_and_the_examples_are_used(stand_in, uploaded):
    _, url = stand_in
    paths = httpx.post(f"{url}/gradio_api/upload", files={"files": ("me.jpg", PHOTO.read_bytes())}).json()
    linked = uploaded / "linked.jpg"
    linked.symlink_to(shutil.copy(PHOTO, uploaded / "photo.jpg"))
    for path in (paths[0], str(PHOTO), str(linked)):
        for meta in ({}, {"meta": META, "orig_name": "me.jpg"}):
            how, came = answer(url, "/portrait", [{"path": path, **meta}, True, 1])
            assert how == "complete" and texts.READY in came[1], came
    for suffix in ("ply", "sog"):
        splats = painted_head(500).save(uploaded / f"head.{suffix}")
        assert answer(url, "/render", [{"path": str(splats), "meta": META}, 0, 0, 64])[0] == "complete"


@contextmanager
def host(body: bytes, times: int = 1, redirect: str | None = None):
    """A web server on this computer that sends `body` so many times, or sends on to another address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(302 if redirect else 200)
            if redirect:
                self.send_header("location", redirect)
            self.end_headers()
            try:
                for _ in range(times):
                    self.wfile.write(body)
                    sent.append(len(body))
            except OSError:  # hung up
                pass

        def log_message(self, *_):
            pass

    sent: list[int] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/photo.jpg", sent
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def public(monkeypatch):
    """This computer counts as public."""

    async def address(host: str) -> str:
        if host != "127.0.0.1":
            raise ValueError(host)
        return host

    monkeypatch.setattr(uploads, "_public_address", address)


def test_a_photo_at_a_public_address_is_fetched(public):
    with host(PHOTO.read_bytes()) as (url, _):
        path = alone(uploads.fetched(url))
    assert Image.open(path).size == Image.open(PHOTO).size and uploads.real_path(str(path)) == path
    shutil.rmtree(path.parent)


@pytest.mark.parametrize("kind", ["endless", "redirect to a private address", "redirects for ever", "two at once"])
def test_addresses_have_limits(public, kind):
    megabyte = bytes(2**20)
    if kind == "endless":
        with host(megabyte, times=500) as (url, sent), pytest.raises(uploads.Refused):
            alone(uploads.fetched(url))
        assert sum(sent) < 2 * uploads.MOST_SENT  # the rest was never sent: what is on the way fits in the sockets' buffers
    elif kind == "two at once":
        with host(megabyte) as (url, sent), pytest.raises(uploads.Refused):
            alone(uploads.admitted([{"path": url}, {"path": url + "?2"}]))
        assert not sent
    else:
        to = "http://10.0.0.1/" if kind == "redirect to a private address" else "/photo.jpg"
        with host(b"", redirect=to) as (url, _), pytest.raises(uploads.Refused):
            alone(uploads.fetched(url))


def test_values_of_another_kind_get_a_sentence(stand_in, uploaded, capfd):
    _, url = stand_in
    file = {"path": shutil.copy(PHOTO, uploaded), "meta": META}
    for at, wrong in ((1, {"a": 1}), (2, "seven"), (3, None), (3, [1]), (5, "many")):
        data = INPUTS["/generate"](file)
        data[at] = wrong
        assert answer(url, "/generate", data) == ("error", texts.NOT_UNDERSTOOD)
    assert "Traceback" not in capfd.readouterr().err
