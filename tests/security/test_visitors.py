"""Visitors' files lie in one folder, and are gone when the page says so: whatever ends the server, and whoever leaves."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fakes import FakePipeline
from page import PATIENCE, PHOTO, ROOT, answers, free_port, wait_until

from facelift.errors import ResourceError
from facelift.serving import visitors as room
from facelift.serving.visitors import PREFIX, Visitors, memory_folder
from facelift.ui import build_app, launch, server, texts


@pytest.fixture
def visitors(tmp_path):
    made = Visitors(tmp_path, 100)
    yield made
    made.close()


@pytest.fixture
def later(monkeypatch):
    """Lets time pass."""
    now = [time.monotonic()]
    monkeypatch.setattr(room.time, "monotonic", lambda: now[0])
    return lambda seconds: now.__setitem__(0, now[0] + seconds)


def files(visitors: Visitors) -> list[str]:
    return sorted(path.name for path in visitors.root.rglob("*") if path.is_file() and path.name != room.LOCK)


def sent(visitors: Visitors, name: str) -> Path:
    """An upload."""
    path = visitors.root / f"hash-of-{name}" / name
    path.parent.mkdir()
    path.write_text(name)
    return path


def test_who_leaves_takes_everything_along_and_nothing_of_others(visitors):
    for visitor in ("one", "two"):
        (visitors.folder(visitor) / f"{visitor}.png").write_text("head")
        visitors.uses(visitor, sent(visitors, f"{visitor}.jpg"))
    both = sent(visitors, "both.jpg")
    visitors.uses("one", both)
    visitors.uses("two", both)
    visitors.forget("one")
    assert files(visitors) == ["both.jpg", "two.jpg", "two.png"]
    visitors.forget("two")
    assert files(visitors) == []


def test_nobody_takes_along_what_was_made_for_another(visitors):
    made = visitors.folder("one") / "one.png"
    made.write_text("head")
    visitors.uses("two", made)
    visitors.uses("two", visitors.root)
    visitors.forget("two")
    assert files(visitors) == ["one.png"]


def test_what_is_old_is_swept_and_what_is_in_the_making_is_not(visitors, later):
    (visitors.folder("one") / "old.png").write_text("")
    sent(visitors, "never named.jpg")
    (visitors.root / "tmp12345").write_text("an upload that broke off")
    visitors.sweep()
    with visitors.working("one") as folder:
        (folder / "head.ply").write_text("")
        later(99)
        (visitors.folder("one") / "new.png").write_text("")
        visitors.sweep()
        assert files(visitors) == ["head.ply", "never named.jpg", "new.png", "old.png", "tmp12345"]
        later(2)
        visitors.sweep()
        assert files(visitors) == ["head.ply", "new.png"]
    later(99)
    visitors.sweep()
    assert files(visitors) == ["head.ply"]
    later(2)
    visitors.sweep()
    assert files(visitors) == [] and [p.name for p in visitors.root.iterdir()] == [room.LOCK]


def test_a_job_that_fails_leaves_nothing(visitors):
    with pytest.raises(ZeroDivisionError), visitors.working("one") as folder:
        (folder / "half.ply").write_text("")
        raise ZeroDivisionError
    assert files(visitors) == []


def test_the_oldest_of_a_kind_go(visitors, later):
    made = []
    for _ in range(5):
        made.append(visitors.folder("one", "portrait", 3))
        later(1)
    assert [path.exists() for path in made] == [False, False, True, True, True]


def test_a_server_that_was_killed_is_cleaned_up_after_by_the_next(tmp_path):
    code = "import sys, time; from pathlib import Path; from facelift.serving.visitors import Visitors\n"
    code += "v = Visitors(Path(sys.argv[1]), 100); open(v.folder('one') / 'face.png', 'w').close()\n"
    code += "print(v.root, flush=True); time.sleep(300)"
    roots, processes = [], []
    for _ in range(2):
        processes.append(subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE, text=True, cwd=ROOT))
        roots.append(Path(processes[-1].stdout.readline().strip()))
    processes[0].kill()
    processes[0].wait()
    (tmp_path / "not ours").mkdir()
    try:
        assert all(list(root.rglob("face.png")) for root in roots)
        Visitors(tmp_path, 100).close()
        assert not roots[0].exists() and list(roots[1].rglob("face.png")) and (tmp_path / "not ours").exists()
    finally:
        processes[1].kill()
        processes[1].wait()


def test_a_folder_that_cannot_be_made_is_said_so(tmp_path):
    with pytest.raises(ResourceError, match="Set TMPDIR"):
        Visitors(tmp_path / "not there", 100)


def test_nothing_is_kept_off_the_disk_where_it_cannot(monkeypatch):
    monkeypatch.setattr(room, "_file_system", lambda folder: "ext4")
    with pytest.raises(ResourceError, match="keep-nothing"):
        memory_folder()


def test_the_page_promises_what_the_setting_says():
    assert "an hour after they were made at the latest" in texts.promise(3600, False)
    assert "90 seconds after" in texts.promise(90, False) and "2 days after" in texts.promise(172800, False)
    assert "in memory alone" in texts.promise(3600, True) and "in memory alone" not in texts.promise(3600, False)


@pytest.mark.parametrize("how", ["leaves", "says so", "is forgotten by the server"])
def test_a_visitor_s_files_go(monkeypatch, tmp_path, how):
    from gradio_client import Client, handle_file

    monkeypatch.setattr(server, "GRACE", 0.5)
    monkeypatch.setattr(server, "EVERY", 0.2)
    monkeypatch.setattr(server, "IDLE", 0.5)
    own = Visitors(tmp_path, 3600)  # beside that of other servers of this process
    monkeypatch.setattr("facelift.ui.page.visitors_of_this_process", lambda *_: own)
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(own.root))
    app, port = build_app(FakePipeline(step_seconds=0)), free_port()
    launch(app, server_port=port, prevent_thread_lock=True, quiet=True)
    before = set(app.visitors.root.rglob("*"))
    client = Client(f"http://127.0.0.1:{port}", verbose=False)
    try:
        client.predict(handle_file(PHOTO), steps=1, api_name="/generate")
        client.predict(handle_file(PHOTO), api_name="/portrait")
        there = {path for path in app.visitors.root.rglob("*") if path.is_file()} - before
        assert {"head.ply", "turntable.mp4", "0_front.png", "portrait.png", PHOTO.name} <= {path.name for path in there}
        assert client.session_hash in app.service.presence and client.session_hash in app.server_app.state_holder
        if how == "leaves":
            client.close()
            client.heartbeat.join()
        elif how == "says so":
            app.service.jobs.forget(client.session_hash)
        else:
            monkeypatch.setattr(app.visitors, "keep_seconds", 0)
        wait_until(lambda: not any(path.exists() for path in there if path.name != "portrait.png"))
        if how == "leaves":
            wait_until(lambda: client.session_hash not in app.server_app.state_holder)
    finally:
        app.close(verbose=False)


@contextlib.contextmanager
def served(folder: Path, how: signal.Signals) -> Iterator[tuple[subprocess.Popen, str]]:
    """An app of its own with its files in a folder, told to end at last, if it was not before: (process, url)."""
    port = free_port()
    command = [sys.executable, "-m", "facelift", "app", "--weights", "compact", "--device", "cpu", "--port", str(port)]
    command += ["--drain", str(PATIENCE)]
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, "TMPDIR": str(folder)}, stdout=subprocess.DEVNULL) as server:
        url = f"http://127.0.0.1:{port}"
        try:
            wait_until(lambda: server.poll() is not None or answers(f"{url}/readyz"))
            httpx.post(f"{url}/gradio_api/upload", files={"files": ("me.jpg", PHOTO.read_bytes())}).raise_for_status()
            assert list(folder.glob(f"{PREFIX}*/*/me.jpg"))
            yield server, url
        finally:
            server.send_signal(how)
            server.wait(PATIENCE)
    assert not list(folder.rglob("me.jpg")) and not list(folder.glob(f"{PREFIX}*"))


def test_a_server_that_is_interrupted_leaves_nothing(tmp_path):
    with served(tmp_path, signal.SIGINT):
        pass


def test_a_server_that_is_told_to_end_finishes_the_head_in_the_making_and_leaves_nothing(tmp_path):
    from gradio_client import Client, handle_file

    with served(tmp_path, signal.SIGTERM) as (server, url):
        making = Client(url, verbose=False).submit(handle_file(PHOTO), steps=1, api_name="/generate")
        wait_until(lambda: "facelift_line 1" in httpx.get(f"{url}/metrics", timeout=PATIENCE).text)
        server.send_signal(signal.SIGTERM)
        wait_until(lambda: httpx.get(f"{url}/readyz", timeout=PATIENCE).status_code == 503)
        with pytest.raises(Exception, match="about to be restarted"):
            Client(url, verbose=False).predict(handle_file(PHOTO), api_name="/generate")
        assert making.result(timeout=PATIENCE)[4]["steps"] == 1
