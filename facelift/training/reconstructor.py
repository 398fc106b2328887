"""Trains a compact reconstructor, the U-Net or a small GS-LRM, in two stages.

direct: every pixel's Gaussian is supervised by the known depth, colour, orientation and size; no rendering.
rendered: unseen views are rendered through the differentiable rasterizer, and views 1 to 5 are degraded or really generated.

    python -m facelift.training.reconstructor --data DIR --test DIR --out runs/reconstructor --stage direct --steps 1500
    python -m facelift.training.reconstructor ... --stage rendered --init runs/reconstructor/last.pt --out runs/rendered --steps 800
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Dataset

from ..cameras import RIGS, Cameras, ViewRig, rays, six_views
from ..devices import placed
from ..gaussians import SH_C0, Gaussians
from ..reconstruction.compact_gslrm import CompactGSLRM, CompactGSLRMConfig, compact_config_from_state
from ..reconstruction.pixel_gaussians import PixelGaussians, flatten_gaussians
from ..reconstruction.refine.visibility import InputViewVisibility, prefer_input_view
from ..reconstruction.unet import UNetReconstructor, UNetReconstructorConfig
from ..reconstruction.visual_hull import hull_depth
from ..rendering import render
from .arguments import add_rig, numbers, training_parser, use_threads
from .data import HeadShards, Sample
from .initial import init_compact_gslrm, init_unet
from .loop import Evaluation, Trainer, mixed_precision, psnr, roughness, samples_from
from .start import keep_settings, reconstructor_weights, widths
from .targets import pixel_targets

CompactReconstructor = UNetReconstructor | CompactGSLRM
CompactConfig = UNetReconstructorConfig | CompactGSLRMConfig


def config_of(weights: dict[str, Tensor], size: int = 256, views: int = 6) -> CompactConfig:
    """Which compact reconstructor these weights are, for so many views of so many pixels a side."""
    if "patch_embedder.1.weight" not in weights:
        return UNetReconstructorConfig(channels=widths(weights), image_size=size, num_views=views)
    return compact_config_from_state(weights, size)


def new_reconstructor(config: CompactConfig) -> CompactReconstructor:
    """Random weights that begin at a plausible head."""
    focal = float(six_views(config.image_size).intrinsics[0, 0])
    if isinstance(config, UNetReconstructorConfig):
        return init_unet(UNetReconstructor(config), focal)
    return init_compact_gslrm(CompactGSLRM(config), focal)


class DirectTargets:
    """Targets of a rig's cameras; rays are made once."""

    def __init__(self, size: int, rig: ViewRig = RIGS["six"]):
        cameras, self.views = rig.cameras(size), len(rig)
        self.focal = float(cameras.intrinsics[0, 0])
        self.origins, self.directions = (r.numpy() for r in rays(cameras))
        self.c2w = cameras.c2w.numpy()

    def __call__(self, sample: Sample) -> Tensor:
        rgba, ray_depth = sample.rgba[: self.views].numpy(), sample.ray_depth[: self.views].numpy()
        target = pixel_targets(rgba, ray_depth, self.origins, self.directions, self.c2w, self.focal)
        return torch.from_numpy(target)


def direct_loss(pixel: PixelGaussians, target: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss and its parts. target: Shape (B, V, H, W, 12). Opacity aims at 0.9; the alpha gate sees to pixels without a surface."""
    ray_depth, weight, color, quats, scales = target.split([1, 1, 3, 4, 3], -1)
    weight = weight[..., 0]
    total = weight.sum().clamp_min(1)

    def mean(error: Tensor) -> Tensor:
        return (error * weight).sum() / total

    gap = pixel.ray_depth - ray_depth[..., 0]
    depth = mean(F.smooth_l1_loss(gap, torch.zeros_like(gap), beta=0.05, reduction="none"))
    opacity = mean(F.binary_cross_entropy_with_logits(pixel.opacities, torch.full_like(pixel.opacities, 0.9), reduction="none"))
    tint = mean((SH_C0 * pixel.sh0 + 0.5 - color).abs().mean(-1))
    turn = mean((F.normalize(pixel.quats, dim=-1, eps=1e-4) - quats).square().sum(-1))
    size = mean((pixel.scales - scales).abs().mean(-1))
    rough = roughness(gap, weight)
    loss = 4 * depth + 8 * rough + 0.2 * opacity + tint + 0.1 * turn + 0.05 * size
    values = {"depth": mean(gap.abs()), "rough": rough, "bias": mean(gap), "color": tint, "turn": turn, "size": size}
    return loss, {name: value.detach() for name, value in values.items()}


def degrade_views(rgba: Tensor, rng: np.random.Generator, photos: int = 1) -> Tensor:
    """Views blurred, tinted and shifted as a generator would make them; the first `photos` stay. Shape (V, 4, H, W)."""
    others = rgba[photos:]
    size = others.shape[-1]
    small = F.interpolate(others, size=int(size / rng.choice([2, 3, 4, 6])), mode="area")
    others = F.interpolate(small, size=size, mode="bicubic", align_corners=False)
    gain = torch.from_numpy(rng.uniform(0.9, 1.1, (len(others), 3, 1, 1))).float()
    color = 1 - (1 - others[:, :3]) * gain
    shift = [int(s) for s in rng.integers(-2, 3, 2)]
    others = torch.cat([color, others[:, 3:]], 1).roll(shift, (-2, -1))
    return torch.cat([rgba[:photos], others]).clamp(0, 1)


def crop_camera(c2w: Tensor, size: int, window: int, rng: np.random.Generator) -> tuple[Cameras, int, int]:
    """A `window` px cut-out of a `size` px camera, nearer the middle than the border."""
    left, top = (int(np.clip(rng.normal((size - window) / 2, window / 4), 0, size - window)) for _ in range(2))
    intrinsics = six_views(size).intrinsics[:1] - torch.tensor([0.0, 0.0, left, top])
    return Cameras(intrinsics.to(c2w), c2w[None], window, window), left, top


def rendered_loss(gaussians: Gaussians, truth: Tensor, c2w: Tensor, rng: np.random.Generator) -> Tensor:
    """Half of the time the whole picture at 128 px, else a 128 px cut-out at full size. truth: Shape (4, H, W). c2w: Shape (4, 4)."""
    if rng.random() < 0.5:
        truth = F.avg_pool2d(truth[None], truth.shape[-1] // 128)[0]
        camera = Cameras(six_views(128).intrinsics[:1].to(c2w), c2w[None], 128, 128)
    else:
        camera, left, top = crop_camera(c2w, truth.shape[-1], 128, rng)
        truth = truth[:, top : top + 128, left : left + 128]
    out = render(gaussians, camera)
    error = out.rgb[0] - truth[:3]
    gradients = (error[..., 1:] - error[..., :-1]).abs().mean() + (error[..., 1:, :] - error[..., :-1, :]).abs().mean()
    return error.abs().mean() + 2 * error.square().mean() + 0.5 * gradients + 0.2 * (out.alpha[0] - truth[3:]).abs().mean()


class ReconstructorSamples(Dataset):
    """views (R, 4, H, W) of the rig as given to the model, their hull (R, H, W), target (R, H, W, 12), truth (V, 4, H, W), c2w (V, 4, 4).

    clean: the true views, always, and nothing beyond the rig (direct stage). generated: really generated views, for two of five samples.
    """

    def __init__(self, heads: HeadShards, size: int, clean: bool, generated: Sequence[Path] = ()):
        self.heads, self.clean, self.generated = heads, clean, generated
        self.cameras, self.targets = heads.rig.cameras(size), DirectTargets(size, heads.rig)
        self.views, self.photos = len(heads.rig), int(heads.rig.starts_with_photo)

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        rng = np.random.default_rng([2, index])
        if self.generated and rng.random() < 0.4:
            path = self.generated[int(rng.integers(len(self.generated)))]
            sample = self.heads.sample(int(path.stem))
            made = torch.from_numpy(np.load(path)).permute(0, 3, 1, 2).float() / 255
            views = torch.cat([sample.rgba[: self.photos], made[self.photos :]])
        else:
            sample = self.heads.sample(int(rng.integers(len(self.heads))), rng, slice(self.views if self.clean else None))
            views = sample.rgba[: self.views]
            if not self.clean and rng.random() < 0.5:
                views = degrade_views(views, rng, self.photos)
        return views, hull_depth(views[:, 3], self.cameras), self.targets(sample), sample.rgba, sample.c2w


def render_losses(
    pixel: PixelGaussians, truth: Tensor, c2w: Tensor, patch_size: int, rng: np.random.Generator, rig: ViewRig = RIGS["six"]
) -> Tensor:
    """Of one head: a rig view and an unseen one. truth: Shape (V, 4, H, W). c2w: Shape (V, 4, 4)."""
    gaussians = visible(ruled(pixel, rig.cameras(truth.shape[-1]).to(truth.device), rig), patch_size)
    chosen = [0 if rng.random() < 0.3 else int(rng.integers(1, len(rig))), int(rng.integers(len(rig), len(c2w)))]
    return torch.stack([rendered_loss(gaussians, truth[view], c2w[view], rng) for view in chosen]).mean()


def ruled(pixel: PixelGaussians, cameras: Cameras, rig: ViewRig) -> PixelGaussians:
    """With input-view visibility where the rig has the photo's own view."""
    return prefer_input_view(pixel, cameras, InputViewVisibility()) if rig.starts_with_photo else pixel


def visible(pixel: PixelGaussians, patch_size: int) -> Gaussians:
    """The Gaussians of one sample that a render can show."""
    gaussians = flatten_gaussians(pixel, patch_size)
    return gaussians[gaussians.opacities > -4.0]


@torch.no_grad()
def evaluate(model: CompactReconstructor, heads: HeadShards, count: int, size: int) -> Evaluation:
    """Depth error (MAE) and PSNR of the extra cameras at 256 px from true views, with and without input-view visibility.

    Rows of the sheet, for each of two heads: the views given, the truth from extra cameras, the renders from them.
    """
    device = next(model.parameters()).device
    n, cameras, targets = len(heads.rig), heads.rig.cameras(size).to(device), DirectTargets(size, heads.rig)
    depth, plain, front, given, rows = [], [], [], [], []
    for i in range(min(count, len(heads))):
        s = heads.sample(i)
        truth = s.rgba.to(device)
        with mixed_precision(device):
            pixel = model(truth[None, :n], cameras)
        depth.append(direct_loss(pixel, targets(s)[None].to(device))[1]["depth"].item())
        extra = Cameras(cameras.intrinsics[:1].expand(len(s.c2w) - n, -1), s.c2w[n:].to(device), size, size)
        plain += [psnr(a, b) for a, b in zip(render(visible(pixel, 8), extra).rgb, truth[n:, :3], strict=True)]
        g = visible(ruled(pixel, cameras, heads.rig), 8)
        drawn = render(g, extra).rgb
        front += [psnr(a, b) for a, b in zip(drawn, truth[n:, :3], strict=True)]
        if i < 2:
            rows += [truth[:n, :3], truth[n : n + 6, :3], drawn[:6]]
        given.append(psnr(render(g, cameras[0]).rgb[0], truth[0, :3]))
    names = {"depth": depth, "novel_plain": plain, "novel": front, "front": given}
    return {k: round(float(np.mean(v)), 4 if k == "depth" else 2) for k, v in names.items()}, rows


def main(argv: list[str] | None = None) -> None:
    parser = training_parser(
        __doc__.split("\n")[0], steps=1500, batch=1, lr=None, channels="128,128,192,256", evaluate_every=200, test_heads=6
    )
    parser.add_argument("--model", choices=("unet", "gslrm"), default="unet")
    parser.add_argument("--width", type=int, default=CompactGSLRMConfig().width, help="of GS-LRM, a multiple of 64 (default: %(default)s)")
    parser.add_argument("--layers", type=int, default=CompactGSLRMConfig().layers, help="of GS-LRM (default: %(default)s)")
    parser.add_argument("--stage", choices=("direct", "rendered"), default="direct", help="--lr is 5e-4 by default, rendered 2e-4")
    parser.add_argument("--generated", type=Path, help="folder of generated views: INDEX.npy uint8 (V, H, W, 4) for heads of --data")
    add_rig(parser)
    args = parser.parse_args(argv)

    use_threads(args.threads)
    torch.manual_seed(0)
    device = torch.device(args.device)
    heads, held_out = HeadShards(args.data, args.rig), HeadShards(args.test, args.rig)
    size, cameras = heads.size, heads.rig.cameras(heads.size).to(device)
    keep_settings(Path(args.out), {"rig": args.rig, "image_size": size})
    unet = UNetReconstructorConfig(channels=numbers(args.channels), image_size=size, num_views=len(heads.rig))
    config = unet if args.model == "unet" else CompactGSLRMConfig(image_size=size, width=args.width, layers=args.layers)
    model = placed(new_reconstructor(config), device)
    print(f"{args.model}: {sum(p.numel() for p in model.parameters()) / 1e6:.1f} M parameters", flush=True)
    lr = args.lr or (5e-4 if args.stage == "direct" else 2e-4)
    trainer = Trainer(model, args.out, lr, args.steps, 50, args.minutes, betas=(0.9, 0.95), ema=0.995)
    if not trainer.resume() and args.init:
        trainer.start_from(reconstructor_weights(args.init))
    generated = sorted(args.generated.glob("*.npy")) if args.generated else []
    samples = ReconstructorSamples(heads, size, args.stage == "direct", generated)

    def measured(model: CompactReconstructor) -> Evaluation:
        return evaluate(model, held_out, args.test_heads, size)

    for batch in samples_from(samples, trainer.step, args.steps, args.batch, args.workers):
        rng = np.random.default_rng([4, trainer.step])
        views, hull, target, truth, c2w = (t.to(device) for t in batch)
        with mixed_precision(device):
            pixel = model(views, cameras, hull)
        loss, values = direct_loss(pixel, target)
        if args.stage == "rendered":
            heads_of_batch = [PixelGaussians(*(t[i : i + 1] for t in pixel)) for i in range(len(views))]
            rendered = [render_losses(p, truth[i], c2w[i], config.patch_size, rng, heads.rig) for i, p in enumerate(heads_of_batch)]
            values["render"] = torch.stack(rendered).mean().detach()
            loss = loss + 4 * torch.stack(rendered).mean()
        norm = trainer.update(loss, values)
        if not trainer.record(norm, args.log_every, args.evaluate_every, measured, heads=len(heads)):
            break


if __name__ == "__main__":
    main()
