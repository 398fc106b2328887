"""Trains the compact view generator: portrait -> RGBA views of a rig, clean-sample prediction in pixel space.

It also sees the portrait's surface from the other cameras (`multiview.warping`), at the depth that a trained `PortraitDepth` finds.
With --decoder a decoder paints sharp pictures on what the UNet's own output blurs: features and a discriminator judge it (`sharpness.py`).

python -m facelift.training.views --data DIR --test DIR --depth runs/depth --out runs/views --steps 4000
python -m facelift.training.views --data DIR --test DIR --depth runs/depth --out runs/sharp --init runs/views/last.pt --decoder --lr 1e-4
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Dataset

from ..cameras import ViewRig, view_rig
from ..devices import placed
from ..multiview.codec import PixelCodec
from ..multiview.compact import FACTOR, CompactViewGenerator, compact_scheduler, compact_unet
from ..multiview.decoder import DecoderConfig, ViewDecoder
from ..multiview.depth import PortraitDepth, depth_unet
from ..multiview.warping import warped_views
from ..stock import DDIMScheduler
from .arguments import add_rig, numbers, training_parser, use_threads
from .data import HeadShards
from .loop import Evaluation, Trainer, mixed_precision, psnr, samples_from
from .reuse import Packed, Reused
from .sharpness import SWAY, Judge
from .start import depth_weights, keep_settings, run_settings, view_weights, widths

LOOK_AGAIN = 16  # samples
FOREVER = 10**8  # samples: more than anybody will ask for
PICTURES = 3  # parts of a sample that are pictures: views, portrait, warped


def load_generator(path: Path) -> CompactViewGenerator:
    """path: a run, its last.pt, or a compact weight folder."""
    weights, settings = view_weights(path), run_settings(path)
    unet = compact_unet(widths(weights), settings["image_size"], len(view_rig(settings["rig"])), settings["attention"])
    generator = CompactViewGenerator(unet, decoder=new_decoder(widths(weights)) if "decoder.conv_in.weight" in weights else None)
    generator.load_state_dict(weights)
    return generator.eval()


def new_decoder(channels: tuple[int, ...]) -> ViewDecoder:
    """For a UNet of these channels."""
    return ViewDecoder(DecoderConfig(features=channels[0]))


def load_depth(path: Path) -> PortraitDepth:
    """path: a run of `training.depth`, its last.pt, or a compact weight folder."""
    weights = depth_weights(path)
    depth = PortraitDepth(depth_unet(widths(weights)))
    depth.load_state_dict(weights)
    return depth.eval().requires_grad_(False)


class Warper:
    """Portrait -> warped views, as at inference. path: as of `load_depth`."""

    def __init__(self, path: Path, rig: ViewRig):
        self.depth, self.rig = placed(load_depth(path)), rig

    @torch.no_grad()
    def __call__(self, portrait: Tensor, rng: np.random.Generator | None = None) -> Tensor:
        """portrait: Shape (4, H, W). rng: makes depths a little worse, since those of training heads are too good. Shape (V, 4, H, W)."""
        with mixed_precision(portrait.device):
            ray_depth = self.depth(portrait[None])[0]
        if rng is not None:
            coarse = torch.from_numpy(rng.normal(0, abs(rng.normal(0, 0.015)), (1, 1, 7, 7))).float()
            bend = F.interpolate(coarse, size=ray_depth.shape, mode="bicubic", align_corners=True)[0, 0]
            ray_depth = ray_depth + bend + float(rng.normal(0, 0.015))
        return warped_views(portrait, ray_depth, self.rig)


class ViewSamples(Dataset):
    """views (V, 4, H, W), portrait (4, H, W), warped (V, 4, H, W), classes (V, H, W), all 0 where the heads have none."""

    def __init__(self, heads: HeadShards, warper: Warper, follow: bool = False):
        """follow: look now and then for heads that were rendered since."""
        self.heads, self.warper, self.follow = heads, warper, follow

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        if self.follow and index % LOOK_AGAIN == 0:
            self.heads.rescan()
        rng = np.random.default_rng([1, index])
        sample = self.heads.sample(int(rng.integers(len(self.heads))), rng, slice(len(self.heads.rig)))
        classes = torch.zeros_like(sample.rgba[:, 0], dtype=torch.long) if sample.classes is None else sample.classes
        return sample.rgba, sample.portrait, self.warper(sample.portrait, rng), classes


@dataclass(frozen=True)
class Predicted:
    """A batch after the UNet: its output, and truth and warped views in latents, Shape (B*V, C, h, w); timesteps, Shape (B*V,)."""

    output: Tensor
    clean: Tensor
    warped: Tensor
    timesteps: Tensor


def predict(
    model: CompactViewGenerator,
    scheduler: DDIMScheduler,
    codec: PixelCodec,
    batch: tuple[Tensor, ...],
    generator: torch.Generator,
    pure: float,
) -> Predicted:
    """batch: as of `ViewSamples`, batched.
    generator: of all noise, on the model's device.
    pure: share of samples at pure noise.
    """
    views, portrait, warped = batch[:3]
    clean, warped = codec.encode(views.flatten(0, 1)), codec.encode(warped.flatten(0, 1))
    condition = codec.encode(portrait).repeat_interleave(model.views, 0)
    device, last = clean.device, scheduler.config["num_train_timesteps"] - 1
    t = torch.randint(0, last + 1, (len(views),), generator=generator, device=device)
    t = torch.where(torch.rand(len(views), generator=generator, device=device) < pure, last, t).repeat_interleave(model.views)
    noise = torch.randn(clean.shape, generator=generator, device=device)
    noisy = scheduler.add_noise(clean, noise, t)  # type: ignore[arg-type]  # diffusers says IntTensor and takes any whole numbers
    with mixed_precision(device):
        output = model(noisy, condition, warped, t)
    return Predicted(output, clean, warped, t)


def base_loss(model: CompactViewGenerator, scheduler: DDIMScheduler, predicted: Predicted) -> Tensor:
    """Weighted squared error of the UNet's own clean latents plus L1 on pixels and their gradients."""
    gap = model.base(predicted.output, predicted.warped) - predicted.clean
    weight = (1 / (1 - scheduler.alphas_cumprod.to(gap.device)[predicted.timesteps])).clamp(max=5).view(-1, 1, 1, 1)
    error = F.pixel_shuffle(gap, FACTOR)
    gradients = (error[..., 1:] - error[..., :-1]).abs().mean() + (error[..., 1:, :] - error[..., :-1, :]).abs().mean()
    return (gap.square() * weight).mean() + 0.15 * error.abs().mean() + 0.15 * gradients


@torch.no_grad()
def sample_views(
    model: CompactViewGenerator, scheduler: DDIMScheduler, codec: PixelCodec, portrait: Tensor, warped: Tensor, steps: int, seed: int = 4
) -> Tensor:
    """portrait: Shape (4, H, W).
    warped: Shape (V, 4, H, W).
    steps, seed: of denoising, and of its noise.
    Returns Shape (V, 4, H, W), on the CPU.
    """
    device = next(model.parameters()).device
    condition = codec.encode(portrait[None].to(device)).expand(model.views, -1, -1, -1)
    warped = codec.encode(warped.to(device))
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(condition.shape, generator=draw).to(device)
    shapes = model.decoder.noise_shapes(len(x), x.shape[-1]) if model.decoder is not None else []
    noise = [torch.randn(shape, generator=draw).to(device) for shape in shapes]
    scheduler.set_timesteps(steps)
    for t in scheduler.timesteps:
        with mixed_precision(device):
            clean = model.clean_latents(model(x, condition, warped, t.to(device).expand(model.views)), warped, noise)
        x, _ = scheduler.step(clean, t, x, return_dict=False)
    return codec.decode(x).cpu()


def evaluate(
    model: CompactViewGenerator, scheduler: DDIMScheduler, codec: PixelCodec, heads: HeadShards, warper: Warper, count: int
) -> Evaluation:
    """Mean PSNR of the new views, and of each, on white against the truth: in one step, and in eight for a third of the heads.

    Rows of the sheet, for each of two heads: the portrait as the other cameras see it, the true views, those made.
    """
    per_view: dict[str, list[list[float]]] = {"views": [], "views_8_steps": []}
    rows = []
    for i in range(min(len(heads), count)):
        s = heads.sample(i, None, slice(model.views))
        warped = warper(s.portrait)
        for name, steps in (("views", 1), ("views_8_steps", 8)):
            if steps > 1 and i >= max(1, count // 3):
                continue
            made = sample_views(model, scheduler, codec, s.portrait, warped, steps)
            per_view[name].append([psnr(made[v, :3], s.rgba[v, :3]) for v in range(model.views)])
            if steps == 1 and i < 2:
                rows += [warped[:, :3], s.rgba[:, :3], made[:, :3]]
    means = {name: np.mean(numbers, 0) for name, numbers in per_view.items()}
    new = int(heads.rig.starts_with_photo)  # the first new view
    numbers = {name: round(float(mean[new:].mean()), 2) for name, mean in means.items()}
    return numbers | {f"{name}_each": [round(float(m), 1) for m in mean] for name, mean in means.items()}, rows


def main(argv: list[str] | None = None) -> None:
    parser = training_parser(
        __doc__.split("\n")[0], steps=4000, batch=2, lr=5e-4, channels="64,128,192,256", evaluate_every=250, test_heads=20
    )
    parser.add_argument("--depth", type=Path, required=True, help="run of facelift.training.depth, or a compact weight folder")
    add_rig(parser)
    parser.add_argument("--attention", choices=("sparse", "dense", "none"), default="sparse", help="across views (default: %(default)s)")
    parser.add_argument("--pure", type=float, help="share of samples at pure noise (default: 0.5, with --decoder 1)")
    parser.add_argument("--decoder", action="store_true", help="train a decoder for sharp pictures, too; needs heads with --classes")
    parser.add_argument("--sway", type=float, default=SWAY, help="weight of the decoder's discriminator (default: %(default)s)")
    parser.add_argument(
        "--reuse", type=int, default=0, metavar="N", help="keep the newest N samples on the device and draw batches from them: for a GPU"
    )
    args = parser.parse_args(argv)
    if args.reuse and not args.workers:
        parser.error("--reuse needs --workers that prepare the samples")

    use_threads(args.threads)
    torch.manual_seed(0)
    device = torch.device(args.device)
    heads, held_out = HeadShards(args.data, args.rig), HeadShards(args.test, args.rig)
    keep_settings(Path(args.out), {"rig": args.rig, "attention": args.attention, "image_size": heads.size})
    unet = compact_unet(numbers(args.channels), heads.size, len(heads.rig), args.attention)
    model = CompactViewGenerator(unet, decoder=new_decoder(numbers(args.channels)) if args.decoder else None)
    placed(model.unet)  # not the decoder: its backward pass is twice as slow then
    model = model.to(device)
    codec, scheduler = PixelCodec(FACTOR), compact_scheduler()
    judge = Judge(device, int(heads.rig.starts_with_photo), args.sway) if args.decoder else None
    parts = {"judge": judge.discriminator, "judge_optimizer": judge.optimizer} if judge else {}
    faster = {"decoder.": 10.0} if args.decoder else {}
    trainer = Trainer(model, args.out, args.lr, args.steps, 100, args.minutes, parts=parts, faster=faster)
    if not trainer.resume() and args.init:
        trainer.start_from({**model.state_dict(), **view_weights(args.init, heads.rig)})  # a new decoder begins as it is
    pure = args.pure if args.pure is not None else 1.0 if args.decoder else 0.5
    warper = Warper(args.depth, heads.rig)

    def measured(model: CompactViewGenerator) -> Evaluation:
        return evaluate(model, scheduler, codec, held_out, warper, args.test_heads)

    batches: Iterable[tuple[Tensor, ...]]
    if args.reuse:
        samples = Packed(ViewSamples(heads, warper, follow=True))
        batches = Reused(samples_from(samples, trainer.step, FOREVER, 4, args.workers), args.reuse, args.batch, PICTURES, device)
    else:
        batches = samples_from(ViewSamples(heads, warper), trainer.step, args.steps, args.batch, args.workers)
    for batch in batches:
        generator = torch.Generator(device).manual_seed(trainer.step)
        batch = tuple(t.to(device) for t in batch)
        predicted = predict(model, scheduler, codec, batch, generator, pure)
        loss = base_loss(model, scheduler, predicted)
        values = {"loss": loss}
        if judge is not None:
            sharp, more = judge(model, predicted, batch[3], trainer.step)
            loss, values = loss + sharp, values | more
        norm = trainer.update(loss, values)
        if not trainer.record(norm, args.log_every, args.evaluate_every, measured, heads=len(heads)):
            break


if __name__ == "__main__":
    main()
