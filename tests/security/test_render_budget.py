"""What a splat file may cost: no more is read, unpacked or drawn than there is, fits, or can be seen."""

from __future__ import annotations

import gzip
import io
import json
import os
import struct
import tracemalloc
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from backports import zstd
from fakes import painted_head

from facelift.cameras import Cameras, orbit
from facelift.cli.render import main
from facelift.errors import BudgetError
from facelift.export.ply import PLY_VALUES
from facelift.export.splats import SplatFileError, load_splats, save_splats
from facelift.export.spz import SPARE
from facelift.gaussians import Gaussians
from facelift.rendering import kernels, projection, render
from facelift.ui import making, texts

MEGABYTE = 2**20


def needles(n: int, length: float = 5.0, opacity: float = -5.0) -> Gaussians:
    """All in one place, across the picture, exp(length) long and hardly there, so that none hides another."""
    turned = torch.tensor([0.92, 0.0, 0.38, 0.0]).repeat(n, 1)
    scales = torch.tensor([length, -9.0, -9.0]).repeat(n, 1)
    return Gaussians(torch.zeros(n, 3), turned, scales, torch.full((n,), opacity), torch.zeros(n, 3))


def blobs(n: int) -> Gaussians:
    """Each fills the picture."""
    return replace(needles(n), scales=torch.full((n, 3), 3.0))


def splats_of(gaussians: Gaussians, camera: Cameras):
    pose = torch.cat([camera.c2w[0, :3, :3].flatten(), camera.c2w[0, :3, 3], camera.intrinsics[0]]).double().numpy()
    arrays = [t.numpy() for t in (gaussians.means, gaussians.quats, gaussians.scales, gaussians.opacities, gaussians.sh0)]
    depths, splats, boxes = projection.project(*arrays, pose, camera.width, camera.height)
    return splats, boxes, projection.nearest_first(depths)


def whole_boxes(boxes, order, width: int, height: int):
    """Every tile of every box, as `kernels.bin_tiles` listed them when it knew boxes alone."""
    tile = kernels.TILE
    columns, rows = -(-width // tile), -(-height // tile)
    lists = [[] for _ in range(columns * rows)]
    for k in order:
        x0, x1, y0, y1 = (int(v) for v in boxes[k])
        if x0 < x1 and y0 < y1:
            for row in range(y0 // tile, (y1 - 1) // tile + 1):
                for column in range(x0 // tile, (x1 - 1) // tile + 1):
                    lists[row * columns + column].append(k)
    return np.cumsum([0, *map(len, lists)]), np.array([k for ids in lists for k in ids], np.int32)


def scattered(n: int, seed: int) -> Gaussians:
    """Long, flat and round splats of all sizes in and beside the picture."""
    random = torch.Generator().manual_seed(seed)
    return Gaussians(
        torch.randn(n, 3, generator=random), torch.randn(n, 4, generator=random), 2.5 * torch.randn(n, 3, generator=random) - 3,
        3 * torch.randn(n, generator=random), torch.randn(n, 3, generator=random),
    )  # fmt: skip


@pytest.mark.parametrize("which", ["head", "needles", "blobs", *range(6)])
def test_tiles_left_out_change_no_bit(which):
    gaussians = {"head": painted_head(4000), "needles": needles(40, 1.0, 0.0), "blobs": blobs(20)}.get(which) or scattered(400, int(which))
    for camera in (orbit([0.0], size=512), orbit([130.0], [25.0], 300)):
        splats, boxes, order = splats_of(gaussians, camera)
        size = camera.width, camera.height
        plain = whole_boxes(boxes, order, *size)
        tiles = kernels.bin_tiles(splats, boxes, order, *size, 2**28)
        want, _ = kernels.blend(splats, boxes, *plain, *size)
        picture, _ = kernels.blend(splats, boxes, *tiles, *size)
        assert picture.tobytes() == want.tobytes() and len(tiles[1]) <= len(plain[1])


@pytest.mark.parametrize("length", [0.0, 1.0, 3.0, 5.5])
def test_a_needle_costs_what_it_shows(length):
    splats, boxes, order = splats_of(needles(100, length), orbit([0.0], size=1024))
    ids = kernels.bin_tiles(splats, boxes, order, 1024, 1024, 2**28)[1]
    assert 100 * 40 < len(ids) < 100 * 64 * 6  # a few tiles in each of 64 rows, not 64


def test_too_many_tiles_are_refused_before_they_are_listed():
    camera = orbit([0.0], size=256)
    render(blobs(10), camera, most_tiles=10 * 256)
    gaussians = blobs(20_000)
    tracemalloc.start()
    with pytest.raises(BudgetError, match="too large together for a picture of 256x256"):
        render(gaussians, camera, most_tiles=10 * 256)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * MEGABYTE  # the list alone would have 20


@pytest.mark.parametrize("suffix", [".ply", ".splat", ".spz", ".sog", ".compressed.ply"])
def test_the_number_of_gaussians_has_a_limit(tmp_path, suffix):
    path = save_splats(painted_head(100), tmp_path / f"head{suffix}")
    assert len(load_splats(path, 100)) == 100
    with pytest.raises(BudgetError, match=f"head{suffix} holds 100 Gaussians or more; at most 99 are read"):
        load_splats(path, 99)


def spz(count: int, body: bytes, version: int = 3, degree: int = 0) -> bytes:
    return gzip.compress(struct.pack("<IIIBBBB", 0x5053474E, version, count, degree, 12, 0, 0) + body)


def spz_4(count: int, block: bytes) -> bytes:
    frame = zstd.compress(block)
    sizes = [size for each in (9, 1, 3, 3, 4) for size in (len(frame), each * count)]
    return struct.pack("<4sIIBBBBI12x10Q", b"NGSP", 4, count, 0, 12, 0, 5, 32, *sizes) + 5 * frame


def sog(meta: dict, picture: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("meta.json", json.dumps(meta))
        archive.writestr("a", picture)
    return file.getvalue()


def ply(*elements: str, body: bytes = b"") -> bytes:
    return "\n".join(["ply", "format binary_little_endian 1.0", *elements, "end_header", ""]).encode() + body


COLUMNS = [f"property float {name}" for name in PLY_VALUES]
LIES = {
    "all.spz": spz(2**32 - 1, bytes(20)),
    "million.spz": spz(1_000_000, bytes(MEGABYTE)),
    "harmonics.spz": spz(900_000, bytes(20), degree=3),
    "bomb.spz": spz(1, bytes(100 * MEGABYTE)),
    "bomb 4.spz": spz_4(1, bytes(100 * MEGABYTE)),
    "all 4.spz": spz_4(2**32 - 1, b""),
    "million 4.spz": spz_4(1_000_000, bytes(MEGABYTE)),
    "bomb.sog": sog({"version": 2, "count": 1, "means": {"files": "aa", "mins": [0, 0, 0], "maxs": [0, 0, 0]}}, bytes(100 * MEGABYTE)),
    "meta.sog": sog({"version": 2, "count": 1, "more": " " * 20 * MEGABYTE}, b""),
    "all.sog": sog({"version": 2, "count": 10**12}, b""),
    "empty bomb.spz": spz(0, bytes(100 * MEGABYTE)),
    "huge.ply": ply("element vertex 999999999999", *COLUMNS, body=bytes(560)),
    "one more.ply": ply("element vertex 11", *COLUMNS, body=bytes(560)),
    "before.ply": ply("element face 999999999999", "property int a", "element vertex 0", *COLUMNS),
    "number.ply": ply(f"element vertex {'9' * 5000}", *COLUMNS),
    "columns.ply": ply("element vertex 1", *(f"property float a{i}" for i in range(200_000)), body=bytes(56)),
}


@pytest.mark.parametrize("name", LIES)
def test_lies_and_bombs_take_no_memory(tmp_path, capsys, name):
    path = tmp_path / name
    path.write_bytes(LIES[name])
    tracemalloc.start()
    with pytest.raises((SplatFileError, BudgetError)) as caught:
        load_splats(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert str(caught.value).startswith(name) and peak < 3 * len(LIES[name]) + 2 * MEGABYTE
    assert main([str(path), "-o", str(tmp_path / "out"), "--azimuth", "0", "--device", "cpu"]) == 1
    assert capsys.readouterr().err == f"error: {caught.value}\n"


def test_a_little_after_the_blocks_is_passed_over(tmp_path):
    body = gzip.decompress(save_splats(painted_head(10), tmp_path / "head.spz").read_bytes())
    (tmp_path / "more.spz").write_bytes(gzip.compress(body + bytes(SPARE - 1)))
    assert len(load_splats(tmp_path / "more.spz")) == 10
    (tmp_path / "none.spz").write_bytes(spz(0, b""))
    assert len(load_splats(tmp_path / "none.spz")) == 0


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_only_files_are_opened(tmp_path, kind):
    path = tmp_path / "head.splat"
    {"pipe": os.mkfifo, "device": lambda p: p.symlink_to("/dev/zero"), "folder": Path.mkdir}[kind](path)
    with pytest.raises(SplatFileError, match="is not a file"):
        load_splats(path)


def test_the_page_says_what_is_too_much(stand_in, tmp_path, monkeypatch):
    from gradio_client import Client, handle_file

    _, url = stand_in
    api = Client(url, verbose=False)
    small = save_splats(needles(20_000), tmp_path / "needles.spz")
    assert small.stat().st_size < 1000
    large = save_splats(blobs(20_000), tmp_path / "blobs.spz")
    with pytest.raises(Exception, match="too large together"):
        api.predict(handle_file(large), size=1024, api_name="/render")
    monkeypatch.setattr(making, "MOST_GAUSSIANS", 19_999)
    with pytest.raises(Exception, match="at most 19,999 are read"):
        api.predict(handle_file(small), size=64, api_name="/render")
    (tmp_path / "bomb.spz").write_bytes(LIES["bomb.spz"])
    with pytest.raises(Exception, match=texts.NO_SPLATS):
        api.predict(handle_file(tmp_path / "bomb.spz"), api_name="/render")
