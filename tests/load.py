"""Many visitors at once: `python tests/load.py --seconds 600`. Prints what they met as JSON; exits with 1 where that is not as it must be.

Every client has a photo with a mark of its own colour, and looks for it in what comes back. One more opens the page again and again.
"""

from __future__ import annotations

import argparse
import colorsys
import io
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # where the package is not installed

import httpx  # noqa: E402
import numpy as np  # noqa: E402
from page import PHOTO, ROOT, answers, free_port, wait_until  # noqa: E402
from PIL import Image, ImageDraw  # noqa: E402

MARK = (130, 395, 200, 455)  # on the jacket of the example, in its pixels, where the portrait shows it
FLAT = 1.05  # memory at the end, times that after the warm-up
PAGE_SECONDS = 2.0
WARM_UP = 0.4  # of the time


def mark_of(client: int, clients: int) -> tuple[int, int, int]:
    return tuple(round(255 * v) for v in colorsys.hsv_to_rgb(client / clients, 1, 0.9))  # type: ignore[return-value]


def photo_of(colour: tuple[int, int, int]) -> bytes:
    photo = Image.open(PHOTO).convert("RGB")
    ImageDraw.Draw(photo).rectangle(MARK, fill=colour)
    file = io.BytesIO()
    photo.save(file, "PNG")
    return file.getvalue()


def marked(picture: bytes, colour: tuple[int, int, int]) -> bool:
    """Whether a patch of a picture has this colour, whatever resampling did to its edges."""
    pixels = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"), int)
    return int((np.abs(pixels - colour).max(-1) <= 4).sum()) > 500


class Visitor(threading.Thread):
    """Makes portraits, and a head after every third, until the time is over."""

    def __init__(self, url: str, number: int, clients: int, end: float):
        super().__init__()
        self.url, self.number, self.end, self.met = url, number, end, Counter()
        self.colour = mark_of(number, clients)
        self.photo = photo_of(self.colour)

    def run(self) -> None:
        address = {"x-forwarded-for": f"203.0.113.{self.number + 1}"}
        with httpx.Client(base_url=self.url, headers=address, timeout=1800) as self.http:
            turn = self.number
            while time.monotonic() < self.end:
                try:
                    self.head(turn) if turn % 4 == 3 else self.portrait()
                except (httpx.HTTPError, ValueError, KeyError, AssertionError, TypeError) as error:
                    self.met[f"failed: {type(error).__name__} {error}"[:200]] += 1
                turn += 1

    def call(self, endpoint: str, *rest) -> list | str:
        """What comes back, or the sentence that refuses."""
        (path,) = self.http.post("/gradio_api/upload", files={"files": ("me.png", self.photo)}).raise_for_status().json()
        data = [{"path": path, "meta": {"_type": "gradio.FileData"}}, *rest]
        asked = self.http.post(f"/gradio_api/call/{endpoint}", json={"data": data})
        if asked.status_code in (429, 503):
            return asked.text
        told = self.http.get(f"/gradio_api/call/{endpoint}/{asked.raise_for_status().json()['event_id']}").text
        event, content = re.findall(r"event: (\w+)\ndata: (.*)", told)[-1]
        return json.loads(content) if event == "complete" else json.loads(content)["error"]

    def fetched(self, file: dict) -> bytes:
        return self.http.get(f"/gradio_api/file={file['path']}").raise_for_status().content

    def portrait(self) -> None:
        result = self.call("portrait", True, 1)
        if isinstance(result, str):
            self.met[f"refused: {result[:80]}"] += 1
        else:
            self.met["portrait" if marked(self.fetched(result[0]), self.colour) else "failed: another's portrait"] += 1

    def head(self, turn: int) -> None:
        seed = 1000 * self.number + turn
        result = self.call("generate", seed, 1, 3.0, True, 1)
        if isinstance(result, str):
            self.met[f"refused: {result[:80]}"] += 1
            return
        portrait, _, splats, _, report = result
        mine = report["seed"] == seed and marked(self.fetched(portrait), self.colour) and len(self.fetched(splats)) > 10_000
        self.met["head" if mine else "failed: another's head"] += 1


class OneMore(threading.Thread):
    """Opens the page, every two seconds."""

    def __init__(self, url: str, end: float):
        super().__init__()
        self.url, self.end, self.seconds = url, end, []

    def run(self) -> None:
        while time.monotonic() < self.end:
            start = time.monotonic()
            with httpx.Client(headers={"x-forwarded-for": "203.0.113.200"}, timeout=60) as http:
                for path in ("/", "/theme.css"):
                    http.get(self.url + path).raise_for_status()
            self.seconds.append(time.monotonic() - start)
            time.sleep(2)


def memory(url: str) -> dict[str, float]:
    """Bytes held, by process."""
    found = re.findall(r'facelift_memory_bytes\{process="(\w+)"\} (\S+)', httpx.get(f"{url}/metrics", timeout=60).text)
    return {process: float(value) for process, value in found}


def measure(url: str, clients: int, seconds: float) -> dict:
    start = time.monotonic()
    visitors = [Visitor(url, number, clients, start + seconds) for number in range(clients)]
    one_more = OneMore(url, start + seconds)
    for thread in (*visitors, one_more):
        thread.start()
    time.sleep(WARM_UP * seconds)
    warm = memory(url)
    for thread in (*visitors, one_more):
        thread.join()
    met = sum((visitor.met for visitor in visitors), Counter())
    grown = {process: round(value / warm[process], 3) for process, value in memory(url).items() if warm.get(process)}
    return {
        "clients": clients,
        "seconds": seconds,
        "met": dict(met),
        "page_seconds_at_most": round(max(one_more.seconds), 2),
        "memory_megabytes": {process: round(value / 2**20) for process, value in memory(url).items()},
        "memory_times_that_after_warm_up": grown,
    }


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--seconds", type=float, default=600)
    p.add_argument("--clients", type=int, default=20)
    args = p.parse_args()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "facelift", "app", "--weights", "compact", "--device", "cpu", "--port", str(port)]
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(Path(ROOT))}, stdout=subprocess.DEVNULL) as server:
        try:
            wait_until(lambda: server.poll() is not None or answers(f"{url}/readyz"), 600)
            found = measure(url, args.clients, args.seconds)
        finally:
            server.terminate()
    print(json.dumps(found, indent=2))
    wrong = any(name.startswith("failed") for name in found["met"]) or found["page_seconds_at_most"] > PAGE_SECONDS
    return int(wrong or any(times > FLAT for times in found["memory_times_that_after_warm_up"].values()))


if __name__ == "__main__":
    sys.exit(main())
