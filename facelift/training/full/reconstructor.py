"""Trains the full-size GS-LRM on rendered views: first at 256, then at 512 pixels, on objects, then on heads.

accelerate launch -m facelift.training.full.reconstructor --weights runs/full --data OBJECTS --run runs/lrm_256 --fresh --size 256
accelerate launch -m facelift.training.full.reconstructor --weights runs/full --data HEADS --run runs/lrm_heads --size 512 --batch 32

Four random views are the input, or with --rig those of inference, eight are rendered: MSE, and VGG features where --vgg gives the weights.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ...cameras import RIGS, Cameras, plucker_channels, rays
from ...files import write_whole
from ...gaussians import Gaussians
from ...reconstruction.gslrm import GSLRM, Block, GSLRMConfig
from ...reconstruction.pixel_gaussians import decode_pixel_gaussians, free_gaussians
from ...reconstruction.protocol import Reconstruction
from ...rendering import render
from ...weights.cache import WeightsError
from ...weights.released import PIPELINE, rig_of
from ..loop import Evaluation, Trainer, psnr
from .data import PosedSamples, open_pictures
from .folder import start_reconstructor, write_reconstructor
from .perceptual import Perceptual, open_perceptual
from .run import make_accelerator, options, train


class RecomputedBlock(Block):
    """Keeps its input alone for the backward pass."""

    def forward(self, x: Tensor) -> Tensor:
        return checkpoint(super().forward, x, use_reentrant=False) if torch.is_grad_enabled() else super().forward(x)


class TrainableGSLRM(GSLRM):
    """GS-LRM whose samples each have cameras of their own; the same keys."""

    def __init__(self, config: GSLRMConfig, checkpointing: bool):
        super().__init__(config)
        if checkpointing:
            self.transformer_layers = nn.ModuleList(RecomputedBlock(config.width, config.head_width) for _ in range(config.layers))

    def posed_images(self, images: Tensor, cameras: Cameras) -> Tensor:
        """cameras: B*V of them, views innermost."""
        plucker = plucker_channels(*rays(cameras)).view(*images.shape[:2], 6, *images.shape[-2:])
        return torch.cat([images * 2 - 1, plucker.to(images.dtype)], 2)

    def forward(self, images: Tensor, cameras: Cameras) -> tuple[Tensor, Tensor]:
        return self.predict(images, cameras)


def decode(config: GSLRMConfig, free_raw: Tensor, raw: Tensor, images: Tensor, cameras: Cameras) -> Gaussians:
    """All Gaussians of one sample.

    free_raw: Shape (free, 14).
    raw: Shape (V, H, W, 14).
    images: Shape (V, 3, H, W).
    """
    pixel = decode_pixel_gaussians(raw[None], images[None], *rays(cameras))
    return Reconstruction(free_gaussians(free_raw), pixel, config.patch_size).gaussians()


def renders(model: nn.Module, config: GSLRMConfig, batch: tuple[Tensor, ...], inputs: int) -> Iterator[Tensor]:
    """Of each sample all its pictures (T, 3, S, S), drawn from what the first `inputs` of them become. batch: as of `rendering_loss`."""
    pictures, intrinsics, c2w = batch
    size = pictures.shape[-1]
    given = Cameras(intrinsics[:, :inputs].flatten(0, 1), c2w[:, :inputs].flatten(0, 1), size, size)
    free_raw, raw = model(pictures[:, :inputs], given)
    for i, truth in enumerate(pictures):
        cameras = Cameras(intrinsics[i], c2w[i], size, size)
        gaussians = decode(config, free_raw[i].float(), raw[i].float(), truth[:inputs], cameras[list(range(inputs))])
        yield render(gaussians, cameras).rgb


def rendering_loss(
    model: nn.Module,
    config: GSLRMConfig,
    batch: tuple[Tensor, ...],
    inputs: int,
    perceptual: Perceptual | None = None,
    weight: float = 0.5,
) -> dict[str, Tensor]:
    """{"loss", "mse", "perceptual" where asked}. batch: pictures (B, T, 3, S, S), intrinsics (B, T, 4), c2w (B, T, 4, 4)."""
    values: dict[str, list[Tensor]] = {"mse": [], "perceptual": []} if perceptual else {"mse": []}
    for truth, drawn in zip(batch[0], renders(model, config, batch, inputs), strict=True):
        values["mse"].append(F.mse_loss(drawn, truth))
        if perceptual:
            values["perceptual"].append(perceptual(drawn, truth))
    means = {name: torch.stack(parts).mean() for name, parts in values.items()}
    return {"loss": means["mse"] + weight * means.get("perceptual", 0), **means}


@torch.no_grad()
def evaluate(model: nn.Module, config: GSLRMConfig, samples: PosedSamples, count: int) -> Evaluation:
    """PSNR of the views that were given and of those that were not, over the first `count` samples.

    Rows of the sheet, for each of two: the views given, the truth of the others, their renders.
    """
    device, inputs = next(model.parameters()).device, samples.inputs
    given: list[float] = []
    unseen: list[float] = []
    rows = []
    for i in range(count):
        batch = tuple(t[None].to(device) for t in samples[i])
        truth, drawn = batch[0][0], next(renders(model, config, batch, inputs))
        values = [psnr(a, b) for a, b in zip(drawn, truth, strict=True)]
        given, unseen = given + values[:inputs], unseen + values[inputs:]
        if i < 2:
            rows += [truth[:inputs], truth[inputs:], drawn[inputs:]]
    means = {name: sum(values) / len(values) for name, values in (("test_given", given), ("test_unseen", unseen)) if values}
    return {name: round(mean, 2) for name, mean in means.items()}, [row for row in rows if len(row)]


def first_update(run: Path, newest: int, is_main: bool) -> int:
    """How many updates the weights had before this run: kept in the run, since its own results are added to the folder."""
    record = run / "start.json"
    if not record.is_file() and is_main:
        write_whole(record, lambda path: path.write_text(json.dumps({"update": newest})))
    return json.loads(record.read_text())["update"] if record.is_file() else newest


def main(argv: list[str] | None = None) -> None:
    parser = options(__doc__.split("\n")[0], batch=64, steps=20_000, lr=1e-4, test_heads=8)
    parser.add_argument("--size", type=int, default=256, help="pixels a side, a multiple of 8")
    parser.add_argument("--fresh", action="store_true", help="begin with random weights instead of the folder's newest checkpoint")
    parser.add_argument("--inputs", type=int, default=4, help="views that are given, without --rig")
    parser.add_argument("--targets", type=int, default=8, help="views that are rendered, those given among them")
    parser.add_argument("--rig", choices=RIGS, help="give the views of this rig instead of random ones")
    parser.add_argument("--vgg", type=Path, help="torchvision's vgg19 weights (.pth or .safetensors) for the perceptual term")
    parser.add_argument("--perceptual-weight", type=float, default=0.5)
    parser.add_argument("--width", type=int, default=1024, help="of a fresh model")
    parser.add_argument("--head-width", type=int, default=64, help="of a fresh model")
    parser.add_argument("--layers", type=int, default=24, help="of a fresh model")
    args = parser.parse_args(argv)

    if args.size < 16 or args.size % GSLRMConfig.patch_size:
        raise SystemExit(
            f"--size {args.size}: pictures are cut into patches of {GSLRMConfig.patch_size} pixels; give a multiple, 16 or more"
        )
    if args.rig:
        args.inputs = len(RIGS[args.rig])
    torch.manual_seed(0)
    accelerator = make_accelerator(args)
    wanted = GSLRMConfig(image_size=args.size, width=args.width, head_width=args.head_width, layers=args.layers)
    try:
        if args.rig and (args.weights / PIPELINE).is_dir() and (made := rig_of(args.weights)) != args.rig:
            raise SystemExit(f"the view generator in {args.weights} makes the views of the rig {made}, not {args.rig}")
        with accelerator.main_process_first():
            config, state, newest = start_reconstructor(args.weights, wanted, args.fresh)
    except WeightsError as error:
        raise SystemExit(f"{error} Give --fresh to begin with random weights.") from error
    model = TrainableGSLRM(config, not args.no_checkpointing)
    model.load_state_dict(state)
    del state
    trainer = Trainer(
        model.to(accelerator.device), args.run, args.lr, args.steps, warmup=min(2000, max(1, args.steps // 10)), betas=(0.9, 0.95),
        weight_decay=0.05, ema=0.999, accelerator=accelerator,
    )  # fmt: skip
    before = first_update(args.run, newest, accelerator.is_main_process)
    trainer.resume()
    perceptual = open_perceptual(args.vgg)
    if perceptual:
        perceptual.to(accelerator.device)

    def samples(folder: Path) -> PosedSamples:
        return PosedSamples(open_pictures(folder, args.size, args.rig), args.inputs, args.targets, args.rig is not None)

    held_out = samples(args.test) if args.test else None

    def measured(model: nn.Module) -> Evaluation:
        assert held_out is not None
        with accelerator.autocast():
            return evaluate(model, config, held_out, args.test_heads)

    train(
        trainer, samples(args.data),
        lambda batch, _: rendering_loss(trainer.model, config, batch, args.inputs, perceptual, args.perceptual_weight), args,
        measured if held_out else None,
    )  # fmt: skip
    if accelerator.is_main_process:
        print("wrote", write_reconstructor(args.weights, trainer.ema.state_dict(), config, before + trainer.step), flush=True)
    accelerator.end_training()


if __name__ == "__main__":
    main()
