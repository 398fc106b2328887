"""LGM's architecture against the public file, its cameras against ours, and its Gaussians in our world, on tiny random weights."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from facelift.cameras import Cameras, orbit, six_views
from facelift.gaussians import PARTS
from facelift.reconstruction.lgm import LGM, LGM_RADIUS, LGMConfig, decode, lgm_cameras, load_lgm, seen_by_lgm, the_four
from facelift.reconstruction.pixel_gaussians import flatten_gaussians
from facelift.weights.cache import WeightsError

PUBLIC_BYTES = 830_126_160  # model_fp16_fixrot.safetensors
TINY = LGMConfig(32, (32, 64), (False, True), (64,), (True,), layers=1, heads=4)


def test_keys_and_shapes_are_those_of_the_public_file():
    """The header of a safetensors file lists every key and shape, so its size to the byte hangs on all of them."""
    with torch.device("meta"):
        state = LGM(LGMConfig()).state_dict()
    header, start = {}, 0
    for name in sorted(state):
        end = start + 2 * state[name].numel()
        header[name] = {"dtype": "F16", "shape": list(state[name].shape), "data_offsets": [start, end]}
        start = end
    text = len(json.dumps(header, separators=(",", ":")))
    assert 8 + -(-text // 8) * 8 + start == PUBLIC_BYTES
    shapes = {
        "unet.conv_in.weight": (64, 9, 3, 3),
        "unet.down_blocks.3.attns.1.attn.qkv.weight": (1536, 512),
        "unet.down_blocks.3.attns.1.attn.proj.bias": (512,),
        "unet.down_blocks.1.nets.0.shortcut.weight": (128, 64, 1, 1),
        "unet.down_blocks.4.downsample.weight": (1024, 1024, 3, 3),
        "unet.mid_block.attns.0.norm.weight": (1024,),
        "unet.mid_block.nets.1.conv2.weight": (1024, 1024, 3, 3),
        "unet.up_blocks.1.nets.2.conv1.weight": (1024, 1536, 3, 3),
        "unet.up_blocks.4.nets.2.norm1.weight": (192,),
        "unet.up_blocks.3.upsample.bias": (256,),
        "unet.norm_out.weight": (128,),
        "unet.conv_out.weight": (14, 128, 3, 3),
        "conv.weight": (14, 14, 1, 1),
    }
    assert {name: tuple(state[name].shape) for name in shapes} == shapes
    none = ("down_blocks.2.attns.0.norm.weight", "up_blocks.3.attns.0.norm.weight", "down_blocks.5.downsample.weight")
    assert not {f"unet.{name}" for name in none} & set(state)


def projected(points: torch.Tensor, cameras: Cameras) -> torch.Tensor:
    """Pixels of points (N, 3) in each camera. Shape (V, N, 2)."""
    local = torch.einsum("vij,nj->vni", cameras.viewmats[:, :3, :3], points) + cameras.viewmats[:, None, :3, 3]
    x = torch.einsum("vij,vnj->vni", cameras.Ks, local)
    return x[..., :2] / x[..., 2:]


def test_gaussians_stand_in_our_world_where_the_four_cameras_saw_them():
    """LGM says where a Gaussian is in its own world; its place in LGM's pictures must be that in ours, apart from the zoom."""
    generator = torch.Generator().manual_seed(0)
    raw = torch.randn(1, 4, 14, 8, 8, generator=generator) * 0.3
    raw[:, :, 3] += 1
    ours = six_views(256)[[0, 4, 3, 2]]
    pixel = decode(raw, ours)
    theirs = raw[:, :, :3].permute(0, 1, 3, 4, 2).reshape(-1, 3).clamp(-1, 1)
    in_lgm, in_ours = projected(theirs, lgm_cameras(256)), projected(flatten_gaussians(pixel, 1).means, ours)
    zoom = float(lgm_cameras(256).intrinsics[0, 0] / ours.intrinsics[0, 0])
    assert 1.0 < zoom < 1.03
    assert torch.allclose(in_lgm - 128, (in_ours - 128) * zoom, atol=2e-3)

    # a Gaussian's axes turn with it, and it grows with its world
    axes, before = (Rotation.from_quat(np.roll(q.numpy(), -1, -1)) for q in (pixel.quats[0, 0, 0], raw[0, 0, 7:11, 0].T))
    into = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])
    assert np.allclose(into @ axes.as_matrix(), before.as_matrix(), atol=1e-5)
    sizes = 0.1 * torch.nn.functional.softplus(raw[:, :, 4:7]).permute(0, 1, 3, 4, 2)
    assert torch.allclose(pixel.scales.exp(), sizes * 2.7 / LGM_RADIUS, rtol=1e-5)
    assert torch.allclose(pixel.opacities, raw[:, :, 3])


def test_it_picks_its_four_of_our_views_and_says_when_it_cannot():
    assert the_four(six_views()) == [0, 4, 3, 2]  # front, left, back, right
    assert the_four(orbit([90, 0, -90, 180])) == [1, 0, 3, 2]
    with pytest.raises(ValueError, match="azimuths 0, 90, 180 and 270"):
        the_four(orbit([0, 90, 180, -90], [20, 0, 0, 0]))


def test_pictures_are_zoomed_to_its_angle_of_view():
    """A ring of 100 px radius about the middle grows by the ratio of the focal lengths, whatever the size."""
    y, x = torch.meshgrid(torch.arange(256) + 0.5, torch.arange(256) + 0.5, indexing="ij")
    distance = torch.hypot(x - 128, y - 128)
    ring = torch.exp(-(((distance - 100) / 2) ** 2)).expand(1, 1, 3, 256, 256)
    seen = seen_by_lgm(ring, six_views(256)[0], 128)[0, 0, 0]
    y, x = torch.meshgrid(torch.arange(128) + 0.5, torch.arange(128) + 0.5, indexing="ij")
    radius = (torch.hypot(x - 64, y - 64) * seen).sum() / seen.sum()
    expected = 50 * float(lgm_cameras(256).intrinsics[0, 0] / six_views(256).intrinsics[0, 0])
    assert float(radius) == pytest.approx(expected, abs=0.1)


def test_tiny_model_behind_the_interface():
    """Gaussians as GS-LRM returns them; every view is seen by every other, and views 1 and 5 of the six by none."""
    torch.manual_seed(0)
    model, cameras = LGM(TINY).eval(), six_views(64)
    images = torch.rand(1, 6, 4, 64, 64)
    made = model.reconstruct(images[0], cameras)
    pixel, gaussians = made.pixel, made.gaussians()
    assert len(made.free) == 0 and pixel.means.shape == (1, 4, 16, 16, 3) and pixel.ray_depth.shape == (1, 4, 16, 16)
    assert len(gaussians) == 4 * 16 * 16 and all(torch.isfinite(getattr(gaussians, name)).all() for name in PARTS)
    for view, matters in ((1, False), (3, True)):
        changed = images.clone()
        changed[:, view] = 1 - changed[:, view]
        moved = model.reconstruct(changed[0], cameras).pixel.means
        assert torch.equal(moved[:, 0], pixel.means[:, 0]) != matters


def test_weights_that_cannot_be_had_are_one_sentence(monkeypatch):
    monkeypatch.setattr("facelift.reconstruction.lgm.REPO", "nobody/nothing-of-this-name")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError) as error:
        load_lgm(torch.device("cpu"))
    assert "LGM's weights are not here" in str(error.value) and "\n" not in str(error.value)
