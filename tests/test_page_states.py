"""What a visitor meets beside the way from photo to head: guesses, pictures, sharing, two heads, a phone, nothing kept; and axe-core."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from page import PATIENCE, PHOTO, SAVES_DATA, SMALL_SCREEN, at_rest, make_head, picture
from page_states import look, states, violations
from PIL import Image

from facelift.serving.settings import ServiceSettings
from facelift.ui.history import history_strip
from facelift.ui.taking import taking_panel


def orange(page) -> float:
    """How much more red than blue the viewer's middle is."""
    side = (shown := picture(page)).width // 3
    pixels = np.asarray(shown.crop((side, side, 2 * side, 2 * side)), dtype=float)
    return float((pixels[..., 0] - pixels[..., 2]).mean())


def test_what_is_guessed_is_tinted_and_what_was_seen_is_not(visit):
    front = orange(visit)
    visit.click("[data-do=tint]")
    assert visit.is_visible(".splat-legend") and abs(orange(visit) - front) < 12
    visit.click("[data-view=back]")
    assert orange(visit) > 60  # the painted head has dark hair there
    visit.click("[data-do=tint]")
    assert visit.is_hidden(".splat-legend") and orange(visit) < 60


@pytest.mark.parametrize("times", [2, 4])
def test_pictures_are_larger_and_transparent_if_wished(visit, tmp_path, times):
    width, height = visit.evaluate("(({ width, height }) => [width, height])(document.querySelector('#viewer canvas'))")
    visit.evaluate(
        """(times) => { document.querySelector("[data-picture=times]").value = `${times}×`;
        document.querySelector("[data-picture=clear]").checked = true; }""",
        times,
    )
    with visit.expect_download() as download:
        visit.click("[data-do=picture]")
    visit.evaluate("document.querySelector('[data-picture=times]').value = '1×'; document.querySelector('[data-picture=clear]').click()")
    download.value.save_as(tmp_path / "head.png")
    image = Image.open(tmp_path / "head.png")
    assert image.mode == "RGBA" and image.size == (times * width, times * height)
    alpha = np.asarray(image)[..., 3]
    assert alpha[0].max() == alpha[-1].max() == 0 and alpha[image.height // 2, image.width // 2] > 250


def test_a_head_is_sent_by_the_phone_s_own_sheet(visit):
    visit.click("#take [data-open=share]:enabled")
    visit.wait_for_selector("#take .share-panel:not([hidden])")
    visit.click("[data-send='head.html']")
    visit.wait_for_function("window.sent")
    title, (name, kind, size) = visit.evaluate("sent")
    assert (title, name, kind) == ("3D head", "head.html", "text/html") and size > 1e6
    visit.keyboard.press("Escape")
    assert visit.is_hidden("#take .share-panel")


def test_a_link_shows_the_head_to_others_until_it_is_withdrawn(visit, browser):
    visit.click("#take [data-open=share]:enabled")
    visit.click("[data-link]")
    visit.wait_for_selector("#take .links li:has-text('Ends ')")
    link = visit.input_value("#take .links input")
    assert f'src="{link}"' in visit.input_value("#take textarea") and visit.is_hidden("[data-link]")
    other = browser.new_context(viewport={"width": 240, "height": 240}).new_page()
    other.set_default_timeout(1000 * PATIENCE)
    asked = []
    other.on("request", lambda request: asked.append(request.url))
    other.goto(link)
    other.wait_for_selector(".splat-viewer[data-state=loaded]")
    assert other.evaluate("origin") == "null" and all(url == link or url.startswith(("blob:", "data:")) for url in asked)
    visit.click("#take .links button:has-text('Withdraw')")
    visit.wait_for_selector("#take .said:has-text('shows nothing any more')")
    assert other.goto(link).status == 404 and "This link has ended" in other.inner_text("body")
    other.context.close()
    assert visit.locator("#take .links li").count() == 0 and 'src="head.html"' in visit.input_value("#take textarea")
    visit.keyboard.press("Escape")


def test_two_heads_stand_side_by_side_and_one_above_the_other_on_a_phone(visit):
    before = visit.viewport_size
    visit.click("#another")
    visit.wait_for_selector("#history .heads button >> nth=1")
    visit.wait_for_selector("#take [data-open=share]:enabled")
    visit.wait_for_selector(".splat-viewer[data-state=loaded]")
    visit.focus("#history .beside:visible")
    visit.keyboard.press("Enter")
    visit.wait_for_selector(".splat-viewer[data-pair=row][data-beside='12000']")
    at_rest(visit)
    shown = picture_of_stage(visit)
    half = shown.shape[1] // 2
    assert np.abs(shown[40:, : half - 4] - shown[40:, -(half - 4) :]).mean() < 3  # the same head twice, by one camera
    assert (shown[40:, : half - 4].min(-1) < 200).mean() > 0.1
    visit.set_viewport_size({"width": 390, "height": 844})
    visit.wait_for_selector(".splat-viewer[data-pair=column]")
    visit.set_viewport_size(before)
    visit.focus("[data-do=alone]")
    visit.keyboard.press("Enter")
    visit.wait_for_selector(".splat-viewer:not([data-pair])")
    assert visit.get_attribute("#history .beside", "aria-pressed") == "false"


def picture_of_stage(page) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(page.locator(".splat-stage").screenshot())).convert("RGB"), dtype=float)


def test_a_phone_takes_a_selfie(stand_in, open_page):
    _, url = stand_in
    page = open_page(url, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    label = page.locator("#touch label:has-text('Take a selfie')")
    assert label.bounding_box()["height"] >= 44 and label.locator("input").get_attribute("capture") == "user"
    label.locator("input").set_input_files(PHOTO)
    page.wait_for_selector("#portrait img[src]")
    page.wait_for_selector("#faces button")


KEPT = """indexedDB.databases().then((all) => [...all.map((one) => one.name), ...Object.keys(localStorage)]
  .filter((name) => name.startsWith("facelift")))"""


def test_where_nothing_is_kept_the_browser_keeps_nothing_either(stand_in, browser):
    """The page is that of the other tests, told what one with --keep-nothing is told."""
    strip, panel = history_strip("a", True), taking_panel("b", ServiceSettings(keep_nothing=True, share_hours=24))
    assert (strip.props["most"], panel.props["share"], panel.props["links"]) == (0, False, None)
    _, url = stand_in
    context = browser.new_context(viewport=SMALL_SCREEN)
    page = context.new_page()
    page.set_default_timeout(1000 * PATIENCE)
    page.add_init_script(f"{SAVES_DATA}; indexedDB.open('facelift-heads', 1)")  # of a visit before
    told = re.compile(r'"most":\s*8')

    def as_told(route) -> None:
        answer = route.fetch()
        body, changed = told.subn('"most": 0', answer.text())
        route.fulfill(response=answer, body=body) if changed else route.abort()

    page.route(f"{url}/", as_told)
    page.goto(url)
    page.wait_for_selector("#generate")
    make_head(page)
    page.wait_for_selector("#ran p")
    assert page.is_hidden("#history .strip") and page.evaluate(KEPT) == []
    page.reload()
    page.wait_for_selector("#generate")
    assert page.is_hidden("#history .strip") and not page.inner_text("#ran")
    context.close()


LOOKS = ((390, False), (1366, True))


def test_nothing_is_in_the_way_of_a_visitor_who_cannot_see(visit):
    """axe-core finds no serious violation with a head, in its panels and in About: those of every other state are in a longer test."""
    before = visit.viewport_size
    found = {}
    for name, press in (("done", None), ("share", "#take [data-open=share]"), ("about", "button[role=tab]:has-text('About')")):
        if press:
            visit.click(press)
        for width, dark in LOOKS[:1] if name == "share" else LOOKS:
            look(visit, width, dark)
            found[name, width] = violations(visit)
    look(visit, 1366, False)
    visit.click("button[role=tab]:has-text('Make a head')")
    visit.keyboard.press("Escape")
    visit.set_viewport_size(before)
    assert not any(found.values()), found


def test_every_state_has_no_serious_violation(stand_in, open_page):
    pipeline, url = stand_in
    page, found = open_page(url), {}
    for state in states(page, pipeline):
        for width in (390, 1366):
            for dark in (False, True):
                look(page, width, dark)
                found[state, width, dark] = violations(page)
        look(page, 1366, False)
    assert not any(found.values()), found
