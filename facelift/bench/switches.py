"""Ours with one switch off at a time: what each is worth, and what it changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ..multiview.pipeline import MultiViewPipeline
from ..stock import AttnProcessor2_0, BasicTransformerBlock, UNet2DConditionModel
from .models import VIEWS, System, converted
from .naive import DoubledFront, PlainLayout


class ProjectedTwice:
    """Keys and values of the concatenated tokens, so that the front view's are made once a view."""

    def __call__(self, attn, hidden_states: Tensor, encoder_hidden_states=None, attention_mask=None, temb=None) -> Tensor:
        bv, n, c = hidden_states.shape
        front = hidden_states.view(bv // VIEWS, VIEWS, n, c)[:, :1].expand(-1, VIEWS, -1, -1).reshape(bv, n, c)
        context = torch.cat([front, hidden_states], 1)

        def split(t: Tensor) -> Tensor:
            return t.view(bv, t.shape[1], attn.heads, -1).transpose(1, 2)

        out = F.scaled_dot_product_attention(split(attn.to_q(hidden_states)), split(attn.to_k(context)), split(attn.to_v(context)))
        return attn.to_out[1](attn.to_out[0](out.transpose(1, 2).reshape(bv, n, -1)))


def blocks(unet: UNet2DConditionModel) -> Iterator[BasicTransformerBlock]:
    return (module for module in unet.modules() if isinstance(module, BasicTransformerBlock))


def front_twice(unet: UNet2DConditionModel) -> None:
    for block in blocks(unet):
        block.attn1.set_processor(DoubledFront())  # type: ignore[arg-type]  # takes any callable


def keys_twice(unet: UNet2DConditionModel) -> None:
    for block in blocks(unet):
        block.attn1.set_processor(ProjectedTwice())  # type: ignore[arg-type]


def text_each_step(unet: UNet2DConditionModel) -> None:
    for block in blocks(unet):
        assert block.attn2 is not None
        block.attn2.set_processor(AttnProcessor2_0())  # type: ignore[arg-type]


SWITCHES: dict[str, Callable[[UNet2DConditionModel], None]] = {
    "the front view attending once": front_twice,
    "keys made once a token": keys_twice,
    "text keys made once": text_each_step,
}


def without(system: System, original: System) -> dict[str, System]:
    """Systems of the same weights by the switch that is off. original: in fp32, as it was made."""
    old, made = system.multiview, {}

    def with_unet(unet: UNet2DConditionModel, kind: type[MultiViewPipeline] = MultiViewPipeline) -> System:
        return replace(system, multiview=kind(unet, old.scheduler, old.codec, old.conditioner, old.prompt_embeds, old.config))

    for name, change in SWITCHES.items():
        unet = converted(old.unet, system.dtype)
        change(unet)
        made[name] = with_unet(unet)
    made["channels last"] = with_unet(converted(original.multiview.unet, system.dtype), PlainLayout)
    return made
