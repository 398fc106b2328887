"""Fixtures that several tests share: a served page and a browser; the OpenGL renderer of synthetic heads."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from fakes import FakePipeline
from page import FLAGS, at_rest, download_all, free_port, make_head, opened


@pytest.fixture(scope="session")
def renderer():
    from facelift.synthesis.dataset import prepare_worker
    from facelift.synthesis.renderer import NoContextError, Renderer

    prepare_worker()
    try:
        return Renderer()
    except NoContextError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def stand_in():
    """A served page on a pipeline without weights: (pipeline, url)."""
    from facelift.ui import build_app, launch

    pipeline, port = FakePipeline(), free_port()
    app = build_app(pipeline)
    launch(app, server_port=port, prevent_thread_lock=True, quiet=True)
    yield pipeline, f"http://127.0.0.1:{port}"
    app.close(verbose=False)


@pytest.fixture(scope="session")
def browser():
    api = pytest.importorskip("playwright.sync_api")
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("needs Chromium")
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser):
    with opened(browser) as open_:
        yield open_


@pytest.fixture(scope="session")
def visitor(stand_in, browser):
    """A page on which a head has been made, shared by all tests that only look at it: `visit` is how they get it."""
    _, url = stand_in
    with opened(browser) as open_:
        page = open_(url)
        make_head(page, 120)
        page.wait_for_selector("#ran p")
        yield page


@pytest.fixture
def visit(visitor):
    """The shared page as it is after loading: seen from the front, whatever another test did, or left undone."""
    visitor.evaluate(
        """() => {
          const viewer = document.querySelector(".splat-viewer"), press = (what) => viewer.querySelector(`[data-do=${what}]`).click();
          if (viewer.classList.contains("full")) press("full");
          if (!viewer.querySelector(".splat-settings").hidden) press("settings");
          press("reset");
          document.activeElement.blur(); // no outline
        }"""
    )
    if visitor.query_selector("#views .preview"):
        visitor.keyboard.press("Escape")
    at_rest(visitor)
    return visitor


@pytest.fixture(scope="session")
def files(visitor, tmp_path_factory) -> dict[str, Path]:
    """What the visitor took home, by file name."""
    return download_all(visitor, tmp_path_factory.mktemp("downloads"))
