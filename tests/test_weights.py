"""Weight sets: found, downloaded by the real Hub client from a small local server, verified, converted, refused in one sentence."""

from __future__ import annotations

import errno
import hashlib
import json
import re
import shutil
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import load_file
from tiny_release import CHECKPOINT, KIT, tiny_release

from facelift.cameras import VIEW_NAMES
from facelift.weights.find import WeightsError, fetch, gslrm_state_dict, prompt_embeddings, resolve
from facelift.weights.released import PROMPT, Release, matches_fingerprint, openfacelift

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    return tiny_release(tmp_path_factory.mktemp("original"))


@pytest.fixture
def folder(original, tmp_path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "release"))


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    """An empty Hugging Face cache that cannot reach the network."""
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "home" / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "home"


@pytest.fixture
def hub(folder, monkeypatch):
    """A server that speaks as much of the Hub's protocol as a download needs; `hub.requests` counts what was fetched."""

    class Hub(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        requests: Counter = Counter()
        resumed: list[int] = []  # where downloads went on
        breaks = False  # whether the network does, in the middle of each large file

        def answer(self, body: bytes, headers: dict, status: int = 200, first: int = 0):
            self.send_response(status)
            for key, value in {"Content-Length": str(len(body)), "X-Repo-Commit": COMMIT, **headers}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command == "GET":
                broken = self.breaks and first + len(body) > 10_000  # always at the same place
                self.wfile.write(body[: max(0, (first + len(body)) // 2 - first)] if broken else body)
                self.close_connection = self.close_connection or broken

        def do_GET(self):
            path = self.path.partition("?")[0]
            name = path.partition("/resolve/")[2].partition("/")[2]
            if path.startswith("/api/models/") and "/tree/" in path:
                names = [p for p in sorted(folder.rglob("*")) if p.is_file()]
                tree = [{"type": "file", "path": str(p.relative_to(folder)), "size": p.stat().st_size, "oid": "0" * 40} for p in names]
                self.answer(json.dumps(tree).encode(), {"Content-Type": "application/json"})
            elif path.startswith("/api/models/"):
                info = {"id": "someone/heads", "sha": COMMIT, "siblings": []}
                self.answer(json.dumps(info).encode(), {"Content-Type": "application/json"})
            elif not (folder / name).is_file():
                self.answer(b"", {"X-Error-Code": "EntryNotFound"}, 404)
            else:
                if self.command == "GET":
                    self.requests[name] += 1
                body = (folder / name).read_bytes()
                tag = {"ETag": f'"{hashlib.sha1(name.encode() + body).hexdigest()}"'}
                first = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
                if first:
                    self.resumed.append(at := int(first[1]))
                    self.answer(body[at:], {**tag, "Content-Range": f"bytes {at}-{len(body) - 1}/{len(body)}"}, 206, at)
                else:
                    self.answer(body, tag)

        do_HEAD = do_GET

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    yield Hub
    server.shutdown()
    server.server_close()


def release_of(folder: Path) -> Release:
    files = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        weights = path.suffix in (".safetensors", ".pt")
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if weights else None
        files[str(path.relative_to(folder))] = {"bytes": path.stat().st_size, "sha256": digest}
    return Release("someone/heads", COMMIT, "a licence", files)


def one_sentence(error) -> str:
    message = str(error.value)
    assert "\n" not in message and message.endswith(".") and len(message) < 400, message
    return message


def test_table_lists_the_release():
    recorded = json.loads((KIT / "release_files.json").read_text())
    release = openfacelift()
    assert release.repo == recorded["hub_repo"] and release.revision == recorded["revision_seen_by_a_third_party"]
    assert {n: f["sha256"] for n, f in release.files.items()} == {n: f.get("sha256") for n, f in recorded["files"].items()}
    assert "non-commercial" in release.licence


def test_download_once_verify_once_then_offline(hub, folder, home, monkeypatch):
    release = release_of(folder)
    weights = fetch(release)
    assert weights.kind == "released" and weights.licence == "a licence" and "verified" in weights.note
    assert weights.folder.is_relative_to(home)
    assert (weights.folder / CHECKPOINT).read_bytes() == (folder / CHECKPOINT).read_bytes()
    assert set(hub.requests) == set(release.files) and set(hub.requests.values()) == {1}

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    hashed = []
    monkeypatch.setattr("facelift.weights.find.sha256_of", hashed.append)
    assert fetch(release) == weights
    assert hashed == [] and set(hub.requests.values()) == {1}


def test_interrupted_download_goes_on_with_what_is_missing(hub, folder):
    release = release_of(folder)
    moved = (folder / CHECKPOINT).rename(folder / "away.pt")
    with pytest.raises(WeightsError) as error:
        fetch(release)
    assert CHECKPOINT in one_sentence(error)
    moved.rename(folder / CHECKPOINT)
    fetch(release)
    assert set(hub.requests.values()) == {1}


def test_a_network_that_breaks_leaves_no_file_under_its_name_and_the_next_download_is_whole(hub, folder, home, monkeypatch):
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1000)
    release, hub.breaks = release_of(folder), True
    with pytest.raises(WeightsError, match="broke off; what has come is kept") as error:
        fetch(release)
    name = one_sentence(error).partition(" of ")[0]
    there = {str(p.relative_to(p.parents[len(Path(n).parts) - 1])) for n in release.files for p in home.rglob(n)}
    assert name in release.files and name not in there
    assert not any(release.files[n]["bytes"] > 10_000 for n in there)
    hub.breaks = False
    weights = fetch(release)
    assert all((weights.folder / n).read_bytes() == (folder / n).read_bytes() for n in release.files) and any(hub.resumed)


def test_hash_mismatch_names_the_file_and_deleting_it_helps(hub, folder):
    release = release_of(folder)
    good = (folder / CHECKPOINT).read_bytes()
    (folder / CHECKPOINT).write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    for _ in range(2):  # a bad file is never remembered as verified
        with pytest.raises(WeightsError) as error:
            fetch(release)
    message = one_sentence(error)
    assert CHECKPOINT in message and "SHA-256" in message
    (folder / CHECKPOINT).write_bytes(good)
    Path(message.split("delete ")[1].split(" and try")[0]).unlink()
    fetch(release)


def test_file_changed_after_verification_is_hashed_again(hub, folder):
    release = release_of(folder)
    path = (fetch(release).folder / CHECKPOINT).resolve()
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(WeightsError, match="SHA-256"):
        fetch(release)


def test_offline_without_a_cache():
    with pytest.raises(WeightsError) as error:
        resolve("released")
    assert "HF_HUB_OFFLINE" in one_sentence(error)


def test_unreachable_hub(hub, folder, monkeypatch):
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", "http://127.0.0.1:9/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr("huggingface_hub.file_download._ETAG_RETRY_TIMEOUT", 1)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with pytest.raises(WeightsError) as error:
        fetch(release_of(folder))
    assert "could not be downloaded" in one_sentence(error)


def test_too_small_a_disk_is_told_before_the_download(hub, folder):
    release = release_of(folder)
    release.files[CHECKPOINT]["bytes"] = 10**16
    with pytest.raises(WeightsError) as error:
        fetch(release)
    assert "10000001.3 GB" in one_sentence(error) and "HF_HOME" in str(error.value)
    assert not hub.requests


def test_disk_that_fills_up_during_the_download(folder, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", full)
    with pytest.raises(WeightsError) as error:
        fetch(release_of(folder))
    assert "is full" in one_sentence(error)


def test_local_folder_is_taken_unverified(folder):
    weights = resolve(str(folder))
    assert (weights.kind, weights.folder) == ("released", folder.resolve())
    assert "not verified" in weights.note and "ckpt_0000000000021125.pt" in weights.note
    assert "non-commercial" in weights.licence


@pytest.mark.parametrize("name", ["mvdiffusion/pipeckpts/unet/diffusion_pytorch_model.safetensors", CHECKPOINT])
def test_incomplete_folder_names_what_is_missing(folder, name):
    (folder / name).unlink()
    with pytest.raises(WeightsError) as error:
        resolve(folder)
    assert name.split("/")[-2] in one_sentence(error)


def test_hub_repo_is_read_as_a_folder(hub, folder):
    weights = resolve("someone/heads")
    assert weights.kind == "released" and "not verified" in weights.note
    assert torch.equal(prompt_embeddings(weights.folder), prompt_embeddings(folder))


def test_config_json_tells_the_kind(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"format": "facelift-compact", "licence": "Apache-2.0"}))
    weights = resolve(tmp_path)
    assert (weights.kind, weights.licence) == ("compact", "Apache-2.0")
    (tmp_path / "config.json").write_text('{"format": "something else"}')
    with pytest.raises(WeightsError, match="facelift-compact"):
        resolve(tmp_path)


@pytest.mark.parametrize("name", ["no such set", "./missing", "empty"])
def test_unknown_names(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(WeightsError) as error:
        resolve(name)
    assert name in one_sentence(error)


def test_auto_takes_compact_and_says_why(tmp_path, monkeypatch):
    (tmp_path / "config.json").write_text('{"format": "facelift-compact"}')
    monkeypatch.setattr("facelift.weights.find.COMPACT", tmp_path)
    weights = resolve("auto", "cpu")
    assert weights.name == "compact" and "no CUDA GPU" in weights.note
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    weights = resolve("auto")
    assert weights.name == "compact" and "HF_HUB_OFFLINE" in weights.note


def test_reconstructor_is_converted_once(folder, home, monkeypatch):
    expected = load_file(KIT / "gslrm_tiny_state.safetensors")
    converted = gslrm_state_dict(folder)
    assert converted.keys() == expected.keys() and all(torch.equal(converted[k], expected[k]) for k in expected)
    assert list(home.rglob("gslrm.safetensors")) and not list(home.rglob(".partial_*"))

    with monkeypatch.context() as context:
        context.delattr(torch, "load")
        again = gslrm_state_dict(folder)
    assert all(torch.equal(again[k], expected[k]) for k in expected)

    torch.save({"model": {"other": torch.ones(1)}}, folder / CHECKPOINT)  # a fine-tune in the same place
    assert list(gslrm_state_dict(folder)) == ["other"]


def test_checkpoint_that_would_run_code_is_refused(folder):
    class Harm:
        def __reduce__(self):
            return (print, ("run",))

    torch.save({"model": Harm()}, folder / CHECKPOINT)
    with pytest.raises(WeightsError, match="cannot be read"):
        gslrm_state_dict(folder)


def test_cache_that_cannot_be_written(folder, home, caplog):
    home.write_text("a file where the cache folder should be")
    assert gslrm_state_dict(folder).keys() == load_file(KIT / "gslrm_tiny_state.safetensors").keys()
    assert "could not be written" in caplog.text


def test_prompts_are_those_of_the_six_views():
    views = json.loads((KIT / "cameras.json").read_text())["views"]
    assert [PROMPT.format(name) for name in VIEW_NAMES] == [view["prompt"] for view in views]


def test_prompt_embeddings(folder, monkeypatch):
    """Padded to 77 with the tokenizer's own pad token, seen through a causal encoder: rows agree up to the view's name."""
    embeddings = prompt_embeddings(folder)
    assert embeddings.shape == (6, 77, 32) and embeddings.dtype == torch.float16
    differs = (embeddings[1:] - embeddings[:1]).abs().amax(2) > 0
    first = [int(row.int().argmax()) for row in differs]
    name_at = 1 + len("arenderingimageof3Dmodels,")  # this tokenizer knows letters only; the first token opens the text
    assert first == [name_at + n for n in (5, 0, 0, 0, 5)]
    with monkeypatch.context() as context:
        context.setattr("facelift.weights.released._encode_prompts", None)
        assert torch.equal(prompt_embeddings(folder), embeddings)

    official = torch.randn(6, 77, 32).half()
    torch.save(official, folder / "clr_embeds.pt")
    assert torch.equal(prompt_embeddings(folder), official)


def test_folder_of_the_released_layout_becomes_heads(folder, tmp_path):
    """From the folder to files on the disk, with the kit's own recorded reconstructor behind it."""
    from PIL import Image

    from facelift import FaceLiftPipeline
    from facelift.portrait import Portrait

    pipe = FaceLiftPipeline.from_pretrained(str(folder), device="cpu")
    assert "not verified" in pipe.weights.note and (pipe.default_steps, pipe.default_guidance_scale) == (50, 3.0)
    image = Image.effect_noise((512, 512), 60).convert("RGB")
    portrait = Portrait(image, Image.new("L", (512, 512), 255), None, (), "none", None)
    head = pipe(portrait, seed=1, steps=2)
    assert head.views.shape == (6, 64, 64, 3) and head.report["steps"] == 2 and "non-commercial" in head.report["licence"]
    assert 0 < len(head.gaussians) <= 2 + 6 * 64 * 64
    assert torch.equal(head.gaussians.means, pipe(portrait, seed=1, steps=2).gaussians.means)
    assert head.gaussians.save(tmp_path / "head.ply").stat().st_size > 56 * len(head.gaussians)


def test_text_encoder_with_missing_tensors_is_refused(folder):
    from safetensors.torch import save_file

    path = folder / "mvdiffusion/pipeckpts/text_encoder/model.safetensors"
    state = load_file(path)
    state.pop("text_model.final_layer_norm.weight")
    save_file(state, path, {"format": "pt"})
    with pytest.raises(WeightsError, match="lacks 1"):
        prompt_embeddings(folder)


def test_fingerprint_tells_other_embeddings():
    fingerprint = openfacelift().prompt_fingerprint
    start = torch.tensor(fingerprint["start"])
    embeddings = torch.zeros(6, 77, 1024)
    embeddings[:, 0, :6] = start
    for view, first in enumerate(fingerprint["first_different_token"], 1):
        embeddings[view, first:, 7] = 0.1 * view
    norms = torch.tensor(fingerprint["norms"])
    embeddings[:, 76, 8] = (norms**2 - embeddings.flatten(1).square().sum(1)).sqrt()
    assert matches_fingerprint(embeddings, fingerprint)
    assert not matches_fingerprint(embeddings * 1.01, fingerprint)
    assert not matches_fingerprint(embeddings[[0, 5, 2, 3, 4, 1]].roll(1, 1), fingerprint)
