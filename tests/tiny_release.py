"""A weight folder in the released layout with the kit's tiny random weights, for tests that need one from end to end."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

KIT = Path(__file__).parent / "reference"
CHECKPOINT = "gslrm/ckpt_0000000000021125.pt"


def tiny_release(folder: Path, kit: Path = KIT) -> Path:
    """Writes the folder and returns it. dtypes are those of the release: UNet and GS-LRM fp32, the others fp16."""
    pipeline = folder / "mvdiffusion" / "pipeckpts"
    recorded = json.loads((kit / "pipeline_tiny.json").read_text())["configs"]
    unet = json.loads((kit / "unet_tiny.json").read_text())["config"]
    names = ("unet", "vae", "image_encoder", "image_normalizer", "gslrm")
    state = {name: load_file(kit / f"{name}_tiny_state.safetensors") for name in names}
    for name, class_name, config, dtype in (
        ("unet", "UNetMV2DConditionModel", unet, torch.float32),
        ("vae", "AutoencoderKL", recorded["vae"], torch.float16),
        ("image_normalizer", "StableUnCLIPImageNormalizer", recorded["image_normalizer"], torch.float32),
    ):
        write_json(pipeline / name / "config.json", {"_class_name": class_name, "_diffusers_version": "0.30.3"} | config)
        save_file({k: v.to(dtype) for k, v in state[name].items()}, pipeline / name / "diffusion_pytorch_model.safetensors")
    encoder = {"architectures": ["CLIPVisionModelWithProjection"], "model_type": "clip_vision_model"} | recorded["image_encoder"]
    write_json(pipeline / "image_encoder" / "config.json", encoder)
    save_file({k: v.half() for k, v in state["image_encoder"].items()}, pipeline / "image_encoder" / "model.safetensors", {"format": "pt"})
    write_other_parts(pipeline, recorded, width=unet["cross_attention_dim"])
    write_checkpoint(folder / CHECKPOINT, state["gslrm"])
    transformer = json.loads((kit / "gslrm_tiny.json").read_text())["config"]["model"]["transformer"]
    write_json(folder / "gslrm" / "config.json", {"head_width": transformer["d_head"]})  # the release's 64 needs no such file
    (folder / "LICENSE").write_text("Random numbers; no licence needed.\n")
    return folder


def write_json(path: Path, content) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1))


def write_other_parts(pipeline: Path, configs: dict, width: int) -> None:
    """What the system reads but the UNet, the VAE, the image encoder and its normalizer. width: of the text encoder."""
    scheduler = {"_class_name": "DDIMScheduler"} | configs["scheduler"]
    noising = {"_class_name": "DDPMScheduler"} | configs["image_noising_scheduler"]
    write_json(pipeline / "scheduler" / "scheduler_config.json", scheduler)
    write_json(pipeline / "image_noising_scheduler" / "scheduler_config.json", noising)
    write_json(pipeline / "feature_extractor" / "preprocessor_config.json", configs["feature_extractor"])
    write_text_encoder(pipeline, width)
    write_json(pipeline / "model_index.json", model_index())


def write_text_encoder(pipeline: Path, width: int) -> None:
    """A random CLIP text encoder with the release's key names, and a tokenizer that knows single letters."""
    from transformers import CLIPTextConfig, CLIPTextModel

    letters = [chr(c) for c in range(33, 127)]
    words = letters + [letter + "</w>" for letter in letters] + ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: i for i, word in enumerate(words)}
    folder = pipeline / "tokenizer"
    write_json(folder / "vocab.json", vocabulary)
    (folder / "merges.txt").write_text("#version: 0.2\n")
    special = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "pad_token": "!", "unk_token": "<|endoftext|>"}
    write_json(folder / "special_tokens_map.json", special)
    write_json(folder / "tokenizer_config.json", special | {"model_max_length": 77, "tokenizer_class": "CLIPTokenizer"})

    torch.manual_seed(0)
    config = CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=2,
        hidden_act="gelu",
        bos_token_id=vocabulary["<|startoftext|>"],
        eos_token_id=vocabulary["<|endoftext|>"],
        pad_token_id=0,
    )
    state = {f"text_model.{key.removeprefix('text_model.')}": value for key, value in CLIPTextModel(config).state_dict().items()}
    state = {key: value.half().contiguous() for key, value in state.items() if not key.endswith("position_ids")}
    write_json(pipeline / "text_encoder" / "config.json", config.to_dict() | {"architectures": ["CLIPTextModel"]})
    save_file(state, pipeline / "text_encoder" / "model.safetensors", {"format": "pt"})


def model_index() -> dict:
    components = {
        "feature_extractor": ["transformers", "CLIPImageProcessor"],
        "image_encoder": ["transformers", "CLIPVisionModelWithProjection"],
        "image_noising_scheduler": ["diffusers", "DDPMScheduler"],
        "image_normalizer": ["stable_diffusion", "StableUnCLIPImageNormalizer"],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["mvdiffusion.models.unet_mv2d_condition", "UNetMV2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    return {"_class_name": "StableUnCLIPImg2ImgPipeline", "_diffusers_version": "0.30.3"} | components


def write_checkpoint(path: Path, model: dict) -> None:
    """As training saves it: the loss network among the weights, the optimizer and the counters beside them."""
    loss = {f"loss_calculator.perceptual_loss_module.net.conv{i}.weight": torch.zeros(2, 2) for i in range(1, 17)}
    parameters = [torch.nn.Parameter(value.clone()) for value in model.values()]
    optimizer = torch.optim.AdamW(parameters, lr=1e-4)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)
    content = {
        "model": model | loss,
        "optimizer": optimizer.state_dict(),
        "lr_scheduler": schedule.state_dict(),
        "fwdbwd_pass_step": 21125,
        "param_update_step": 21125,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, path)
