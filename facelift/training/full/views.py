"""Trains the full-size view generator: SD-2.1-unCLIP's UNet, told of the portrait by its latents and its CLIP embedding.

accelerate launch -m facelift.training.full.views --base SD_2_1_UNCLIP --weights runs/full --data DIR --run runs/full_views

v-prediction at a random time, the same for all views of a sample; view 0 is the portrait again. Defaults are the paper's:
20,000 steps of 64 at 1e-4, the condition dropped at 0.05; six views, sparse attention across them.
"""

from __future__ import annotations

from copy import copy
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers.models import UNet2DConditionModel
from PIL import Image
from torch import Tensor

from ...cameras import RIGS
from ...multiview.pipeline import MultiViewPipeline
from ...multiview.released import load_released
from ...rendering import to_bytes
from ...weights.cache import WeightsError
from ...weights.released import PIPELINE, prompt_embeddings, rig_of
from ..loop import Evaluation, Trainer, psnr
from .data import ViewSamples, open_pictures
from .folder import start_folder, views_of, write_trained_unet
from .run import make_accelerator, options, train


@torch.no_grad()
def encode(pipeline: MultiViewPipeline, views: Tensor, portraits: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Clean and condition latents, both (B*V, C, h, w), and class labels (B*V, 2 D), by the parts that inference uses.

    views: Shape (B, V, 3, S, S).
    portraits: Shape (B, 3, S, S).
    generator: of all noise, on the device.
    """

    def latents(pictures: Tensor) -> Tensor:  # one at a time: a batch at 512 px needs gigabytes
        return torch.cat([pipeline.codec.encode(picture[None]).float() for picture in pictures])

    def draw(shape: tuple[int, ...]) -> Tensor:
        return torch.randn(shape, generator=generator, device=generator.device)

    photos = [Image.fromarray(pixels) for pixels in to_bytes(portraits)]
    labels = torch.cat([pipeline.conditioner.class_labels(photo, draw) for photo in photos]).float()
    return latents(views.flatten(0, 1)), latents(portraits).repeat_interleave(views.shape[1], 0), labels


def velocity_loss(
    unet: UNet2DConditionModel,
    pipeline: MultiViewPipeline,
    batch: tuple[Tensor, ...],
    generator: torch.Generator,
    drop: float = 0.05,
) -> Tensor:
    """Mean squared error of v.

    unet: the one that trains.
    pipeline: everything frozen.
    batch: views (B, V, 3, S, S) and portraits (B, 3, S, S).
    drop: share without picture, as guidance needs.
    """
    views, portraits = batch
    clean, condition, labels = encode(pipeline, views, portraits, generator)
    (b, v), device = views.shape[:2], clean.device
    keep = (torch.rand(b, generator=generator, device=device) >= drop).float().repeat_interleave(v)
    scheduler = pipeline.scheduler
    t = torch.randint(0, scheduler.config["num_train_timesteps"], (b,), generator=generator, device=device).repeat_interleave(v)
    noise = torch.randn(clean.shape, generator=generator, device=device)
    noisy = scheduler.add_noise(clean, noise, t)  # type: ignore[arg-type]  # diffusers says IntTensor and takes any whole numbers
    x = torch.cat([noisy, condition * keep.view(-1, 1, 1, 1)], 1)
    text = pipeline.prompt_embeds.to(device, torch.float32).repeat(b, 1, 1)  # stays where the picture is dropped (kit 3.2, step 5)
    predicted = unet(x, t, text, class_labels=labels * keep[:, None]).sample
    return F.mse_loss(predicted.float(), scheduler.get_velocity(clean, noise, t))  # type: ignore[arg-type]  # as above


def evaluate(unet: UNet2DConditionModel, pipeline: MultiViewPipeline, samples: ViewSamples, count: int, steps: int) -> Evaluation:
    """PSNR of the views that the photo does not show, over the first `count` samples, made as inference does, with `steps` of denoising.

    Rows of the sheet, for each of two: the picture given, the true views, those made.
    """
    pipeline = copy(pipeline)
    pipeline.unet = unet
    new = int(RIGS[pipeline.config.rig].starts_with_photo)  # the first such view
    values, rows = [], []
    for i in range(count):
        truth, portrait = samples[i]
        made = pipeline(Image.fromarray(to_bytes(portrait[None])[0]), steps=steps).views.cpu()
        values.append([psnr(a, b) for a, b in zip(made[new:], truth[new:], strict=True)])
        if i < 2:
            rows += [portrait[None], truth, made]
    return {"test_views": round(float(np.mean(values)), 2)}, rows


def main(argv: list[str] | None = None) -> None:
    parser = options(__doc__.split("\n")[0], batch=64, steps=20_000, lr=1e-4, test_heads=4)
    parser.add_argument("--base", type=Path, help="makes --weights where it is not there: an SD-2.1-unCLIP or released folder")
    parser.add_argument("--rig", choices=RIGS, help="which views a new --weights makes (default: those of --base)")
    parser.add_argument("--attention", choices=("sparse", "dense", "none"), help="across views, of a new --weights (default: as --base)")
    parser.add_argument("--drop", type=float, default=0.05, help="share of samples without the picture")
    parser.add_argument("--test-steps", type=int, default=20, help="of denoising in an evaluation")
    parser.add_argument("--degrade", action="store_true", help="the input is view 0 as a phone and a matting network make it")
    args = parser.parse_args(argv)

    torch.manual_seed(0)
    accelerator = make_accelerator(args)
    try:
        with accelerator.main_process_first():
            if args.base:
                start_folder(args.base, args.weights, args.rig, args.attention)
            if not (args.weights / PIPELINE).is_dir():
                raise WeightsError(f"{args.weights} holds no {PIPELINE}/: give --base to begin with.")
            rig, prompts = rig_of(args.weights), prompt_embeddings(args.weights)
        for name, value in views_of(args.weights).items():
            if getattr(args, name) not in (None, value):
                raise WeightsError(f"{args.weights} was begun with {name} {value}, not {getattr(args, name)}: give another --weights.")
        pipeline = load_released(args.weights / PIPELINE, prompts, accelerator.device, torch.float32, rig)
    except WeightsError as error:
        raise SystemExit(str(error)) from error
    if (kind := pipeline.scheduler.config["prediction_type"]) != "v_prediction":
        raise SystemExit(f"the scheduler in {args.weights} predicts {kind}, this training v")
    unet = pipeline.unet.train().requires_grad_(True)
    if not args.no_checkpointing:
        unet.enable_gradient_checkpointing()
    warmup = min(500, max(1, args.steps // 10))
    trainer = Trainer(unet, args.run, args.lr, args.steps, warmup, betas=(0.9, 0.999), ema=0.9999, decay=0, accelerator=accelerator)
    trainer.resume()

    def samples(folder: Path) -> ViewSamples:
        return ViewSamples(open_pictures(folder, pipeline.config.image_size, rig), args.degrade)

    held_out = samples(args.test) if args.test else None

    def measured(unet: UNet2DConditionModel) -> Evaluation:
        assert held_out is not None
        with accelerator.autocast():
            return evaluate(unet, pipeline, held_out, args.test_heads, args.test_steps)

    train(
        trainer, samples(args.data), lambda batch, noise: {"loss": velocity_loss(trainer.model, pipeline, batch, noise, args.drop)}, args,
        measured if held_out else None,
    )  # fmt: skip
    if accelerator.is_main_process:
        write_trained_unet(args.weights, trainer.ema.state_dict())
    accelerator.end_training()


if __name__ == "__main__":
    main()
