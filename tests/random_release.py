"""A weight folder in the released layout at true size, filled with random numbers: for measuring memory and time, the heads are noise.

python tests/random_release.py DIR            (6 GB; also a base for facelift.training.full.views)
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from tiny_release import CHECKPOINT, KIT, write_json, write_other_parts

UNET = {"sample_size": 64, "block_out_channels": [320, 640, 1280, 1280], "attention_head_dim": [5, 10, 20, 20]}
UNET |= {"cross_attention_dim": 1024, "projection_class_embeddings_input_dim": 2048}
VAE = {"block_out_channels": [128, 256, 512, 512]}
CLIP = {"hidden_size": 1280, "intermediate_size": 5120, "projection_dim": 1024, "num_hidden_layers": 32, "num_attention_heads": 16}
CLIP |= {"image_size": 224, "patch_size": 14}
PROCESSOR = {"crop_size": {"height": 224, "width": 224}, "size": {"shortest_edge": 224}}


def random_state(shapes: dict[str, list[int]], dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Norms and `std` are one, biases zero, matrices small."""

    def values(name: str, shape: list[int]) -> torch.Tensor:
        if name.endswith("bias") or name == "mean":
            return torch.zeros(shape, dtype=dtype)
        if "norm" in name or name == "std":
            return torch.ones(shape, dtype=dtype)
        return (torch.randn(shape) * 0.02).to(dtype)

    return {name: values(name, shape) for name, shape in shapes.items()}


def random_release(folder: Path, kit: Path = KIT) -> Path:
    """Writes the folder and returns it. dtypes are those of the release."""
    torch.manual_seed(0)
    pipeline = folder / "mvdiffusion" / "pipeckpts"
    tiny = json.loads((kit / "pipeline_tiny.json").read_text())["configs"]
    shapes = json.loads((kit / "state_dict_full.json").read_text())
    unet = json.loads((kit / "unet_tiny.json").read_text())["config"] | UNET
    for name, config, file, dtype in (
        ("unet", {"_class_name": "UNetMV2DConditionModel"} | unet, "diffusion_pytorch_model", torch.float32),
        ("vae", {"_class_name": "AutoencoderKL"} | tiny["vae"] | VAE, "diffusion_pytorch_model", torch.float16),
        ("image_normalizer", {"embedding_dim": 1024}, "diffusion_pytorch_model", torch.float32),
        ("image_encoder", {"model_type": "clip_vision_model"} | tiny["image_encoder"] | CLIP, "model", torch.float16),
    ):
        write_json(pipeline / name / "config.json", config)
        save_file(random_state(shapes[name], dtype), pipeline / name / f"{file}.safetensors", {"format": "pt"})
    write_other_parts(pipeline, tiny | {"feature_extractor": tiny["feature_extractor"] | PROCESSOR}, width=1024)
    (folder / CHECKPOINT).parent.mkdir(parents=True)
    torch.save({"model": random_state(shapes["gslrm"], torch.float32)}, folder / CHECKPOINT)
    (folder / "LICENSE").write_text("Random numbers; no licence needed.\n")
    return folder


if __name__ == "__main__":
    print(random_release(Path(sys.argv[1])))
