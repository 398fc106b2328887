"""Fixtures of the tests of the page."""

from __future__ import annotations

import shutil

import pytest
from fakes import FakePipeline
from page import FLAGS, free_port, make_head, opened


@pytest.fixture(scope="module")
def stand_in():
    """A served page on a pipeline without weights: (pipeline, url)."""
    from facelift.ui import build_app, launch

    pipeline, port = FakePipeline(), free_port()
    app = build_app(pipeline)
    launch(app, server_port=port, prevent_thread_lock=True, quiet=True)
    yield pipeline, f"http://127.0.0.1:{port}"
    app.close(verbose=False)


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
def visit(stand_in, browser):
    """A page on which a head has been made."""
    _, url = stand_in
    with opened(browser) as open_:
        page = open_(url, viewport={"width": 960, "height": 600})  # software WebGL is slow: small pictures
        make_head(page, 120)
        page.wait_for_selector("#ran p")
        yield page
