"""What a folder of the released layout holds (kit 2): `mvdiffusion/pipeckpts/`, a diffusers pipeline, and `gslrm/*.pt`."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from ..cameras import VIEW_NAMES, ViewRig, view_rig
from ..errors import WeightsError
from .cache import cache_folder, derived, first_line, stamp

PIPELINE = "mvdiffusion/pipeckpts"
SETTINGS = "settings.json"  # beside the two models; only trainings of ours write one
PROMPT = "a rendering image of 3D models, {} view, color map."  # kit 3.6


@dataclass(frozen=True)
class Release:
    """A pinned Hub revision. files: name -> {"bytes": size, "sha256": hash or None}."""

    repo: str
    revision: str
    licence: str
    files: dict[str, dict]
    prompt_fingerprint: dict = field(default_factory=dict)


def openfacelift() -> Release:
    """The released weights, as `released_files.json` pins them."""
    table = json.loads(Path(__file__).with_name("released_files.json").read_text())
    return Release(table["repo"], table["revision"], table["licence"], table["files"], table["prompt_fingerprint"])


def rig_of(folder: Path) -> str:
    """Which views the weights make, of `cameras.RIGS`: six, unless the folder's settings.json says otherwise. Raises WeightsError."""
    file = Path(folder) / SETTINGS
    if not file.is_file():
        return "six"
    try:
        rig = json.loads(file.read_text())["rig"]
        view_rig(rig)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{file} does not say which views the weights make: {error}") from error
    return rig


def require_layout(folder: Path) -> None:
    """Raises WeightsError that names what is missing."""
    optional: tuple[str, ...] = ("LICENSE", "model_index.json", "special_tokens_map.json")
    if any(folder.rglob("clr_embeds.pt")):
        optional += ("text_encoder/", "tokenizer/")
    names = [n for n in openfacelift().files if n.startswith(PIPELINE) and not any(part in n for part in optional)]
    missing = [n for n in names if not (folder / n).is_file()]
    if missing:
        more = f" and {len(missing) - 1} more files" if len(missing) > 1 else ""
        raise WeightsError(f"{folder} is not complete: {missing[0]}{more} is missing.")
    checkpoints(folder)


def checkpoints(folder: Path) -> list[Path]:
    """The reconstructor's checkpoints by name, the newest last. Raises WeightsError."""
    found = sorted((folder / "gslrm").glob("*.pt"))
    if not found:
        raise WeightsError(f"{folder} is not complete: gslrm/ holds no .pt checkpoint.")
    return found


def _unpickle(path: Path):
    """Data only: a checkpoint that would run code is refused."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # a damaged file may fail anywhere in the unpickler
        raise WeightsError(f"{path} cannot be read as a PyTorch file of tensors: {first_line(error)}") from error


def gslrm_state_dict(folder: Path) -> dict[str, Tensor]:
    """The reconstructor's tensors of a folder of the released layout, without the optimizer and the loss network.

    The checkpoint is a pickle that holds the optimizer too: it is read once, as data only, and kept as safetensors.
    Where a folder holds several checkpoints, the last by name is taken. Raises WeightsError.
    """
    checkpoint = checkpoints(Path(folder))[-1]

    def convert() -> dict[str, Tensor]:
        content = _unpickle(checkpoint)
        if not isinstance(content, dict) or not isinstance(content.get("model"), dict):
            raise WeightsError(f'{checkpoint} is not a GS-LRM checkpoint: it has no "model".')
        state = content["model"]
        return {key: value.contiguous() for key, value in state.items() if not key.startswith("loss_calculator.")}

    return derived(cache_folder(folder) / "gslrm.safetensors", f"{checkpoint.name} {stamp(checkpoint)}", convert)


def prompt_embeddings(folder: Path) -> Tensor:
    """The fixed text conditioning of the folder's views (kit 3.6). Shape (V, 77, D), float16.

    From `clr_embeds.pt` if the folder holds one, else from its own text encoder, once. Raises WeightsError.
    """
    folder = Path(folder)
    name = rig_of(folder)
    rig = view_rig(name)
    ready = sorted(folder.rglob("clr_embeds.pt"))
    if ready:
        embeddings = _unpickle(ready[0])
        if not isinstance(embeddings, Tensor) or embeddings.shape[:2] != (len(rig), 77):
            raise WeightsError(f"{ready[0]} does not hold {len(rig)} prompt embeddings of 77 tokens.")
        return embeddings.half()
    source = stamp(folder / PIPELINE / "text_encoder" / "model.safetensors") + ("" if name == "six" else f" {name}")
    return derived(cache_folder(folder) / "prompts.safetensors", source, lambda: {"prompts": _encode_prompts(folder, rig)})["prompts"]


@torch.no_grad()
def _encode_prompts(folder: Path, rig: ViewRig) -> Tensor:
    from transformers import CLIPTextModel, CLIPTokenizer

    tokenizer = CLIPTokenizer.from_pretrained(folder / PIPELINE / "tokenizer", local_files_only=True)
    loaded: tuple[CLIPTextModel, dict] = CLIPTextModel.from_pretrained(  # type: ignore[assignment]  # a pair, with loading info
        folder / PIPELINE / "text_encoder", dtype=torch.float32, local_files_only=True, output_loading_info=True
    )
    encoder, info = loaded
    if info["missing_keys"]:
        raise WeightsError(f"The text encoder in {folder} lacks {len(info['missing_keys'])} tensors.")

    def encode(names: tuple[str, ...], pad: int) -> Tensor:
        ids = [tokenizer(PROMPT.format(name), truncation=True, max_length=77)["input_ids"] for name in names]
        padded = torch.tensor([row + [pad] * (77 - len(row)) for row in ids])
        return encoder(padded)[0].half()

    release = openfacelift()
    # The tokenizer files of SD 2.1 disagree about the pad token, and their readers about which file wins: the fingerprint decides.
    pads = dict.fromkeys([tokenizer.pad_token_id, tokenizer.convert_tokens_to_ids("!"), tokenizer.eos_token_id])
    for pad in pads:
        if matches_fingerprint(encode(VIEW_NAMES, pad), release.prompt_fingerprint):
            return encode(rig.names, pad)
    if folder.name == release.revision:
        raise WeightsError(
            "The prompt embeddings computed from the released text encoder differ from the recorded ones: "
            "put the official clr_embeds.pt into a local copy of the weights and use that folder."
        )
    return encode(rig.names, tokenizer.pad_token_id)  # other weights have other embeddings


def matches_fingerprint(embeddings: Tensor, fingerprint: dict) -> bool:
    """Whether (6, 77, D) embeddings are the ones the release was trained with, up to half precision."""
    embeddings = embeddings.float()
    norms, start = torch.tensor(fingerprint["norms"]), torch.tensor(fingerprint["start"])
    differs = (embeddings[1:] - embeddings[:1]).abs().amax(2) > 1e-2
    return (
        torch.allclose(embeddings.flatten(1).norm(dim=1), norms, rtol=1e-3)
        and torch.allclose(embeddings[0, 0, : len(start)], start, atol=5e-3)
        and [int(row.int().argmax()) for row in differs] == fingerprint["first_different_token"]
    )
