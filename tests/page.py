"""What the tests of the page share: a served page, a browser, and what people do with them."""

from __future__ import annotations

import io
import json
import socket
import time
import urllib.request
import zipfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from facelift.cameras import VIEW_NAMES, orbit
from facelift.gaussians import Gaussians
from facelift.rendering import render
from facelift.ui.downloads import NAMES

ROOT = Path(__file__).parents[1]
PATIENCE = 600  # seconds that anything may take: a computer may do a lot beside the tests
PHOTO = ROOT / "assets" / "examples" / "grace_hopper.jpg"
SMALL_SCREEN = {"width": 840, "height": 520}  # software WebGL is slow; narrower ones get one column
SAVES_DATA = "Object.defineProperty(navigator, 'connection', { value: { saveData: true } })"  # so that no sample is drawn
SHARES = """navigator.canShare = () => true;
  navigator.share = async ({ files, title }) => { window.sent = [title, ...files.map((file) => [file.name, file.type, file.size])]; }"""
QUIET = ["--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
FLAGS = ["--headless=new", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", *QUIET]


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def answers(url: str) -> bool:
    try:
        return urllib.request.urlopen(url, timeout=5).status == 200
    except OSError:
        return False


def wait_until(true, seconds: float = PATIENCE) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.1)


@contextmanager
def opened(browser):
    """Opens pages, and checks in the end that they asked no other host for anything."""
    contexts, requests = [], []

    def open_(url: str, script: str = SAVES_DATA, **context):
        contexts.append(browser.new_context(**{"viewport": SMALL_SCREEN, **context}))
        page = contexts[-1].new_page()
        page.set_default_timeout(PATIENCE * 1000)
        page.on("request", lambda request: requests.append((url.partition("?")[0], request.url)))
        if script:
            page.add_init_script(script)
        page.goto(url)
        page.wait_for_selector("#generate")
        return page

    yield open_
    for context in contexts:
        context.close()
    outside = [asked for url, asked in requests if not asked.startswith((url, "data:", "blob:"))]
    assert requests and not outside, outside


def upload(page, path: Path) -> None:
    page.set_input_files("#photo input[type=file]", path)


def picture(page) -> Image.Image:
    """What the viewer shows when it has come to rest: the square in the middle."""
    at_rest(page)
    image = Image.open(io.BytesIO(page.locator(".splat-stage").screenshot())).convert("RGB")
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def make_head(page, seconds: float = PATIENCE, photo: Path = PHOTO) -> None:
    upload(page, photo)
    page.wait_for_selector("#portrait img[src]")
    page.click("#generate")
    page.wait_for_function("document.querySelectorAll('#views .grid-container img').length == 6", timeout=1000 * seconds)
    page.wait_for_selector(".splat-viewer[data-state=loaded]", timeout=1000 * seconds)


def download_all(page, folder: Path) -> dict[str, Path]:
    files = {}
    page.wait_for_selector("#take [data-open=files]:enabled")
    page.click("#take [data-open=files]")
    page.wait_for_selector("#take a.chip:has-text('turntable.webp')")  # the film comes after the head
    for name in NAMES:
        with page.expect_download() as download:
            page.click(f"#take .chip:enabled:has-text('{name}'), #take a.chip:has-text('{name}')")
        assert download.value.suggested_filename == name
        files[name] = folder / name
        download.value.save_as(files[name])
    page.keyboard.press("Escape")
    return files


def check_files(files: dict[str, Path], frames: int) -> None:
    import imageio.v3 as iio

    n = len(Gaussians.load(files["head.ply"]))
    assert n > 1000
    assert len(Gaussians.load(files["head.splat"])) == len(Gaussians.load(files["head.spz"])) == n
    assert json.loads(files["report.json"].read_text())["gaussians"] == n
    assert len(iio.imread(files["turntable.mp4"])) == frames
    with zipfile.ZipFile(files["views.zip"]) as archive:
        assert set(archive.namelist()) == {"portrait.png", *(f"views/{i}_{name}.png" for i, name in enumerate(VIEW_NAMES))}
        assert archive.testzip() is None


def small(image: np.ndarray | Image.Image) -> np.ndarray:
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    return np.asarray(image.convert("RGB").resize((48, 48), Image.Resampling.BOX), dtype=float).ravel()


def likeness(a, b) -> float:
    return float(np.corrcoef(small(a), small(b))[0, 1])


def check_picture(page, ply: Path) -> None:
    """The canvas shows what our renderer shows from the front: upright, not mirrored, not from behind."""
    shown = picture(page)
    views = render(Gaussians.load(ply), orbit([0, 180], size=256)).rgb.clamp(0, 1).mul(255).byte().permute(0, 2, 3, 1).numpy()
    front, back = views
    same = likeness(shown, front)
    assert same > 0.97, same
    for name, other in {"upside down": front[::-1], "mirrored": front[:, ::-1], "from behind": back}.items():
        assert likeness(shown, other) < same - 0.01, name


def at_rest(page) -> None:
    """Waits until the viewer draws no more, as it must when nothing moves, however long software WebGL takes for a frame."""
    page.evaluate("window.stillFor = 0")
    page.wait_for_function("(stillFor = document.querySelector('.splat-viewer').dataset.moving === undefined ? stillFor + 1 : 0) > 8")
