"""Benchmarks end to end on data whose right answer is known: a head that is its own truth must score as one."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from facelift.cameras import Cameras, orbit, rays, six_views, view_rig
from facelift.evaluation import __main__ as command
from facelift.evaluation.baselines import Baselines, gaussians_of_surface
from facelift.evaluation.benchmarks import BadItem, BenchmarkError, Options, open_benchmark
from facelift.evaluation.benchmarks.files import masked, open_picture
from facelift.evaluation.benchmarks.layouts import LAYOUTS
from facelift.evaluation.benchmarks.photos import FFHQ, Photos
from facelift.evaluation.benchmarks.synthetic import SyntheticHeads
from facelift.evaluation.comparison import compare, paired, verdict
from facelift.evaluation.metrics import load_pair_metrics
from facelift.evaluation.metrics.colours import colours_beside_truth
from facelift.evaluation.plots import by_angle, round_ticks
from facelift.evaluation.publish import publish, small_picture
from facelift.evaluation.report import published, published_table, write_report
from facelift.evaluation.results import CaseResult, LeftOut, Report, ViewResult, describe_value, interval
from facelift.evaluation.run import evenly_spaced, finite, run
from facelift.evaluation.sheets import chosen, write_preface
from facelift.evaluation.variants import split_variant
from facelift.gaussians import Gaussians
from facelift.head import Head
from facelift.multiview.pipeline import GeneratedViews
from facelift.portrait import Portrait, make_portrait
from facelift.reconstruction.pixel_gaussians import PixelGaussians
from facelift.rendering import render, to_bytes
from facelift.training.data import EMPTY, HeadShards
from facelift.weights.find import WeightSet

EXAMPLES = Path(__file__).parents[1] / "assets" / "examples"
RADII = torch.tensor([0.62, 0.62, 0.8]).view(3, 1, 1)
METRICS = ("psnr", "ssim", "sharpness", "landmarks")


@pytest.fixture(scope="module")
def portrait() -> Portrait:
    return make_portrait(EXAMPLES / "astronaut.png", matting="mediapipe")


@pytest.fixture(scope="module")
def rgba(portrait) -> torch.Tensor:
    """The portrait at 256 px, Shape (4, H, W), on white."""
    picture = portrait.image.copy()
    picture.putalpha(portrait.alpha)
    return torch.from_numpy(np.array(picture.resize((256, 256)))).permute(2, 0, 1).float() / 255


@pytest.fixture(scope="module")
def relief(rgba) -> tuple[Gaussians, torch.Tensor]:
    """A real face on an ellipsoid, and the ray_depth (H, W) of its front: a head that is exactly known and that detectors see."""
    camera = six_views(256)[0]
    origin, direction = (r[0] / RADII for r in rays(camera))
    a, b, c = (direction**2).sum(0), (origin * direction).sum(0), (origin**2).sum(0) - 1
    root = (b**2 - a * c).clamp_min(0).sqrt()
    distance = torch.where(b**2 > a * c, (-b - root) / a, -b / a)
    origins, directions = (r[0] for r in rays(camera))
    ray_depth = distance + (origins * directions).sum(0)
    ray_depth = torch.where(rgba[3] >= 0.5, ray_depth, torch.tensor(EMPTY))
    return gaussians_of_surface(rgba[None], ray_depth[None], camera), ray_depth


class Knows:
    """A pipeline that knows the head: whatever photo it gets, this is what it makes."""

    device, rig, reconstructor = torch.device("cpu"), view_rig("six"), None
    multiview = SimpleNamespace(config=SimpleNamespace(image_size=256), codec=SimpleNamespace(channels=4))
    refinements, filters = (), None

    def __init__(self, head: Gaussians, ray_depth: torch.Tensor):
        self.head, self.ray_depth = head, ray_depth
        self.weights = WeightSet("known", Path("."), "compact", "none", "")

    def make_portrait(self, photo) -> Portrait:
        return make_portrait(photo, matting="mediapipe")

    def make_views(self, portrait, seed=4) -> GeneratedViews:
        r = render(self.head, six_views(256))
        return GeneratedViews(torch.cat([r.rgb.clamp(0, 1), r.alpha], 1), None)

    def context(self, generated, portrait) -> None:
        return None

    def reconstruct(self, views) -> SimpleNamespace:
        pixel = PixelGaussians(*[None] * 5, self.ray_depth.expand(1, 6, -1, -1))
        return SimpleNamespace(pixel=pixel, filtered=lambda filters: self.head)

    def refine(self, reconstruction, context) -> SimpleNamespace:
        return reconstruction

    def __call__(self, portrait, seed=4) -> Head:
        views, report = to_bytes(self.make_views(portrait, seed).views), {"seconds": {"views": 1.0, "gaussians": 2.0}}
        return Head(portrait.image, views, six_views(256), self.head, report)


@pytest.fixture(scope="module")
def pipe(relief) -> Knows:
    return Knows(*relief)


@pytest.fixture(scope="module")
def metrics():
    return load_pair_metrics(torch.device("cpu"), METRICS)


@pytest.fixture(scope="module")
def shards(tmp_path_factory, relief) -> Path:
    """Two heads in one shard: the relief from the rig and two more cameras, one of them 20 degrees from the front."""
    head, ray_depth = relief
    extra = orbit([20, -150], [0, 5], 256)
    cameras = Cameras(six_views(256).intrinsics[:1].expand(8, -1), torch.cat([six_views(256).c2w, extra.c2w]), 256, 256)
    r = render(head, cameras)
    straight = (r.rgb.clamp(0, 1) - 1 + r.alpha) / r.alpha.clamp_min(1e-3)
    pictures = (torch.cat([straight, r.alpha], 1).clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy()
    offsets = torch.full((8, 256, 256), EMPTY)
    offsets[0] = ray_depth
    folder = tmp_path_factory.mktemp("heads")
    (folder / "shard_0000000").mkdir()
    for name, array in (("rgba", pictures), ("offset", offsets.numpy().astype(np.float16)), ("c2w", cameras.c2w.numpy())):
        np.save(folder / "shard_0000000" / f"{name}.npy", np.stack([array, array]))
    return folder


@pytest.fixture(scope="module")
def synthetic_report(shards, pipe, metrics, tmp_path_factory) -> tuple[Report, Path]:
    benchmark, out = open_benchmark("synthetic", Options(shards, train=shards)), tmp_path_factory.mktemp("report")
    report = run(benchmark, pipe, metrics, out, limit=1, command="python -m facelift.evaluation", settings={"seed": 4})
    write_preface(pipe, out)
    write_report(report, out)
    return report, out


def test_known_head_scores_as_itself_on_the_synthetic_benchmark(synthetic_report):
    values = synthetic_report[0].cases[0].values
    for group in ("front", "near", "half", "extra", "generated", "true_six"):
        assert values[f"{group}.psnr"] > 40, group
        assert values[f"{group}.ssim"] > 0.99, group
    assert values["pixels.depth"] < 2e-3  # fp16 offsets
    assert values["carried.skin"] is None or values["carried.skin"] < 1
    assert values["front.landmarks"] < 1 and values["near.landmarks"] < 1
    for group in ("generated", "extra", "front"):
        assert values[f"{group}.sharpness"] == pytest.approx(1, abs=0.01), group
    assert values["generated.grid"] == pytest.approx(values["truth.grid"], abs=0.01)
    assert values["generated.hair"] is None or values["generated.hair"] < 1
    assert values["loose"] < 5


def test_baselines_of_the_training_heads_are_measured_beside(synthetic_report):
    """The only training head is the test head itself, seen from the front, so the nearest and the mean head both find it there."""
    beside = synthetic_report[0].cases[0].baselines
    assert set(beside) == {"mean training head", "nearest training head", "flat card with the photo"}
    assert beside["nearest training head"]["front.psnr"] > 24
    assert beside["flat card with the photo"]["front.psnr"] > 24
    assert beside["flat card with the photo"]["half.psnr"] < beside["flat card with the photo"]["front.psnr"] - 5


def test_report_is_written_read_and_shows_everything(synthetic_report):
    report, out = synthetic_report
    text = (out / "report.md").read_text()
    assert "FaceLift, Table 1: Cafca" in text and "not who is better" in text  # the papers' rows, of other heads
    for part in ("depth error", "nearest training head", "Worst, median, best", "python -m facelift.evaluation", "torch 2"):
        assert part in text, part
    sheet, preface = Image.open(out / "sheet.webp"), Image.open(out / "cases" / "preface.webp")
    assert sheet.width > 1000 and preface.size == (6 * 320, 22 + 2 * 320)  # both example photos, the portrait and five angles
    top = np.abs(np.array(sheet.crop((0, 0, *preface.size)), float) - np.array(preface)).mean()
    assert top < 3  # the sheet begins with them
    assert (out / "psnr_renders.svg").read_text().count("<circle") == 8
    again = Report.load(out / "report.json")
    assert again == report
    assert again.summary() == report.summary()
    (out / "other.json").write_text('{"format": 1}')
    with pytest.raises(ValueError, match="not a report"):
        Report.load(out / "other.json")


def test_a_damaged_shard_is_named_and_left_out(shards, pipe, metrics, tmp_path):
    folder = shutil.copytree(shards, tmp_path / "heads")
    pictures = folder / "shard_0000000" / "rgba.npy"
    pictures.write_bytes(pictures.read_bytes()[:5000])
    with pytest.raises(BadItem, match="shard_0000000 is damaged"):
        open_benchmark("synthetic", Options(folder)).measure("0001", pipe, metrics)
    for arrays in (np.zeros((2, 3, 64, 64, 4), np.uint8), np.zeros((2, 8, 64, 64, 3), np.uint8), np.zeros((2, 8, 64, 64, 4), np.uint8)):
        np.save(pictures, arrays)  # too few views, no alpha, another size than depth
        with pytest.raises(BadItem, match="shard_0000000 is damaged"):
            open_benchmark("synthetic", Options(folder)).measure("0001", pipe, metrics)
    (folder / "shard_0000000" / "c2w.npy").write_bytes(b"")
    with pytest.raises(BenchmarkError, match="holds no shards .*No data left"):
        open_benchmark("synthetic", Options(folder))


def test_a_published_report_is_small_and_names_no_machine(synthetic_report, tmp_path):
    report, out = synthetic_report
    somewhere = replace(
        report,
        command="python -m facelift.evaluation --data /home/user/heads/test --out=/data/x/report --weights compact",
        missing={"lpips": "needs a.pth (https://example.org/models/a.pth) in /srv/cache/metrics"},
        left_out=[LeftOut("7", "/home/user/heads/7.png is cut off")],
    )
    path = publish(somewhere, out, tmp_path / "docs" / "heads.md", against=report)
    text = path.read_text()
    assert "--data test --out=report" in text and "https://example.org/models/a.pth) in metrics" in text and "7.png is cut off" in text
    assert not any(place in text for place in ("/home", "/srv", "/data/")) and ".svg" not in text and "(heads.webp)" in text
    assert "| what | earlier | this | difference |" in text
    assert path.with_suffix(".webp").stat().st_size <= 280_000
    kept = Report.load(path.with_suffix(".json"))
    assert kept.summary() == report.summary() and "first better" not in compare(kept, report)
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (640, 640, 3), np.uint8))
    noise.save(tmp_path / "noise.png")
    assert len(small_picture(tmp_path / "noise.png")) <= 280_000


def test_card_lies_at_the_depth_of_the_face(shards, relief):
    baselines = Baselines.from_shards(shards)
    assert baselines.card_depth == pytest.approx(float(relief[0].means[:, 1].median()), abs=0.02)
    card = baselines.card(HeadShards(shards).sample(0).rgba[0])
    assert torch.allclose(card.means[:, 1], torch.tensor(baselines.card_depth), atol=1e-4)


def test_colours_that_change_are_seen_where_they_change():
    """A head of two colours whose hair turns lighter at the sides: Delta E for hair alone."""
    truth = torch.ones(6, 4, 128, 128)
    truth[:, 3] = 0
    truth[:, :, 20:90, 30:100] = torch.tensor([0.15, 0.1, 0.05, 1]).view(4, 1, 1)  # hair
    truth[:, :, 55:90, 35:95] = torch.tensor([0.8, 0.6, 0.5, 1]).view(4, 1, 1)  # skin
    truth[3, :, 20:90, 30:100] = torch.tensor([0.15, 0.1, 0.05, 1]).view(4, 1, 1)
    same = to_bytes(truth)
    assert colours_beside_truth(same, truth[:, 3].numpy(), truth) == pytest.approx({"skin": 0, "hair": 0}, abs=1)
    lighter = same.copy()
    lighter[1:, 20:55, 30:100] = 120
    found = colours_beside_truth(lighter, truth[:, 3].numpy(), truth)
    assert found["skin"] < 1 and found["hair"] > 15


# --- photos ---------------------------------------------------------------------------------------------------------------------------


def test_photos_benchmark_goes_on_past_bad_photos(tmp_path, pipe, metrics):
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    (tmp_path / "white.png").write_bytes((EXAMPLES / "README.md").read_bytes())
    Image.open(EXAMPLES / "astronaut.png").save(tmp_path / "astronaut.png")
    report = run(open_benchmark("photos", Options(tmp_path, second_seed=5)), pipe, metrics, tmp_path / "out")
    assert [c.name for c in report.cases] == ["astronaut.png"]
    assert [item.item for item in report.left_out] == ["broken.jpg", "white.png"]
    assert all("broken.jpg" in i.reason or "white.png" in i.reason for i in report.left_out)
    values = report.cases[0].values
    assert values["near.found"] == 1 and values["back.janus"] in (0, 1 / 3, 2 / 3, 1)
    assert values["front.landmarks"] < 4
    assert 0 <= values["loose"] < 100 and values["unseen.detail"] > 0 and 0 <= values["far.found"] <= 1
    assert values["front.seeds"] == values["back.seeds"] == pytest.approx(100)  # this pipeline has no use for a seed


def test_a_missing_data_set_is_one_sentence(tmp_path, capsys):
    for name in ("synthetic", "photos", "ffhq", "cafca", "ava256", "facescape", "posed"):
        with pytest.raises(BenchmarkError, match=str(tmp_path / "nothing")):
            open_benchmark(name, Options(tmp_path / "nothing"))
    code = command.main(["--benchmark", "cafca", "--data", str(tmp_path), "--out", str(tmp_path / "out")])
    error = capsys.readouterr().err
    assert code == 1 and error.count("\n") == 1
    assert "github.com/syntec-research/Cafca" in error and "cameras_json" in error


def test_weights_that_are_not_there_are_one_sentence(tmp_path, capsys):
    code = command.main(["--benchmark", "photos", "--weights", str(tmp_path / "none"), "compact:colour=1", "--out", str(tmp_path)])
    error = capsys.readouterr().err
    assert code == 1 and error.count("\n") == 2
    assert "none" in error and "'colour' in 'compact:colour=1' is no switch" in error


# --- foreign data sets ----------------------------------------------------------------------------------------------------------------


def foreign(c2w: torch.Tensor, centre=(120.0, -40.0, 900.0), scale=210.0) -> np.ndarray:
    """Our cameras in a world that is turned, moved and in millimetres."""
    turn, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))
    turn *= np.sign(np.linalg.det(turn))
    theirs = c2w.double().numpy().copy()
    theirs[:, :3, 3] = theirs[:, :3, 3] @ turn.T * scale + centre
    theirs[:, :3, :3] = turn @ theirs[:, :3, :3]
    return theirs


def seen_by_another_lens(head: Gaussians, c2w: torch.Tensor) -> np.ndarray:
    """uint8 (V, 300, 260, 4) with straight alpha: longer lens, shifted centre, other size, as no FaceLift camera would see it."""
    cameras = Cameras(torch.tensor([[340.0, 340.0, 126.0, 158.0]]).expand(len(c2w), -1), c2w, 260, 300)
    r = render(head, cameras)
    straight = (r.rgb.clamp(0, 1) - 1 + r.alpha) / r.alpha.clamp_min(1e-3)
    return (torch.cat([straight, r.alpha], 1).clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy()


VIEWS = orbit([0, 18, -25, 40, 90], [0, 8, -6, 12, 0])


@pytest.fixture(scope="module")
def pictures(relief) -> np.ndarray:
    return seen_by_another_lens(relief[0], VIEWS.c2w)


def assert_known_head_fits(report: Report):
    """Every view with a face is aligned by it and then matches, although lens, size and world are foreign."""
    case = report.cases[0]
    for view in case.views:
        if view.angle < 35:
            assert view.values["psnr"] > 20, view
            assert view.values["landmarks"] < 3, view
    assert case.values["aligned"] >= 0.5


def test_cafca_layout_end_to_end_with_damage(tmp_path, pictures, pipe, metrics):
    subject = tmp_path / "00000-00099" / "00000" / "00000_000"  # input view 26; test views 00 02 06 08 10 11 12 13 17 19 20 23 24 26
    for part in ("color_image", "foreground_mask", "cameras_json"):
        (subject / part).mkdir(parents=True)
    theirs = foreign(VIEWS.c2w, centre=(0, 0, 0))
    for name, index in {"C26": 0, "C00": 1, "C02": 2, "C06": 3, "C08": 4, "C10": 1, "C11": 1, "C12": 1, "C13": 1}.items():
        background = pictures[index].copy()
        background[..., :3][background[..., 3] < 128] = (70, 120, 60)
        Image.fromarray(background[..., :3]).save(subject / "color_image" / f"{name}.png")
        Image.fromarray(pictures[index][..., 3]).save(subject / "foreground_mask" / f"{name}.png")
        camera = {"cam2world": theirs[index, :3].tolist(), "K": np.eye(3).tolist()}
        (subject / "cameras_json" / f"{name}.json").write_text(json.dumps(camera))
    (subject / "cameras_json" / "C10.json").write_text('{"cam2world": [[1, 2], [3')
    (subject / "cameras_json" / "C11.json").write_text('{"cam2world": [[1, 0, 0, 0], [0, 2, 0, 0], [0, 0, 1, 0]]}')
    Image.new("L", (300, 100)).save(subject / "foreground_mask" / "C12.png")
    (subject / "color_image" / "C13.png").write_bytes(b"cut off")

    report = run(open_benchmark("cafca", Options(tmp_path)), pipe, metrics, tmp_path / "out")
    assert_known_head_fits(report)
    assert [v.name for v in report.cases[0].views] == ["C00", "C02", "C06", "C08", "C26"]
    reasons = {item.item: item.reason for item in report.left_out}
    assert len([i for i in reasons if i.startswith("00000, view")]) == 9  # four damaged, five that are not there
    assert "C10.json cannot be read" in reasons["00000, view C10"]
    assert "C11.json has a camera whose rotation" in reasons["00000, view C11"]
    assert "C12.png is 300x100" in reasons["00000, view C12"]
    assert "C13.png is not a picture" in reasons["00000, view C13"]
    assert "C17.json is missing" in reasons["00000, view C17"]
    assert "00002" in reasons and len(reasons) == 9 + 39
    text = write_report(report, tmp_path / "out").read_text()
    assert "FaceLift, Table 1: Cafca" in text and "16.61" in text and "Left out: 48" in text


def test_ava256_layout_end_to_end(tmp_path, pictures, pipe, metrics):
    home = tmp_path / "m--20210810--1306--FXN596--GHS" / "decoder"
    theirs = foreign(VIEWS.c2w)
    names = ["401168", "400944", "400981", "401031", "401075"]
    opposite = foreign(VIEWS.c2w)
    opposite[:, :3, 3] = 2 * np.array([120.0, -40.0, 900.0]) - opposite[:, :3, 3]  # so that the midpoint is the head
    cameras = [*zip(names, theirs, strict=True), *((f"50000{i}", c) for i, c in enumerate(opposite))]
    krt = [{"cameraId": n, "K": np.eye(3).tolist(), "T": np.linalg.inv(c).T.tolist()} for n, c in cameras]
    krt.append({"cameraId": "401163", "T": [[1, 2], [3]]})
    for name, picture in zip(names, pictures, strict=True):
        folder = home / "image" / f"cam{name}"
        folder.mkdir(parents=True)
        Image.fromarray(picture[..., :3]).save(folder / "029693.png")
        parts = np.where(picture[..., 3] > 127, 2, 0).astype(np.uint8)
        parts[-30:][parts[-30:] == 0] = 3  # a chair
        archive = home / "segmentation_parts" / f"cam{name}.zip"
        archive.parent.mkdir(exist_ok=True)
        Image.fromarray(parts).save(tmp_path / "029693.png")
        with zipfile.ZipFile(archive, "w") as file:
            file.write(tmp_path / "029693.png", "029693.png")
    (home / "camera_calibration.json").write_text(json.dumps({"KRT": krt}))
    (home / "segmentation_parts" / "cam401075.zip").write_bytes(b"not a zip")

    report = run(open_benchmark("ava256", Options(tmp_path)), pipe, metrics, tmp_path / "out")
    assert_known_head_fits(report)
    assert [v.name for v in report.cases[0].views] == ["400944", "400981", "401031"]
    assert [round(v.angle) for v in report.cases[0].views] == [20, 26, 41]
    reasons = {item.item: item.reason for item in report.left_out}
    assert "cam401075.zip is not a zip file that can be read" in reasons["20210810-1306-FXN596, view 401075"]
    assert "camera_calibration.json has a camera that is no matrix" in reasons["20210810-1306-FXN596, view 401163"]
    assert any("has no camera" in reason for reason in reasons.values())


def test_facescape_layout_picks_the_front_and_skips_invalid_views(tmp_path, pictures):
    home = tmp_path / "7" / "1_neutral"
    home.mkdir(parents=True)
    c2w = orbit([50, 0, -50, 25, -25], [0, 0, 0, 20, -20]).c2w
    data = {f"{i}_Rt": np.linalg.inv(m)[:3].tolist() for i, m in enumerate(foreign(c2w))}
    data |= {"3_valid": False}
    (home / "params.json").write_text(json.dumps(data))
    for i in range(5):
        Image.fromarray(pictures[i][..., :3]).save(home / f"{i}.jpg")
    case = LAYOUTS["facescape"](tmp_path).load("7")
    assert case.input.name == "1" and [v.name for v in case.tests] == ["0", "2", "4"]
    assert np.allclose(case.centre, (120, -40, 900), atol=0.1)
    assert case.input.picture().size == (260, 300)
    (home / "params.json").write_text("[]")
    with pytest.raises(BadItem, match="params.json has no cameras"):
        LAYOUTS["facescape"](tmp_path).load("7")


def test_any_folder_of_posed_pictures(tmp_path, pictures, pipe, metrics):
    """NeRF's transforms.json, in OpenGL's axes, without a suffix on one file; RGBA pictures need no matting."""
    gl = foreign(VIEWS.c2w) @ np.diag([1.0, -1, -1, 1])
    frames = []
    for i, matrix in enumerate(gl[:4]):
        Image.fromarray(pictures[i]).save(tmp_path / f"v{i}.png")
        frames.append({"file_path": f"v{i}" if i == 1 else f"v{i}.png", "transform_matrix": matrix.tolist()})
    (tmp_path / "transforms.json").write_text(json.dumps({"frames": frames[::-1], "input": "v0.png"}))
    report = run(open_benchmark("posed", Options(tmp_path)), pipe, metrics, tmp_path / "out")
    assert_known_head_fits(report)
    assert {v.name for v in report.cases[0].views} == {"v1", "v2", "v3"}
    (tmp_path / "transforms.json").write_text('{"frames": []}')
    with pytest.raises(BenchmarkError, match="lists no frames"):
        run(open_benchmark("posed", Options(tmp_path)), pipe, metrics, tmp_path / "out")


def test_broken_folders_are_named_and_the_rest_is_read(tmp_path, pictures):
    """Two folders of one subject, 16-bit pictures, a decompression bomb, cameras that are not finite, heads without a camera file."""
    for home in (tmp_path / "cafca" / "00000", tmp_path / "cafca" / "more" / "00000"):
        (home / "00000_000").mkdir(parents=True)
    missing = {i.item: i.reason for i in LAYOUTS["cafca"](tmp_path / "cafca").missing}
    assert str(tmp_path / "cafca" / "more" / "00000") in missing["00000"] and "holds it too" in missing["00000"]

    deep = Image.fromarray(pictures[0][..., 1].astype(np.uint16) * 257)
    mask = Image.fromarray(pictures[0][..., 3].astype(np.uint16) * 257)
    assert np.array_equal(np.array(masked(deep, mask, "mask.png"))[..., 1:], pictures[0][..., [1, 1, 3]])
    Image.new("1", (20000, 20000)).save(tmp_path / "bomb.png")
    with pytest.raises(BadItem, match="bomb.png is too large"):
        open_picture(tmp_path / "bomb.png")

    home = tmp_path / "faces" / "7" / "1_neutral"
    home.mkdir(parents=True)
    (tmp_path / "faces" / "8" / "1_neutral").mkdir(parents=True)
    data = {f"{i}_Rt": np.linalg.inv(m)[:3].tolist() for i, m in enumerate(foreign(VIEWS.c2w))} | {"4_Rt": [[float("nan")] * 4] * 3}
    (home / "params.json").write_text(json.dumps(data))
    faces = LAYOUTS["facescape"](tmp_path / "faces")
    assert faces.cases == ["7"] and [i.item for i in faces.missing] == ["8"]
    assert [i.item for i in faces.load("7").left_out] == ["4"] and "not finite" in faces.load("7").left_out[0].reason

    heads = tmp_path / "heads"
    for name, text in (("a", "3"), ("b", '{"frames": [{"file_path": "x/v.png"}, {"file_path": "y/v.png"}]}'), ("c", None)):
        (heads / name).mkdir(parents=True)
        if text:
            (heads / name / "transforms.json").write_text(text)
    posed = LAYOUTS["posed"](heads)
    assert posed.cases == ["a", "b"] and "has neither transforms.json nor cameras.json" in posed.missing[0].reason
    for name, reason in (("a", "transforms.json has no frames"), ("b", "has a camera of shape")):
        with pytest.raises(BadItem, match=reason):
            posed.load(name)


# --- statistics -----------------------------------------------------------------------------------------------------------------------


def report_of(values: dict[str, float], name: str) -> Report:
    cases = [CaseResult(n, {"extra.psnr": v, "pixels.depth": v / 100}, (ViewResult("a", 10.0, {"psnr": v}),)) for n, v in values.items()]
    return Report("synthetic", "Heads", {"name": name}, {}, "", "extra.psnr", cases=cases)


def test_paired_differences_find_what_means_hide():
    """A small gain on every head is clear, although heads differ far more than that; noise is not."""
    rng = np.random.default_rng(5)
    base = {str(i): float(v) for i, v in enumerate(rng.normal(20, 3, 30))}
    gain = {k: v + 0.3 + rng.normal(0, 0.2) for k, v in base.items()}
    noise = {k: v + rng.normal(0, 0.2) for k, v in base.items()}
    gap = paired(gain, base)
    assert gap.low > 0.15 and gap.high < 0.45 and gap.count == 30
    assert verdict("extra.psnr", gap) == "first better" and verdict("pixels.depth", gap) == "second better"
    text = compare(report_of(base, "old"), report_of(gain, "new"))
    assert "second better" in text and "`old`" in text
    assert "no clear difference" in compare(report_of(base, "old"), report_of(noise, "other"))
    assert verdict("extra.psnr", paired({"0": 30.0, "1": 31.0}, base)) == "too few cases"
    with pytest.raises(ValueError, match="no case in common"):
        compare(report_of(base, "old"), report_of({"x": 1.0}, "new"))


def test_several_weight_sets_share_one_table(tmp_path):
    base, better = {"a": 20.0, "b": 22.0, "c": 21.0}, {"a": 21.0, "b": 23.1, "c": 22.2}
    reports = [report_of(base, "one"), report_of(better, "two"), report_of(base, "three")]
    command.write_comparison(reports, tmp_path, {"four": "not trained yet"})
    text = (tmp_path / "comparison.md").read_text()
    assert "| mean over cases | `one` | `two` | `three` |" in text and "| 21.00 | 22.10 | 21.00 |" in text
    assert "- `four`: not trained yet" in text
    assert "`one` against `two`" in text and "`one` against `three`" in text
    assert command.safe_name("runs/x:detail=false") == "runs_x_detail_false"


def test_numbers_that_are_none_are_said_to_be_missing():
    case = finite(CaseResult("a", {"front.psnr": float("nan"), "extra.psnr": 20.0}, (ViewResult("v", 0.0, {"psnr": float("inf")}),)))
    assert case.values == {"front.psnr": None, "extra.psnr": 20.0} and case.views[0].values == {"psnr": None}


def test_bootstrap_interval_covers_the_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(11)
    covered = [low <= 0 <= high for low, high in (interval(rng.normal(size=40)) for _ in range(200))]
    assert 0.88 < np.mean(covered) < 0.99


def test_published_tables_are_those_of_the_papers():
    tables = published()
    assert published_table("facelift_table1_cafca")[1][3] == ["Era3D", "13.69", "0.7230", "0.3662", "0.2892", "0.2978"]  # as printed
    assert published_table("gen3d_face_table2_facescape")[1][4] == ["PanoHead", "0.7871", "0.1914", "7.10", "0.9915", "0.3412"]
    assert tables["facelift_table1_cafca"]["rows"]["FaceLift"] == [16.61, 0.7968, 0.2694, 0.1096, 0.1573]
    assert tables["facelift_table2_ava256"]["rows"]["Our MV + LGM"] == [15.24, 0.8213, 0.2292, 0.1093, 0.2264]
    assert all(len(row) == len(t["columns"]) for t in tables.values() for row in t["rows"].values())
    beside = [*LAYOUTS.values(), FFHQ, Photos, SyntheticHeads]
    assert {n for benchmark in beside for n in benchmark.published} == set(tables)  # each appears in a report


def test_worst_median_and_best_are_each_what_they_are_called():
    def words(count: int) -> list[tuple[str, str]]:
        report = report_of({str(i): float(i) for i in range(count)}, "one")
        return [(word, case.name) for word, case in chosen(report)]

    assert words(1) == [("best", "0")] and words(2) == [("worst", "0"), ("best", "1")]
    assert words(3) == [("worst", "0"), ("median", "1"), ("best", "2")]
    assert words(9) == [("worst", "0"), ("worst", "1"), ("median", "3"), ("median", "4"), ("best", "7"), ("best", "8")]
    assert describe_value("extra.psnr", 18.686) == "whole path, extra cameras: PSNR 18.69 dB"
    assert describe_value("clip", None) == "CLIP similarity -"


def test_a_missing_metric_says_what_it_needs_in_the_report(tmp_path):
    report = replace(report_of({"a": 20.0}, "one"), missing={"arcface": "needs deepface"}, published=("gen3d_face_table1_ffhq",))
    text = write_report(report, tmp_path).read_text()
    assert "- ArcFace distance, output-to-output ID, input-to-output ID: not available: needs deepface." in text
    assert "Gen3D-Face, Table 1" not in text  # other photos, and nothing to set beside
    assert "| Gen3D-Face | 55.4901 |" in write_report(replace(report, benchmark="ffhq"), tmp_path).read_text()


def test_plots_have_round_numbers_and_means_where_the_dots_are():
    assert round_ticks(0.142, 0.66) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8]) and round_ticks(23.1, 26.3)[0] == 23
    assert len(round_ticks(5.0, 5.0)) > 1
    text = by_angle([(0.0, 20.0), (90.001, 10.0), (89.999, 12.0), (11.0, 15.0)], "PSNR")
    assert re.search(r'<polyline points="([^"]+)"', text)[1].count(",") == 3  # 0, 15 and 90 degrees, once each
    assert ">90</text>" in text and ">120</text>" not in text


def test_limit_spreads_over_the_whole_set():
    names = [str(i) for i in range(48)]
    assert evenly_spaced(names, 4) == ["0", "12", "24", "36"]
    assert evenly_spaced(names, None) == evenly_spaced(names, 99) == names


def test_variants_of_a_weight_set():
    assert split_variant("compact") == ("compact", {})
    assert split_variant("a/b:fuse_depths=off,steps=4") == ("a/b", {"fuse_depths": False, "steps": 4})
    assert split_variant("compact:keep_portrait=false") == ("compact", {"keep_portrait": False})
    assert split_variant("released:reconstructor=lgm,steps=20") == ("released", {"reconstructor": "lgm", "steps": 20})
    for wrong in ("compact:colour=1", "compact:steps=many", "compact:fuse_colors=1", "compact:reconstructor=other"):
        with pytest.raises(ValueError, match="is no switch|is no value|can only be off"):
            split_variant(wrong)


def test_short_grey_heads_are_chosen_by_what_is_drawn():
    from facelift import choices
    from facelift.synthesis.sampler import KINDS, chosen, plan, short_grey

    assert tuple(KINDS) == choices.KINDS

    def head(style="buzz", name="grey", grey=0.0, hat=None, scarf=None) -> SimpleNamespace:
        hair, clothing = SimpleNamespace(style=style, name=name, grey=grey), SimpleNamespace(hat=hat, scarf=scarf)
        return SimpleNamespace(hair=hair, clothing=clothing)

    assert short_grey(head()) and short_grey(head(name="brown", grey=0.5)) and short_grey(head("pixie", "platinum"))
    assert not short_grey(head("bob")) and not short_grey(head(name="brown")) and not short_grey(head(hat="cap"))
    assert not short_grey(head(scarf="turban"))
    tasks = list(plan(430, 12, split="held-out"))
    assert chosen(tasks, 2, short_grey) == [(9_000_436, 0), (9_000_439, 0)]
    with pytest.raises(ValueError, match="only 2 heads"):
        chosen(tasks, 3, short_grey)
