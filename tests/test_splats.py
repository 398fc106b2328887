"""Splat files, read back by ourselves and by readers we did not write (plyfile, gsply)."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import gsply
import numpy as np
import plyfile
import pytest
import torch
from fakes import painted_head

from facelift.__main__ import main
from facelift.cameras import orbit
from facelift.export.axes import guess_up
from facelift.export.splats import SplatFileError, load_splats, save_splats
from facelift.export.thin import thinned
from facelift.gaussians import PARTS, RELEASE_CLI, Gaussians, concatenate
from facelift.rendering import render

KIT = Path(os.environ.get("FACELIFT_REFERENCE_KIT") or Path(__file__).parent / "reference")
SUFFIXES = (".ply", ".splat", ".spz", ".sog", ".compressed.ply")


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
    return gsply.GSData.from_arrays(**{name: getattr(gaussians, name).numpy() for name in PARTS}, shN=None, format="ply")


def same(a: Gaussians, b: Gaussians) -> bool:
    return all(torch.equal(getattr(a, name), getattr(b, name)) for name in PARTS)


def test_ply_keeps_every_bit(head, tmp_path):
    path = save_splats(head, tmp_path / "head.ply")
    assert same(head, load_splats(path))
    header, body = path.read_bytes().split(b"end_header\n", 1)
    assert len(body) == 56 * len(head) and header.startswith(b"ply\nformat binary_little_endian 1.0\n")


def test_ply_is_read_by_plyfile(head, tmp_path):
    vertex = plyfile.PlyData.read(save_splats(head, tmp_path / "head.ply"))["vertex"]
    assert np.array_equal(vertex["rot_0"], head.quats[:, 0]) and np.array_equal(vertex["f_dc_2"], head.sh0[:, 2])
    assert np.array_equal(vertex["opacity"], head.opacities) and np.array_equal(vertex["scale_1"], head.scales[:, 1])
    assert {column.dtype for column in (vertex[p.name] for p in vertex.properties)} == {np.dtype("<f4")}  # some readers refuse others


def test_ply_of_gsply_is_read(head, tmp_path):
    gsply.plywrite(tmp_path / "theirs.ply", as_gsply(head))
    assert same(head, load_splats(tmp_path / "theirs.ply"))


def test_ply_has_the_columns_of_the_release(tmp_path):
    """The recorded file of the release's command line, but for f_rest, all zero there, and the bytes, which repeat f_dc."""
    from safetensors.torch import load_file

    recorded = plyfile.PlyData.read(KIT / "gslrm_tiny_cli.ply")["vertex"].data
    record = load_file(KIT / "gslrm_tiny_io.safetensors")
    raw = Gaussians(
        record["xyz"][0], record["rotation_raw"][0], record["scaling_raw"][0], record["opacity_raw"][0, :, 0], record["features"][0, :, 0]
    )
    written = plyfile.PlyData.read(save_splats(raw.filtered(RELEASE_CLI), tmp_path / "ours.ply"))["vertex"].data
    names = [name for name in recorded.dtype.names if not name.startswith("f_rest") and recorded[name].dtype == "f4"]
    assert list(written.dtype.names) == names
    for name in names:
        assert np.array_equal(written[name], recorded[name]), name
    assert same(load_splats(KIT / "gslrm_tiny_cli.ply"), load_splats(tmp_path / "ours.ply"))


def test_ply_of_other_programs(head, tmp_path):
    """Another column order, normals, view-dependent colour, doubles, big endian, a second element in front."""
    data = plyfile.PlyData.read(save_splats(head, tmp_path / "head.ply"))["vertex"].data
    names = list(reversed(data.dtype.names))
    table = np.zeros(len(data), [(n, "f8" if n == "opacity" else "f4") for n in (*names[:5], "nx", "f_rest_0", *names[5:])])
    for name in names:
        table[name] = data[name]
    camera = np.array([(1, 2.5)], [("id", "u2"), ("focal", "f4")])
    elements = [plyfile.PlyElement.describe(camera, "camera"), plyfile.PlyElement.describe(table, "vertex")]
    plyfile.PlyData(elements, byte_order=">", comments=["made elsewhere"]).write(tmp_path / "other.ply")
    assert same(head, load_splats(tmp_path / "other.ply"))


def test_ascii_ply_is_read(head, tmp_path):
    data = plyfile.PlyData.read(save_splats(head, tmp_path / "head.ply"))
    points = np.zeros(3, [("x", "f4")])
    elements = [plyfile.PlyElement.describe(points, "camera"), data["vertex"]]
    plyfile.PlyData(elements, text=True).write(tmp_path / "text.ply")
    assert same(head, load_splats(tmp_path / "text.ply"))
    text = (tmp_path / "text.ply").read_bytes()
    for broken in (text[: len(text) // 2], text.replace(b"element vertex 4000", b"element vertex 5000")):
        (tmp_path / "broken.ply").write_bytes(broken)
        with pytest.raises(SplatFileError, match="cut short"):
            load_splats(tmp_path / "broken.ply")


def compressed(head: Gaussians) -> bytes:
    """As SuperSplat writes it, from its public description: chunks of 256 with ranges, four packed words a Gaussian."""
    rows = [
        (f"{end}_{name}", "<f4")
        for names in (("x", "y", "z"), ("scale_x", "scale_y", "scale_z"))
        for end in ("min", "max")
        for name in names
    ]
    rows += [(f"{end}_{name}", "<f4") for end in ("min", "max") for name in "rgb"]
    chunks = np.zeros(-(-len(head) // 256), rows)
    words = np.zeros((len(head), 4), np.uint32)
    shares = []
    for names, values in (
        (("x", "y", "z"), head.means),
        (("scale_x", "scale_y", "scale_z"), head.scales),
        ("rgb", 0.28209479 * head.sh0 + 0.5),
    ):
        values, share = values.numpy().astype(np.float64), np.zeros((len(head), 3))
        for i in range(len(chunks)):
            part = slice(256 * i, 256 * i + 256)
            low, high = values[part].min(0), values[part].max(0)
            for k, name in enumerate(names):
                chunks[f"min_{name}"][i], chunks[f"max_{name}"][i] = low[k], high[k]
            share[part] = (values[part] - low) / np.maximum(high - low, 1e-9)
        shares.append(share)
    for column, share in ((0, shares[0]), (2, shares[1])):
        a, b, c = (np.rint(share * (2047, 1023, 2047)).astype(np.uint32)).T
        words[:, column] = a << 21 | b << 11 | c
    r, g, b = np.rint(shares[2] * 255).astype(np.uint32).T
    words[:, 3] = r << 24 | g << 16 | b << 8 | np.rint(torch.sigmoid(head.opacities).numpy() * 255).astype(np.uint32)
    quats = torch.nn.functional.normalize(head.quats, dim=1).numpy().astype(np.float64)
    largest = np.abs(quats).argmax(1)
    quats *= np.sign(np.take_along_axis(quats, largest[:, None], 1))
    others = np.stack([np.delete(q, k) for q, k in zip(quats, largest, strict=True)])
    a, b, c = np.rint((others / 2**0.5 + 0.5) * 1023).astype(np.uint32).T
    words[:, 1] = largest.astype(np.uint32) << 30 | a << 20 | b << 10 | c
    header = ["ply", "format binary_little_endian 1.0", f"element chunk {len(chunks)}", *(f"property float {name}" for name, _ in rows)]
    header += [f"element vertex {len(head)}", *(f"property uint packed_{name}" for name in ("position", "rotation", "scale", "color"))]
    return "\n".join([*header, "end_header", ""]).encode() + chunks.tobytes() + words.tobytes()


def test_compressed_ply_of_supersplat_is_read(head, tmp_path):
    (tmp_path / "head.ply").write_bytes(compressed(head))
    back = load_splats(tmp_path / "head.ply")
    assert psnr(head, back) > 35 and (back.means - head.means).abs().max() < 2e-3
    (tmp_path / "cut.ply").write_bytes(compressed(head)[:-9])
    with pytest.raises(SplatFileError, match="cut short: 4000 Gaussians announced, 3999 there"):
        load_splats(tmp_path / "cut.ply")


def test_spz_of_version_2_is_written_for_programs_that_know_no_newer(head, tmp_path):
    path = save_splats(head, tmp_path / "head.spz", spz_version=2)
    assert gzip.decompress(path.read_bytes())[4] == 2
    assert psnr(head, load_splats(path)) > 32 and psnr(load_splats(path), foreign(gsply.read_spz(path))) > 60
    with pytest.raises(SplatFileError, match="version 5 cannot be written; 2, 3, 4 can"):
        save_splats(head, path, spz_version=5)


@pytest.fixture(scope="module")
def shiny(head) -> Gaussians:
    """The egg, its colours different from every side."""
    return replace(head, shN=0.3 * torch.randn(len(head), 15, 3, generator=torch.Generator().manual_seed(2)))


def test_colour_that_depends_on_the_view_is_drawn_as_gsplat_does(shiny):
    from gsplat.cuda._torch_impl import _spherical_harmonics

    camera = orbit([40.0], 20.0, 128)
    directions = torch.nn.functional.normalize(shiny.means - camera.c2w[0, :3, 3], dim=1)
    for degree, count in ((1, 3), (2, 8), (3, 15)):
        part = replace(shiny, shN=shiny.shN[:, :count])
        colours = _spherical_harmonics(degree, directions, torch.cat([part.sh0[:, None], part.shN], 1)) + 0.5
        assert torch.allclose(part.seen_from(camera.c2w[0, :3, 3]).rgb, colours.clamp_min(0), atol=1e-5)
    assert psnr(shiny, replace(shiny, shN=None)) < 25
    assert concatenate([shiny, replace(shiny, shN=None)]).shN[len(shiny) :].abs().max() == 0


@pytest.mark.parametrize(
    ("name", "version", "least"),
    [("head.ply", 3, 100), ("head.compressed.ply", 3, 40), *(("head.spz", v, 30) for v in (2, 3, 4)), ("head.sog", 3, 25)],
)
def test_colour_that_depends_on_the_view_is_kept(shiny, tmp_path, name, version, least):
    for count in (3, 8, 15):
        part = replace(shiny, shN=shiny.shN[:, :count])[:1000]
        back = load_splats(save_splats(part, tmp_path / name, spz_version=version))
        assert back.shN.shape == part.shN.shape and psnr(part, back) > least


def test_colour_that_depends_on_the_view_turns_with_the_axes(shiny):
    axes = torch.tensor([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # from y up to z up
    camera = orbit([20.0], 10.0, 64).c2w[0, :3, 3]
    assert torch.allclose(shiny.seen_from(camera).rgb, shiny.with_z_up("y").seen_from(axes @ camera).rgb, atol=1e-4)
    assert torch.allclose(shiny.shN, shiny.with_z_up("-z").with_z_up("-z").shN, atol=1e-4)


def test_ply_of_gsply_with_view_dependent_colour(shiny, tmp_path):
    theirs = gsply.plyread(save_splats(shiny, tmp_path / "head.ply"))
    assert np.array_equal(np.asarray(theirs.shN).reshape(len(shiny), 15, 3), shiny.shN.numpy())


@pytest.mark.parametrize("name", ["head.compressed.ply", "head.sog", "head.spz"])
def test_small_files_render_alike(head, tmp_path, name):
    path = save_splats(head, tmp_path / name, spz_version=4)
    assert path.stat().st_size < 17 * len(head) + 2000 and psnr(head, load_splats(path)) > 35


def test_spz_of_version_4_of_another_program_is_read(head, tmp_path):
    """Its extensions between header and table of streams are passed over."""
    data = save_splats(head, tmp_path / "head.spz", spz_version=4).read_bytes()
    head_of_theirs = data[:14] + b"\2" + data[15:16] + (48).to_bytes(4, "little") + data[20:32]
    (tmp_path / "theirs.spz").write_bytes(head_of_theirs + bytes(16) + data[32:])
    assert same(load_splats(tmp_path / "head.spz"), load_splats(tmp_path / "theirs.spz"))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_other_programs_read_what_we_write(head, tmp_path, suffix):
    """PlayCanvas's splat-transform, where it is installed: npm install -g @playcanvas/splat-transform."""
    program = shutil.which("splat-transform")
    if program is None or suffix == ".splat" or b" -p" not in subprocess.run([program, "--help"], capture_output=True).stdout:
        pytest.skip("splat-transform is not installed" if suffix != ".splat" else "it has been read by others for years")
    path = save_splats(head, tmp_path / f"head{suffix}", spz_version=4)
    done = subprocess.run([program, "-q", "-w", path, tmp_path / "theirs.ply"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert psnr(load_splats(path), load_splats(tmp_path / "theirs.ply")) > 60


@pytest.fixture(scope="module")
def bust() -> Gaussians:
    """A head on shoulders, without a face, in another program's size and place."""
    random = torch.Generator().manual_seed(3)
    unit = torch.nn.functional.normalize(torch.randn(3000, 3, generator=random), dim=1)
    means = torch.cat([0.5 * unit, unit * torch.tensor([0.9, 0.4, 0.3]) - torch.tensor([0.0, 0, 0.9])])
    n = len(means)
    quats, colours = torch.tensor([1.0, 0, 0, 0]).repeat(n, 1), torch.zeros(n, 3)
    return Gaussians(10 * means + 5, quats, torch.full((n, 3), -2.0), torch.full((n,), 4.0), colours)


def test_what_is_up_in_files_of_other_programs_is_guessed(bust, head):
    for up, back in (("z", "z"), ("-y", "y"), ("-z", "-z")):
        assert guess_up(bust.with_z_up(back)) == up
    assert guess_up(replace(head, means=head.means / head.means.norm(dim=1, keepdim=True))) is None  # a ball
    assert guess_up(head[:3]) is None


def test_convert(bust, tmp_path, capsys):
    path = save_splats(bust.with_z_up("y"), tmp_path / "theirs.ply")
    words = ["convert", str(path), *(str(tmp_path / f"ours{s}") for s in (".spz", ".sog", ".splat"))]
    assert main([*words, "--spz-version", "4", "--up", "auto"]) == 0
    out, err = capsys.readouterr()
    assert "up is -y" in err and out.count("6000 Gaussians") == 3
    assert (load_splats(tmp_path / "ours.spz").means.mean(0) - bust.means.mean(0)).abs().max() < 0.01
    assert main(["convert", str(tmp_path / "gone.ply"), str(tmp_path / "a.spz")]) == 1
    for wrong, sentence in (("a.stl", "unknown splat format '.stl'"), ("theirs.ply", "is the file that is read")):
        with pytest.raises(SystemExit):
            main(["convert", str(path), str(tmp_path / wrong)])
        assert sentence in capsys.readouterr().err


def test_other_axes_are_turned_to_ours(head):
    x, y, z = head.means.unbind(1)
    for up, means in (("z", (x, y, z)), ("y", (x, z, -y)), ("-y", (x, -z, y))):
        turn = {"z": 0, "y": -np.pi / 2, "-y": np.pi / 2}[up]
        w, i, j, k = head.quats.unbind(1)
        c, s = np.cos(turn / 2), np.sin(turn / 2)
        theirs = replace(
            head, means=torch.stack(means, 1), quats=torch.stack([c * w - s * i, c * i + s * w, c * j - s * k, c * k + s * j], 1)
        )
        assert psnr(head, theirs.with_z_up(up)) > 60, up


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


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_same_gaussians_same_bytes(head, tmp_path, suffix):
    first, second = (save_splats(head, tmp_path / f"{name}{suffix}").read_bytes() for name in "ab")
    assert first == second


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_opacity_and_colour_beyond_the_range_stay_finite(tmp_path, suffix):
    extreme = Gaussians(
        torch.zeros(2, 3), torch.tensor([[1.0, 0, 0, 0], [0.0, 0, 0, 0]]), torch.full((2, 3), -30.0), torch.tensor([50.0, -50.0]),
        torch.tensor([[9.0, 9, 9], [-9.0, -9, -9]]),
    )  # fmt: skip
    back = load_splats(save_splats(extreme, tmp_path / f"extreme{suffix}"))
    assert all(getattr(back, name).isfinite().all() for name in PARTS)
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
    assert "a mesh" in refused(
        "faces.ply", b"ply\nformat ascii 1.0\nelement vertex 0\nproperty float x\nelement face 0\nproperty list uchar int i\nend_header\n"
    )
    assert "cloud of points" in refused("points.ply", b"ply\nformat ascii 1.0\nelement vertex 0\nproperty float x\nend_header\n")
    assert "which PLY files do not have" in refused("text.ply", b"ply\nformat morse 1.0\nelement vertex 0\nend_header\n")
    four = save_splats(head, tmp_path / "four.spz", spz_version=4).read_bytes()
    assert "version 5" in refused("five.spz", b"NGSP\x05\0\0\0" + bytes(40))
    assert "cut short" in refused("cut four.spz", four[:-100]) and "damaged" in refused("four.spz", four[:120] + bytes(50) + four[170:])
    sog = save_splats(head, tmp_path / "good.sog").read_bytes()
    assert "damaged" in refused("cut.sog", sog[:-100]) and "a PLY file" in refused("ply.sog", ply)
    assert "a ZIP archive" in refused("zip.ply", sog) and "an SPZ file" in refused("four.ply", four)
    assert "a glTF file" in refused("mesh.spz", b"glTF" + bytes(40))
    assert "a JPEG picture" in refused("photo.splat", b"\xff\xd8\xff" + bytes(40))
    assert "it is empty" in refused("empty.ply", b"")
    assert "32 bytes" in refused("cut.splat", splat[:-5])
    assert "make no sense" in refused("noise.splat", b"\xff" * 320)
    assert "cut short" in refused("cut.spz", spz[: len(spz) // 2])
    assert "cut short" in refused("short.spz", gzip.compress(gzip.decompress(spz)[:-100]))
    assert "not an SPZ" in refused("ply.spz", ply)
    assert "not an SPZ" in refused("other.spz", gzip.compress(b"something else altogether"))
    assert "version 9" in refused("new.spz", gzip.compress(b"NGSP\x09" + bytes(20)))
    with pytest.raises(SplatFileError, match="unknown splat format '.obj'; use .ply, .splat, .spz, .sog, .compressed.ply"):
        save_splats(head, tmp_path / "head.obj")


def test_a_mesh_is_a_glb_or_an_obj_with_its_texture(tmp_path):
    import trimesh

    from facelift.export.mesh import make_mesh, write_mesh

    i = torch.arange(6000) + 0.5
    polar, turn = torch.acos(1 - 2 * i / 6000), torch.pi * (1 + 5**0.5) * i
    egg = torch.stack([polar.sin() * turn.cos(), polar.sin() * turn.sin(), polar.cos()], 1) * torch.tensor([0.55, 0.6, 0.75])
    colours = torch.where(egg[:, 2:] > 0, torch.tensor([1.5, -1.5, -1.5]), torch.tensor([-1.5, -1.5, 1.5]))
    shape = torch.tensor([1.0, 0, 0, 0]).repeat(6000, 1), torch.full((6000, 3), -3.8), torch.full((6000,), 4.0)
    mesh = make_mesh(Gaussians(egg, *shape, colours))
    write_mesh(mesh, tmp_path / "head.glb")
    write_mesh(mesh, tmp_path / "head.obj")
    assert {p.name for p in tmp_path.iterdir()} >= {"head.glb", "head.obj", "head.mtl", "head.jpeg"}
    glb, obj = (trimesh.load(tmp_path / f"head.{kind}", force="mesh") for kind in ("glb", "obj"))
    assert np.allclose(glb.bounds, obj.bounds, atol=1e-4) and len(glb.faces) == len(obj.faces)
    assert glb.bounds[1][1] == pytest.approx(0.75, abs=0.1)  # y is up
    with pytest.raises(ValueError, match="glb or .obj"):
        write_mesh(mesh, tmp_path / "head.stl")

    hollow = (egg[:, 2] > -0.4) & ~((egg[:, 2] > 0.7) & (egg[:, 0].abs() < 0.1))  # open below, as a bust is, and a gap above
    closed = make_mesh(Gaussians(egg, *shape, colours)[hollow])
    whole = trimesh.Trimesh(closed.vertices, closed.faces, process=False)
    whole.merge_vertices()
    depth = 0.75 + 0.4
    solid = np.pi * 0.55 * 0.6 * (depth**2 / 0.75 - depth**3 / (3 * 0.75**2))  # a cap of the egg
    assert whole.is_watertight and whole.body_count == 1 and whole.volume == pytest.approx(solid, rel=0.12)


def test_a_thin_head_is_the_head_of_fewer_gaussians():
    whole = painted_head()
    few = thinned(whole, 0.06)
    assert len(few) < len(whole) / 3
    views = [render(head, orbit([30], size=128)).rgb[0] for head in (whole, few)]
    assert (views[0] - views[1]).abs().mean() < 0.03
