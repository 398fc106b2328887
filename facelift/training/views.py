"""Trains the compact view generator: portrait -> six RGBA views, clean-sample prediction in pixel space.

Three times out of four it also sees the portrait's surface from the other cameras (`multiview.second_look`), at a depth about as
wrong as a reconstructor's.

python -m facelift.training.views --data DIR --test DIR --out runs/views --steps 4000
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import DDIMScheduler, UNet2DConditionModel
from torch import Tensor, nn
from torch.utils.data import Dataset

from ..cameras import six_views
from ..multiview.attention import set_view_attention
from ..multiview.codec import PixelCodec
from ..multiview.second_look import first_look, keep_seen, second_look
from .data import EMPTY, HeadShards, Sample
from .loop import Trainer, psnr, samples_from
from .start import view_weights

FACTOR, CONTEXT = 8, 64


class CompactViewModel(nn.Module):
    """The UNet and the one learned context token a view has in place of a text prompt."""

    def __init__(self, channels: tuple[int, ...] = (64, 128, 192, 256), image_size: int = 256):
        super().__init__()
        latent = PixelCodec(FACTOR).latent_channels
        inner = len(channels) - 2
        self.unet = UNet2DConditionModel(
            sample_size=image_size // FACTOR,
            in_channels=3 * latent,  # noisy, portrait, look
            out_channels=latent + FACTOR**2,  # clean, gate
            block_out_channels=channels,
            layers_per_block=1,
            attention_head_dim=[max(1, c // 32) for c in channels],  # numbers of heads
            cross_attention_dim=CONTEXT,
            use_linear_projection=True,
            num_class_embeds=6,
            down_block_types=("DownBlock2D", *("CrossAttnDownBlock2D",) * inner, "DownBlock2D"),
            up_block_types=("UpBlock2D", *("CrossAttnUpBlock2D",) * inner, "UpBlock2D"),
        )
        set_view_attention(self.unet, 6, "sparse")
        self.prompt_embeds = nn.Parameter(torch.randn(6, 1, CONTEXT) * 0.5)

    def forward(self, noisy: Tensor, condition: Tensor, look: Tensor, timesteps: Tensor) -> Tensor:
        """noisy, condition, look: Shape (B*6, C, h, w), views innermost. Returns clean latents in fp32."""
        b = len(noisy) // 6
        x = torch.cat([noisy, condition, look], 1).contiguous(memory_format=torch.channels_last)
        labels = torch.arange(6, device=x.device).repeat(b)
        output = self.unet(x, timesteps, self.prompt_embeds.repeat(b, 1, 1), class_labels=labels).sample
        return keep_seen(output.float(), look)


def compact_scheduler() -> DDIMScheduler:
    return DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type="sample", clip_sample=False,
        rescale_betas_zero_snr=True, timestep_spacing="trailing", set_alpha_to_one=True, steps_offset=0,
    )  # fmt: skip


def plausible_depth(offset: Tensor, rng: np.random.Generator) -> Tensor:
    """True front surface -> about what a reconstructor makes of it: without hairs, a little too near or far, gently warped.

    offset: Shape (H, W), `EMPTY` where there is none. Returns Shape (H, W).
    """
    window = 2 * int(rng.integers(2, 6)) + 1
    known = (offset < EMPTY / 2).float()[None, None]
    mean = F.avg_pool2d(offset[None, None] * known, window, 1, window // 2) / F.avg_pool2d(known, window, 1, window // 2).clamp_min(1e-3)
    smooth = torch.where((mean[0, 0] - offset).abs() < 0.15, mean[0, 0], offset)
    coarse = torch.from_numpy(rng.normal(0, abs(rng.normal(0, 0.03)), (1, 1, 7, 7))).float()
    warp = F.interpolate(coarse, size=offset.shape, mode="bicubic", align_corners=True)[0, 0]
    return smooth + warp + float(rng.normal(0, 0.03))


def look_of(sample: Sample, rng: np.random.Generator, first: bool) -> Tensor:
    """One sample's first or second look. Shape (6, 4, H, W)."""
    cameras = six_views(sample.portrait.shape[-1])
    if first:
        return first_look(sample.portrait, cameras)
    return second_look(sample.portrait, plausible_depth(sample.offset[0], rng), cameras)


class ViewSamples(Dataset):
    """views (6, 4, H, W), portrait (4, H, W), look (6, 4, H, W). `first`: share of samples with a first look only."""

    def __init__(self, heads: HeadShards, first: float = 0.25):
        self.heads, self.first = heads, first

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        rng = np.random.default_rng([1, index])
        sample = self.heads.sample(int(rng.integers(len(self.heads))), rng, slice(6))
        return sample.rgba, sample.portrait, look_of(sample, rng, rng.random() < self.first)


def view_loss(
    model: CompactViewModel,
    scheduler: DDIMScheduler,
    codec: PixelCodec,
    batch: tuple[Tensor, Tensor, Tensor],
    generator: torch.Generator,
    pure: float,
) -> Tensor:
    """Weighted squared error of the clean latents plus L1 on pixels and their gradients.

    batch: views, portraits and looks as of `ViewSamples`, batched. pure: share of samples at pure noise.
    """
    views, portrait, look = batch
    clean, look = codec.encode(views.flatten(0, 1)), codec.encode(look.flatten(0, 1))
    condition = codec.encode(portrait).repeat_interleave(6, 0)
    device, last = clean.device, scheduler.config.num_train_timesteps - 1
    t = torch.randint(0, last + 1, (len(views),), generator=generator, device=device)
    t = torch.where(torch.rand(len(views), generator=generator, device=device) < pure, last, t).repeat_interleave(6)
    noisy = scheduler.add_noise(clean, torch.randn(clean.shape, generator=generator, device=device), t)
    with torch.autocast(device.type, torch.bfloat16):
        predicted = model(noisy, condition, look, t)
    weight = (1 / (1 - scheduler.alphas_cumprod.to(device)[t])).clamp(max=5).view(-1, 1, 1, 1)
    squared = ((predicted - clean).square() * weight).mean()
    error = nn.functional.pixel_shuffle(predicted - clean, FACTOR)
    gradients = (error[..., 1:] - error[..., :-1]).abs().mean() + (error[..., 1:, :] - error[..., :-1, :]).abs().mean()
    return squared + 0.15 * error.abs().mean() + 0.15 * gradients


@torch.no_grad()
def sample_views(
    model: CompactViewModel, scheduler: DDIMScheduler, codec: PixelCodec, portrait: Tensor, look: Tensor, steps: int, seed: int = 4
) -> Tensor:
    """portrait: Shape (4, H, W). look: Shape (6, 4, H, W). Returns Shape (6, 4, H, W), on the CPU."""
    device = next(model.parameters()).device
    condition = codec.encode(portrait[None].to(device)).expand(6, -1, -1, -1)
    look = codec.encode(look.to(device))
    x = torch.randn(condition.shape, generator=torch.Generator().manual_seed(seed)).to(device)
    scheduler.set_timesteps(steps)
    for t in scheduler.timesteps:
        with torch.autocast(device.type, torch.bfloat16):
            clean = model(x, condition, look, t.to(device).expand(6))
        x = scheduler.step(clean, t, x).prev_sample
    return codec.decode(x).cpu()


def evaluate(model: CompactViewModel, scheduler: DDIMScheduler, codec: PixelCodec, heads: HeadShards, count: int) -> dict:
    """Mean PSNR of views 1 to 5, and of each, on white against the truth: at first look, at second look, the same in eight steps."""
    result = {}
    for name, steps, first in (("first", 1, True), ("second", 1, False), ("second_8_steps", 8, False)):
        per_view = []
        for i in range(min(len(heads), count if steps == 1 else max(1, count // 3))):
            s = heads.sample(i, None, slice(6))
            look = look_of(s, np.random.default_rng(i), first)
            views = sample_views(model, scheduler, codec, s.portrait, look, steps)
            per_view.append([psnr(views[v, :3], s.rgba[v, :3]) for v in range(6)])
        means = np.mean(per_view, 0)
        result[name] = round(float(means[1:].mean()), 2)
        result[f"{name}_views"] = [round(float(m), 1) for m in means]
    return result


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--test", required=True, help="held-out shards")
    parser.add_argument("--out", required=True)
    parser.add_argument("--init", type=Path, help="begin with the weights of another run (its last.pt) or of a compact weight folder")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--minutes", type=float, help="stop by then, with the learning rate brought down in time")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--lr", type=float, default=5e-4)
    parser.add_argument("--pure", type=float, default=0.5, help="share of samples at pure noise")
    parser.add_argument("--channels", default="64,128,192,256")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=0, help="processes that prepare samples")
    parser.add_argument("--evaluate-every", type=int, default=250)
    args = parser.parse_args(argv)

    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    device = torch.device(args.device)
    model = CompactViewModel(tuple(int(c) for c in args.channels.split(","))).to(device, memory_format=torch.channels_last)
    codec, scheduler = PixelCodec(FACTOR), compact_scheduler()
    heads, held_out = HeadShards(args.data), HeadShards(args.test)
    trainer = Trainer(model, args.out, args.lr, args.steps, 100, args.minutes)
    if not trainer.resume() and args.init:
        trainer.start_from(view_weights(args.init))
    running = None
    for batch in samples_from(ViewSamples(heads), trainer.step, args.steps, args.batch, args.workers):
        generator = torch.Generator(device).manual_seed(trainer.step)
        loss = view_loss(model, scheduler, codec, tuple(t.to(device) for t in batch), generator, args.pure)
        loss.backward()
        norm = trainer.update()
        running = loss.detach() if running is None else running.lerp(loss.detach(), 0.03)
        if trainer.step % 25 == 0:
            trainer.log(loss=round(running.item(), 4), norm=round(norm.item(), 3), heads=len(heads))
        if trainer.step % args.evaluate_every == 0 or not trainer.running:
            trainer.save()
            trainer.log(**evaluate(trainer.ema, scheduler, codec, held_out, 12))
        if not trainer.running:
            break


if __name__ == "__main__":
    main()
