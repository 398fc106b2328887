"""The photo's own surface, turned to the other cameras of the rig."""

from __future__ import annotations

import pytest
import torch

from facelift.cameras import rays, six_views
from facelift.multiview.codec import PixelCodec
from facelift.multiview.second_look import keep_seen, second_look

SIZE = 256
RADIUS = 0.6


@pytest.fixture(scope="module")
def ball():
    """A ball seen from the front, coloured by its surface point, and its true picture from all six cameras."""
    origins, directions = rays(six_views(SIZE))
    along = -(origins * directions).sum(1)
    nearest = origins + along[:, None] * directions
    depth = RADIUS**2 - nearest.square().sum(1)
    hit = depth > 0
    offset = -depth.clamp_min(0).sqrt()
    points = origins + (along + offset)[:, None] * directions
    rgba = torch.cat([torch.where(hit[:, None], points / 2 + 0.5, torch.ones(1)), hit[:, None].float()], 1)
    return rgba, offset, points


def test_what_the_front_sees_lies_where_the_other_cameras_see_it(ball):
    rgba, offset, points = ball
    turned = second_look(rgba[0], offset[0], six_views(SIZE))
    assert torch.equal(turned[0], rgba[0])
    for view in (1, 5):  # 45 degrees: most of the ball's front is seen again
        seen = turned[view, 3] > 0
        assert seen.float().sum() > 0.5 * rgba[view, 3].sum()
        assert (seen & (rgba[view, 3] == 0)).float().mean() < 0.002
        error = (turned[view, :3] - rgba[view, :3]).abs()[:, seen & (rgba[view, 3] > 0)]
        assert error.mean() < 0.01
        assert points[view, 1][seen & (rgba[view, 3] > 0)].max() < 0.05  # only the half that faces -y, the photo's side


def test_from_behind_only_the_mirrored_outline_is_suggested(ball):
    rgba, offset, _ = ball
    portrait = rgba[0].clone()
    portrait[3, :, : SIZE // 2] = 0  # half a figure
    turned = second_look(portrait, offset[0], six_views(SIZE))
    assert (turned[3, 3, :, SIZE // 2 :] == 0).all() and turned[3, 3].max() > 0
    noise = torch.randn(6, PixelCodec(8).latent_channels * 5 // 4, SIZE // 8, SIZE // 8)
    noise[:, -64:] = 20.0  # keep all that may be kept
    kept = PixelCodec(8).decode(keep_seen(noise, PixelCodec(8).encode(turned)))
    figure = portrait[3] > 0.5
    assert torch.allclose(kept[0, :3, figure], portrait[:3, figure], atol=1e-3)
    unseen = keep_seen(noise, PixelCodec(8).encode(turned))[3]
    assert torch.equal(unseen, noise[3, :-64])  # never the face on the back
