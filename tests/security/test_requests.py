"""What every request passes: which hosts and sites may ask, how much, how often; and what every answer says to browsers."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import time

import httpx
import pytest
from fakes import FakePipeline
from page import PHOTO, free_port, wait_until

from facelift.serving import clients
from facelift.serving.clients import Presence, Rate, client_of
from facelift.serving.guard import POLICY
from facelift.serving.logs import JsonLines, PlainLines, log_request
from facelift.serving.metrics import Metrics
from facelift.serving.settings import ServiceSettings
from facelift.ui import build_app, launch


@pytest.fixture(scope="module")
def guarded():
    """A page with small limits: its service, and its address."""
    settings = ServiceSettings(photo_bytes=2**20, call_bytes=2**16, body_seconds=1.5, logins_a_minute=5, hosts=("heads.example",))
    app, port = build_app(FakePipeline(step_seconds=0), settings), free_port()
    launch(app, server_port=port, prevent_thread_lock=True, quiet=True, auth=("user", "password"))
    yield app.service, f"http://127.0.0.1:{port}"
    app.close(verbose=False)


def refusals(service, reason: str) -> float:
    return service.jobs.metrics._counts["facelift_refusals_total", (("reason", reason),)]


FORM = "content-type: application/x-www-form-urlencoded"
FOREIGN = ["evil.example", "evil.example:7860", "localhost.evil.example", "127.0.0.1.evil.example", "a b", "", "[::1"]


@pytest.mark.parametrize("host", FOREIGN)
def test_a_foreign_name_that_points_here_is_no_name_of_ours(guarded, host):
    service, url = guarded
    for path in ("/", "/config", "/gradio_api/upload", "/healthz"):
        assert httpx.get(url + path, headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:80", "192.168.7.7:7860", "[::1]:7860", "heads.example", "HEADS.example:443"])
def test_names_of_ours_are_answered_to(guarded, host):
    assert httpx.get(guarded[1] + "/healthz", headers={"host": host}).text == "ok\n"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:1", "http://127.0.0.1", "http://127.0.0.1@evil.example"])
def test_other_sites_drive_nothing(guarded, origin):
    _, url = guarded
    asked = {"origin": origin, "access-control-request-method": "POST"}
    for answer in (
        httpx.post(f"{url}/gradio_api/upload", files={"files": ("me.jpg", b"x")}, headers={"origin": origin}),
        httpx.post(f"{url}/gradio_api/call/portrait", json={"data": []}, headers={"origin": origin}),
        httpx.get(f"{url}/config", headers={"origin": origin}),
        httpx.options(f"{url}/gradio_api/upload", headers=asked),
    ):
        assert answer.status_code == 403 and "access-control-allow-origin" not in answer.headers


def test_the_page_itself_may_ask(guarded):
    _, url = guarded
    assert httpx.get(f"{url}/healthz", headers={"origin": url}).status_code == 200


def test_answers_tell_browsers_to_be_careful(guarded):
    _, url = guarded
    for path in ("/", "/healthz", "/nothing/here", "/theme.css"):
        headers = httpx.get(url + path).headers
        assert headers["content-security-policy"].startswith(POLICY) and "frame-ancestors 'self'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff" and headers["x-frame-options"] == "SAMEORIGIN"
        assert headers["referrer-policy"] == "no-referrer" and len(headers["x-request-id"]) == 16


def test_requests_have_a_size(guarded):
    _, url = guarded
    two_megabytes = bytes(2**21)

    def parts():
        for _ in range(64):
            yield bytes(2**17)

    for path, content in (("/gradio_api/upload", two_megabytes), ("/gradio_api/call/portrait", bytes(2**17)), ("/login", bytes(2**17))):
        assert httpx.post(url + path, content=content).status_code == 413
    form, kinds = "application/x-www-form-urlencoded", ("multipart/form-data; boundary=b", "application/json")
    for path, kind in zip(("/gradio_api/upload", "/gradio_api/queue/join", "/login"), (*kinds, form), strict=True):  # no length told
        with contextlib.suppress(httpx.WriteError):  # hung up on
            assert httpx.post(url + path, content=parts(), headers={"content-type": kind}).status_code in (401, 413)


def test_many_files_are_too_large_together(guarded):
    _, url = guarded
    answer = httpx.post(f"{url}/gradio_api/upload", files=[("files", (f"{i}.jpg", bytes(2**18))) for i in range(20)])
    assert answer.status_code == 413


def test_a_request_has_to_arrive_in_time(guarded):
    service, url = guarded
    host, port = url.removeprefix("http://").split(":")
    before = refusals(service, "slow")
    with socket.create_connection((host, int(port)), timeout=600) as connection:
        connection.sendall(f"POST /login HTTP/1.1\r\nhost: {host}:{port}\r\ncontent-length: 50\r\n{FORM}\r\n\r\nusername".encode())
        assert b" 408 " in connection.recv(1000)
    assert refusals(service, "slow") == before + 1


def test_passwords_cannot_be_tried_out(guarded):
    _, url = guarded
    far = {"x-forwarded-for": "203.0.113.7"}
    codes = [httpx.post(f"{url}/login", data={"username": "user", "password": str(i)}, headers=far).status_code for i in range(12)]
    assert codes[:5] == [400] * 5 and codes[6:] == [429] * 6
    other = {"x-forwarded-for": "203.0.113.8"}
    assert httpx.post(f"{url}/login", data={"username": "user", "password": "password"}, headers=other).status_code == 200


def test_one_client_s_haste_is_its_own(guarded):
    service, url = guarded
    with httpx.Client(headers={"x-forwarded-for": "203.0.113.9"}) as hasty:
        codes = {hasty.get(f"{url}/healthz").status_code for _ in range(20)}
        assert codes == {200}
        service_rate = Rate(0.0001, 3)
        assert [service_rate.allows("a") for _ in range(5)] == [True, True, True, False, False]
        assert service_rate.allows("b")


@pytest.mark.parametrize(
    "path",
    ["/monitoring", "/monitoring/", "/monitoring/summary", "/gradio_api/run-history/records", "/gradio_api/component_server",
     "/gradio_api/proxy=http://example.com", "/gradio_api/vibe-code", "/gradio_api/custom_component/a/b/c/d", "/gradio_api/dev/reload"],
)  # fmt: skip
def test_what_page_builders_use_is_closed(guarded, path):
    service, url = guarded
    before = refusals(service, "closed")
    assert httpx.get(url + path).status_code == 404
    assert refusals(service, "closed") == before + 1


def test_nobody_takes_all_places(stand_in, monkeypatch):
    """Calls of one client are refused long before others are kept out."""
    pipeline, url = stand_in
    path = httpx.post(f"{url}/gradio_api/upload", files={"files": ("me.jpg", PHOTO.read_bytes())}).json()[0]
    monkeypatch.setattr(pipeline, "endless", True)
    greedy, other = ({"x-forwarded-for": f"203.0.113.{n}"} for n in (20, 21))
    data = {"data": [{"path": path, "meta": {"_type": "gradio.FileData"}}, 4, 2, 3.0, True, 1]}
    asked = f"{url}/gradio_api/call/generate"

    def end(answer: httpx.Response, endpoint: str) -> str:
        return httpx.get(f"{url}/gradio_api/call/{endpoint}/{answer.json()['event_id']}", timeout=600).text

    try:
        first = [httpx.post(asked, json=data, headers=greedy, timeout=600) for _ in range(2)]
        wait_until(lambda: pipeline.running == 1)
        assert [answer.status_code for answer in first] == [200, 200]
        refused = [end(httpx.post(asked, json=data, headers=greedy, timeout=600), "generate") for _ in range(3)]
        assert all("You have 2 heads in the making" in told for told in refused), refused
        assert httpx.get(url, headers=other, timeout=600).status_code == 200
        portrait = {"data": [data["data"][0], True, 1]}
        served = httpx.post(f"{url}/gradio_api/call/portrait", json=portrait, headers=other, timeout=600)
        assert "event: complete" in end(served, "portrait")
    finally:
        monkeypatch.setattr(pipeline, "endless", False)


def test_clients_are_told_apart():
    assert client_of("203.0.113.1", "198.51.100.1") == "203.0.113.1"  # anybody can write a header
    assert client_of("127.0.0.1", "198.51.100.9, 198.51.100.1") == "198.51.100.1"  # but not what our proxy adds
    assert client_of("2001:db8:0:1::5", None) == client_of("2001:db8:0:1:ffff::6", None) != client_of("2001:db8:0:2::5", None)
    assert client_of("::ffff:203.0.113.1", None) == "203.0.113.1"
    assert client_of("127.0.0.1", "nonsense") == "unknown" == client_of("", None)


def test_rates_recover_and_are_bounded(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(clients.time, "monotonic", lambda: now[0])
    rate = Rate(a_second=2, at_once=4)
    assert [rate.allows("a") for _ in range(6)] == [True] * 4 + [False] * 2
    now[0] = 1.0
    assert [rate.allows("a") for _ in range(3)] == [True, True, False]
    monkeypatch.setattr(clients, "MOST_CLIENTS", 10)
    for n in range(100):
        rate.allows(str(n))
    assert len(rate._left) <= 10


def test_who_comes_back_has_not_left(monkeypatch):
    presence = Presence()
    presence.came("a")
    presence.came("b")
    presence.left("a")
    presence.left("b")
    presence.came("b")
    assert presence.gone(0) == ["a"] and presence.gone(0) == [] and "b" in presence and len(presence) == 1


def logged(caplog) -> str:
    return "\n".join(JsonLines().format(record) for record in caplog.records)


def test_logs_say_nothing_about_a_visitor(caplog):
    with caplog.at_level(logging.INFO):
        log_request("abc", "GET", "/gradio_api/file=/var/visitors/x/Anna.jpg", 200, 0.5)
        log_request("abd", "GET", "/gradio_api/heartbeat/k3j9x8a7b6c", 200, 0.5)
        try:
            raise ValueError("/var/visitors/x/Anna.jpg is no picture")
        except ValueError:
            logging.getLogger("facelift.ui").exception("A job failed: %s", "/var/visitors/x/Anna.jpg")
    text = logged(caplog)
    assert "Anna" not in text and "visitors/x" not in text and "k3j9x8a7b6c" not in text
    lines = [json.loads(line) for line in text.splitlines()]
    assert lines[0]["route"] == "/gradio_api/file=*" and lines[0]["request"] == "abc" and lines[0]["milliseconds"] == 500
    assert lines[2]["error"] == "ValueError" and lines[2]["at"][0].startswith("test_requests.py:")
    plain = PlainLines().format(caplog.records[2])
    assert plain.startswith("error: A job failed: <path> (ValueError at test_requests.py:") and "Anna" not in plain


def test_metrics_are_prometheus_text_and_for_neighbours_alone(guarded):
    service, url = guarded
    service.jobs.metrics.count("facelift_jobs_total", lane="head", result="done")
    text = httpx.get(f"{url}/metrics").text
    assert '# TYPE facelift_jobs_total counter\nfacelift_jobs_total{lane="head",result="done"} ' in text
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(values['facelift_memory_bytes{process="server"}']) > 1e8 and "facelift_line" in values
    assert httpx.get(f"{url}/metrics", headers={"x-forwarded-for": "203.0.113.1"}).status_code == 404


def test_sums_of_seconds_are_summaries():
    metrics = Metrics()
    metrics.took("facelift_stage_seconds", 2.5, stage="views")
    metrics.took("facelift_stage_seconds", 1.5, stage="views")
    assert 'facelift_stage_seconds_count{stage="views"} 2\nfacelift_stage_seconds_sum{stage="views"} 4\n' in metrics.text()


def test_ready_means_that_work_passes_through_every_lane(guarded, monkeypatch):
    service, url = guarded
    assert httpx.get(f"{url}/readyz").json() == {"ready": True}
    monkeypatch.setitem(service.jobs.watch.passed, "portrait", time.monotonic() - 10_000)
    assert httpx.get(f"{url}/readyz").status_code == 503 and "portrait" in httpx.get(f"{url}/readyz").json()
    assert httpx.get(f"{url}/healthz").status_code == 200
    service.jobs.watch.try_lanes()
    deadline = time.monotonic() + 60
    while httpx.get(f"{url}/readyz").status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    monkeypatch.setattr(service.jobs.line, "closed", "We end.")
    assert httpx.get(f"{url}/readyz").status_code == 503
