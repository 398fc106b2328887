"""Damaged and made-up input ends in a sentence or a result, never in another error. FACELIFT_FUZZ says how many of each kind."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import os
import random
import struct
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
import torch
from fakes import painted_head, toy_rig
from imageio_ffmpeg import get_ffmpeg_exe
from page import PHOTO
from PIL import Image
from safetensors.torch import save_file

from facelift.animation.files import load_rig, save_rig
from facelift.animation.head4d import DrivenHead, load_head4d, save_deltas, save_driven
from facelift.animation.track import Track
from facelift.errors import (
    BudgetError,
    ClipError,
    MotionFileError,
    PhotoError,
    RigFileError,
    SettingsError,
    SplatFileError,
    TrackError,
    WeightsError,
)
from facelift.export.splats import load_splats
from facelift.face.units import unit_weights
from facelift.portrait.photo import load_photo
from facelift.serving.clients import client_of
from facelift.serving.guard import Guard, Presence
from facelift.serving.logs import without_paths
from facelift.serving.metrics import Metrics
from facelift.serving.settings import ServiceSettings
from facelift.ui.aligner import CropAdjustment
from facelift.ui.endpoints import settings_from
from facelift.ui.uploads import Refused, admitted
from facelift.video.frames import Clip
from facelift.weights.find import resolve
from facelift.weights.released import gslrm_state_dict
from facelift.weights.tensors import read_tensors

MANY = int(os.environ.get("FACELIFT_FUZZ", "60"))
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")


def damaged(data: bytes, dice: random.Random) -> bytes:
    """Bytes flipped, cut, doubled, or numbers in the first part replaced by extreme ones."""
    changed = bytearray(data)
    for _ in range(dice.choice((1, 3, 20))):
        kind, at = dice.randrange(5), dice.randrange(max(1, min(len(changed), dice.choice((64, 1024, 10**9)))))
        if kind == 0 and changed:
            changed[at % len(changed)] ^= 1 << dice.randrange(8)
        elif kind == 1:
            del changed[at : at + dice.randrange(1, 200)]
        elif kind == 2:
            changed[at:at] = changed[at : at + dice.randrange(1, 200)]
        elif kind == 3:
            value = dice.choice((0, -1, 2**31 - 1, -(2**31)))
            changed[at : at + 4] = struct.pack(dice.choice("<>") + "i", value)
        else:
            del changed[at:]
    return bytes(changed)


@pytest.mark.filterwarnings("ignore")  # of decoders, about what is damaged
@pytest.mark.parametrize("kind", FORMATS)
def test_damaged_photos(kind):
    photo = Image.open(PHOTO).convert("RGB").resize((96, 96))
    file = io.BytesIO()
    photo.save(file, kind)
    for seed in range(MANY):
        try:
            assert load_photo(damaged(file.getvalue(), random.Random(seed))).width > 0
        except PhotoError as error:
            assert 10 < len(str(error)) < 500


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("suffix", [".ply", ".splat", ".spz", "unpacked .spz", "4 .spz", ".sog", ".compressed.ply"])
def test_damaged_splats(tmp_path, suffix):
    path = painted_head(300).save(tmp_path / f"head{suffix.rpartition(' ')[2]}", spz_version=4 if suffix.startswith("4") else 3)
    data = path.read_bytes()
    for seed in range(MANY):
        dice = random.Random(seed)
        if suffix.startswith("unpacked"):  # what is in the gzip stream, so that it still opens
            path.write_bytes(gzip.compress(damaged(gzip.decompress(data), dice), 1))
        else:
            path.write_bytes(damaged(data, dice))
        try:
            assert len(load_splats(path, 10_000)) <= 10_000
        except (SplatFileError, BudgetError) as error:
            assert 10 < len(str(error)) < 500


@pytest.mark.parametrize("kind", ["headrig", "head4d of a rig", "head4d of frames", "track"])
def test_damaged_heads_that_move(tmp_path, kind):
    rig = toy_rig()
    track, path = Track(12.0, np.stack([rig.rest, unit_weights(jawOpen=1)])), tmp_path / kind.split()[0]
    save = {
        "headrig": lambda: save_rig(rig, path), "head4d of a rig": lambda: save_driven(rig, track, path),
        "head4d of frames": lambda: save_deltas(DrivenHead(rig, track), 12.0, path), "track": lambda: track.save(path),
    }  # fmt: skip
    load = {"headrig": load_rig, "track": Track.load}.get(kind, load_head4d)
    data = save[kind]().read_bytes()
    for seed in range(MANY):
        path.write_bytes(damaged(data, random.Random(seed)))
        try:
            head = load(path)
            assert kind == "headrig" or head[len(head) - 1] is not None
        except (RigFileError, MotionFileError, TrackError, BudgetError) as error:
            assert 10 < len(str(error)) < 500


@pytest.mark.parametrize("kind", ["mp4", "gif"])
def test_damaged_clips(tmp_path, kind):
    path, started = tmp_path / f"clip.{kind}", [get_ffmpeg_exe(), "-y", "-loglevel", "error", "-f", "lavfi", "-i"]
    subprocess.run([*started, "testsrc=size=64x64:rate=5:duration=1", "-pix_fmt", "yuv420p" if kind == "mp4" else "rgb8", path], check=True)
    data = path.read_bytes()
    for seed in range(MANY // 6):
        path.write_bytes(damaged(data, random.Random(seed)))
        try:
            assert sum(1 for _ in Clip(path, 5.0, 2.0)) > 0
        except ClipError as error:
            assert 10 < len(str(error)) < 500


def test_damaged_weights(tmp_path, monkeypatch):
    """A folder of which one file is damaged: its config, its tensors, a checkpoint of the released layout."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path / "cache"))
    config, tensors, checkpoint = tmp_path / "config.json", tmp_path / "model.safetensors", tmp_path / "gslrm" / "ckpt.pt"
    checkpoint.parent.mkdir()
    config.write_text('{"format": "facelift-compact", "licence": "none"}')
    save_file({"a": torch.ones(3, 4), "b": torch.zeros(9, dtype=torch.half)}, tensors)
    torch.save({"model": {"a": torch.ones(3, 4)}}, checkpoint)
    reading = {config: lambda: resolve(tmp_path), tensors: lambda: read_tensors(tensors), checkpoint: lambda: gslrm_state_dict(tmp_path)}
    for path, read in reading.items():
        data = path.read_bytes()
        for seed in range(MANY):
            path.write_bytes(damaged(data, random.Random(seed)))
            try:
                read()
            except (WeightsError, ValueError, FileNotFoundError) as error:
                assert 10 < len(str(error)) < 2000
        path.write_bytes(data)


def made_up(dice: random.Random, depth: int = 0):
    """JSON, with what looks like files in it."""
    simple = (None, True, -1, 1e308, "", "a\0b", "/etc/passwd", "http://127.0.0.1/", "é" * 300, "..", str(PHOTO), [], {})
    if depth > 4 or dice.random() < 0.4:
        return dice.choice(simple)
    if dice.random() < 0.5:
        return [made_up(dice, depth + 1) for _ in range(dice.randrange(4))]
    keys = ("path", "meta", "url", "_type", "orig_name", "x", "zoom", "turn")
    return {dice.choice(keys): made_up(dice, depth + 1) for _ in range(dice.randrange(5))}


def test_made_up_calls():
    def some() -> None:
        for seed in range(5 * MANY):
            try:
                found = asyncio.run(admitted(made_up(random.Random(seed))))
            except Refused:
                continue
            assert all(path == str(PHOTO) for path in paths(found))

    def paths(value) -> list[str]:
        if isinstance(value, dict):
            mine = [value["path"]] if isinstance(value.get("path"), str) else []
            return mine + [path for inner in value.values() for path in paths(inner)]
        return [path for inner in value for path in paths(inner)] if isinstance(value, list) else []

    with ThreadPoolExecutor(1) as pool:  # another test's browser may have left a loop in this thread
        pool.submit(some).result()


def test_made_up_calls_of_a_page(stand_in, capfd):
    """Each ends, with a result or a sentence, and the page goes on."""
    _, url = stand_in
    functions = [d for d in httpx.get(f"{url}/config").json()["dependencies"] if d["backend_fn"]]
    for seed in range(MANY // 3):
        dice = random.Random(seed)
        function, session = dice.choice(functions), f"made-up-{seed}"
        data = [made_up(dice) for _ in range(max(0, len(function["inputs"]) + dice.choice((0, 0, 0, -1, 1))))]
        body = {"data": data, "fn_index": function["id"], "session_hash": session, "trigger_id": None, "event_data": made_up(dice)}
        asked = httpx.post(f"{url}/gradio_api/queue/join", content=json.dumps(body), timeout=60)
        assert asked.status_code in (200, 400, 422), (seed, asked.text)
        if asked.status_code == 200:
            with httpx.stream("GET", f"{url}/gradio_api/queue/data", params={"session_hash": session}, timeout=120) as stream:
                told = [json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: ")]
            ended = next(message for message in told if message["msg"] == "process_completed")
            assert ended["success"] or len(ended["output"]["error"]) > 10, seed
    assert httpx.get(f"{url}/readyz").status_code == 200 and "Traceback" not in capfd.readouterr().err


def test_made_up_settings():
    values = (None, 0, 1, -1, 10**12, 1e308, float("nan"), float("inf"), 3.7, True, "7", "seven", [], {})
    for seed in range(5 * MANY):
        dice = random.Random(seed)
        wanted = [dice.choice(values) for _ in range(5)]
        try:
            made = settings_from(*wanted)
        except SettingsError:
            continue
        assert 0 <= made.seed < 2**31 and (made.steps is None or 1 <= made.steps <= 100) and 1 <= made.face <= 99
        assert made.guidance_scale is None or np.isfinite(made.guidance_scale)
        CropAdjustment.read({key: dice.choice(values) for key in ("x", "y", "zoom", "turn")})


def test_made_up_headers():
    guard = Guard(refuses_nobody, ServiceSettings(), Presence(), Metrics())
    names = [b"host", b"origin", b"content-length", b"x-forwarded-for", b"x-forwarded-host", b"cookie"]
    sent = []

    async def send(message) -> None:
        sent.append(message)

    async def receive():
        return {"type": "http.request"}

    async def some() -> None:
        for seed in range(5 * MANY):
            dice = random.Random(seed)
            headers = [(name, dice.choice((dice.randbytes(9), b"127.0.0.1", b"[::1", b"-1", b"9" * 40, b"null"))) for name in names]
            path = dice.choice(("/", "//", "/login", "/\0", "/gradio_api/heartbeat/" + "a" * dice.randrange(200), "/monitoring/../"))
            before = len(sent)
            await guard({"type": "http", "method": "POST", "path": path, "headers": headers, "client": None}, receive, send)
            assert sent[before]["status"] in (200, 403, 404, 413, 421, 429)
            client_of(dice.choice(("", "::", "1.2.3.4")), dice.randbytes(9).decode("latin-1"))
            without_paths(dice.randbytes(50).decode("latin-1"))

    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, some()).result()


async def refuses_nobody(scope, receive, send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def test_nothing_is_left_behind(tmp_path, monkeypatch):
    """Whatever a photo is, reading it writes nothing."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    for seed in range(MANY):
        try:
            load_photo(damaged(PHOTO.read_bytes()[:4000], random.Random(seed)))
        except PhotoError:
            continue
    assert list(Path(tmp_path).iterdir()) == []
