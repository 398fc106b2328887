"""The photo's own surface, warped to the other cameras of the rig."""

from __future__ import annotations

import pytest
import torch

from facelift.cameras import rays, six_views
from facelift.multiview.codec import PixelCodec
from facelift.multiview.warping import keep_seen, warp_portrait

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
    ray_depth = -depth.clamp_min(0).sqrt()
    points = origins + (along + ray_depth)[:, None] * directions
    rgba = torch.cat([torch.where(hit[:, None], points / 2 + 0.5, torch.ones(1)), hit[:, None].float()], 1)
    return rgba, ray_depth, points


def test_what_the_front_sees_lies_where_the_other_cameras_see_it(ball):
    rgba, ray_depth, points = ball
    warped = warp_portrait(rgba[0], ray_depth[0], six_views(SIZE))
    assert torch.equal(warped[0], rgba[0])
    for view in (1, 5):  # 45 degrees: most of the ball's front is seen again
        seen = warped[view, 3] > 0
        assert seen.float().sum() > 0.5 * rgba[view, 3].sum()
        assert (seen & (rgba[view, 3] == 0)).float().mean() < 0.002
        error = (warped[view, :3] - rgba[view, :3]).abs()[:, seen & (rgba[view, 3] > 0)]
        assert error.mean() < 0.01
        assert points[view, 1][seen & (rgba[view, 3] > 0)].max() < 0.05  # only the half that faces -y, the photo's side


def test_from_behind_the_boundary_band_lends_its_colours_and_the_face_stays_in_front(ball):
    rgba, ray_depth, _ = ball
    portrait = rgba[0].clone()
    portrait[:3] = torch.where(portrait[3:] > 0, torch.tensor([0.4, 0.2, 0.1])[:, None, None], portrait[:3])  # hair all around
    portrait[:, 2 * SIZE // 5 : 3 * SIZE // 5, 2 * SIZE // 5 : 3 * SIZE // 5] = 1.0  # and a white face
    back = warp_portrait(portrait, ray_depth[0], six_views(SIZE))[3]
    foreground = portrait[3] > 0.5
    assert (back[:3] - torch.tensor([0.4, 0.2, 0.1])[:, None, None]).abs()[:, foreground].max() < 0.05
    assert (back[3] < 0.5).all()  # suggested, not seen


def test_the_generator_keeps_what_is_seen_as_far_as_it_says_so(ball):
    rgba, ray_depth, _ = ball
    warped = PixelCodec(8).encode(warp_portrait(rgba[0], ray_depth[0], six_views(SIZE)))
    output = torch.randn(6, warped.shape[1] * 5 // 4, *warped.shape[2:])
    clean, gates = output[:, : warped.shape[1]], output[:, warped.shape[1] :]
    gates[:] = -30.0
    assert torch.allclose(keep_seen(output, warped), clean)
    gates[:] = 30.0
    kept = PixelCodec(8).decode(keep_seen(output, warped))
    foreground = rgba[0, 3] > 0.5
    assert torch.allclose(kept[0, :3, foreground], rgba[0, :3, foreground], atol=1e-3)
    unseen = keep_seen(output, warped)[3, -64:]
    assert torch.equal(unseen, clean[3, -64:])  # the outline from behind is the generator's own


def test_a_bright_rim_does_not_colour_the_back(ball):
    """Backlight on the outermost pixels: the hint of the unseen side has the hair's colour, not the light's."""
    rgba, ray_depth, _ = ball
    hair, foreground = torch.tensor([0.2, 0.15, 0.1])[:, None, None], rgba[0, 3:] > 0
    rim = foreground & (torch.nn.functional.max_pool2d(1 - rgba[:1, 3:], 5, 1, 2)[0] > 0)
    portrait = torch.cat([torch.where(rim | ~foreground, 1.0, hair), rgba[0, 3:]])
    back = warp_portrait(portrait, ray_depth[0], six_views(SIZE))[3]
    assert (back[:3] - hair).abs()[:, foreground[0]].max() < 0.05
