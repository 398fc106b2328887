"""Trains the depth of portraits, which the compact view generator takes as given.

python -m facelift.training.depth --data DIR --test DIR --out runs/depth --steps 3000
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Dataset

from ..devices import placed
from ..multiview.depth import PortraitDepth, depth_unet
from .arguments import numbers, training_parser, use_threads
from .data import EMPTY, HeadShards
from .loop import Evaluation, Trainer, mixed_precision, roughness, samples_from
from .start import depth_weights

MEAN_DEPTH = -0.35  # of the surface in a portrait: where training starts
SHOWN = 6  # heads on a sheet


class PortraitSamples(Dataset):
    """portrait (4, H, W) as a user's photo would show it, ray_depth (H, W) of its surface, `EMPTY` where none."""

    def __init__(self, heads: HeadShards):
        self.heads = heads

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng([5, index])
        sample = self.heads.sample(int(rng.integers(len(self.heads))), rng, slice(1))
        return sample.portrait, sample.ray_depth[0]


def depth_loss(predicted: Tensor, ray_depth: Tensor, alpha: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss and its parts, over pixels that show a surface. All Shape (B, H, W)."""
    weight = ((ray_depth < EMPTY / 2) & (alpha > 0.5)).float()
    total, gap = weight.sum().clamp_min(1), predicted - ray_depth
    depth = (F.smooth_l1_loss(gap, torch.zeros_like(gap), beta=0.05, reduction="none") * weight).sum() / total
    rough = roughness(gap, weight)
    values = {"depth": (gap.abs() * weight).sum() / total, "bias": (gap * weight).sum() / total, "rough": rough}
    return 4 * depth + 8 * rough, {name: value.detach() for name, value in values.items()}


@torch.no_grad()
def evaluate(model: PortraitDepth, heads: HeadShards, count: int) -> Evaluation:
    """Mean distance from the truth, in world units, and what of it remains when the whole surface may be moved.

    Rows of the sheet: portraits, their true depths, those found; nearer is lighter.
    """
    device = next(model.parameters()).device
    wrong, moved, columns = [], [], []
    for i in range(min(count, len(heads))):
        s = heads.sample(i, None, slice(1))
        with mixed_precision(device):
            predicted = model(s.portrait[None].to(device))[0].cpu()
        surface = (s.ray_depth[0] < EMPTY / 2) & (s.portrait[3] > 0.5)
        gap = (predicted - s.ray_depth[0])[surface]
        wrong.append(gap.abs().mean().item())
        moved.append((gap - gap.median()).abs().mean().item())
        if i < SHOWN:
            grey = [torch.where(surface, 0.2 - 0.8 * ray_depth, 1.0).expand(3, -1, -1) for ray_depth in (s.ray_depth[0], predicted)]
            columns.append([s.portrait[:3], *grey])
    numbers = {"test_depth": round(float(np.mean(wrong)), 4), "test_shape": round(float(np.mean(moved)), 4)}
    return numbers, [torch.stack(row) for row in zip(*columns, strict=True)]


def main(argv: list[str] | None = None) -> None:
    parser = training_parser(
        __doc__.split("\n")[0], steps=3000, batch=4, lr=1e-3, channels="32,64,128,160", evaluate_every=250, test_heads=48
    )
    args = parser.parse_args(argv)

    use_threads(args.threads)
    torch.manual_seed(0)
    device = torch.device(args.device)
    model = PortraitDepth(depth_unet(numbers(args.channels)))
    assert model.unet.conv_out.bias is not None
    torch.nn.init.constant_(model.unet.conv_out.bias, MEAN_DEPTH)
    model = placed(model, device)
    heads, held_out = HeadShards(args.data), HeadShards(args.test)
    trainer = Trainer(model, args.out, args.lr, args.steps, 100, args.minutes)
    if not trainer.resume() and args.init:
        trainer.start_from(depth_weights(args.init))

    def measured(model: PortraitDepth) -> Evaluation:
        return evaluate(model, held_out, args.test_heads)

    for portrait, ray_depth in samples_from(PortraitSamples(heads), trainer.step, args.steps, args.batch, args.workers):
        portrait, ray_depth = portrait.to(device), ray_depth.to(device)
        with mixed_precision(device):
            predicted = model(portrait)
        loss, values = depth_loss(predicted, ray_depth, portrait[:, 3])
        norm = trainer.update(loss, values)
        if not trainer.record(norm, args.log_every, args.evaluate_every, measured, heads=len(heads)):
            break


if __name__ == "__main__":
    main()
