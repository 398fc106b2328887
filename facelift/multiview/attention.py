"""Self-attention across views, as a processor on the `attn1` layers of a stock diffusers UNet."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from diffusers.models import UNet2DConditionModel
from diffusers.models.attention import BasicTransformerBlock
from torch import Tensor

ViewAttention = Literal["sparse", "dense", "none"]


class MultiViewAttnProcessor:
    """Lets the tokens of a view see other views of the same sample.

    The batch is (samples * views), views innermost. Queries are a view's own tokens. Keys and values are
    sparse: [tokens of view 0, own tokens], so view 0 sees itself twice, which equals plain self-attention (kit 3.3);
    dense: the tokens of all views.
    """

    def __init__(self, num_views: int, mode: ViewAttention = "sparse"):
        self.num_views = num_views
        self.mode = mode

    def __call__(self, attn, hidden_states: Tensor, encoder_hidden_states=None, attention_mask=None, temb=None) -> Tensor:
        bv, n, c = hidden_states.shape
        v, heads = self.num_views, attn.heads
        if self.mode == "dense":
            x = context = hidden_states.view(bv // v, v * n, c)
        else:
            x = hidden_states
            front = hidden_states.view(bv // v, v, n, c)[:, :1].expand(-1, v, -1, -1).reshape(bv, n, c)
            context = torch.cat([front, hidden_states], 1)

        def split(t: Tensor) -> Tensor:
            return t.view(t.shape[0], t.shape[1], heads, -1).transpose(1, 2)  # (B, heads, N, C / heads)

        out = F.scaled_dot_product_attention(split(attn.to_q(x)), split(attn.to_k(context)), split(attn.to_v(context)))
        out = out.transpose(1, 2).reshape(bv, n, -1)
        return attn.to_out[1](attn.to_out[0](out))


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
