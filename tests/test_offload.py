"""Offload: of the released networks one at a time is on the device, and the head is the same."""

from __future__ import annotations

import pytest
import torch
from PIL import Image
from tiny_release import tiny_release

from facelift import FaceLiftPipeline
from facelift.devices import Offload
from facelift.errors import SettingsError
from facelift.multiview.released import offload
from facelift.portrait import Portrait


class Device(Offload):
    """Another device in all but speed: what is on it is a copy, marked by where it lies."""

    def __init__(self):
        super().__init__(torch.device("cpu"))
        self.copies: set[int] = set()

    def put(self, values: torch.Tensor) -> torch.Tensor:
        copy = values.clone()
        self.copies.add(copy.data_ptr())
        return copy


def test_one_network_at_a_time_is_on_the_device(tmp_path):
    folder = tiny_release(tmp_path)
    pipe = FaceLiftPipeline.from_pretrained(folder, device="cpu")
    portrait = Portrait(Image.new("RGB", (512, 512), "white"), Image.new("L", (512, 512), 255), None, (), "none", None)
    expected = pipe.make_views(portrait, steps=1).views
    multiview, device = pipe.multiview, Device()
    networks = {
        "clip": multiview.conditioner.encoder, "vae": multiview.codec.vae, "unet": multiview.unet, "gslrm": pipe.reconstructor,
    }  # fmt: skip
    offload(multiview, pipe.reconstructor, device)
    order: list[str] = []
    strangers: set[str] = set()

    def on_device() -> list[str]:
        return [name for name, net in networks.items() if any(p.data_ptr() in device.copies for p in net.parameters())]

    def called(name: str) -> None:
        order.append(name)
        strangers.update(set(on_device()) ^ {name})

    for name, net in networks.items():
        for module in (net, *net.children()):
            module.register_forward_pre_hook(lambda *_, name=name: called(name))
    views = pipe.make_views(portrait, steps=1).views
    pipe.reconstruct(views)
    torch.testing.assert_close(views, expected, atol=1e-5, rtol=0)  # memory aligned otherwise may round otherwise
    assert not strangers
    assert [name for i, name in enumerate(order) if i == 0 or order[i - 1] != name] == ["clip", "vae", "unet", "vae", "gslrm"]
    device.clear()
    assert on_device() == []


def test_small_weights_are_not_offloaded():
    with pytest.raises(SettingsError, match="leave it out"):
        FaceLiftPipeline.from_pretrained("compact", device="cpu", offload=True)
