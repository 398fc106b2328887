"""Feature caching (DeepCache, arXiv 2312.00858): what the UNet's deep levels make changes slowly from step to step, and may serve twice."""

from __future__ import annotations

import torch
from torch import Tensor

from ..stock import UNet2DConditionModel

SHALLOW = 1  # levels that run in every step; all below are deep


class DeepFeatures:
    """Runs the UNet of one sampling; it keeps state.

    every: steps for which the deep levels' output serves, the one that makes it included.
    """

    def __init__(self, every: int):
        self.every, self.age = every, 0
        self.kept: Tensor | None = None

    def __call__(self, unet: UNet2DConditionModel, x: Tensor, t: Tensor, text: Tensor, labels: Tensor) -> Tensor:
        """As the UNet itself. Where guidance ends, the conditional half, which is the last one, goes on with its own features."""
        kept = self.kept
        if kept is None or self.age >= self.every or len(kept) < len(x):
            kept, self.age = None, 0
        output, self.kept = split_forward(unet, x, t, text, labels, None if kept is None else kept[-len(x) :])
        self.age += 1
        return output


def split_forward(
    unet: UNet2DConditionModel, x: Tensor, t: Tensor, text: Tensor, labels: Tensor, deep: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The stock UNet's output, and what the deep levels handed up.

    x: Shape (B, C, h, w). t: Shape (). text: Shape (B, L, D). labels: Shape (B, ...).
    deep: what they handed up before, Shape (B, channels, h, w) of the lowest shallow level; then they do not run.
    """
    emb = unet.time_embedding(unet.get_time_embed(x, t))
    classes = unet.get_class_embed(x, labels)
    emb = emb if classes is None else emb + classes
    x = unet.conv_in(x)
    skips, ups = [x], list(unet.up_blocks)

    def down(block, x: Tensor) -> Tensor:
        x, made = block(x, emb, encoder_hidden_states=text) if attends(block) else block(x, emb)
        skips.extend(made)
        return x

    def up(block, x: Tensor) -> Tensor:
        taken, skips[:] = tuple(skips[-resnets(block) :]), skips[: -resnets(block)]
        size = skips[-1].shape[2:] if skips else None
        words = {"encoder_hidden_states": text} if attends(block) else {}
        return block(x, taken, emb, upsample_size=size, **words)

    for block in unet.down_blocks[:SHALLOW]:
        x = down(block, x)
    if deep is None:
        for block in unet.down_blocks[SHALLOW:]:
            x = down(block, x)
        assert unet.mid_block is not None
        x = unet.mid_block(x, emb, encoder_hidden_states=text) if attends(unet.mid_block) else unet.mid_block(x, emb)
        for block in ups[:-SHALLOW]:
            x = up(block, x)
        deep = x
    else:
        del skips[sum(resnets(block) for block in ups[-SHALLOW:]) :]  # those of the deep levels
    x = deep
    for block in ups[-SHALLOW:]:
        x = up(block, x)
    if unet.conv_norm_out:
        x = unet.conv_act(unet.conv_norm_out(x))
    return unet.conv_out(x), deep


def resnets(block: torch.nn.Module) -> int:
    """Of an up block: each takes one skip."""
    assert isinstance(block.resnets, torch.nn.ModuleList)
    return len(block.resnets)


def attends(block: torch.nn.Module) -> bool:
    return bool(getattr(block, "has_cross_attention", False))
