"""How fast the page is in headless Chromium on loopback: `python tests/page_speed.py`, on a machine that does nothing else.

The head is a stand-in of as many Gaussians as the released weights make, which compresses as a head of the compact weights does: to about
10 bytes a Gaussian. `--head` takes a real one instead.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

import torch  # noqa: E402
from fakes import FakePipeline, ShortHead, painted_head  # noqa: E402
from page import FLAGS, PHOTO, free_port, upload  # noqa: E402

from facelift.gaussians import Gaussians  # noqa: E402

WANTED = {"first paint": (2.0, "s"), "upload to portrait": (1.0, "s"), "file to head": (3.0, "s"), "bytes for the head": (5.5, "MB")}
WATCH = """
  addEventListener("DOMContentLoaded", () => new MutationObserver(() => {
    if (!window.portraitAt && document.querySelector("#portrait .aligner[data-state=shown] img[src]")) window.portraitAt = Date.now();
    if (document.querySelector(".splat-viewer[data-state=loaded]")) window.headAt ??= Date.now();
  }).observe(document.body, { subtree: true, childList: true, attributes: true, attributeFilter: ["src", "data-state"] }));
"""


def varied_head(n: int) -> Gaussians:
    """The painted egg, no two Gaussians alike."""
    torch.manual_seed(0)
    noise = {k: torch.randn(n, k) for k in (3, 4)}
    head = painted_head(n)
    return replace(
        head,
        means=head.means + 0.01 * noise[3],
        quats=torch.nn.functional.normalize(head.quats + 0.03 * noise[4], dim=1),
        scales=-5.5 + 0.02 * noise[3],
        sh0=head.sh0 + 0.05 * noise[3].flip(1),
    )


class TimedHead(ShortHead):
    """Notes when its small splat file is written."""

    written = 0.0


def measure(browser, url: str) -> dict[str, float]:
    """One visit with an empty cache."""
    context = browser.new_context(viewport={"width": 1366, "height": 768})
    page = context.new_page()
    page.set_default_timeout(300_000)
    page.add_init_script(WATCH)
    sizes: dict[str, float] = {}
    wire = context.new_cdp_session(page)
    wire.send("Network.enable")
    asked: dict[str, str] = {}
    wire.on("Network.requestWillBeSent", lambda event: asked.update({event["requestId"]: event["request"]["url"]}))
    wire.on("Network.loadingFinished", lambda event: sizes.update({asked.get(event["requestId"], ""): event["encodedDataLength"] / 1e6}))
    page.goto(url)
    page.wait_for_selector("#generate")
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime") / 1000
    usable = page.evaluate("performance.now()") / 1000
    page_bytes = sum(sizes.values())
    started = time.time()
    upload(page, PHOTO)
    page.wait_for_function("window.portraitAt")
    portrait = page.evaluate("portraitAt") / 1000 - started
    page.click("#generate")
    page.wait_for_function("window.headAt")
    shown = page.evaluate("headAt") / 1000 - TimedHead.written
    page.wait_for_selector("#ran p")
    part = {name: sum(size for address, size in sizes.items() if name in address) for name in ("head.spz", "spark.min.js")}
    context.close()
    return {
        "first paint": paint, "usable": usable, "page bytes": page_bytes, "upload to portrait": portrait, "file to head": shown,
        "bytes for the head": sum(part.values()), **{f"of them {name}": size for name, size in part.items()},
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gaussians", type=int, default=400_000)
    parser.add_argument("--visits", type=int, default=3)
    parser.add_argument("--head", type=Path, help="a splat file of a real head instead of the stand-in")
    args = parser.parse_args()
    from playwright.sync_api import sync_playwright

    from facelift.ui import build_app, launch

    pipeline, port = FakePipeline(), free_port()
    pipeline.gaussians = Gaussians.load(args.head) if args.head else varied_head(args.gaussians)
    save = Gaussians.save

    def timed_save(self, path):
        saved = save(self, path)
        if Path(path).suffix == ".spz":
            TimedHead.written = TimedHead.written or time.time()
        return saved

    Gaussians.save = timed_save
    app = build_app(pipeline)
    launch(app, server_port=port, prevent_thread_lock=True, quiet=True)
    visits = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        for _ in range(args.visits):
            TimedHead.written = 0.0
            visits.append(measure(browser, f"http://127.0.0.1:{port}"))
        browser.close()
    app.close(verbose=False)
    print(f"{len(pipeline.gaussians):,} Gaussians, median of {len(visits)} visits (all)".replace(",", " "))
    for name in visits[0]:
        values = [visit[name] for visit in visits]
        wanted, unit = WANTED.get(name, (None, "MB" if "byte" in name or "of them" in name else "s"))
        goal = f"   wanted <= {wanted} {unit}" if wanted else ""
        print(f"{name:24} {statistics.median(values):6.2f} {unit:2} ({', '.join(f'{value:.2f}' for value in values)}){goal}")


if __name__ == "__main__":
    main()
