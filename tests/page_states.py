"""Every state of the page, as pictures and as axe-core sees it.

    python tests/page_states.py --out DIR
    python tests/page_states.py --axe --widths 390 1366

The pipeline is the stand-in of `fakes.py`. With `--axe` the serious violations of each state are printed; the exit status says whether
there were any.
"""

from __future__ import annotations

import argparse
import gzip
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from fakes import FakePipeline  # noqa: E402
from page import FLAGS, PHOTO, SAVES_DATA, free_port, upload  # noqa: E402

AXE = Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js.gz"
SIZES = {390: 844, 768: 1024, 860: 900, 1024: 768, 1366: 768, 1920: 1080}
RULES = """async () => {
  const runOnly = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
  const { violations } = await axe.run(document, { resultTypes: ["violations"], runOnly });
  const where = ({ nodes }) => nodes.slice(0, 4).map((node) => `${node.target} ${node.any[0]?.message ?? ""}`).join(" | ");
  const serious = violations.filter((one) => ["serious", "critical"].includes(one.impact));
  return serious.map((one) => `${one.id} (${one.impact}): ${where(one)}`);
}"""


def states(page, pipeline) -> Iterator[str]:
    """Brings a fresh page from one state to the next, and says which it is in. A page with links (`share_hours`)."""
    page.wait_for_selector("#examples .gallery-item[aria-label]")
    yield "first screen"
    upload(page, PHOTO)
    page.wait_for_selector("#faces button")
    page.wait_for_selector("#portrait img[src]")
    yield "photo chosen"
    pipeline.endless = True
    page.click("#generate")
    page.wait_for_selector("#views .grid-container img")
    yield "working"
    page.click("#stop")
    pipeline.endless = False
    page.fill("#seed input", "-5")
    page.click("#generate")
    page.wait_for_selector("#status .wrong")
    yield "error"
    page.fill("#seed input", "4")
    page.click("#generate")
    page.wait_for_selector(".splat-viewer[data-state=loaded]")
    page.wait_for_selector("#take [data-open=files]:enabled")
    yield "done"
    page.click("#take [data-open=files]")
    yield "downloads"
    page.click("#take [data-open=share]")
    page.click("[data-link]")
    page.wait_for_selector("#take .links li")
    yield "share"
    page.click("#take [data-open=share]")
    page.click("[data-do=settings]")
    page.click("[data-do=tint]")
    yield "settings and guesses"
    page.click("[data-do=tint]")
    page.click("[data-do=settings]")
    page.click("#another")
    page.wait_for_selector("#history .heads button >> nth=1")
    page.wait_for_selector(".splat-viewer[data-state=loaded]")
    yield "history"
    page.click("#history .beside")
    page.wait_for_selector(".splat-viewer[data-beside]")
    yield "side by side"
    page.click("[data-do=alone]")
    page.click("#animate:enabled")
    page.wait_for_selector(".splat-animate:not([hidden])")
    page.wait_for_selector(".splat-viewer[data-state=loaded]")
    yield "move"
    page.click("button[role=tab]:has-text('About')")
    page.wait_for_selector("#about svg")
    yield "about"


def violations(page) -> list[str]:
    """The serious ones of axe-core, in the state and look that the page is in."""
    if not page.evaluate("Boolean(window.axe)"):
        page.evaluate(gzip.decompress(AXE.read_bytes()).decode())
    return page.evaluate(RULES)


def look(page, width: int, dark: bool) -> None:
    page.set_viewport_size({"width": width, "height": SIZES[width]})
    page.evaluate("dark => document.body.classList.toggle('dark', dark)", dark)
    page.wait_for_function("!document.getAnimations().some((a) => a instanceof CSSTransition)")  # colours fade over


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="a folder for pictures")
    parser.add_argument("--widths", type=int, nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--axe", action="store_true", help="say what axe-core finds")
    parser.add_argument("--only", nargs="+", metavar="STATE", help="states to look at (default: all)")
    args = parser.parse_args()
    from playwright.sync_api import sync_playwright

    from facelift.serving.settings import ServiceSettings
    from facelift.ui import build_app, launch

    pipeline, port, wrong = FakePipeline(step_seconds=0.05), free_port(), 0
    app = build_app(pipeline, ServiceSettings(film_length=0.4, share_hours=24))
    launch(app, server_port=port, prevent_thread_lock=True, quiet=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_context(viewport={"width": 1366, "height": 768}).new_page()
        page.set_default_timeout(300_000)
        page.add_init_script(SAVES_DATA)
        page.on("pageerror", lambda error: print(f"page error: {error}", flush=True))
        page.goto(f"http://127.0.0.1:{port}")
        for state in states(page, pipeline):
            if args.only and state not in args.only:
                continue
            for width in args.widths:
                for dark in (False, True):
                    look(page, width, dark)
                    name = f"{state}, {width} px, {'dark' if dark else 'light'}"
                    found = violations(page) if args.axe else []
                    wrong += len(found)
                    print("\n  ".join([f"{name}: {len(found)} serious violations" if args.axe else name, *found]), flush=True)
                    if args.out:
                        args.out.mkdir(parents=True, exist_ok=True)
                        path = args.out / f"{state.replace(' ', '_')}_{width}_{'dark' if dark else 'light'}.png"
                        page.screenshot(path=path, full_page=True)
            look(page, 1366, False)
        browser.close()
    app.close(verbose=False)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
