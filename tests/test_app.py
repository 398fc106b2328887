"""The page as people use it, in a real browser, and its API as programs use it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from fakes import FakePipeline, painted_head
from page import (
    PHOTO,
    ROOT,
    answers,
    check_files,
    check_picture,
    download_all,
    free_port,
    likeness,
    make_head,
    opened,
    picture,
    upload,
    wait_until,
)  # fmt: skip
from PIL import Image

from facelift.cameras import VIEW_NAMES
from facelift.export import mesh
from facelift.export.mesh import MeshError
from facelift.gaussians import Gaussians
from facelift.serving.settings import ServiceSettings
from facelift.serving.visitors import Visitors
from facelift.ui import jobs, lanes
from facelift.ui.making import Settings

COMPACT = ROOT / "weights" / "compact" / "config.json"


@pytest.fixture
def real(tmp_path_factory):
    """`python app.py` with the compact weights, cut off from the network; when it is told to end, visitors' heads go with it."""
    if not COMPACT.is_file():
        pytest.skip("needs weights/compact")
    port, kept = free_port(), tmp_path_factory.mktemp("kept")
    nowhere = "http://127.0.0.1:9"
    env = {
        **os.environ,
        "TMPDIR": str(kept),
        "HTTP_PROXY": nowhere,
        "HTTPS_PROXY": nowhere,
        "ALL_PROXY": nowhere,
        "NO_PROXY": "127.0.0.1,localhost",
    }
    command = [sys.executable, "app.py", "--weights", "compact", "--device", "cpu", "--port", str(port)]
    with subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        url = f"http://127.0.0.1:{port}"
        try:
            wait_until(lambda: server.poll() is not None or answers(url))
            assert server.poll() is None, "app.py ended at once"
            yield url
        finally:
            server.terminate()
    assert not list(kept.glob("*/facelift*")) and not list(kept.glob("facelift*"))


def test_visit(visit, files):
    ran = visit.inner_text("#ran")
    assert all(words in ran for words in ("stand-in", "cpu", "mediapipe", "seed 4", "views", " s")), ran
    assert "CC0-1.0" in visit.inner_text("#foot") and "deleted" in visit.inner_text("#foot")
    check_files(files, 12)
    check_picture(visit, files["head.ply"])
    small = visit.viewport_size
    visit.set_viewport_size({"width": 1366, "height": 768})  # a laptop shows all of it at once
    size = visit.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
    visit.set_viewport_size(small)
    assert size == [1366, 768]


def test_visit_with_the_compact_weights(real, open_page, tmp_path):
    page = open_page(real)
    make_head(page)
    page.wait_for_selector("#ran p", timeout=600_000)
    files = download_all(page, tmp_path)
    check_files(files, 60)
    check_picture(page, files["head.ply"])


def test_viewer_controls(visit):
    start = picture(visit)
    box = visit.locator("#viewer canvas").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    visit.mouse.move(x, y)
    visit.mouse.down()
    visit.mouse.move(x + 120, y, steps=4)
    visit.mouse.up()
    assert likeness(start, picture(visit)) < 0.95
    visit.click("[data-do=reset]")
    assert likeness(start, picture(visit)) > 0.99
    visit.click("[data-do=rotate]")
    visit.evaluate("new Promise((done) => { let n = 0; (function next() { n++ < 20 ? requestAnimationFrame(next) : done(); })(); })")
    visit.click("[data-do=rotate]")
    assert likeness(start, picture(visit)) < 0.999
    visit.click("[data-do=full]")
    canvas = "(({x, y, width, height}) => [x, y, width, height])(document.querySelector('#viewer canvas').getBoundingClientRect())"
    whole = "const [x, y, width, height] = CANVAS; return x == 0 && y == 0 && width == innerWidth && height > 0.75 * innerHeight"
    visit.wait_for_function(f"(() => {{ {whole.replace('CANVAS', canvas)} }})()")  # but for the bar below
    visit.keyboard.press("Escape")
    visit.wait_for_function(f"{canvas}[2] < innerWidth")


def test_stop_ends_the_job_at_its_next_step_and_frees_the_page(stand_in, open_page, monkeypatch):
    pipeline, url = stand_in
    monkeypatch.setattr(pipeline, "endless", True)
    page = open_page(url)
    before = pipeline.steps_run
    page.click("#examples .gallery-item >> nth=1")  # an example starts by itself
    wait_until(lambda: pipeline.steps_run > before)
    page.click("#stop")
    page.wait_for_selector("#status:has-text('Stopped')")
    when_stopped = pipeline.steps_run
    wait_until(lambda: pipeline.running == 0)
    assert pipeline.steps_run <= when_stopped + 1
    page.wait_for_timeout(500)  # for late news of the job, which must change nothing
    assert "Stopped" in page.inner_text("#status") and page.is_visible("#generate")
    monkeypatch.setattr(pipeline, "endless", False)
    page.click("#generate")
    page.wait_for_selector(".splat-viewer[data-state=loaded]")


def test_a_full_queue_is_said_so(browser):
    from facelift.ui import build_app, launch

    pipeline, port = FakePipeline(), free_port()
    pipeline.endless = True
    app = build_app(pipeline, ServiceSettings(heads_waiting=1, heads_each=9))
    launch(app, server_port=port, prevent_thread_lock=True, quiet=True)

    def in_line() -> int:
        return len(app.service.jobs.line)

    try:
        with opened(browser) as open_:
            pages = [open_(f"http://127.0.0.1:{port}") for _ in range(3)]
            for page in pages:
                upload(page, PHOTO)
                page.wait_for_selector("#portrait img[src]")
            pages[0].click("#generate")
            wait_until(lambda: pipeline.running == 1)
            pages[1].click("#generate")
            wait_until(lambda: in_line() == 2)
            pages[2].click("#generate")
            pages[2].wait_for_selector("#status:has-text('Too many visitors')")
            pages[2].wait_for_selector("#generate")
            pages[1].wait_for_selector("#status:has-text('turn, 1 before you')")
            pages[1].click("#stop")
            pages[1].wait_for_selector("#status:has-text('Stopped')")
            pages[0].click("#stop")
            pages[0].wait_for_selector("#status:has-text('Stopped')")
            wait_until(lambda: in_line() == 0)  # until then, a click would be refused again
            pipeline.endless = False
            pages[2].click("#generate")  # there is room again
            pages[2].wait_for_selector("#views .grid-container img")
            pages[1].wait_for_selector("#generate")
            assert "Stopped" in pages[1].inner_text("#status")
    finally:
        app.close(verbose=False)


def test_leaving_the_page_ends_the_job(stand_in, open_page, monkeypatch):
    pipeline, url = stand_in
    monkeypatch.setattr(pipeline, "endless", True)
    page = open_page(url)
    page.click("#examples .gallery-item >> nth=1")
    wait_until(lambda: pipeline.running == 1)
    page.close()
    wait_until(lambda: pipeline.running == 0)


@pytest.mark.parametrize("kind", ["no face", "no picture"])
def test_mistakes_get_a_sentence(stand_in, open_page, tmp_path, kind):
    _, url = stand_in
    page = open_page(url)
    path = tmp_path / "wall.png"
    Image.new("RGB", (300, 300), (90, 120, 90)).save(path) if kind == "no face" else path.write_text("not a picture")
    sentence = {"no face": "No face was found", "no picture": "not a JPEG, PNG"}[kind]
    page.click("#generate")
    page.wait_for_selector("#status:has-text('Choose a photo')")
    upload(page, path)
    page.wait_for_function(f"document.querySelector('#note').innerText.includes('{sentence}')")
    page.wait_for_selector("#status:has-text('Choose a photo')", state="detached")
    page.click("#generate")
    page.wait_for_function(f"document.querySelector('#status').innerText.includes('{sentence}')")
    page.wait_for_selector("#generate")
    assert str(tmp_path) not in page.content() and "Traceback" not in page.content()


def test_a_phone_gets_one_column(stand_in, open_page):
    _, url = stand_in
    page = open_page(url, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    make_head(page)
    box = "document.querySelector('#viewer').getBoundingClientRect()"
    page.wait_for_function(f"{box}.top >= 0 && {box}.bottom <= 844")  # the page scrolls to the head
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    boxes = "['#generate', '#viewer canvas'].map((name) => document.querySelector(name).getBoundingClientRect().toJSON())"
    generate, viewer = page.evaluate(boxes)
    page.click("#another")
    page.wait_for_selector("#history .heads button >> nth=1")
    assert page.is_visible("#touch label:has-text('selfie')")
    assert viewer["y"] > generate["y"] and viewer["width"] > 300 and viewer["height"] < 450


def client(url: str):
    from gradio_client import Client

    return Client(url, verbose=False)


def test_api_does_what_the_page_does(stand_in, tmp_path):
    from gradio_client import handle_file

    _, url = stand_in
    portrait, views, splat, turntable, report = client(url).predict(handle_file(PHOTO), seed=7, steps=2, api_name="/generate")
    assert Image.open(portrait).size == (512, 512)
    assert [view["caption"] for view in views] == [name.replace("_", " ") for name in VIEW_NAMES]
    assert all(Image.open(view["image"]).size == (128, 128) for view in views)
    assert len(Gaussians.load(splat)) == report["gaussians"]
    assert Path(turntable).suffix == ".mp4" and Path(turntable).stat().st_size > 1000
    assert (report["seed"], report["steps"]) == (7, 2)
    portrait, note = client(url).predict(handle_file(PHOTO), api_name="/portrait")
    assert Image.open(portrait).size == (512, 512) and "Traceback" not in note


def test_the_guide_s_javascript_runs(stand_in, tmp_path):
    node, npm = shutil.which("node"), shutil.which("npm")
    if not (node and npm):
        pytest.skip("needs Node.js")
    modules = subprocess.run([npm, "root", "-g"], capture_output=True, text=True, check=True).stdout.strip()
    if not (Path(modules) / "@gradio" / "client").is_dir():
        pytest.skip("needs: npm install -g @gradio/client")
    guide = (ROOT / "facelift" / "ui" / "README.md").read_text()
    code = guide.partition("```js\n")[2].partition("```")[0].replace("http://127.0.0.1:7860", stand_in[1])
    (tmp_path / "node_modules").symlink_to(modules)
    (tmp_path / "guide.mjs").write_text(code + "process.exit();\n")
    shutil.copy(PHOTO, tmp_path / "photo.jpg")
    run = subprocess.run([node, "guide.mjs"], cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0 and "head.ply" in run.stdout and all(name.replace("_", " ") in run.stdout for name in VIEW_NAMES), run.stderr


def test_api_errors_are_sentences(stand_in, tmp_path):
    from gradio_client import handle_file

    _, url = stand_in
    Image.new("RGB", (300, 300), (90, 120, 90)).save(tmp_path / "wall.png")
    with pytest.raises(Exception, match="No face was found"):
        client(url).predict(handle_file(tmp_path / "wall.png"), api_name="/generate")


def test_unexpected_errors_tell_visitors_nothing(stand_in, monkeypatch, caplog):
    from gradio_client import handle_file

    pipeline, url = stand_in

    def fail(*_):
        raise KeyError("/secret/path")

    monkeypatch.setattr(pipeline, "_make", fail)
    with pytest.raises(Exception, match="Something went wrong on our side") as caught:
        client(url).predict(handle_file(PHOTO), api_name="/generate")
    assert "secret" not in str(caught.value)
    assert "/secret/path" in caplog.text


def test_visitors_take_turns_and_get_their_own(stand_in):
    from gradio_client import handle_file

    pipeline, url = stand_in
    wait_until(lambda: pipeline.running == 0)  # another test's visitor may only just have left
    pipeline.most_at_once = 0
    one, two = client(url), client(url)
    made = [c.submit(handle_file(PHOTO), seed=seed, api_name="/generate") for c, seed in ((one, 11), (two, 22))]
    assert [job.result(timeout=600)[4]["seed"] for job in made] == [11, 22]
    assert pipeline.most_at_once == 1


def test_other_files_of_the_server_stay_private(stand_in):
    _, url = stand_in
    for path in ("/etc/passwd", str(ROOT / "pyproject.toml"), str(ROOT / "assets" / "viewer" / "package.json")):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{url}/gradio_api/file={path}")
        assert refused.value.code in (403, 404)


def test_uploads_are_limited(stand_in):
    import httpx

    _, url = stand_in
    answer = httpx.post(f"{url}/gradio_api/upload", files={"files": ("big.png", b"\0" * 21_000_000)})
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("arguments", "words"), [(["--auth", "nopassword"], "USER:PASSWORD"), (["--weights", "no such folder"], "no such folder")]
)
def test_wrong_arguments_get_a_sentence(monkeypatch, capsys, arguments, words):
    monkeypatch.syspath_prepend(ROOT)
    monkeypatch.setattr(sys, "argv", ["app.py", *arguments])
    import app

    with pytest.raises(SystemExit) as end:
        app.main()
    assert words in f"{end.value.code} {capsys.readouterr().err}"


def test_a_mesh_needs_no_turn_and_fails_with_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(mesh, "CELLS", 48)  # small: what it looks like is tested elsewhere
    monkeypatch.setattr(mesh, "DEPTH_SIZE", 96)
    monkeypatch.setattr(mesh, "TEXTURE_SIZE", 96)
    pipeline = FakePipeline()
    pipeline.endless = True
    visitors = Visitors(tmp_path, 60)
    working = jobs.Jobs(lanes.Runners.here(pipeline), visitors, ServiceSettings())
    running = working.run("another visitor", "address", PHOTO, Settings())
    for name, n in (("head", 12000), ("dust", 20)):
        (tmp_path / name).mkdir()
        painted_head(n).save(tmp_path / name / "head.ply")
    try:
        wait_until(lambda: next(running).stage == "views")
        fractions = [update.fraction for update in working.mesh(tmp_path / "head")]
        assert pipeline.running == 1 and next(running).stage == "views"
    finally:
        running.close()
    assert fractions == sorted(fractions) and len(fractions) > 10 and fractions[-1] == 1
    assert (tmp_path / "head" / "head.glb").read_bytes()[:4] == b"glTF"
    with pytest.raises(MeshError) as caught:
        list(working.mesh(tmp_path / "dust"))
    assert jobs.sentence_for(caught.value) == "The head has too few solid Gaussians for a mesh."
    assert [path.name for path in (tmp_path / "dust").iterdir()] == ["head.ply"]
