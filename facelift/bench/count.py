"""The arithmetic of a photo, counted on the meta device, where nothing is computed: it needs neither weights nor a GPU."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from ..cameras import six_views
from ..multiview.clip import ClipConditioner
from ..multiview.codec import VAECodec
from ..multiview.pipeline import seeded_noise
from ..multiview.sampling import FAST
from .measures import SEED, TIMESTEP, counted
from .models import VIEWS, Sizes, System, in_format, random_system, reconstruct_raw
from .naive import naive
from .presets import sampled


@dataclass(frozen=True)
class Counts:
    """Flops of one run. step: of the UNet, guided, all views. sampling: all steps."""

    encode: float
    step: float
    sampling: float
    decode: float
    gslrm: float

    @property
    def photo(self) -> float:
        return self.encode + self.sampling + self.decode + self.gslrm


def count(sizes: Sizes, steps: int) -> tuple[dict[str, Counts], dict[str, int]]:
    """Counts by way: naive, ours and fast. And bytes of each network's weights in fp16, GS-LRM's in fp32."""
    original = random_system(sizes, torch.device("meta"))
    ours = in_format(original, "fp32")
    with torch.inference_mode():
        found = {"naive": of_system(naive(ours, original), steps), "ours": of_system(ours, steps)}
        own, pipeline = found["ours"], ours.multiview
        few = FAST.steps or steps
        fast = counted(lambda: sampled(pipeline, ours.portrait, FAST, few, 0.0)) - own.encode - own.decode
    found["fast"] = Counts(own.encode, own.step, fast, own.decode, own.gslrm)
    assert isinstance(pipeline.conditioner, ClipConditioner) and isinstance(pipeline.codec, VAECodec)
    nets: dict[str, tuple[nn.Module, int]] = {
        "CLIP": (pipeline.conditioner.encoder, 2), "VAE": (pipeline.codec.vae, 2), "UNet": (pipeline.unet, 2),
        "GS-LRM": (ours.reconstructor, 4),
    }  # fmt: skip
    return found, {name: width * sum(p.numel() for p in net.parameters()) for name, (net, width) in nets.items()}


def of_system(system: System, steps: int) -> Counts:
    pipeline, device = system.multiview, torch.device("meta")
    draw = seeded_noise(SEED)
    condition = pipeline.encode(system.portrait, draw)
    latents, t = pipeline.prepare_latents(condition, draw), torch.tensor(TIMESTEP, device=device)
    size = pipeline.config.image_size
    images, cameras = torch.empty(VIEWS, 3, size, size, device=device), six_views(size).to(device)
    step = counted(lambda: pipeline.predict(latents, t, condition, pipeline.config.guidance_scale))
    return Counts(
        counted(lambda: pipeline.encode(system.portrait, draw)), step, steps * step, counted(lambda: pipeline.decode(latents)),
        counted(lambda: reconstruct_raw(system, images, cameras)),
    )  # fmt: skip


def table(counts: dict[str, Counts], weights: dict[str, int], steps: int) -> str:
    """Markdown."""
    labels = {
        "encode": "encode, one photo (CLIP and VAE)", "step": f"UNet, one guided step of {2 * VIEWS} samples",
        "sampling": f"UNet, all steps ({steps}; fast {FAST.steps})", "decode": f"decode, {VIEWS} views", "gslrm": "GS-LRM",
        "photo": "**a photo**",
    }  # fmt: skip
    lines = ["| TFLOP | " + " | ".join(counts) + " |", "| --- |" + " --- |" * len(counts)]
    for name, label in labels.items():
        lines.append(f"| {label} | " + " | ".join(f"{getattr(found, name) / 1e12:.4g}" for found in counts.values()) + " |")
    each = ", ".join(f"{name} {size / 2**30:.2f}" for name, size in weights.items())
    lines += ["", f"Weights in GiB (fp16, GS-LRM fp32): {each}; all {sum(weights.values()) / 2**30:.2f}."]
    return "\n".join(lines)
