"""Training: exact targets, and runs that survive being killed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from facelift.cameras import Cameras, orbit, rays, six_views
from facelift.front_priority import FrontPriority, apply_front_priority, smooth_front, split_front
from facelift.gaussians import SH_C0, Gaussians
from facelift.gslrm import GATED_LOGIT, PixelGaussians
from facelift.rendering import render
from facelift.training import depth, reconstructor, views
from facelift.training.data import EMPTY, HeadShards

RADIUS = 0.6


def ball(cameras: Cameras) -> tuple[Tensor, Tensor]:
    """A ball whose colour is its position: rgba on nothing, straight (V, 4, H, W), and offset (V, H, W), both exact."""
    origins, directions = rays(cameras)
    nearest = origins - (origins * directions).sum(1, keepdim=True) * directions
    inside = RADIUS**2 - nearest.square().sum(1)
    offset = torch.where(inside > 0, -inside.clamp_min(0).sqrt(), torch.tensor(EMPTY))
    points = nearest + offset[:, None] * directions
    hit = (inside > 0).float()[:, None]
    return torch.cat([(points / RADIUS * 0.4 + 0.5) * hit, hit], 1), offset


def on_white(rgba: Tensor) -> Tensor:
    return torch.cat([rgba[:, :3] * rgba[:, 3:] + 1 - rgba[:, 3:], rgba[:, 3:]], 1)


@pytest.fixture(scope="module")
def shards(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "shard_0000000"
    folder.mkdir()
    rig, extra = six_views(256), orbit([30.0, 150.0], [10.0, -5.0], 256)
    rgba, offset = (torch.cat(pair) for pair in zip(ball(rig), ball(extra), strict=True))
    np.save(folder / "rgba.npy", np.repeat((rgba * 255).round().byte().permute(0, 2, 3, 1).numpy()[None], 2, 0))
    np.save(folder / "offset.npy", np.repeat(offset.half().numpy()[None], 2, 0))
    np.save(folder / "c2w.npy", np.repeat(torch.cat([rig.c2w, extra.c2w]).numpy()[None], 2, 0))
    return folder.parent


def exact_gaussians(shards: Path) -> tuple[PixelGaussians, Tensor, Cameras]:
    """The Gaussians that the direct stage aims at, and the views they came from."""
    sample, cameras = HeadShards(shards).sample(0), six_views(256)
    target = reconstructor.DirectTargets(256)(sample)[None]
    origins, directions = (r.permute(0, 2, 3, 1) for r in rays(cameras))
    offset = target[..., 0]
    means = origins + (offset - (origins * directions).sum(-1))[..., None] * directions
    opacities = torch.where(target[..., 1] > 0, torch.tensor(2.2), torch.tensor(GATED_LOGIT))
    pixel = PixelGaussians(means, target[..., 5:9], target[..., 9:12], opacities, (target[..., 2:5] - 0.5) / SH_C0, offset)
    return pixel, sample.rgba[:6], cameras


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
    ruled = apply_front_priority(pixel._replace(means=far), cameras, FrontPriority())
    kept = ruled.opacities[0, 1] > GATED_LOGIT
    assert 0 < kept.sum() < 0.6 * (pixel.opacities[0, 1] > GATED_LOGIT).sum()
    assert psnr_of(reconstructor.visible(ruled, 8), cameras[0]) > 25


def test_smoothing_takes_noise_out_of_the_front_depth(shards):
    pixel, _, cameras = exact_gaussians(shards)
    seen = pixel.opacities[0, 0] > GATED_LOGIT
    noise = torch.randn(pixel.offset.shape, generator=torch.Generator().manual_seed(0)) * 0.02
    smooth = smooth_front(pixel._replace(offset=pixel.offset + noise), cameras, 5)
    error = (smooth.offset - pixel.offset)[0, 0][seen].abs().mean()
    assert error < 0.5 * noise[0, 0][seen].abs().mean()
    assert torch.equal(smooth.means[0, 1:], pixel.means[0, 1:])


def test_split_front_shows_the_full_size_portrait(shards):
    """The portrait's own 512 px pattern, finer than the model's 256 px, is seen in the front render."""
    pixel, views_, cameras = exact_gaussians(shards)
    portrait = on_white(ball(cameras[0].at_size(512))[0])[0]
    stripes = 0.5 + 0.3 * (torch.arange(512) % 2 * 2 - 1).float()
    portrait[:3] = torch.where(portrait[3] > 0.5, stripes.expand(3, 512, 512), torch.ones(3, 512, 512))
    rest, front = split_front(apply_front_priority(pixel, cameras, FrontPriority(cover=0)), portrait, views_[0], cameras, 8)
    assert (rest.opacities[0, 0] == GATED_LOGIT).all()
    picture = render(front[front.opacities > 0], cameras[0].at_size(512)).rgb[0, 0, 220:290, 220:290]
    assert (picture[:, 0::2].mean() - picture[:, 1::2].mean()).abs() > 0.1


@pytest.fixture(scope="module")
def depth_run(shards, tmp_path_factory) -> Path:
    """A depth model that has hardly learnt anything."""
    out = tmp_path_factory.mktemp("depth")
    tiny = ["--channels", "32,32,32", "--batch", "1", "--steps", "1", "--evaluate-every", "1"]
    depth.main(["--data", str(shards), "--test", str(shards), "--out", str(out), *tiny])
    return out


@pytest.mark.parametrize(
    "main, options",
    [
        (depth.main, ["--channels", "32,32,32", "--batch", "1"]),
        (views.main, ["--channels", "32,32,32,32", "--batch", "1"]),
        (reconstructor.main, ["--channels", "32,32,32,32", "--stage", "rendered"]),
    ],
    ids=["depth", "views", "reconstructor"],
)
def test_a_killed_run_goes_on_to_the_same_weights(shards, depth_run, tmp_path, main, options):
    if main is views.main:
        options = [*options, "--depth", str(depth_run)]

    def run(folder: str, *more: str) -> dict:
        data = ["--data", str(shards), "--test", str(shards), "--out", str(tmp_path / folder), "--evaluate-every", "1"]
        main([*data, *options, *more, "--steps", "3"])
        return torch.load(tmp_path / folder / "last.pt", weights_only=True)["ema"]

    whole = run("whole")
    (tmp_path / "killed").mkdir()
    main_stops_after = 2

    class Killed(Exception):
        pass

    from facelift.training.loop import Trainer

    save = Trainer.save

    def save_then_die(self):
        save(self)
        if self.step == main_stops_after:
            raise Killed

    Trainer.save = save_then_die
    try:
        with pytest.raises(Killed):
            run("killed")
    finally:
        Trainer.save = save
    resumed = run("killed")
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)
