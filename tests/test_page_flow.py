"""Before and after Generate: faces, crop, advice, history, links, and the API's smaller endpoints."""

from __future__ import annotations

import io
import re
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from fakes import painted_head
from page import PHOTO, likeness, upload
from PIL import Image, ImageDraw, ImageFilter

from facelift.cameras import orbit
from facelift.portrait import find_faces, make_portrait
from facelift.portrait.advice import advice, roll
from facelift.portrait.occlusion import occlusion
from facelift.portrait.pose import head_pose
from facelift.rendering import render
from facelift.ui.aligner import CropAdjustment, adjusted
from facelift.ui.front import with_our_head

OTHER = PHOTO.with_name("astronaut.png")


@pytest.fixture(scope="module")
def two_faces(tmp_path_factory) -> Path:
    """Grace Hopper, larger, left of Eileen Collins."""
    path = tmp_path_factory.mktemp("photos") / "two.png"
    both = Image.new("RGB", (1024, 600), (200, 200, 200))
    both.paste(Image.open(PHOTO).convert("RGB"), (0, 0))
    both.paste(Image.open(OTHER).convert("RGB"), (512, 60))
    both.save(path)
    return path


def portrait_on(page) -> Image.Image:
    """The portrait shown; of another one if the page changes it while its file is fetched."""
    while True:
        src = page.get_attribute("#portrait img", "src")
        try:
            return Image.open(io.BytesIO(urllib.request.urlopen(src).read())).convert("RGB")
        except urllib.error.HTTPError:  # gone with a job that ended: the page is about to show the next
            page.wait_for_function("old => document.querySelector('#portrait img')?.src != old", arg=src)


def new_portrait(page, old: str) -> Image.Image:
    """The portrait once it is another, and made for all that was done to it: until then the page itself moves the old one."""
    page.wait_for_function(
        """old => {
          const image = document.querySelector("#portrait img"), moved = new DOMMatrix(getComputedStyle(image).transform);
          return image.src && image.src != old && moved.isIdentity;
        }""",
        arg=old,
    )
    return portrait_on(page)


def test_a_face_is_chosen_by_a_click_and_moved_by_keys(stand_in, open_page, two_faces):
    _, url = stand_in
    page = open_page(url)
    upload(page, two_faces)
    page.wait_for_selector("#faces button >> nth=1")
    page.wait_for_selector("#note:has-text('2 faces')")
    grace, collins = (make_portrait(path, matting="mediapipe").image for path in (PHOTO, OTHER))
    assert likeness(portrait_on(page), grace) > 0.95
    photo = page.locator("#photo img").bounding_box()
    boxes = [page.locator(f"#faces button >> nth={i}").bounding_box() for i in (0, 1)]
    assert photo["x"] < boxes[0]["x"] < photo["x"] + photo["width"] / 2 < boxes[1]["x"] < photo["x"] + photo["width"]
    old = page.get_attribute("#portrait img", "src")
    page.click("#faces button >> nth=1")
    before = new_portrait(page, old)
    assert likeness(before, collins) > 0.95

    old = page.get_attribute("#portrait img", "src")
    page.focus("#portrait .frame")
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    moved = new_portrait(page, old)
    back = moved.crop((36, 0, 512, 512))
    assert likeness(back, before.crop((0, 0, 476, 512))) > 0.97
    assert likeness(moved, before) < 0.97
    old = page.get_attribute("#portrait img", "src")
    page.keyboard.press("0")
    assert likeness(new_portrait(page, old), before) > 0.999


def test_adjustments_move_zoom_and_turn_about_the_face():
    data = PHOTO.read_bytes()
    start = make_portrait(data, matting="mediapipe")
    still = adjusted(data, start, CropAdjustment(x=0.001))
    assert likeness(still.image, start.image) > 0.99
    assert np.asarray(still.image).shape == (512, 512, 3)
    cx, cy = 251.8, 280.0
    zoomed = adjusted(data, start, CropAdjustment(zoom=2.0))
    inner = start.image.crop((round(cx / 2), round(cy / 2), round(cx / 2) + 256, round(cy / 2) + 256))
    assert likeness(zoomed.image, inner) > 0.97
    turned = adjusted(data, start, CropAdjustment(turn=20))
    middle = (100, 100, 400, 400)
    assert likeness(turned.image.rotate(20, center=(cx, cy)).crop(middle), start.image.crop(middle)) > 0.97  # PIL turns the other way
    assert CropAdjustment.read({"x": "nonsense", "zoom": 1e9, "turn": float("nan")}) == CropAdjustment(zoom=2.5)


def test_advice_names_what_is_wrong():
    photo = Image.open(PHOTO).convert("RGB")
    (face, *_) = find_faces(photo)
    pose = head_pose(photo, face)
    assert abs(pose.azimuth) < 15 and abs(roll(face.landmarks)) < 10
    assert not any("dark" in words or "turned" in words for words in advice(photo, face, pose))
    assert any("dark" in words for words in advice(Image.eval(photo, lambda v: v // 8), face))
    small = photo.resize((photo.width // 3, photo.height // 3))
    assert any("pixels wide" in words for words in advice(small, find_faces(small)[0]))
    close = photo.crop((0, round(face.box[1] + 0.1 * face.size), photo.width, photo.height))
    assert any("top of the head" in words or "cut off" in words for words in advice(close, find_faces(close)[0]))


def covering(photo: Image.Image, face, thing: str) -> Image.Image:
    """The photo with something flat laid over a face."""
    point, width = face.landmarks, face.landmarks[454, 0] - face.landmarks[234, 0]
    layer = photo.copy()
    draw = ImageDraw.Draw(layer)
    if thing == "dark glasses":
        for eye in ((33, 133), (362, 263)):
            x, y = point[list(eye)].mean(0)
            draw.ellipse([x - 0.21 * width, y - 0.11 * width, x + 0.21 * width, y + 0.2 * width], fill=(22, 20, 22))
    elif thing == "mask":
        edge = [93, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361, 323, 366, 280, 197, 50, 137]
        draw.polygon([tuple(point[i]) for i in edge], fill=(130, 180, 205))
    else:  # a fist of the colour of the cheek
        x, y = point[13]
        skin = photo.getpixel(tuple(int(v) for v in point[50]))
        draw.ellipse([x - 0.35 * width, y - 0.22 * width, x + 0.35 * width, y + 0.5 * width], fill=skin)
    return layer.filter(ImageFilter.GaussianBlur(0.6))


@pytest.mark.parametrize("path", [PHOTO, OTHER, *sorted((PHOTO.parent / "synthetic").glob("*.jpg"))], ids=lambda path: path.stem)
def test_advice_knows_a_covered_face(path):
    photo = Image.open(path).convert("RGB")
    (face, *_) = find_faces(photo)
    assert occlusion(photo, face) is None and not any("cover" in words or "glasses" in words for words in advice(photo, face))
    for thing, words in (("dark glasses", "Dark glasses"), ("mask", "cover the mouth"), ("fist", "cover the mouth")):
        hidden = covering(photo, face, thing)
        assert any(words in sentence for sentence in advice(hidden, find_faces(hidden)[0])), thing


def test_history_stays_and_can_be_seen_again(stand_in, open_page):
    """Also after a reload, Back and a restart."""
    pipeline, url = stand_in
    page = open_page(f"{url}/?seed=7&weights=released")
    page.wait_for_function("document.querySelector('#seed input').value == '7'")
    page.wait_for_selector("#note:has-text('this page runs stand-in')")
    page.click("#examples .gallery-item >> nth=1")
    page.wait_for_selector("#ran p")
    assert "seed 7" in page.inner_text("#ran")
    page.click("#another")
    page.wait_for_function("/seed (?!7,)/.test(document.querySelector('#ran').innerText)")
    second = int(re.search(r"seed (\d+)", page.inner_text("#ran"))[1])
    assert second != 7 and page.input_value("#seed input") == str(second)
    page.wait_for_selector("#status:has-text('another seed changes little')")  # the stand-in is of compact weights
    older = "#history .heads button >> nth=1"
    page.click(older)
    page.wait_for_function("document.querySelector('#ran').innerText.includes('seed 7,')")
    page.wait_for_function("document.querySelector('#seed input').value == '7'")  # so that it can be made again

    page.reload()
    page.wait_for_selector("#status:has-text('came back')")
    page.wait_for_selector(older)
    page.wait_for_selector(".splat-viewer[data-state=loaded]")
    page.wait_for_function("document.querySelector('#portrait img').src")
    assert f"seed {second}," in page.inner_text("#ran") and page.input_value("#seed input") == str(second)

    page.goto("about:blank")
    page.go_back()
    page.wait_for_selector("#status:has-text('came back')")
    page.wait_for_selector(older)
    for visitor in list(pipeline.jobs.visitors._folders):
        pipeline.jobs.forget(visitor)  # as by a restart of the server: what the browser has is all there is
    page.click(older)
    page.wait_for_selector("#status:has-text('The head came back')")
    page.wait_for_function("document.querySelector('#ran').innerText.includes('seed 7,')")
    assert page.locator("#history .heads button").count() == 2

    page.click("#history .empty")
    page.wait_for_selector("#history .strip", state="hidden")
    kept = "indexedDB.open('facelift-heads').onsuccess = (e) => e.target.result.transaction('heads').objectStore('heads').count().onsuccess"
    assert page.evaluate(f"new Promise((done) => {{ {kept} = (n) => done(n.target.result) }})") == 0


def test_another_example_ends_the_head_in_the_making(stand_in, open_page, monkeypatch):
    pipeline, url = stand_in
    page = open_page(url)
    page.fill("#seed input", "-5")
    page.click("#examples .gallery-item >> nth=0")
    page.wait_for_selector("#status:has-text('seed must be a number from 0')")
    page.fill("#seed input", "4")
    monkeypatch.setattr(pipeline, "endless", True)
    page.click("#examples .gallery-item >> nth=0")
    page.wait_for_selector("#views .grid-container img")
    monkeypatch.setattr(pipeline, "endless", False)
    page.click("#examples .gallery-item >> nth=1")
    page.wait_for_selector("#ran p")
    assert likeness(portrait_on(page), make_portrait(PHOTO, matting="mediapipe").image) > 0.95
    assert page.locator("#history .heads button").count() == 1 and "ready" in page.inner_text("#status")


def test_quality_and_steps_agree(stand_in, open_page):
    """However quickly they are changed, one after the other, the last one counts."""
    pipeline, url = stand_in
    page = open_page(url)
    page.click("button:has-text('Advanced')")
    steps = page.locator("input[type=number][aria-label*='Steps']")
    page.click("#quality input")
    page.click("ul[role=listbox] li:has-text('Fine')")
    page.wait_for_function(f"[...document.querySelectorAll('input[type=number]')].some(e => e.value == '{2 * pipeline.default_steps}')")
    page.click("#quality input")
    page.click("ul[role=listbox] li:has-text('Quick')")
    for number, name in ((5, "Own steps"), (pipeline.default_steps, "Standard")):
        steps.fill(str(number))
        page.wait_for_function("name => document.querySelector('#quality input').value == name", arg=name)
    assert steps.input_value() == str(pipeline.default_steps)


SIZES = ((390, 844), (768, 1024), (860, 900), (1024, 768), (1366, 768), (1920, 1080))
LAID_OUT = """() => {
  const box = (what) => document.querySelector(what).getBoundingClientRect(), wrong = [];
  const apart = (a, b) => a.right <= b.left + 1 || b.right <= a.left + 1 || a.bottom <= b.top + 1 || b.bottom <= a.top + 1;
  const words = document.createRange();
  words.selectNodeContents(document.querySelector("#head p"));
  const tab = document.querySelector("button[role=tab]").getBoundingClientRect();
  for (const line of words.getClientRects()) if (!apart(line, tab)) wrong.push("title over tabs");
  if (document.documentElement.scrollWidth > innerWidth) wrong.push("wider than the window");
  const around = [".splat-tools", ".splat-settings", ".splat-animate"];
  for (const over of around) if (!apart(box(".splat-stage"), box(over))) wrong.push(`${over} over the head`);
  if (Math.min(box(".splat-stage").width, box(".splat-stage").height) < 150) wrong.push("no room for the head");
  for (const button of document.querySelectorAll(".splat-tools button, .take [data-open], #history button")) {
    const { width, height } = button.getBoundingClientRect();
    if (width && Math.min(width, height) < 44) wrong.push(`${button.innerText} is ${width} x ${height}`);
    if (width && !button.title && !button.innerText.trim()) wrong.push("a button without a name");
  }
  const seed = document.querySelector("#seed input");
  if (seed.clientWidth < 64) wrong.push(`seed is ${seed.clientWidth} wide`);
  return wrong;
}"""


def test_nothing_lies_over_another_at_any_width(visit):
    small = visit.viewport_size
    wrong = {}
    for panel in (".splat-settings", ".splat-animate"):
        visit.evaluate("(panel) => { document.querySelector(panel).hidden = false }", panel)
        for width, height in SIZES:
            visit.set_viewport_size({"width": width, "height": height})
            wrong[panel, width] = visit.evaluate(LAID_OUT)
        visit.evaluate("(panel) => { document.querySelector(panel).hidden = true }", panel)
    visit.set_viewport_size(small)
    assert not any(wrong.values()), wrong


def test_a_view_opens_large(visit):
    visit.click("#views button.thumbnail-lg >> nth=1")
    visit.wait_for_function("document.querySelector('#views .preview img')?.getBoundingClientRect().height > 0.6 * innerHeight")
    visit.evaluate("document.activeElement.blur()")  # as on a slow computer, where the large view has no focus yet
    visit.keyboard.press("Escape")
    visit.wait_for_selector("#views .preview", state="detached")


def test_tab_goes_through_the_page_as_it_is_read(visit):
    """Every control can be reached by the keyboard, in the order in which they stand, and shows that it has the focus."""
    regions = ["#photo-side", "#portrait", "#generate", "#quality", "#seed", ".splat-viewer", "#views", "#take"]
    still = visit.add_style_tag(content="* { transition: none !important }")
    visit.evaluate("document.querySelector('#head').setAttribute('tabindex', -1); document.querySelector('#head').focus()")
    met = []
    for _ in range(80):
        visit.keyboard.press("Tab")
        where, ringed, what = visit.evaluate(
            """(regions) => {
              const e = document.activeElement, look = () => [e, e.parentElement, e.closest(".block")].map((x) => {
                const { outline, boxShadow, borderColor, backgroundColor } = x ? getComputedStyle(x) : {};
                return [outline, boxShadow, borderColor, backgroundColor].join();
              }).join();
              const with_focus = look();
              e.blur();
              const without = look();
              e.focus({ focusVisible: true });
              return [regions.find((r) => e.closest(r)) ?? "", with_focus != without, e.outerHTML.slice(0, 200)];
            }""",
            regions,
        )
        if where in regions:
            assert ringed, what
            if where not in met:
                met.append(where)
        if len(met) == len(regions):
            break
    still.evaluate("(tag) => tag.remove()")
    assert met == regions


FAINT = """() => {
  const pixel = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    pixel.clearRect(0, 0, 1, 1);
    pixel.fillStyle = color;
    pixel.fillRect(0, 0, 1, 1);
    return [...pixel.getImageData(0, 0, 1, 1).data];
  };
  const over = (top, below) => top.slice(0, 3).map((v, i) => (v * top[3] + below[i] * (255 - top[3])) / 255);
  const behind = (e) => e ? over(rgba(getComputedStyle(e).backgroundColor), behind(e.parentElement)) : [255, 255, 255];
  const light = (rgb) => rgb.map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = {};
  const elements = [...document.querySelectorAll("input:not([type=file], [type=checkbox], [type=range])")];
  while (texts.nextNode()) if (texts.currentNode.data.trim()) elements.push(texts.currentNode.parentElement);
  for (const e of elements) {
    if (!e.checkVisibility({ opacityProperty: true, visibilityProperty: true }) || e.closest("svg, :disabled")) continue;
    const style = getComputedStyle(e), back = behind(e), [a, b] = [light(over(rgba(style.color), back)), light(back)];
    const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < (large ? 3 : 4.5)) found[e.innerText?.trim().slice(0, 40) || e.outerHTML.slice(0, 80)] =
      [contrast.toFixed(2), style.color, back.map(Math.round).join()];
  }
  return { found, looked: elements.length };
}"""


def test_words_stand_out(visit):
    """WCAG AA: contrast 4.5, for large words 3."""
    visit.click("button:has-text('Advanced')")
    for tab, least, there in (("Make a head", 40, "#ran p"), ("About", 10, "#about svg")):
        visit.click(f"button[role=tab]:has-text('{tab}')")
        visit.wait_for_selector(there)
        visit.hover("#head")
        for dark in (False, True):
            visit.evaluate("dark => document.body.classList.toggle('dark', dark)", dark)
            visit.wait_for_function("!document.getAnimations().some((a) => a instanceof CSSTransition)")  # colours fade over
            faint = visit.evaluate(FAINT)
            assert faint["looked"] > least and not faint["found"], (tab, dark, faint)
    visit.evaluate("document.body.classList.remove('dark')")
    visit.click("button[role=tab]:has-text('Make a head')")
    visit.click("button:has-text('Advanced')")


def test_labels_and_colours(stand_in, open_page):
    _, url = stand_in
    page = open_page(url, color_scheme="dark")
    upload(page, PHOTO)
    page.wait_for_selector("#faces button")
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll('button, input, select, textarea, a')].filter((e) => e.offsetParent &&
        !(e.innerText?.trim() || e.getAttribute('aria-label') || e.title || e.labels?.length || e.getAttribute('aria-labelledby')))
        .map((e) => e.outerHTML.slice(0, 200))"""
    )
    assert not unnamed
    page.click("button[role=tab]:has-text('About')")
    page.wait_for_selector("#about svg")
    assert "Gaussians" in page.inner_text("#about") and "CC0-1.0" in page.inner_text("#about")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert max(int(v) for v in re.findall(r"\d+", dark)[:3]) < 80


def test_links_are_previewed_with_our_own_title_and_picture(stand_in):
    _, url = stand_in
    page = urllib.request.urlopen(url).read().decode()
    head = page.partition("<body")[0].partition("<script")[0]
    assert 'og:title" content="FaceLift"' in head and "Gradio" not in head and 'lang="en"' in head
    picture = re.search(r'og:image" content="([^"]+)"', page)[1]
    assert Image.open(io.BytesIO(urllib.request.urlopen(picture).read())).size == (1200, 630)
    assert "<script>" not in with_our_head("<head><meta charset='utf-8'></head><body>", "http://x/<script>")


def test_render_endpoint(stand_in, tmp_path):
    from gradio_client import Client, handle_file

    _, url = stand_in
    head = painted_head()
    api = Client(url, verbose=False)
    path = api.predict(handle_file(head.save(tmp_path / "head.spz")), azimuth=90, size=256, api_name="/render")
    want = render(head, orbit([90], size=256)).rgb[0].clamp(0, 1).mul(255).byte().permute(1, 2, 0).numpy()
    assert likeness(Image.open(path).convert("RGB"), want) > 0.99
    (tmp_path / "bad.ply").write_text("no splats")
    with pytest.raises(Exception, match="of Gaussians"):
        api.predict(handle_file(tmp_path / "bad.ply"), api_name="/render")
    names = set(api.view_api(return_format="dict")["named_endpoints"])
    assert names == {"/generate", "/portrait", "/render"}
