"""Named weight sets: find, download and verify them.

A weight set is a folder of the released layout (see `released.py`) or one with a `config.json`.
"""

from __future__ import annotations

import errno
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

from ..errors import ResourceError, WeightsError
from ..resources import resource
from .cache import cache_folder, first_line, keep, sha256_of, stamp
from .released import PIPELINE, Release, checkpoints, gslrm_state_dict, openfacelift, prompt_embeddings, require_layout

__all__ = ["WeightSet", "WeightsError", "fetch", "gslrm_state_dict", "prompt_embeddings", "resolve", "verify"]

COMPACT = "weights/compact"  # a resource, in a clone and in what `pip install .` made of it
FORMATS = {"facelift-compact": "compact"}
REMEDY = "free space there, or set HF_HOME to another disk"
CONVERTED_BYTES = 1_300_000_000  # GS-LRM as safetensors, and the prompt embeddings


@dataclass(frozen=True)
class WeightSet:
    """name: as asked for; of "auto", what was taken. kind: which loader, "compact" or "released". note: where from and why."""

    name: str
    folder: Path
    kind: str
    licence: str
    note: str


def resolve(name: str | Path = "auto", device: str | torch.device | None = None) -> WeightSet:
    """Finds a weight set, downloading it if need be.

    name: "auto", "compact", "released", a folder, or a Hub repo id. "auto" takes the released weights where a CUDA GPU and they are
    there, else the compact ones, and says in `note` which and why.
    Raises WeightsError.
    """
    if name == "auto":
        return _auto(device)
    if name == "compact":
        return _open_folder(name, _compact(), "compact weights")
    release = openfacelift()
    if name in ("released", release.repo):
        return fetch(release)
    folder = Path(name).expanduser()
    if folder.is_dir():
        return _open_folder(str(name), folder.resolve(), f"weights from the folder {folder}")
    if re.fullmatch(r"[A-Za-z0-9][\w.-]*/[\w.-]+", str(name)):
        return _open_folder(str(name), _snapshot(str(name)), f"weights from the Hub repo {name}")
    raise WeightsError(f"There is no weight set, folder or Hub repo called {name!r}: use auto, compact, released, a folder or owner/name.")


def _compact() -> Path:
    try:
        return resource(COMPACT)
    except ResourceError as error:
        raise WeightsError(f"The compact weights are not installed: {error}") from error


def _auto(device) -> WeightSet:
    cuda = torch.cuda.is_available() and (device in (None, "auto") or torch.device(device).type == "cuda")
    if not cuda:
        return _because(resolve("compact"), "no CUDA GPU in use")
    try:
        return _because(resolve("released"), "a CUDA GPU is there")
    except WeightsError as error:
        return _because(resolve("compact"), f"the released weights are not available: {error}")


def _because(weights: WeightSet, reason: str) -> WeightSet:
    return replace(weights, note=f"{weights.note} (chosen by auto: {reason})")


def fetch(release: Release) -> WeightSet:
    """Downloads what the cache lacks, file by file, and checks the SHA-256 sums once. Raises WeightsError."""
    from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache

    def cached(name: str) -> bool:
        return isinstance(try_to_load_from_cache(release.repo, name, revision=release.revision), str)

    missing = [name for name in release.files if not cached(name)]
    if missing and not constants.is_offline_mode():
        needed = sum(release.files[name]["bytes"] for name in missing) + CONVERTED_BYTES
        _require_space(Path(constants.HF_HUB_CACHE), needed)
    for name in release.files:
        path = _download(release.repo, name, partial(hf_hub_download, release.repo, name, revision=release.revision))
    folder = Path(path).parents[len(Path(name).parts) - 1]
    verify(release, folder)
    note = f"released weights {release.repo}, revision {release.revision[:8]}, SHA-256 verified"
    return WeightSet("released", folder, "released", release.licence, note)


def verify(release: Release, folder: Path) -> None:
    """Compares the SHA-256 sums. A file is hashed again only when its size or time has changed. Raises WeightsError."""
    record = cache_folder(folder) / "verified.json"
    seen = json.loads(record.read_text()) if record.is_file() else {}
    now = {}
    for name, entry in release.files.items():
        if entry["sha256"] is None:
            continue
        now[name] = f"{entry['sha256']} {stamp(folder / name)}"
        if seen.get(name) != now[name] and sha256_of(folder / name) != entry["sha256"]:
            raise WeightsError(
                f"{name} is not the released file, its SHA-256 differs: delete {(folder / name).resolve()} and try again, "
                "or give the folder itself as weights to use it unverified."
            )
    if now != seen:
        keep(record, lambda path: path.write_text(json.dumps(now, indent=1)))


def _open_folder(name: str, folder: Path, note: str) -> WeightSet:
    """A folder as it is, told by its config.json or by the released layout."""
    config = folder / "config.json"
    if config.is_file():
        try:
            settings = json.loads(config.read_text())
            kind = FORMATS[settings["format"]]
        except (ValueError, KeyError, TypeError) as error:
            raise WeightsError(f'{config} is not the config of a weight set: "format" must be one of {", ".join(FORMATS)}.') from error
        licence = settings.get("licence") or settings.get("license") or "see the README.md of the weights"
        return WeightSet(name, folder, kind, licence, note)
    if not (folder / "mvdiffusion").is_dir():
        raise WeightsError(f"{folder} holds no weights: neither a config.json nor {PIPELINE}/ and gslrm/.")
    require_layout(folder)
    note += f", of the released layout, hashes not verified (it may be a fine-tune), reconstructor {checkpoints(folder)[-1].name}"
    return WeightSet(name, folder, "released", openfacelift().licence, note)


def _snapshot(repo: str) -> Path:
    from huggingface_hub import snapshot_download

    patterns = ["*.json", "*.safetensors", "*.txt", "*.md", "LICENSE*", "gslrm/*.pt", "*clr_embeds.pt"]
    return Path(_download(repo, "its files", lambda: snapshot_download(repo, allow_patterns=patterns)))


def _download(repo: str, what: str, download: Callable[[], str]) -> str:
    """Runs one download; whatever goes wrong in the network or on the disk becomes one sentence."""
    from huggingface_hub import constants
    from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError, RepositoryNotFoundError

    try:
        return download()
    except GatedRepoError as error:
        raise WeightsError(f"{repo} asks for access: accept its terms on its page and log in with `hf auth login`.") from error
    except RepositoryNotFoundError as error:
        raise WeightsError(f"There is no weight set, folder or public Hub repo called {repo!r}.") from error
    except LocalEntryNotFoundError as error:
        if constants.is_offline_mode():
            place = constants.HF_HUB_CACHE
            raise WeightsError(f"{what} of {repo} is not in the cache {place}, and HF_HUB_OFFLINE forbids downloading.") from error
        raise WeightsError(f"{what} of {repo} could not be downloaded: {constants.ENDPOINT} did not answer.") from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise WeightsError(f"The disk of {constants.HF_HUB_CACHE} is full: {REMEDY}.") from error
        if isinstance(error, (ConnectionError, TimeoutError)) or type(error).__module__.startswith("httpx"):  # its HTTP client
            why = f"the connection to {constants.ENDPOINT} broke off; what has come is kept, so try again."
            raise WeightsError(f"{what} of {repo} could not be downloaded: {why}") from error
        raise WeightsError(f"{what} of {repo} could not be downloaded: {first_line(error)}") from error


def _require_space(folder: Path, needed: int) -> None:
    place = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    free = shutil.disk_usage(place).free
    if free < needed:
        raise WeightsError(f"The weights need {needed / 1e9:.1f} GB on the disk of {folder}, but {free / 1e9:.1f} GB are free: {REMEDY}.")
