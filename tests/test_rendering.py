"""Pictures of Gaussians: the compiled renderer against a plain dense one, its gradients, and the turntable film."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from facelift.cameras import Cameras, orbit, six_views, turntable
from facelift.gaussians import PARTS, Gaussians, concatenate
from facelift.rendering import drawer, reference, render, to_bytes
from facelift.rendering.turntable import save_turntable, turntable_frames


def psnr(a, b) -> float:
    return float(-10 * torch.log10((torch.as_tensor(a).double() - torch.as_tensor(b).double()).square().mean().clamp_min(1e-20)))


@cache
def scene() -> Gaussians:
    """Random splats, among them opaque ones in stacks, tiny ones, large ones at the edge of the picture and some at the near limit."""
    random = torch.Generator().manual_seed(3)
    n = 240
    means = 0.5 * torch.randn(n, 3, generator=random)
    scales = 0.7 * torch.randn(n, 3, generator=random) - 3
    opacities = 3 * torch.randn(n, generator=random)
    scales[:20] = -8
    opacities[20:60] = 9
    means[60:75] = camera().c2w[0, :3, 3] + torch.linspace(0.16, 0.24, 15)[:, None] * camera().c2w[0, :3, 2]
    means[60:75] += 0.03 * torch.randn(15, 3, generator=random)
    scales[60:75], opacities[60:75] = -5, 0
    means[75:85, 0] = 1.8
    scales[75:85] = -0.7
    return Gaussians(means, torch.randn(n, 4, generator=random), scales, opacities, 1.5 * torch.randn(n, 3, generator=random))


@cache
def camera() -> Cameras:
    """One view, not square, principal point off the centre."""
    c2w = orbit([20.0], [10.0]).c2w
    return Cameras(torch.tensor([[75.0, 68.0, 33.0, 27.0]]), c2w, 70, 50)


def dense(gaussians: Gaussians, cameras: Cameras) -> tuple[torch.Tensor, torch.Tensor]:
    colors, transmittance = reference.rasterize(gaussians, cameras)
    return colors + transmittance, 1 - transmittance


def gradients(draw, gaussians: Gaussians) -> list[torch.Tensor]:
    """Of a sum over the picture with random weights, alpha included."""
    random = torch.Generator().manual_seed(0)
    leaves = gaussians._map(lambda t: t.clone().requires_grad_())
    rgb, alpha = draw(leaves)
    loss = (rgb * torch.rand(rgb.shape, generator=random)).sum() + (alpha * torch.rand(alpha.shape, generator=random)).sum()
    return torch.autograd.grad(loss, [getattr(leaves, name) for name in PARTS])


def cpu(gaussians: Gaussians, cameras: Cameras | None = None):
    rendering = render(gaussians, cameras or camera(), backend="cpu")
    return rendering.rgb, rendering.alpha


def test_agrees_with_the_dense_renderer():
    (rgb, alpha), (expected_rgb, expected_alpha) = cpu(scene()), dense(scene(), camera())
    assert rgb.shape == (1, 3, 50, 70) and alpha.shape == (1, 1, 50, 70)
    assert psnr(rgb, expected_rgb) > 115 and psnr(alpha, expected_alpha) > 115  # breaking any rule gives less


def test_gradients_agree_with_dense_autograd():
    expected = gradients(lambda g: dense(g, camera()), scene())
    for name, actual, wanted in zip(PARTS, gradients(cpu, scene()), expected, strict=True):
        assert (actual - wanted).norm() <= 1e-3 * wanted.norm(), name
        assert (actual - wanted).abs().max() <= 1e-3 * wanted.abs().max(), name


def test_silhouette_alone_moves_shape_and_not_colour():
    leaves = scene()._map(lambda t: t.clone().requires_grad_())
    alpha = render(leaves, camera(), backend="cpu").alpha
    *shape, color = torch.autograd.grad((1 - alpha).square().mean(), [getattr(leaves, name) for name in PARTS])
    assert all(g.abs().max() > 0 for g in shape) and not color.any()
    grown = replace(leaves, opacities=leaves.opacities - shape[3] / shape[3].norm())
    assert render(grown, camera(), backend="cpu").alpha.mean() > alpha.mean()


def test_same_bits_for_any_number_of_threads():
    numba = pytest.importorskip("numba")
    threads, torch_threads = numba.get_num_threads(), torch.get_num_threads()
    if threads < 2:
        pytest.skip("one processor core")
    results = []
    try:
        for count in (1, threads):
            numba.set_num_threads(count)
            torch.set_num_threads(count)
            results.append([*cpu(scene()), *gradients(cpu, scene())])
    finally:
        numba.set_num_threads(threads)
        torch.set_num_threads(torch_threads)
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_shapes_drawn_in_other_colours_are_as_if_drawn_anew():
    gaussians, cameras = scene(), six_views(48)
    draw = drawer(gaussians, cameras)
    for colors in (gaussians.sh0, -gaussians.sh0):
        assert torch.equal(draw(colors), render(replace(gaussians, sh0=colors), cameras).rgb)


def test_python_threads_may_render_at_once():
    expected, results = cpu(scene())[0], []
    workers = [threading.Thread(target=lambda: results.append(cpu(scene())[0])) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(results) == 4 and all(torch.equal(expected, r) for r in results)


def test_views_are_drawn_each_as_if_alone():
    cameras = six_views(32)
    together = render(scene(), cameras, backend="cpu")
    alone = torch.cat([render(scene(), cameras[v], backend="cpu").rgb for v in range(6)])
    assert together.rgb.shape == (6, 3, 32, 32) and torch.equal(together.rgb, alone) and together.backend == "cpu"


def test_background_shows_where_there_is_nothing():
    nothing = scene()[:0]
    assert (render(nothing, camera(), background=0.25, backend="cpu").rgb == 0.25).all()
    on_white, on_black = (render(scene(), camera(), background=b, backend="cpu") for b in (1.0, 0.0))
    torch.testing.assert_close(on_white.rgb - on_black.rgb, (1 - on_white.alpha).expand_as(on_white.rgb))


@pytest.mark.parametrize("name", ["means", "quats", "scales", "opacities"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e30])
def test_broken_gaussians_leave_the_others_alone(name, value):
    good = scene()[:100]
    bad = good[:3]._map(torch.clone)
    getattr(bad, name)[:] = value
    both = concatenate([good, bad])
    rgb = cpu(both)[0]
    assert rgb.isfinite().all() and all(g[: len(good)].isfinite().all() for g in gradients(cpu, both))
    if name in ("means", "scales") or value != value:  # the rest may be drawn: an infinite logit is an opacity of 1
        assert torch.equal(rgb, cpu(good)[0])


def test_gsplat_backend_agrees_with_ours():
    from facelift.rendering.cuda import why_unusable

    if reason := why_unusable():
        with pytest.raises(RuntimeError, match="gsplat renderer cannot be used"):
            render(scene(), camera(), backend="gsplat")
        pytest.skip(f"gsplat not compared: {reason}")
    theirs = render(scene().to("cuda"), camera().to("cuda"), backend="gsplat")
    assert theirs.backend == "gsplat"
    assert psnr(theirs.rgb.cpu(), cpu(scene())[0]) > 40
    mine, others = gradients(cpu, scene()), gradients(lambda g: cpu_of(render(g, camera(), backend="gsplat")), scene())
    assert all(torch.cosine_similarity(a.flatten(), b.flatten(), 0) > 0.99 for a, b in zip(mine, others, strict=True))


def cpu_of(rendering):
    return rendering.rgb.cpu(), rendering.alpha.cpu()


def test_unknown_backend_is_refused():
    with pytest.raises(ValueError, match="unknown rendering backend 'metal'"):
        render(scene(), camera(), backend="metal")


def test_import_is_light():
    code = "import sys, facelift.rendering; print(*{'numba', 'gsplat', 'imageio_ffmpeg'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == ""


# --- turntable --------------------------------------------------------------------------------------------------------------------------


def film_frames(path) -> tuple[dict, np.ndarray]:
    import imageio_ffmpeg

    reader = imageio_ffmpeg.read_frames(path)
    meta = next(reader)
    width, height = meta["size"]
    return meta, np.stack([np.frombuffer(frame, np.uint8).reshape(height, width, 3) for frame in reader])


def test_bytes_are_rounded():
    rgb = torch.tensor([-0.1, 0.0, 0.49 / 255, 0.999 / 255, 254.4 / 255, 254.99 / 255, 1.0, 1.7]).view(1, 1, -1).expand(4, 1, -1)
    assert to_bytes(rgb)[0, :, 0].tolist() == [0, 0, 0, 1, 254, 255, 255, 255]
    assert to_bytes(rgb[None]).shape == (1, 1, 8, 3)


def test_film_holds_the_frames(tmp_path):
    calls = []
    path = save_turntable(scene(), tmp_path / "turn.mp4", 9, 64, progress=lambda done, total: calls.append((done, total)))
    meta, film = film_frames(path)
    assert calls == [(i, 9) for i in range(1, 10)]
    assert meta["codec"] == "h264" and meta["pix_fmt"].startswith("yuv420p") and meta["fps"] == 30
    frames = np.stack(list(turntable_frames(scene(), 9, 64)))
    assert film.shape == frames.shape == (9, 64, 64, 3)
    matches = [[psnr(film[i] / 255, frames[j] / 255) for j in range(9)] for i in range(9)]
    assert np.argmax(matches, 1).tolist() == list(range(9)) and matches[0][0] > 25
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # plays while it loads
    expected = render(scene(), turntable(9, 64)[2], backend="cpu").rgb[0]
    assert (frames[2] == to_bytes(expected)).all()


def test_film_colours_are_true(tmp_path):
    red = Gaussians(torch.zeros(1, 3), torch.eye(4)[:1], torch.zeros(1, 3), torch.full((1,), 9.0), torch.tensor([[1.0, -1.0, -1.2]]))
    _, film = film_frames(save_turntable(red, tmp_path / "red.mp4", 2, 32))
    middle = film[0, 8:24, 8:24].mean((0, 1)) - next(turntable_frames(red, 2, 32))[8:24, 8:24].mean((0, 1))
    assert np.abs(middle).max() <= 4  # another colour matrix would be off by 9


def test_a_stopped_film_leaves_no_file(tmp_path):
    def stop(done, total):
        raise InterruptedError("stopped")

    with pytest.raises(InterruptedError):
        save_turntable(scene(), tmp_path / "turn.mp4", 9, 64, progress=stop)
    assert not list(tmp_path.iterdir())


def test_film_errors_are_sentences(tmp_path):
    with pytest.raises(ValueError, match="even picture size"):
        save_turntable(scene(), tmp_path / "turn.mp4", 9, 63)
    with pytest.raises(RuntimeError, match="ffmpeg could not write"):
        save_turntable(scene(), tmp_path / "missing" / "turn.mp4", 2, 64)
