"""Attention of a stock diffusers UNet: across views, on its `attn1` layers, and to a text that stays the same, on `attn2`."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ..stock import BasicTransformerBlock, UNet2DConditionModel

ViewAttention = Literal["sparse", "dense", "none"]


class MultiViewAttnProcessor:
    """Lets the tokens of a view see other views of the same sample.

    The batch is (samples * views), views innermost. Queries are a view's own tokens. Keys and values are
    sparse: [tokens of view 0, own tokens]; view 0 would see itself twice, which equals plain self-attention (kit 3.3) and is done as such;
    dense: the tokens of all views.
    """

    def __init__(self, num_views: int, mode: ViewAttention = "sparse"):
        self.num_views = num_views
        self.mode = mode

    def __call__(self, attn, hidden_states: Tensor, encoder_hidden_states=None, attention_mask=None, temb=None) -> Tensor:
        bv, n, _ = hidden_states.shape
        v, heads = self.num_views, attn.heads

        def views(t: Tensor) -> Tensor:
            return t.view(bv // v, v, n, heads, -1).transpose(2, 3)  # (samples, views, heads, N, C / heads)

        projected = attn.to_q(hidden_states), attn.to_k(hidden_states), attn.to_v(hidden_states)  # each token once
        if self.mode == "dense":
            queries, keys, values = (t.view(bv // v, v * n, heads, -1).transpose(1, 2) for t in projected)
            out = F.scaled_dot_product_attention(queries, keys, values).transpose(1, 2)
        else:
            q, k, values = (views(t) for t in projected)
            front = _attend(q[:, :1], k[:, :1], values[:, :1])
            others = _attend(q[:, 1:], _behind_front(k), _behind_front(values))
            out = torch.cat([front, others], 1).transpose(2, 3)
        return attn.to_out[1](attn.to_out[0](out.reshape(bv, n, -1)))


class KnownTextAttnProcessor:
    """Attention to a text: keys and values are made once and serve as long as the very same tensor comes, that is for every step.

    Two texts are known at a time: that of both halves of guidance, and that of the conditional half alone.
    Only for a network whose weights do not change. Text has one row a sample.
    """

    def __init__(self) -> None:
        self._known: list[tuple[Tensor, Tensor, Tensor]] = []  # text, keys, values

    def __call__(self, attn, hidden_states: Tensor, encoder_hidden_states: Tensor, attention_mask=None, temb=None) -> Tensor:
        def split(t: Tensor) -> Tensor:
            return t.unflatten(2, (attn.heads, -1)).transpose(1, 2)  # (B, heads, N, C / heads)

        known = next((known for known in self._known if known[0] is encoder_hidden_states), None)
        if known is None:
            keys, values = (split(to(encoder_hidden_states)) for to in (attn.to_k, attn.to_v))
            known = (encoder_hidden_states, keys, values)
            self._known = [*self._known[-1:], known]
        out = F.scaled_dot_product_attention(split(attn.to_q(hidden_states)), known[1], known[2])
        return attn.to_out[1](attn.to_out[0](out.transpose(1, 2).flatten(2)))


def _behind_front(t: Tensor) -> Tensor:
    """Of each view but the first: [view 0's, its own]. Shape (samples, views, heads, N, C) to (samples, views - 1, heads, 2 N, C)."""
    return torch.cat([t[:, :1].expand(-1, t.shape[1] - 1, -1, -1, -1), t[:, 1:]], 3)


def _attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Each view of each sample alone. Shape (samples, views, heads, N, C)."""
    return F.scaled_dot_product_attention(q.flatten(0, 1), k.flatten(0, 1), v.flatten(0, 1)).unflatten(0, q.shape[:2])


def set_view_attention(unet: UNet2DConditionModel, num_views: int, mode: ViewAttention = "sparse") -> UNet2DConditionModel:
    """Replaces the self-attention of every transformer block in place; weights and keys stay as they are.

    num_views: views of a sample, innermost in the batch.
    mode: as of `MultiViewAttnProcessor`; "none" changes nothing.
    """
    if mode == "none":
        return unet
    for module in unet.modules():
        if isinstance(module, BasicTransformerBlock):
            module.attn1.set_processor(MultiViewAttnProcessor(num_views, mode))  # type: ignore[arg-type]  # takes any callable
    return unet


def know_text(unet: UNet2DConditionModel) -> UNet2DConditionModel:
    """Has every transformer block keep the keys and values of its text, in place; see `KnownTextAttnProcessor`."""
    for module in unet.modules():
        if isinstance(module, BasicTransformerBlock):
            assert module.attn2 is not None
            module.attn2.set_processor(KnownTextAttnProcessor())  # type: ignore[arg-type]  # takes any callable
    return unet
