"""Two servers behind the balancer of docs/scaling.md, started as documented; skipped where Caddy is not installed."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys

import httpx
import pytest
from page import PHOTO, ROOT, answers, free_port, wait_until


@pytest.fixture(scope="module")
def balanced():
    if shutil.which("caddy") is None:
        pytest.skip("Caddy is not installed")
    site, first, second = free_port(), free_port(), free_port()
    code = f"import balance; processes = balance.start({site}, [{first}, {second}], ['--weights', 'compact'])\n"
    code += "print(*(p.pid for p in processes), flush=True)\ntry: input()\nfinally: balance.end(processes)"
    started = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT / "deploy",
        env={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    pids = [int(pid) for pid in started.stdout.readline().split()]
    wait_until(lambda: answers(f"http://127.0.0.1:{first}/healthz") and answers(f"http://127.0.0.1:{second}/healthz"), 240)
    wait_until(lambda: answers(f"http://127.0.0.1:{site}/"))
    yield f"http://127.0.0.1:{site}", pids[:2]
    started.communicate("\n", timeout=600)


def portrait(http: httpx.Client) -> bytes:
    (path,) = http.post("/gradio_api/upload", files={"files": ("me.jpg", PHOTO.read_bytes())}).raise_for_status().json()
    data = [{"path": path, "meta": {"_type": "gradio.FileData"}}, True, 1]
    asked = http.post("/gradio_api/call/portrait", json={"data": data}).raise_for_status().json()
    told = http.get(f"/gradio_api/call/portrait/{asked['event_id']}").text
    event, content = re.findall(r"event: (\w+)\ndata: (.*)", told)[-1]
    assert event == "complete", told
    return http.get(f"/gradio_api/file={json.loads(content)[0]['path']}").raise_for_status().content


def test_visitors_stay_with_their_server_and_another_takes_over(balanced):
    url, pids = balanced
    visitors = [httpx.Client(base_url=url, timeout=600) for _ in range(8)]
    servers = set()
    for visitor in visitors:
        visitor.get("/").raise_for_status()
        servers.add(visitor.cookies["facelift_server"])
    assert len(servers) == 2, "the balancer uses both"
    assert portrait(visitors[0])[:4] == b"\x89PNG", "upload, call and file reach the same server"

    os.kill(pids[0], signal.SIGKILL)
    wait_until(lambda: all(visitor.get("/healthz").status_code == 200 for visitor in visitors))
    assert len({visitor.cookies["facelift_server"] for visitor in visitors}) == 1, "those of the dead server have another now"
    for visitor in visitors:
        visitor.close()
