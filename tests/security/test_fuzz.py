"""Damaged and made-up input ends in a sentence or a result, never in another error. FACELIFT_FUZZ says how many of each kind."""

from __future__ import annotations

import asyncio
import gzip
import io
import os
import random
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from fakes import painted_head
from page import PHOTO
from PIL import Image

from facelift.errors import BudgetError, PhotoError, SettingsError, SplatFileError
from facelift.export.splats import load_splats
from facelift.portrait.photo import load_photo
from facelift.serving.clients import client_of
from facelift.serving.guard import Guard, Presence
from facelift.serving.logs import without_paths
from facelift.serving.metrics import Metrics
from facelift.serving.settings import ServiceSettings
from facelift.ui.aligner import CropAdjustment
from facelift.ui.endpoints import settings_from
from facelift.ui.uploads import Refused, admitted

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
