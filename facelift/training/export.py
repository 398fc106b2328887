"""Writes a compact weight folder (fp16 safetensors) from three training runs.

python -m facelift.training.export --depth runs/depth --views runs/views --reconstructor runs/rendered --out weights/compact --steps 1
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import torch

from ..cameras import view_rig
from ..gaussians import FilterPreset
from ..multiview.compact import compact_scheduler
from ..reconstruction.gslrm import GSLRMConfig
from ..reconstruction.refine import CutBust, compact_refinements, write_refinements
from ..weights.tensors import write_tensors
from .reconstructor import config_of
from .start import reconstructor_weights, run_settings, view_weights
from .views import load_depth, load_generator


def half(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {key: value.detach().contiguous().half() for key, value in state.items()}


def mean(states: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    return {key: torch.stack([state[key] for state in states]).mean(0) for key in states[0]}


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--depth", type=Path, required=True, help="run of facelift.training.depth")
    several = ", or several that began with the same weights, of which the mean is taken"
    parser.add_argument("--views", type=Path, required=True, nargs="+", help=f"run of facelift.training.views{several}")
    parser.add_argument("--reconstructor", type=Path, required=True, nargs="+", help=f"run of facelift.training.reconstructor{several}")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1, help="denoising steps the set asks for by default")
    parser.add_argument("--part-megabytes", type=int, help="split larger files into parts of at most this")
    args = parser.parse_args(argv)

    made, used = run_settings(args.views[0]), run_settings(args.reconstructor[0])
    if any(made[key] != used[key] for key in ("rig", "image_size")):
        raise SystemExit(f"the views were trained as {made}, the reconstructor as {used}: they do not go together")
    rig, size = view_rig(made["rig"]), made["image_size"]

    depth, unet_folder = args.out / "multiview" / "depth", args.out / "multiview" / "unet"
    load_depth(args.depth).unet.half().save_pretrained(depth, max_shard_size=f"{args.part_megabytes or 10_000}MB")

    model = load_generator(args.views[0])
    model.load_state_dict(mean([view_weights(path) for path in args.views]))
    write_tensors(unet_folder / "diffusion_pytorch_model.safetensors", half(model.unet.state_dict()), args.part_megabytes)
    unet_config = {k: v for k, v in dict(model.unet.config).items() if not k.startswith("_")}
    attention = made["attention"]
    unet_config |= {"num_views": len(rig), "multiview_attention": attention != "none", "sparse_mv_attention": attention == "sparse"}
    (unet_folder / "config.json").write_text(json.dumps(unet_config, indent=2) + "\n")
    if model.decoder is not None:
        write_tensors(args.out / "multiview" / "decoder" / "model.safetensors", half(model.decoder.state_dict()), args.part_megabytes)
        sizes = json.dumps(asdict(model.decoder.config), indent=2) + "\n"
        (args.out / "multiview" / "decoder" / "config.json").write_text(sizes)
    write_tensors(args.out / "multiview" / "prompt_embeds.safetensors", {"prompt_embeds": model.prompt_embeds.detach()})
    compact_scheduler().save_pretrained(args.out / "multiview" / "scheduler")

    weights = mean([reconstructor_weights(path) for path in args.reconstructor])
    write_tensors(args.out / "reconstructor" / "model.safetensors", half(weights), args.part_megabytes)
    config = config_of(weights, size, len(rig))
    photo = rig.starts_with_photo  # the refinements need the photo's own view
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
        "reconstructor": {"type": "gslrm" if isinstance(config, GSLRMConfig) else "unet", **asdict(config)},
        "refinements": write_refinements(compact_refinements()) if photo else [],
        "finish": write_refinements([CutBust()]),
        "filters": asdict(FilterPreset(corner=1.1, side=1.4, height=1.4)),  # the portrait shows shoulders beyond the release's box
    }
    (args.out / "config.json").write_text(json.dumps(settings, indent=2) + "\n")


if __name__ == "__main__":
    main()
