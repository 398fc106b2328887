"""The viewer and the downloads of the page: what is looked at, and what is taken home."""

from __future__ import annotations

import io
import urllib.request

import numpy as np
import pytest
import torch
from page import SAVES_DATA, likeness, opened, picture
from PIL import Image

from facelift.cameras import orbit
from facelift.gaussians import SH_C0, Gaussians
from facelift.rendering import render


def seen_from(gaussians: Gaussians, azimuth: float) -> np.ndarray:
    rgb = render(gaussians, orbit([azimuth], size=256)).rgb[0].clamp(0, 1)
    return rgb.mul(255).byte().permute(1, 2, 0).numpy()


@pytest.fixture(scope="module")
def head(files) -> Gaussians:
    return Gaussians.load(files["head.ply"])


def chin(image: Image.Image) -> int:
    """The lowest row of the head."""
    middle = np.asarray(image.convert("L"))[8:-8, image.width // 2]  # without the outline of what has the focus
    return int(np.flatnonzero(middle < 230).max())


def set_slider(page, name: str, value: str) -> None:
    page.eval_on_selector(f"[data-set={name}]", "(e, v) => { e.value = v; e.dispatchEvent(new Event('input', {bubbles: true})); }", value)


def test_buttons_and_keys_show_the_four_sides(visit, head):
    for name, azimuth in (("left", 90), ("back", 180)):
        visit.click(f"[data-view={name}]")
        assert likeness(picture(visit), seen_from(head, azimuth)) > 0.95, name
    visit.focus("#viewer canvas")
    visit.keyboard.press("4")  # right
    assert likeness(picture(visit), seen_from(head, -90)) > 0.95
    visit.keyboard.press("0")
    start = picture(visit)
    assert likeness(start, seen_from(head, 0)) > 0.95
    for _ in range(4):
        visit.keyboard.press("Shift+ArrowUp")
    up = (chin(start) - chin(picture(visit))) / start.height
    assert abs(up - 0.16 / (2 * np.tan(np.pi * 50 / 360))) < 0.03  # 4 times 0.04 of the distance, on a screen that shows 50 degrees


def test_looks(visit):
    plain = np.asarray(picture(visit), dtype=float)  # the sliders' panel stays closed: beside it the head has less room
    set_slider(visit, "background", "#0f172a")
    dark = np.asarray(picture(visit))
    assert tuple(dark[2, 2]) == (0x0F, 0x17, 0x2A)
    set_slider(visit, "background", "#ffffff")
    set_slider(visit, "size", "0.1")
    thin = np.asarray(picture(visit), dtype=float)
    assert thin.mean() > plain.mean() + 3  # white shows between smaller splats
    set_slider(visit, "size", "1")
    set_slider(visit, "opacity", "0.95")  # all of this head are more opaque than that
    assert abs(np.asarray(picture(visit), dtype=float).mean() - plain.mean()) < 1


def test_photo_and_head_can_be_compared(visit):
    visit.click("[data-view=back]")
    visit.click("[data-do=compare]")
    set_wipe = "(e, v) => { e.value = v; e.dispatchEvent(new Event('input')); }"
    visit.eval_on_selector(".splat-wipe", set_wipe, "100")
    shown = Image.open(io.BytesIO(visit.locator(".splat-compare").screenshot()))
    address = visit.get_attribute(".splat-photo", "src")
    portrait = Image.open(io.BytesIO(urllib.request.urlopen(address).read()))
    assert likeness(shown, portrait.convert("RGB")) > 0.98
    visit.click("[data-do=compare]")
    assert visit.is_hidden(".splat-compare")


def test_a_picture_of_the_view_is_saved(visit, head, tmp_path):
    with visit.expect_download() as download:
        visit.click("[data-do=picture]")
    download.value.save_as(tmp_path / "head.png")
    image = Image.open(tmp_path / "head.png").convert("RGB")
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    assert likeness(image.crop((left, top, left + side, top + side)), seen_from(head, 0)) > 0.95


def test_splat_files_show_the_same_head(files, head):
    want = seen_from(head, 30).astype(float)
    for name in ("head.splat", "head.spz"):
        error = np.mean((seen_from(Gaussians.load(files[name]), 30) - want) ** 2)
        assert 10 * np.log10(255**2 / max(error, 1e-9)) > 35, name


def test_mesh_is_the_head(files, head):
    import trimesh
    from trimesh.visual.material import SimpleMaterial

    mesh = trimesh.load(files["head.glb"], force="mesh")
    whole = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    whole.merge_vertices(digits_vertex=5)
    assert whole.volume > 0  # triangles face outwards
    mesh.visual.material = SimpleMaterial(image=mesh.visual.material.baseColorTexture.convert("RGB"))
    n = 60000
    points, _, colors = trimesh.sample.sample_surface(mesh, n, sample_color=True, seed=0)
    means = torch.tensor(np.asarray(points)[:, [0, 2, 1]] * (1, -1, 1)).float()  # from y up, facing +z
    rgb = torch.tensor(np.asarray(colors)[:, :3] / 255).float()
    quats = torch.tensor([1.0, 0, 0, 0]).repeat(n, 1)
    sampled = Gaussians(means, quats, torch.full((n, 3), -4.8), torch.full((n,), 4.0), (rgb - 0.5) / SH_C0)
    for azimuth in (0, 90, 180):
        assert likeness(seen_from(sampled, azimuth), seen_from(head, azimuth)) > 0.95, azimuth


def test_animated_picture_turns(files):
    image = Image.open(files["turntable.webp"])
    assert image.format == "WEBP" and image.n_frames >= 5


def test_the_offline_viewer_needs_nothing_else(files, head, browser):
    context = browser.new_context(viewport={"width": 480, "height": 480}, offline=True)
    page = context.new_page()
    page.set_default_timeout(600_000)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(files["head.html"].as_uri())
    page.wait_for_selector(".splat-viewer[data-state=loaded]")
    shown = picture(page)
    context.close()
    assert likeness(shown, seen_from(head, 0)) > 0.95
    assert all(url.startswith(("file:", "blob:", "data:")) for url in asked), asked


def test_without_webgl2_the_film_is_shown(stand_in, browser):
    _, url = stand_in
    with opened(browser) as open_:
        page = open_(url, script=f"{SAVES_DATA}; HTMLCanvasElement.prototype.getContext = () => null")
        page.click("#examples .gallery-item >> nth=1")
        page.wait_for_selector(".splat-viewer[data-state=no-webgl]")
        page.wait_for_selector(".splat-film:not([hidden])")
        page.wait_for_function("document.querySelector('.splat-film').readyState >= 2")
        assert "WebGL2" in page.inner_text(".splat-message")
