"""Tints of what a portrait does not show."""

from __future__ import annotations

import torch

from facelift.multiview.decoder import CLASSES
from facelift.multiview.tones import keep_tones

SIZE = 64
BLOND, BROWN = torch.tensor([0.8, 0.65, 0.4]), torch.tensor([0.5, 0.35, 0.3])


def painted(seen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Six views of hair alone: the upper half is seen by the portrait, the lower is not."""
    rgba = torch.ones(6, 4, SIZE, SIZE)
    rgba[:, :3, : SIZE // 2], rgba[:, :3, SIZE // 2 :] = (c[:, None, None] * 2 - 1 for c in (seen, BROWN))
    classes = torch.zeros(6, len(CLASSES), SIZE, SIZE)
    classes[:, CLASSES.index("hair")] = 1
    warped = rgba.clone()
    warped[:, 3, SIZE // 2 :] = -1
    return rgba, classes, warped


def test_hidden_hair_takes_the_tint_that_is_seen_and_keeps_its_light():
    before, classes, warped = painted(BLOND)
    after = keep_tones(before, classes, warped)
    assert torch.equal(after[0], before[0]) and torch.equal(after[:, 3], before[:, 3]), "the portrait's own view and all outlines stay"
    assert torch.allclose(after[:, :, : SIZE // 4], before[:, :, : SIZE // 4]), "what is seen stays"
    hidden = after[1:, :3, -SIZE // 4 :] / 2 + 0.5
    luma = torch.tensor([0.299, 0.587, 0.114])
    assert torch.allclose((hidden * luma[:, None, None]).sum(1), (BROWN * luma).sum(), atol=1e-4)
    colour, wanted = hidden.mean((0, 2, 3)), BLOND / (BLOND * luma).sum() * (BROWN * luma).sum()
    assert (colour - wanted).norm() < 0.3 * (BROWN - wanted).norm()


def test_a_black_cap_has_no_tint():
    rgba, classes, warped = painted(torch.tensor([0.02, 0.02, 0.1]))
    assert torch.equal(keep_tones(rgba, classes, warped), rgba)
