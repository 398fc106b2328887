"""What a second attacker got through with once: files that are nobody's, sessions, addresses, calls that no page makes, words in logs."""

from __future__ import annotations

import ipaddress
import json
import logging
from datetime import datetime
from types import SimpleNamespace

import httpx
import pytest

from facelift.errors import SettingsError, SplatFileError
from facelift.serving import visitors
from facelift.serving.clients import Presence
from facelift.serving.logs import adopt_server_logs, log_request
from facelift.serving.settings import ServiceSettings
from facelift.serving.visitors import LOCK, SHARED, UNNAMED, Visitors
from facelift.ui import server, texts, uploads
from facelift.ui.endpoints import face_from
from facelift.ui.jobs import sentence_for


def test_a_range_is_answered_without_the_request_s_own_headers(stand_in):
    """Gradio's answer to one of two numbers repeats all that was asked with, cookies too."""
    _, url = stand_in
    path = httpx.post(f"{url}/gradio_api/upload", files={"files": ("me.txt", b"0123456789")}).json()[0]
    answer = httpx.get(f"{url}/gradio_api/file={path}", headers={"range": "bytes=2-5", "cookie": "secret=1"})
    assert answer.status_code == 206 and answer.text == "2345" and "cookie" not in answer.headers


def test_the_lock_of_the_folder_is_no_file_of_a_visitor_s(tmp_path):
    """Without it the next server to start would take the folder for abandoned."""
    own = Visitors(tmp_path, 100)
    own.uses("one", own.root / LOCK)
    own.forget("one")
    Visitors(tmp_path, 100).close()
    assert own.root.is_dir() and (own.root / LOCK).exists()
    own.close()


def test_links_of_all_are_no_file_of_a_visitor_s(tmp_path):
    """Whoever made one knows where it lies."""
    own = Visitors(tmp_path, 100)
    (own.root / SHARED).mkdir()
    (own.root / SHARED / "link.html").write_text("")
    own.uses("one", own.root / SHARED / "link.html")
    own.forget("one")
    assert (own.root / SHARED / "link.html").exists()
    own.close()


def test_an_upload_of_which_no_call_tells_goes_early(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(visitors.time, "monotonic", lambda: now[0])
    own = Visitors(tmp_path, 3600)
    for name in ("named", "unnamed"):
        (own.root / name).mkdir()
    own.uses("one", own.root / "named" / "me.jpg")
    own.sweep()
    now[0] = UNNAMED + 1
    own.sweep()
    assert [path.name for path in own.root.iterdir() if path.name != LOCK] == ["named"]
    own.close()


@pytest.fixture
def keeper(tmp_path):
    """Of a page with one session, used at a time that Gradio tells."""
    queue = SimpleNamespace(events=list, pending_messages_per_session={}, pending_event_ids_session={"lost": set()})
    holder = SimpleNamespace(time_last_used={"one": datetime.now()}, session_data={"one": 1}, lock=visitors.threading.Lock())
    app = SimpleNamespace(_queue=queue, server_app=SimpleNamespace(state_holder=holder))
    yield server.Keeper(app, SimpleNamespace(settings=ServiceSettings()), Presence()), holder, queue


@pytest.mark.parametrize("jump", [-3600, 3600, 10 * 365 * 86400])
def test_sessions_end_by_the_clock_that_nobody_sets(keeper, monkeypatch, jump):
    keeper, holder, queue = keeper
    now = [0.0]
    monkeypatch.setattr(server.time, "monotonic", lambda: now[0])
    keeper.forget_idle()
    monkeypatch.setattr(server.time, "time", lambda: datetime.now().timestamp() + jump)
    now[0] = server.IDLE - 1
    keeper.forget_idle()
    assert holder.session_data
    now[0] = server.IDLE + 1
    keeper.forget_idle()
    assert not holder.session_data and not holder.time_last_used and not queue.pending_event_ids_session


def test_uploads_that_never_came_are_forgotten(keeper, monkeypatch):
    keeper, now = keeper[0], [0.0]
    kept = server.file_upload_statuses
    monkeypatch.setattr(server.time, "monotonic", lambda: now[0])
    kept.track("here"), kept._signals["never"]
    keeper.forget_uploads()
    now[0] = 1000.0
    keeper.forget_uploads()
    assert not {"here", "never"} & {*kept._statuses, *kept._signals}


@pytest.mark.parametrize("address", ["64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:a00:1::1", "::ffff:10.0.0.1", "127.0.0.1", "fd00::1"])
def test_no_spelling_of_a_private_address_is_public(address):
    assert not uploads._innermost(ipaddress.ip_address(address)).is_global
    assert uploads._innermost(ipaddress.ip_address("64:ff9b::808:808")).is_global


def test_logs_name_no_session_and_no_file(caplog):
    with caplog.at_level(logging.INFO):
        for path in ("heartbeat/kqjzxwvabcd", "call/generate/abcdefghijk", "file=/var/x\nAnna.jpg", "file/var/Anna.jpg"):
            log_request("id", "GET", f"/gradio_api/{path}", 200, 0.1)
    said = [record.route for record in caplog.records]
    assert said == ["/gradio_api/heartbeat/*", "/gradio_api/call/generate/*", "/gradio_api/file=*", "/gradio_api/file/*"]


def test_uvicorn_logs_as_everything_does():
    logger = logging.getLogger("uvicorn")
    logger.addHandler(logging.NullHandler())
    adopt_server_logs()
    assert not logger.handlers and logger.propagate


def test_a_full_disk_and_a_wrong_file_are_sentences():
    assert sentence_for(OSError(28, "No space left on device", "/var/anna.ply")) == texts.FULL
    assert sentence_for(SplatFileError("/var/anna.spz is cut")) == texts.NO_SPLATS
    for wrong in (-3, 1e308, float("nan"), 100):
        with pytest.raises(SettingsError, match="number of the face"):
            face_from(wrong)


CALLS: dict[str, tuple[str, object, object]] = {
    "a face that is none": ("face_number", [], {"face": {"a": [1]}}),
    "no event": ("face_number", [], None),
    "a status that is a number": ("clear_error", [5], None),
    "an example that is none": ("load_example", [10**9], None),
    "a head that was never made": ("animate", [None], None),
    "a film of no head": ("film", [None], {"along": "turn", "seconds": 2, "size": 512}),
    "a film of a path": ("film", [None], {"path": "/etc/passwd", "seconds": 2, "size": 512}),
    "heads that are no files": ("bring", [None], {"splat": "a\0b", "portrait": "é" * 5000}),
    "depth": ("portrait", [json.loads("[" * 400 + "]" * 400), True, 1], None),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
def test_calls_that_no_page_makes_end_in_a_sentence(stand_in, capfd, call):
    _, url = stand_in
    name, data, event = call
    functions = {d["api_name"]: d["id"] for d in httpx.get(f"{url}/config").json()["dependencies"]}
    session = f"attack{abs(hash(str(call)))}"
    body = {"data": data, "fn_index": functions[name], "session_hash": session, "trigger_id": None, "event_data": event}
    assert httpx.post(f"{url}/gradio_api/queue/join", json=body).status_code == 200
    with httpx.stream("GET", f"{url}/gradio_api/queue/data", params={"session_hash": session}, timeout=60) as stream:
        lines = (json.loads(line.removeprefix("data: ")) for line in stream.iter_lines() if line.startswith("data: "))
        ended = next(message for message in lines if message["msg"] == "process_completed")
    assert ended["success"] or len(ended["output"]["error"]) > 10
    assert "Traceback" not in capfd.readouterr().err
    if name == "film":
        assert ended["success"] == ("along" in event)


@pytest.mark.parametrize("index, session", [(-1, "a"), (10**9, "a"), (0, "s" * 10_000), (0, "../x"), (0, "a\0b")])
def test_functions_and_sessions_that_are_none_are_refused(stand_in, capfd, index, session):
    _, url = stand_in
    asked = httpx.post(f"{url}/gradio_api/queue/join", json={"data": [], "fn_index": index, "session_hash": session})
    assert asked.status_code == 400 and "Traceback" not in capfd.readouterr().err
