"""Training: exact targets, and runs that survive being killed."""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from facelift import FaceLiftPipeline, Head
from facelift.cameras import Cameras, on_rays, orbit, rays, six_views
from facelift.cli import train as recipe
from facelift.evaluation.metrics import load_pair_metrics
from facelift.gaussians import SH_C0, Gaussians
from facelift.portrait import Portrait
from facelift.reconstruction.compact_gslrm import CompactGSLRMConfig
from facelift.reconstruction.pixel_gaussians import GATED_LOGIT, GAUSSIAN_CHANNELS, PixelGaussians, free_gaussians
from facelift.reconstruction.protocol import Context, Reconstruction
from facelift.reconstruction.refine.bust import cut_bust
from facelift.reconstruction.refine.detail import recover_detail
from facelift.reconstruction.refine.fusion import fuse_colors, fuse_depths
from facelift.reconstruction.refine.pieces import drop_loose_pieces
from facelift.reconstruction.refine.portrait_depth import place_input_view
from facelift.reconstruction.refine.selection import select_views
from facelift.reconstruction.refine.smoothing import smooth_depths
from facelift.reconstruction.refine.upsampling import upsample_input_view
from facelift.reconstruction.refine.visibility import InputViewVisibility, prefer_input_view
from facelift.reconstruction.visual_hull import hulls
from facelift.rendering import render
from facelift.training import depth, export, faults, reconstructor, views
from facelift.training.data import EMPTY, HeadShards
from facelift.training.loop import Trainer, mixed_precision, samples_from
from facelift.training.reuse import Packed, Reused
from facelift.weights.find import WeightsError

RADIUS = 0.6


def ball(cameras: Cameras) -> tuple[Tensor, Tensor]:
    """A ball whose colour is its position: rgba on nothing, straight (V, 4, H, W), and ray_depth (V, H, W), both exact."""
    origins, directions = rays(cameras)
    nearest = origins - (origins * directions).sum(1, keepdim=True) * directions
    inside = RADIUS**2 - nearest.square().sum(1)
    ray_depth = torch.where(inside > 0, -inside.clamp_min(0).sqrt(), torch.tensor(EMPTY))
    points = nearest + ray_depth[:, None] * directions
    hit = (inside > 0).float()[:, None]
    return torch.cat([(points / RADIUS * 0.4 + 0.5) * hit, hit], 1), ray_depth


def on_white(rgba: Tensor) -> Tensor:
    return torch.cat([rgba[:, :3] * rgba[:, 3:] + 1 - rgba[:, 3:], rgba[:, 3:]], 1)


def write_shards(place: Path, size: int) -> Path:
    """Two balls, from the rig and two more cameras."""
    folder = place / "shard_0000000"
    folder.mkdir()
    rig, extra = six_views(size), orbit([30.0, 150.0], [10.0, -5.0], size)
    rgba, ray_depth = (torch.cat(pair) for pair in zip(ball(rig), ball(extra), strict=True))
    np.save(folder / "rgba.npy", np.repeat((rgba * 255).round().byte().permute(0, 2, 3, 1).numpy()[None], 2, 0))
    np.save(folder / "offset.npy", np.repeat(ray_depth.half().numpy()[None], 2, 0))
    np.save(folder / "c2w.npy", np.repeat(torch.cat([rig.c2w, extra.c2w]).numpy()[None], 2, 0))
    return place


@pytest.fixture(scope="module")
def shards(tmp_path_factory) -> Path:
    return write_shards(tmp_path_factory.mktemp("data"), 256)


@pytest.fixture(scope="module")
def small_shards(tmp_path_factory) -> Path:
    """As small as training can take."""
    return write_shards(tmp_path_factory.mktemp("small"), 128)


def exact_gaussians(shards: Path) -> tuple[PixelGaussians, Tensor, Cameras]:
    """The Gaussians that the direct stage aims at, and the views they came from."""
    sample, cameras = HeadShards(shards).sample(0), six_views(256)
    target = reconstructor.DirectTargets(256)(sample)[None]
    ray_depth = target[..., 0]
    means = on_rays(ray_depth, *rays(cameras))
    opacities = torch.where(target[..., 1] > 0, torch.tensor(2.2), torch.tensor(GATED_LOGIT))
    pixel = PixelGaussians(means, target[..., 5:9], target[..., 9:12], opacities, (target[..., 2:5] - 0.5) / SH_C0, ray_depth)
    return pixel, sample.rgba[:6], cameras


def between_back_and_sides(pixel: PixelGaussians) -> Tensor:
    """Gaussians that stand within 8 degrees of halfway. Shape (V, H, W), bool."""
    x, y, _ = pixel.means[0].unbind(-1)
    return (pixel.opacities[0] > 0) & ((torch.rad2deg(torch.atan2(x.abs(), y)) - 45).abs() < 8)


def psnr_of(gaussians: Gaussians, camera: Cameras) -> float:
    truth = on_white(ball(camera)[0])[:, :3]
    return float(-10 * (render(gaussians, camera).rgb - truth).square().mean().log10())


def test_exact_targets_render_the_object_from_new_cameras(shards):
    """Depth, orientation, size and colour are right together: an unseen view from 20 degrees above comes out."""
    pixel, _, _ = exact_gaussians(shards)
    assert psnr_of(reconstructor.visible(pixel, 8), orbit([20.0], 20.0, 256)) > 25


def test_the_front_view_wins_and_empty_space_stays_empty(shards):
    pixel, views_, cameras = exact_gaussians(shards)
    far = pixel.means.clone()
    far[0, 1] += torch.tensor([0.5, 0.0, 0.0])  # a view that is wrong sticks out of the front silhouette
    ruled = prefer_input_view(pixel._replace(means=far), cameras, InputViewVisibility())
    kept = ruled.opacities[0, 1] > GATED_LOGIT
    assert 0 < kept.sum() < 0.6 * (pixel.opacities[0, 1] > GATED_LOGIT).sum()
    assert psnr_of(reconstructor.visible(ruled, 8), cameras[0]) > 25


def test_the_portraits_own_depth_moves_the_front_view_and_nothing_else(shards):
    pixel, _, cameras = exact_gaussians(shards)
    wrong = pixel._replace(means=pixel.means + 0.1, ray_depth=pixel.ray_depth + 0.1)
    placed = place_input_view(wrong, cameras, pixel.ray_depth[0, 0], border=2)
    foreground = pixel.opacities[:1, 0] > GATED_LOGIT
    inner = -torch.nn.functional.max_pool2d(-foreground.float(), 9, 1, 4)[0] > 0.5  # beyond the border on both its sides
    assert inner.any()
    torch.testing.assert_close(placed.means[0, 0][inner], pixel.means[0, 0][inner])
    torch.testing.assert_close(placed.ray_depth[0, 0][~foreground[0]], wrong.ray_depth[0, 0][~foreground[0]])  # nothing known there
    torch.testing.assert_close(placed.means[0, 1:], wrong.means[0, 1:])


def test_upsampling_shows_the_full_size_portrait(shards):
    """The portrait's own 512 px pattern, finer than the model's 256 px, is seen in the front render."""
    pixel, views_, cameras = exact_gaussians(shards)
    portrait = on_white(ball(cameras[0].at_size(512))[0])[0]
    stripes = 0.5 + 0.3 * (torch.arange(512) % 2 * 2 - 1).float()
    portrait[:3] = torch.where(portrait[3] > 0.5, stripes.expand(3, 512, 512), torch.ones(3, 512, 512))
    rest, front = upsample_input_view(prefer_input_view(pixel, cameras, InputViewVisibility(cover=0)), portrait, views_[0], cameras, 8)
    assert (rest.opacities[0, 0] == GATED_LOGIT).all()
    picture = render(front[front.opacities > 0], cameras[0].at_size(512)).rgb[0, 0, 220:290, 220:290]
    assert (picture[:, 0::2].mean() - picture[:, 1::2].mean()).abs() > 0.1


def test_detail_that_footprints_blur_comes_back_without_glow(shards):
    """Renders show a view's fine stripes more nearly as they are; an even surface, a wrong tone and every shape stay as they were."""
    pixel, views_, cameras = exact_gaussians(shards)
    stripes = (torch.arange(256) // 2 % 2 * 0.3 - 0.15).view(-1, 1)
    upper = torch.arange(256).view(-1, 1) < 128  # the lower half of the back stays even
    painted, pictures = pixel.sh0.clone(), views_.clone()
    painted[0, 3] += (stripes * upper)[..., None] / SH_C0
    pictures[3, :3] += torch.where(views_[3, 3:] > 0.9, stripes * upper, 0.0)
    painted[0, 3] += torch.where(upper, 0.0, -0.05)[..., None] / SH_C0  # a tone on which the views settled
    before = Reconstruction(free_gaussians(torch.zeros(0, GAUSSIAN_CHANNELS)), pixel._replace(sh0=painted), 8)
    after = recover_detail(before, Context(pictures, cameras, views_[0]))

    def contrast(reconstruction: Reconstruction) -> Tensor:
        rows = render(reconstructor.visible(reconstruction.pixel, 8), cameras[3]).rgb[0].mean(0)[80:120, 118:138].mean(1)
        return (rows[2:] - rows[:-2]).abs().mean()

    assert contrast(before) < 0.8 * 0.3
    assert contrast(after) > contrast(before) + 0.3 * (0.3 - contrast(before))
    even = (after.pixel.sh0 - painted)[0, 3, 145:165, 118:138] * SH_C0
    assert even.abs().max() < 0.03
    torch.testing.assert_close(after.pixel._replace(sh0=painted), before.pixel, rtol=0, atol=0)


def test_where_views_meet_their_colors_do_and_detail_stays(shards):
    """The back is painted darker than the sides. Halfway between them no band is left; the fine stripes on it are, and the photo."""
    pixel, _, cameras = exact_gaussians(shards)
    stripes = (torch.arange(256) % 2 * 0.1 - 0.05).view(-1, 1)
    painted = pixel.sh0.clone()
    painted[0, 3] += (stripes - 0.2) / SH_C0
    blended = fuse_colors(pixel._replace(sh0=painted), cameras).sh0
    wrong = SH_C0 * (blended - pixel.sh0)[0].mean(-1)  # (V, H, W)
    halfway = between_back_and_sides(pixel)
    back, sides = wrong[3][halfway[3]], torch.cat([wrong[v][halfway[v]] for v in (2, 4)])
    assert (back.mean() - sides.mean()).abs() < 0.03
    assert (wrong[3, :, 1::2][halfway[3, :, 1::2]].mean() - wrong[3, :, 0::2][halfway[3, :, 0::2]].mean()) == pytest.approx(0.1, abs=0.02)
    assert (wrong[3, 118:138, 118:138].mean() + 0.2).abs() < 0.03  # what only the back sees stays as it was painted
    assert torch.equal(blended[0, 0], pixel.sh0[0, 0])


def test_where_views_meet_their_surfaces_do(shards):
    """The back stands a centimetre too far out. Where the sides see it too, they halve that between them; what agrees stays."""
    pixel, _, cameras = exact_gaussians(shards)
    ray_depth = pixel.ray_depth.clone()
    ray_depth[0, 3] -= 0.05
    settled = fuse_depths(pixel._replace(ray_depth=ray_depth, means=on_rays(ray_depth, *rays(cameras))), cameras)
    wrong = (settled.means - pixel.means)[0].norm(dim=-1)
    halfway = between_back_and_sides(pixel)
    assert 0.015 < wrong[3][halfway[3]].mean() < 0.035
    assert wrong[3, 118:138, 118:138].mean() == pytest.approx(0.05, abs=0.005)  # nobody else sees it
    assert wrong[0, 118:138, 118:138].mean() < 0.005
    torch.testing.assert_close(settled.means[0, 3], on_rays(settled.ray_depth, *rays(cameras))[0, 3])


def test_of_two_views_of_a_place_the_squarer_keeps_it_and_no_hole_opens(shards):
    """Painted outlines, which only graze the surface, are gone from a view halfway between; the photo keeps all it has."""
    pixel, _, cameras = exact_gaussians(shards)
    shown = (pixel.opacities[0] > GATED_LOGIT).float()[:, None]
    outline = (shown * (1 + torch.nn.functional.max_pool2d(-shown, 5, 1, 2)))[:, 0] > 0.5
    painted = pixel.sh0.clone()
    painted[0, 1:][outline[1:]] = 1.5 / SH_C0  # glaring
    glaring = pixel._replace(sh0=painted)
    selected = select_views(glaring, cameras, facing=1.1)  # wherever they face
    between = orbit([22.5], 0.0, 256)
    assert psnr_of(reconstructor.visible(selected, 8), between) > psnr_of(reconstructor.visible(glaring, 8), between) + 3
    assert psnr_of(reconstructor.visible(selected, 8), between) > 22
    assert torch.equal(selected.opacities[0, 0], pixel.opacities[0, 0])
    assert (selected.opacities > GATED_LOGIT).sum() < 0.9 * (pixel.opacities > GATED_LOGIT).sum()


def test_what_floats_beside_the_head_is_dropped(shards):
    pixel, _, _ = exact_gaussians(shards)
    means = pixel.means.clone()
    means[0, 2, 100:110, 100:110] += torch.tensor([0.0, 0.0, 1.5])
    whole = drop_loose_pieces(pixel._replace(means=means)).opacities
    assert (whole[0, 2, 100:110, 100:110] == GATED_LOGIT).all()
    whole[0, 2, 100:110, 100:110] = pixel.opacities[0, 2, 100:110, 100:110]
    assert (whole != pixel.opacities).float().mean() < 1e-3  # few points of the poles, which every view only grazes


def test_a_bust_ends_in_a_clean_edge_and_the_face_is_left_alone():
    """Nothing shows below the edge, not even of a needle that begins above it."""
    n = 400
    rng = torch.Generator().manual_seed(1)
    means = torch.rand((n, 3), generator=rng) * torch.tensor([2.0, 0.8, 2.2]) - torch.tensor([1.0, 0.4, 1.4])
    quats, scales = torch.randn((n, 4), generator=rng), torch.tensor([0.2, 0.01, 0.01]).log().expand(n, 3)
    opacities = torch.full((n,), 3.0)
    new_scales, new_opacities = cut_bust(means, quats, scales, opacities)
    above = means[:, 2] - (-1.22 + 0.9 * means[:, 1] ** 2)
    assert (above < 0).any() and (new_opacities[above < 0] < -6).all() and (new_opacities[above > 0.05] == 3.0).all()
    assert torch.equal(new_scales[above > 0.4], scales[above > 0.4])  # two standard deviations of the longest
    cut = Gaussians(means, quats, new_scales, new_opacities, torch.zeros(n, 3))
    whole = Gaussians(means, quats, scales, opacities, torch.zeros(n, 3))
    camera = orbit([90.0], 0.0, 1024, radius=30.0)  # from so far that rows are heights, 37 a unit
    below = slice(564, None)  # 0.2 under the edge at its lowest
    assert render(whole, camera).alpha[0, 0, below].max() > 0.9 > 0.05 > render(cut, camera).alpha[0, 0, below].max()


def test_grain_that_was_taken_for_relief_is_smoothed_and_steps_stay(shards):
    pixel, _, cameras = exact_gaussians(shards)
    grain = 0.01 * torch.randn(pixel.ray_depth.shape, generator=torch.Generator().manual_seed(0))
    step = torch.where(torch.arange(256) < 128, 0.0, 0.3)
    rough = pixel._replace(ray_depth=pixel.ray_depth + grain + step)
    smooth = smooth_depths(rough, cameras)
    beside = (slice(None), slice(3, 4), slice(110, 146), [*range(108, 118), *range(138, 148)])  # the step
    assert (smooth.ray_depth - pixel.ray_depth - step)[beside].std() < 0.5 * grain[beside].std()
    assert torch.equal(smooth.ray_depth[:, 0], rough.ray_depth[:, 0])
    torch.testing.assert_close(smooth.means[0, 3], on_rays(smooth.ray_depth, *rays(cameras))[0, 3])


@pytest.fixture(scope="module")
def depth_run(small_shards, tmp_path_factory) -> Path:
    """A depth model that has hardly learnt anything."""
    out = tmp_path_factory.mktemp("depth")
    tiny = ["--channels", "32,32,32", "--batch", "1", "--steps", "1", "--evaluate-every", "1"]
    depth.main(["--data", str(small_shards), "--test", str(small_shards), "--out", str(out), *tiny])
    return out


@pytest.mark.parametrize(
    "main, options",
    [
        (depth.main, ["--channels", "32,32,32", "--batch", "1"]),
        (views.main, ["--channels", "32,32,32,32", "--batch", "1"]),
        (reconstructor.main, ["--channels", "32,32,32,32", "--stage", "rendered"]),
        (reconstructor.main, ["--model", "gslrm", "--width", "64", "--layers", "1"]),
    ],
    ids=["depth", "views", "unet", "gslrm"],
)
def test_a_killed_run_goes_on_to_the_same_weights_and_curve(small_shards, depth_run, tmp_path, monkeypatch, main, options):
    """Killed after three steps, one of them since the last checkpoint: its line of the curve is not there twice."""
    if main is views.main:
        options = [*options, "--depth", str(depth_run)]

    def run(folder: str) -> dict:
        data = ["--data", str(small_shards), "--test", str(small_shards), "--out", str(tmp_path / folder), "--test-heads", "1"]
        main([*data, *options, "--log-every", "1", "--evaluate-every", "2", "--steps", "3"])
        return torch.load(tmp_path / folder / "last.pt", weights_only=True)["ema"]

    class Killed(Exception):
        pass

    save = Trainer.save

    def save_or_die(self):
        if self.step == 3:
            raise Killed
        save(self)

    whole = run("whole")
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "save", save_or_die)
        with pytest.raises(Killed):
            run("killed")
    with open(tmp_path / "killed" / "log.jsonl", "a") as file:
        file.write('{"step": 3, "sec')  # a kill may cut a line
    resumed = run("killed")
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)
    assert curve(tmp_path / "killed") == curve(tmp_path / "whole") and len(curve(tmp_path / "whole")) == 5
    assert [path.name for path in sorted((tmp_path / "whole" / "sheets").iterdir())] == ["0000002.webp", "0000003.webp"]


def curve(run: Path) -> list[dict]:
    lines = (run / "log.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines]


@pytest.mark.parametrize(
    "able, dtype", [({"avx512_bf16": True}, torch.bfloat16), ({"amx_bf16": True}, torch.bfloat16), ({}, torch.float32)]
)
def test_trains_in_bf16_only_where_that_is_not_emulated(monkeypatch, able, dtype):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    with mixed_precision(torch.device("cpu")):
        assert torch.nn.Linear(4, 4)(torch.zeros(1, 4)).dtype == dtype


def test_a_step_without_a_finite_gradient_spoils_nothing(tmp_path):
    model = torch.nn.Linear(2, 1)
    trainer = Trainer(model, tmp_path, lr=0.1, steps=10, warmup=1)
    before = model.weight.detach().clone()
    for factor in (float("nan"), 1.0):
        loss = (model(torch.ones(1, 2)) * factor).sum()
        trainer.update(loss, {"loss": loss})
        assert torch.equal(model.weight, before) == (factor != 1.0)
    assert trainer.skipped == 1 and trainer.means["loss"].isfinite()


def test_gslrm_without_empty_patches_is_the_same_for_every_batch(shards):
    """Samples of a batch do not mix, though they keep different numbers of patches; what a gate empties is gated."""
    cameras = six_views(64)
    rgba = on_white(ball(cameras)[0])
    small = torch.ones_like(rgba)
    small[:, 3] = 0
    small[..., 24:40, 24:40] = rgba[..., 24:40, 24:40]
    torch.manual_seed(0)  # where it begins depends on the draw: others lie up to 0.37 from the hull
    config = CompactGSLRMConfig(image_size=64, width=64, layers=1)
    model = reconstructor.new_reconstructor(config)
    with torch.no_grad():
        both = model(torch.stack([rgba, small]), cameras)
        for i, views_ in enumerate((rgba, small)):
            alone = model(views_[None], cameras)
            assert all(torch.allclose(a[i], b[0], atol=1e-5) for a, b in zip(both, alone, strict=True))
        seen = both.opacities > GATED_LOGIT
    assert torch.equal(seen[1], small[:, 3] >= 0.5) and 0 < seen[1].sum() < seen[0].sum()
    assert torch.allclose(both.ray_depth[seen], hulls(torch.stack([rgba, small]), cameras)[seen], atol=0.3)  # it begins at the hull


def test_a_decoder_is_trained_exported_and_found_again(shards, depth_run, tmp_path):
    """It begins as what the UNet alone makes; after a step it is another, and the pipeline's noise reaches it."""
    common = ["--data", str(shards), "--test", str(shards), "--depth", str(depth_run), "--channels", "32,32,32,32", "--batch", "1"]
    for name, more in (("plain", []), ("sharp", ["--decoder", "--init", str(tmp_path / "plain")])):
        views.main([*common, "--out", str(tmp_path / name), "--steps", "1", "--evaluate-every", "1", "--test-heads", "1", *more])
    generator = views.load_generator(tmp_path / "sharp")
    assert generator.decoder.conv_out.weight.abs().max() > 0
    out = tmp_path / "compact"
    export.main(["--depth", str(depth_run), "--views", str(tmp_path / "sharp"), "--reconstructor", "weights/compact", "--out", str(out)])
    pipe = FaceLiftPipeline.from_pretrained(out, device="cpu")
    portrait = on_white(ball(six_views(256))[0])[0]
    image, alpha = (Image.fromarray((b * 255).byte().numpy()) for b in (portrait[:3].permute(1, 2, 0), portrait[3]))
    portrait = Portrait(image, alpha, None, (), "none", None)
    one, two = (pipe.make_views(portrait, seed).views for seed in (1, 2))
    assert torch.equal(one, pipe.make_views(portrait, 1).views) and not torch.equal(one[3], two[3]) and torch.equal(one[0], two[0])


def test_a_fast_device_draws_from_the_newest_samples_and_hears_of_a_broken_one(shards, depth_run, tmp_path):
    """Pictures come back to a step of 1/255, classes as they were; two processes prepare."""

    class Numbered(Dataset):
        def __getitem__(self, index):
            if index == 32:
                raise OSError("a shard is gone")
            return torch.full((2, 2), index / 255), torch.tensor([index])

    good = Reused(samples_from(Packed(Numbered()), 0, 8, 4, 2), 8, 2, 1, torch.device("cpu"))
    for picture, number in itertools.islice(good, 20):
        assert number.dtype == torch.int64 and torch.equal((picture[:, 0, 0] * 255).round(), number[:, 0].float()) and number.max() < 32
    with pytest.raises(RuntimeError, match="no more samples"):
        list(Reused(samples_from(Packed(Numbered()), 0, 9, 4, 2), 8, 2, 1, torch.device("cpu")))
    common = ["--data", str(shards), "--test", str(shards), "--depth", str(depth_run), "--channels", "32,32,32,32", "--test-heads", "1"]
    views.main([*common, "--out", str(tmp_path), "--batch", "2", "--steps", "2", "--reuse", "4", "--workers", "1"])
    assert (tmp_path / "last.pt").is_file()
    with pytest.raises(SystemExit):
        views.main([*common, "--out", str(tmp_path), "--reuse", "4"])


def test_halos_have_the_backgrounds_colour_and_a_rim_light_stays_at_the_rim():
    rng = np.random.default_rng(3)
    color, alpha = torch.full((3, 64, 64), 0.2), torch.zeros(1, 64, 64)
    alpha[:, 16:48, 16:48] = 1
    lit = faults.backlit(color, alpha, rng)
    assert (lit[:, 28:36, 28:36] == 0.2).all() and lit[:, 16:48, 16:48].max() > 0.25
    seen = [faults.degrade_portrait(color, alpha, np.random.default_rng(i)) for i in range(40)]
    halo = torch.stack([p[:3, 14, 20:44].mean(1) for p in seen if p[3, 14, 20:44].mean() > 0.9])  # two pixels outside
    assert len(halo) > 2 and halo.std(0).max() > 0.1  # not always white, black or the person's own


@pytest.fixture(scope="module")
def work(shards, tmp_path_factory) -> Path:
    """What the recipe leaves after all stages but the heads themselves, at the smallest size, with weights in parts."""
    folder = tmp_path_factory.mktemp("work")
    for name in ("train", "test"):
        shutil.copytree(shards, folder / name)
    common = ["--work", str(folder), "--tiny", "--device", "cpu", "--workers", "0", "--part-megabytes", "1"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("facelift.evaluation.__main__.write_preface", lambda *_: None)  # photos and face networks: slow, tested elsewhere
        patch.setattr("facelift.evaluation.__main__.load_pair_metrics", lambda device, *_: load_pair_metrics(device, ["psnr"]))
        for stage in recipe.STAGES[1:]:
            recipe.main([stage, *common])
    return folder


def test_the_recipe_ends_in_weights_that_make_a_head_and_are_measured(work):
    weights = sorted((work / "compact").rglob("*.safetensors"))
    assert len(weights) > 6 and max(path.stat().st_size for path in weights) < 1.1e6
    head = head_from(work / "compact")
    assert head.views.shape == (6, 256, 256, 3) and len(head.gaussians) > 100
    report = json.loads((work / "report" / "report.json").read_text())
    assert len(report["cases"]) == 1


def test_a_part_that_is_missing_is_said(work, tmp_path):
    shutil.copytree(work / "compact", tmp_path / "compact")
    next((tmp_path / "compact" / "reconstructor").glob("*-00002-of-*")).unlink()
    with pytest.raises(WeightsError, match="in parts"):
        FaceLiftPipeline.from_pretrained(tmp_path / "compact", device="cpu")


def test_a_small_gslrm_is_exported_and_makes_a_head(shards, work, tmp_path):
    sizes = ["--model", "gslrm", "--width", "64", "--layers", "1", "--steps", "1", "--test-heads", "1"]
    reconstructor.main(["--data", str(shards), "--test", str(shards), "--out", str(tmp_path / "run"), *sizes])
    runs = [word for name in ("depth", "views") for word in (f"--{name}", str(work / "runs" / f"{name}_0"))]
    export.main([*runs, "--reconstructor", str(tmp_path / "run"), "--out", str(tmp_path / "compact")])
    assert len(head_from(tmp_path / "compact").gaussians) > 100


def head_from(weights: Path) -> Head:
    """Of the ball's front, as a portrait."""
    rgba = on_white(ball(six_views(512)[0])[0])[0]
    pixels = (rgba.permute(1, 2, 0) * 255).byte().numpy()
    portrait = Portrait(Image.fromarray(pixels[..., :3].copy()), Image.fromarray(pixels[..., 3].copy()), None, (), "none", None)
    return FaceLiftPipeline.from_pretrained(weights, device="cpu")(portrait)
