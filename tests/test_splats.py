"""Splat files, read back by ourselves and by readers we did not write (plyfile, gsply)."""

from __future__ import annotations

import gzip
import os
from dataclasses import fields, replace
from pathlib import Path

import gsply
import numpy as np
import plyfile
import pytest
import torch

from facelift.cameras import orbit
from facelift.export.splats import SplatFileError, load_splats, save_splats
from facelift.gaussians import RELEASE_CLI, Gaussians
from facelift.rendering import render

KIT = Path(os.environ.get("FACELIFT_REFERENCE_KIT") or Path(__file__).parent / "reference")
NAMES = [f.name for f in fields(Gaussians)]


@pytest.fixture(scope="module")
def head() -> Gaussians:
    """A coloured egg of anisotropic splats."""
    random = torch.Generator().manual_seed(1)
    unit = torch.nn.functional.normalize(torch.randn(4000, 3, generator=random), dim=1)
    return Gaussians(
        unit * torch.tensor([0.55, 0.6, 0.75]),
        torch.randn(4000, 4, generator=random),
        0.5 * torch.randn(4000, 3, generator=random) - 4,
        2 * torch.randn(4000, generator=random) + 1,
        2 * unit,
    )


def picture(gaussians: Gaussians) -> torch.Tensor:
    return render(gaussians, orbit([30.0, 150.0], 10.0, 128), backend="cpu").rgb.clamp(0, 1)


def psnr(a: Gaussians, b: Gaussians) -> float:
    return float(-10 * torch.log10((picture(a) - picture(b)).square().mean()))


def foreign(data) -> Gaussians:
    """What gsply read."""
    arrays = (data.means, data.quats, data.scales, np.asarray(data.opacities).reshape(-1), np.asarray(data.sh0).reshape(-1, 3))
    return Gaussians(*(torch.from_numpy(np.array(a, np.float32)) for a in arrays))


def as_gsply(gaussians: Gaussians):
    return gsply.GSData.from_arrays(**{name: getattr(gaussians, name).numpy() for name in NAMES}, shN=None, format="ply")


def same(a: Gaussians, b: Gaussians) -> bool:
    return all(torch.equal(getattr(a, name), getattr(b, name)) for name in NAMES)


def test_ply_keeps_every_bit(head, tmp_path):
    path = save_splats(head, tmp_path / "head.ply")
    assert same(head, load_splats(path))
    header, body = path.read_bytes().split(b"end_header\n", 1)
    assert len(body) == 59 * len(head) and header.startswith(b"ply\nformat binary_little_endian 1.0\n")


def test_ply_is_read_by_plyfile(head, tmp_path):
    vertex = plyfile.PlyData.read(save_splats(head, tmp_path / "head.ply"))["vertex"]
    assert np.array_equal(vertex["rot_0"], head.quats[:, 0]) and np.array_equal(vertex["f_dc_2"], head.sh0[:, 2])
    assert np.array_equal(vertex["opacity"], head.opacities) and np.array_equal(vertex["scale_1"], head.scales[:, 1])
    assert np.array_equal(vertex["red"], (head.rgb[:, 0].clamp(0, 1) * 255).to(torch.uint8))


def test_ply_of_gsply_is_read(head, tmp_path):
    gsply.plywrite(tmp_path / "theirs.ply", as_gsply(head))
    assert same(head, load_splats(tmp_path / "theirs.ply"))


def test_ply_has_the_columns_of_the_release(tmp_path):
    """The recorded file of the release's command line, but for the f_rest columns, all zero there."""
    from safetensors.torch import load_file

    recorded = plyfile.PlyData.read(KIT / "gslrm_tiny_cli.ply")["vertex"].data
    record = load_file(KIT / "gslrm_tiny_io.safetensors")
    raw = Gaussians(
        record["xyz"][0], record["rotation_raw"][0], record["scaling_raw"][0], record["opacity_raw"][0, :, 0], record["features"][0, :, 0]
    )
    written = plyfile.PlyData.read(save_splats(raw.filtered(RELEASE_CLI), tmp_path / "ours.ply"))["vertex"].data
    names = [name for name in recorded.dtype.names if not name.startswith("f_rest")]
    assert list(written.dtype.names) == names
    for name in names:
        assert np.array_equal(written[name], recorded[name]), name
    assert same(load_splats(KIT / "gslrm_tiny_cli.ply"), load_splats(tmp_path / "ours.ply"))


def test_ply_of_other_programs(head, tmp_path):
    """Another column order, normals, view-dependent colour, doubles, big endian, a second element in front."""
    data = plyfile.PlyData.read(save_splats(head, tmp_path / "head.ply"))["vertex"].data
    names = [n for n in reversed(data.dtype.names) if n not in ("red", "green", "blue")]
    table = np.zeros(len(data), [(n, "f8" if n == "opacity" else "f4") for n in (*names[:5], "nx", "f_rest_0", *names[5:])])
    for name in names:
        table[name] = data[name]
    camera = np.array([(1, 2.5)], [("id", "u2"), ("focal", "f4")])
    elements = [plyfile.PlyElement.describe(camera, "camera"), plyfile.PlyElement.describe(table, "vertex")]
    plyfile.PlyData(elements, byte_order=">", comments=["made elsewhere"]).write(tmp_path / "other.ply")
    assert same(head, load_splats(tmp_path / "other.ply"))


def test_splat_renders_alike(head, tmp_path):
    path = save_splats(head, tmp_path / "head.splat")
    assert path.stat().st_size == 32 * len(head)
    back = load_splats(path)
    assert psnr(head, back) > 35
    visible = back.scales.sum(1).exp() * torch.sigmoid(back.opacities)
    assert visible[:1000].mean() > 10 * visible[-1000:].mean()  # the most visible first


def test_spz_renders_alike_here_and_in_gsply(head, tmp_path):
    path = save_splats(head, tmp_path / "head.spz")
    assert path.stat().st_size < 20 * len(head) + 40
    assert psnr(head, load_splats(path)) > 35
    assert psnr(load_splats(path), foreign(gsply.read_spz(path))) > 60


def test_spz_of_gsply_is_read(head, tmp_path):
    gsply.write_spz(tmp_path / "theirs.spz", as_gsply(replace(head, quats=torch.nn.functional.normalize(head.quats, dim=1))))
    assert psnr(head, load_splats(tmp_path / "theirs.spz")) > 35


@pytest.mark.parametrize("suffix", [".ply", ".splat", ".spz"])
def test_same_gaussians_same_bytes(head, tmp_path, suffix):
    first, second = (save_splats(head, tmp_path / f"{name}{suffix}").read_bytes() for name in "ab")
    assert first == second


@pytest.mark.parametrize("suffix", [".ply", ".splat", ".spz"])
def test_opacity_and_colour_beyond_the_range_stay_finite(tmp_path, suffix):
    extreme = Gaussians(
        torch.zeros(2, 3), torch.tensor([[1.0, 0, 0, 0], [0.0, 0, 0, 0]]), torch.full((2, 3), -30.0), torch.tensor([50.0, -50.0]),
        torch.tensor([[9.0, 9, 9], [-9.0, -9, -9]]),
    )  # fmt: skip
    back = load_splats(save_splats(extreme, tmp_path / f"extreme{suffix}"))
    assert all(getattr(back, name).isfinite().all() for name in NAMES)
    assert torch.sigmoid(back.opacities).max() > 0.99 and torch.sigmoid(back.opacities).min() < 1 / 255


def test_damaged_files_are_named_in_a_sentence(head, tmp_path):
    def refused(name: str, data: bytes) -> str:
        (tmp_path / name).write_bytes(data)
        with pytest.raises(SplatFileError) as caught:
            load_splats(tmp_path / name)
        assert str(caught.value).startswith(name)
        return str(caught.value)

    ply, splat, spz = (save_splats(head, tmp_path / f"good{s}").read_bytes() for s in (".ply", ".splat", ".spz"))
    assert "is cut short: 4000 Gaussians announced, 3999 there" in refused("cut.ply", ply[:-5])
    assert "not a PLY" in refused("photo.ply", b"\x89PNG\r\n\x1a\n" + bytes(100))
    assert "not a PLY" in refused("headless.ply", ply[:200])
    assert "no opacity" in refused("mesh.ply", ply.replace(b" opacity", b" obscure"))
    assert "only binary" in refused("text.ply", b"ply\nformat ascii 1.0\nelement vertex 0\nend_header\n")
    assert "32 bytes" in refused("cut.splat", splat[:-5])
    assert "make no sense" in refused("noise.splat", b"\xff" * 320)
    assert "cut short" in refused("cut.spz", spz[: len(spz) // 2])
    assert "cut short" in refused("short.spz", gzip.compress(gzip.decompress(spz)[:-100]))
    assert "not an SPZ" in refused("ply.spz", ply)
    assert "not an SPZ" in refused("other.spz", gzip.compress(b"something else altogether"))
    assert "version 9" in refused("new.spz", gzip.compress(b"NGSP\x09" + bytes(20)))
    with pytest.raises(SplatFileError, match="unknown splat format '.obj'; use .ply, .splat, .spz"):
        save_splats(head, tmp_path / "head.obj")
