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

from ..cameras import view_rig
from ..front_priority import FrontPriority
from ..gaussians import FilterPreset
from ..unet_reconstructor import UNetReconstructorConfig
from .start import reconstructor_weights, run_settings, widths
from .views import compact_scheduler, load_depth, load_views


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

    made, used = run_settings(args.views), run_settings(args.reconstructor)
    if any(made[key] != used[key] for key in ("rig", "image_size")):
        raise SystemExit(f"the views were trained as {made}, the reconstructor as {used}: they do not go together")
    rig, size = view_rig(made["rig"]), made["image_size"]

    load_depth(args.depth).unet.half().save_pretrained(args.out / "multiview" / "depth")

    model = load_views(args.views)
    for name in ("multiview/unet", "reconstructor"):
        (args.out / name).mkdir(parents=True, exist_ok=True)
    save_file(half(model.unet.state_dict()), args.out / "multiview" / "unet" / "diffusion_pytorch_model.safetensors")
    unet_config = {k: v for k, v in dict(model.unet.config).items() if not k.startswith("_")}
    attention = made["attention"]
    unet_config |= {"num_views": len(rig), "multiview_attention": attention != "none", "sparse_mv_attention": attention == "sparse"}
    (args.out / "multiview" / "unet" / "config.json").write_text(json.dumps(unet_config, indent=2) + "\n")
    save_file({"prompt_embeds": model.prompt_embeds.detach().contiguous()}, args.out / "multiview" / "prompt_embeds.safetensors")
    compact_scheduler().save_pretrained(args.out / "multiview" / "scheduler")

    weights = reconstructor_weights(args.reconstructor)
    save_file(half(weights), args.out / "reconstructor" / "model.safetensors")
    config = UNetReconstructorConfig(channels=widths(weights), image_size=size, num_views=len(rig))
    photo = rig.starts_with_photo  # the switches that let the photo win need its own view
    settings = {
        "format": "facelift-compact",
        "licence": "Apache-2.0",
        "rig": made["rig"],
        "multiview": {
            "image_size": config.image_size,
            "steps": args.steps,
            "guidance_scale": 1.0,
            "eta": 0.0,
            "keep_portrait": photo,
        },
        "reconstructor": {"type": "unet", **asdict(config)},
        "front_priority": asdict(FrontPriority()) if photo else None,
        "smooth_depth": 5 if photo else 0,
        "detail": photo,
        "filters": asdict(FilterPreset(corner=1.1, side=1.4, height=1.4)),  # the portrait shows shoulders beyond the release's box
    }
    (args.out / "config.json").write_text(json.dumps(settings, indent=2) + "\n")


if __name__ == "__main__":
    main()
