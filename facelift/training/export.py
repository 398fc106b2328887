"""Writes a compact weight folder (fp16 safetensors) from three training runs.

python -m facelift.training.export --depth runs/depth --views runs/views --reconstructor runs/rendered --out weights/compact --steps 1
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import save_file

from ..front_priority import FrontPriority
from ..gaussians import FilterPreset
from ..unet_reconstructor import UNetReconstructorConfig
from .start import reconstructor_weights, view_weights, widths
from .views import CompactViewModel, compact_scheduler, load_depth


def half(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {key: value.detach().contiguous().half() for key, value in state.items()}


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--depth", type=Path, required=True, help="run of facelift.training.depth")
    parser.add_argument("--views", type=Path, required=True, help="run of facelift.training.views")
    parser.add_argument("--reconstructor", type=Path, required=True, help="run of facelift.training.reconstructor")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1, help="denoising steps the set asks for by default")
    args = parser.parse_args(argv)

    load_depth(args.depth).unet.half().save_pretrained(args.out / "multiview" / "depth")

    weights = view_weights(args.views)
    model = CompactViewModel(widths(weights))
    model.load_state_dict(weights)
    for name in ("multiview/unet", "reconstructor"):
        (args.out / name).mkdir(parents=True, exist_ok=True)
    save_file(half(model.unet.state_dict()), args.out / "multiview" / "unet" / "diffusion_pytorch_model.safetensors")
    unet_config = {k: v for k, v in dict(model.unet.config).items() if not k.startswith("_")}
    unet_config |= {"num_views": 6, "multiview_attention": True, "sparse_mv_attention": True}
    (args.out / "multiview" / "unet" / "config.json").write_text(json.dumps(unet_config, indent=2) + "\n")
    save_file({"prompt_embeds": model.prompt_embeds.detach().contiguous()}, args.out / "multiview" / "prompt_embeds.safetensors")
    compact_scheduler().save_pretrained(args.out / "multiview" / "scheduler")

    weights = reconstructor_weights(args.reconstructor)
    save_file(half(weights), args.out / "reconstructor" / "model.safetensors")
    config = UNetReconstructorConfig(channels=widths(weights))
    settings = {
        "format": "facelift-compact",
        "licence": "Apache-2.0",
        "multiview": {
            "image_size": config.image_size,
            "steps": args.steps,
            "guidance_scale": 1.0,
            "eta": 0.0,
            "keep_portrait": True,
        },
        "reconstructor": {"type": "unet", **asdict(config)},
        "front_priority": asdict(FrontPriority()),
        "smooth_depth": 5,
        "detail": True,
        "filters": asdict(FilterPreset(corner=1.1, side=1.4, height=1.4)),  # the portrait shows shoulders beyond the release's box
    }
    (args.out / "config.json").write_text(json.dumps(settings, indent=2) + "\n")


if __name__ == "__main__":
    main()
