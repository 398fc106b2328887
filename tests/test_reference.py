"""The classes against numbers recorded from the official ones (tests/reference/README.md).

FACELIFT_REFERENCE_KIT names another kit folder of the same layout; all sizes are read from its JSON files. Tolerances are the kit's.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from tiny_release import tiny_release

from facelift.cameras import RADIUS, VIEW_NAMES, Cameras, orbit, rays, six_views, turntable
from facelift.gaussians import RELEASE_APP, RELEASE_CLI, SH_C0, FilterPreset, Gaussians
from facelift.reconstruction.gslrm import GSLRM, GSLRMConfig

KIT = Path(os.environ.get("FACELIFT_REFERENCE_KIT") or Path(__file__).parent / "reference")


def read(name: str) -> dict:
    return json.loads((KIT / f"{name}.json").read_text())


def tensors(name: str) -> dict[str, torch.Tensor]:
    return load_file(KIT / f"{name}.safetensors")


def close(actual, expected, tolerance: float) -> None:
    torch.testing.assert_close(torch.as_tensor(actual), torch.as_tensor(expected), atol=tolerance, rtol=tolerance, check_dtype=False)


# --- crop (3.1) ---------------------------------------------------------------------------------------------------------------------

CROPS = read("crop_face")


def crop_picture(width: int, height: int) -> Image.Image:
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    picture = [x * 255 // (width - 1), y * 255 // (height - 1), 255 * ((x // 16 + y // 16) % 2)]
    return Image.fromarray(np.stack(picture, 2).astype(np.uint8))


@pytest.mark.parametrize("index", range(len(CROPS["cases"])))
def test_crop(index):
    from facelift.portrait.crop import apply_crop, crop_window

    case = CROPS["cases"][index]
    crop = crop_window(case["width"], case["height"], tuple(case["box_xyxy_float32"]))
    assert crop.scale == pytest.approx(case["scale"], rel=1e-12)
    assert list(crop.scaled_size) == case["scaled_size"]
    assert list(crop.crop_in_scaled) == case["crop_in_scaled"]
    assert list(crop.paste_at) == case["paste_at"]
    portrait = apply_crop(crop_picture(case["width"], case["height"]), crop, tuple(CROPS["background"]))
    size = CROPS["output_size"]
    assert portrait.size == (size, size)
    if hashlib.sha256(portrait.tobytes()).hexdigest() == case["sha256_of_rgb_bytes"]:
        return
    # the bytes are those of one Pillow version and of a resize of the whole picture: another may round a few of them otherwise
    pixels = np.asarray(portrait).astype(float)
    blocks = pixels[..., 0].reshape(16, size // 16, 16, size // 16).mean((1, 3))
    np.testing.assert_allclose(np.diagonal(blocks), case["mean_16x16"], atol=0.05)
    recorded = KIT / f"crop_face_case{index}.png"
    if recorded.is_file():
        assert np.abs(pixels - np.asarray(Image.open(recorded)).astype(float)).max() <= 1


@pytest.mark.parametrize("index", range(len(CROPS["selection"])))
def test_face_selection(index):
    from facelift.portrait.crop import select_face

    case = CROPS["selection"][index]
    boxes = None if case["boxes"] is None else np.array(case["boxes"], np.float32)
    best = select_face(boxes, None if boxes is None else np.array(case["probabilities"], np.float32))
    assert (None if best is None else case["boxes"][best]) == case["selected"]


# --- cameras and rays (3.4, 3.6) ----------------------------------------------------------------------------------------------------


def test_six_cameras_in_order():
    views = read("cameras")["views"]
    cameras = six_views(512)
    assert [view["name"] for view in views] == list(VIEW_NAMES)
    close(cameras.c2w, torch.tensor([view["c2w_float32"] for view in views]), 1e-6)
    close(cameras.intrinsics, torch.tensor([view["fxfycxcy"] for view in views]), 1e-6)
    close(cameras.viewmats, torch.tensor([view["w2c_float64"] for view in views]).float(), 1e-6)


@pytest.mark.parametrize("name", read("cameras")["turntable"])
def test_turntable(name):
    case = read("cameras")["turntable"][name]
    height_of_camera = next(iter(case["frames"].values()))[2][3]
    elevation = np.rad2deg(np.arcsin(height_of_camera / RADIUS))
    cameras = turntable(case["num_views"], case["width"], elevation)
    assert (len(cameras), cameras.width, cameras.height) == (case["num_views"], case["width"], case["height"])
    for frame, c2w in case["frames"].items():
        close(cameras.c2w[int(frame)], torch.tensor(c2w), 1e-6)
        close(cameras.intrinsics[int(frame)], torch.tensor(case["fxfycxcy"]), 1e-6)


@pytest.fixture(scope="module")
def gslrm_io() -> dict[str, torch.Tensor]:
    """The first sample; `patch_tokens` has samples and views in one dimension."""
    io = tensors("gslrm_tiny_io")
    batch = len(io["image"])
    io["patch_tokens"] = io["patch_tokens"].reshape(batch, -1, io["patch_tokens"].shape[-1])
    return {key: value[:1] if len(value) == batch else value for key, value in io.items()}


@pytest.fixture(scope="module")
def gslrm_cameras(gslrm_io) -> Cameras:
    height, width = gslrm_io["image"].shape[-2:]
    return Cameras(gslrm_io["fxfycxcy"][0], gslrm_io["c2w"][0], width, height)


def test_rays(gslrm_io, gslrm_cameras):
    origins, directions = rays(gslrm_cameras)
    close(origins, gslrm_io["ray_o"][0], 1e-5)
    close(directions, gslrm_io["ray_d"][0], 1e-5)


# --- multi-view diffusion (3.2, 3.3, 3.8) -------------------------------------------------------------------------------------------

PIPELINE = read("pipeline_tiny")
TABLES = PIPELINE | PIPELINE["cases"]  # the schedules are recorded beside the cases
CASES = [name for name, case in PIPELINE["cases"].items() if "steps" in case and "eta" in case]


@pytest.fixture(scope="module")
def pipeline_io() -> dict[str, torch.Tensor]:
    return tensors("pipeline_tiny_io")


@pytest.fixture(scope="module")
def multiview(tmp_path_factory, pipeline_io):
    """The pipeline as it is assembled from a folder in the released layout, in fp32."""
    from facelift.multiview.attention import know_text
    from facelift.multiview.released import load_released

    folder = tiny_release(tmp_path_factory.mktemp("release"), KIT) / "mvdiffusion" / "pipeckpts"
    pipeline = load_released(folder, pipeline_io["prompt_embeds"], torch.device("cpu"), torch.float32)
    know_text(pipeline.unet)
    return pipeline


@pytest.fixture(scope="module")
def portrait(pipeline_io) -> Image.Image:
    return Image.fromarray(pipeline_io["input_image_u8"].numpy())


class Recorded:
    """Hands out the recorded noise in the order of the official draws, and remembers what was asked for."""

    def __init__(self, io: dict[str, torch.Tensor]):
        self.left = [io["clip_noise"], io["initial_latents"], *io["variance_noise"]]
        self.shapes: list[list[int]] = []

    def __call__(self, shape: tuple[int, ...]) -> torch.Tensor:
        self.shapes.append(list(shape))
        noise = self.left.pop(0)
        assert noise.shape == shape
        return noise


@torch.no_grad()
def test_clip_embedding(multiview, portrait, pipeline_io):
    close(multiview.conditioner.processor(portrait, return_tensors="pt").pixel_values, pipeline_io["clip_pixel_values"][:1], 1e-5)
    close(multiview.conditioner.image_embeds(portrait), pipeline_io["clip_image_embeds"][:1], 1e-5)


@torch.no_grad()
def test_condition(multiview, portrait, pipeline_io):
    condition = multiview.encode(portrait, Recorded(pipeline_io))
    blind, seeing = pipeline_io["class_labels"].chunk(2)
    close(condition.class_labels, seeing, 1e-5)
    assert torch.equal(multiview.conditioner.unconditional(condition.class_labels), blind)
    close(multiview.pictures(portrait) * 2 - 1, pipeline_io["vae_input"][:1], 1e-6)
    recorded_blind, recorded = pipeline_io["condition_latents"].chunk(2)
    assert not recorded_blind.any()
    close(condition.latents, recorded, 1e-5)
    close(condition.latents / multiview.codec.vae.config.scaling_factor, pipeline_io["vae_mode"], 1e-4)
    close(condition.prompt_embeds[:, :1], pipeline_io["unet_encoder_hidden_states"].chunk(2)[0], 1e-6)


@pytest.mark.parametrize("mode, record", [("sparse", "output"), ("dense", "output_if_dense"), ("none", "output_if_single_view")])
@torch.no_grad()
def test_unet(mode, record):
    """Sparse attention is what the release computes; the other two forms are told apart by far more than the tolerance."""
    from diffusers import UNet2DConditionModel

    from facelift.multiview.attention import set_view_attention
    from facelift.multiview.loading import stock_unet_config

    stock, num_views, released_mode = stock_unet_config(read("unet_tiny")["config"])
    assert released_mode == "sparse"
    unet = UNet2DConditionModel(**stock).eval()
    unet.load_state_dict({key: value.float() for key, value in tensors("unet_tiny_state").items()}, strict=True)
    set_view_attention(unet, num_views, mode)
    io = tensors("unet_tiny_io")
    output = unet(io["sample"], io["timestep"], io["encoder_hidden_states"], class_labels=io["class_labels"]).sample
    close(output, io[record], 1e-4)
    for other in {"output", "output_if_dense", "output_if_single_view"} - {record}:
        assert (output - io[other]).abs().max() > 1e-2


def test_schedules(multiview):
    recorded = TABLES["ddim"]
    for step, value in recorded["alphas_cumprod_at"].items():
        assert float(multiview.scheduler.alphas_cumprod[int(step)]) == pytest.approx(value, rel=1e-6)
    assert float(multiview.scheduler.final_alpha_cumprod) == pytest.approx(recorded["final_alpha_cumprod"], rel=1e-6)
    multiview.scheduler.set_timesteps(50)
    assert multiview.scheduler.timesteps.tolist() == recorded["timesteps_50"]
    assert float(multiview.conditioner.noising.alphas_cumprod[0]) == pytest.approx(TABLES["noising"]["alphas_cumprod_0"], rel=1e-6)
    assert multiview.config.steps == 50 and multiview.config.guidance_scale == 3.0 and multiview.config.eta == 1.0


@pytest.mark.parametrize("name", CASES)
@torch.no_grad()
def test_denoising(name, multiview, portrait, pipeline_io, monkeypatch):
    from diffusers import DDIMScheduler

    from facelift.rendering import to_bytes

    case, io = PIPELINE["cases"][name], pipeline_io
    latents_after_step, timesteps, unet_calls = [], [], []

    class Watched(DDIMScheduler):
        def step(self, output, t, latents, **kwargs):
            result = super().step(output, t, latents, **kwargs)
            timesteps.append(int(t))
            latents_after_step.append(result[0])
            return result

    monkeypatch.setattr(multiview, "scheduler", Watched.from_config(multiview.scheduler.config))
    watch = multiview.unet.register_forward_hook(lambda module, inputs, output: unet_calls.append((inputs[0], output.sample)))
    draw = Recorded(io)
    try:
        condition = multiview.encode(portrait, draw)
        latents = multiview.prepare_latents(condition, draw)
        latents = multiview.denoise(latents, condition, case["steps"], case["guidance_scale"], case["eta"], draw)
    finally:
        watch.remove()

    assert timesteps == case["timesteps"]
    assert draw.shapes == case["random_draws_in_order"]
    assert {len(sample) for sample, _ in unet_calls} == {case["unet_batch"]}
    if name == "eta1_g3":
        close(unet_calls[0][0], io["unet_input_step0"], 1e-5)
        close(unet_calls[0][1], io["unet_output_step0"], 1e-4)
    close(torch.stack(latents_after_step), io[f"{name}.latents_after_step"], 2e-3)
    close(latents / multiview.codec.vae.config.scaling_factor, io[f"{name}.decode_input"], 2e-2)
    views = multiview.decode(latents)
    close(views, (io[f"{name}.decoded"] / 2 + 0.5).clamp(0, 1), 5e-3)
    assert np.abs(to_bytes(views).astype(int) - io[f"{name}.images_u8"].numpy().astype(int)).max() <= 2


# --- reconstruction (3.4) -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def gslrm() -> GSLRM:
    model = read("gslrm_tiny")["config"]["model"]
    tokenizer, transformer = model["image_tokenizer"], model["transformer"]
    config = GSLRMConfig(
        image_size=tokenizer["image_size"],
        patch_size=tokenizer["patch_size"],
        in_channels=tokenizer["in_channels"],
        width=transformer["d"],
        head_width=transformer["d_head"],
        layers=transformer["n_layer"],
        free_gaussians=model["gaussians"]["n_gaussians"],
    )
    gslrm = GSLRM(config).eval()
    gslrm.load_state_dict(tensors("gslrm_tiny_state"), strict=True)
    return gslrm


@torch.no_grad()
def test_gslrm_tokens(gslrm, gslrm_io, gslrm_cameras):
    posed = gslrm.posed_images(gslrm_io["image"], gslrm_cameras)
    close(posed, gslrm_io["posed_images"], 1e-5)
    close(gslrm.patch_embedder(gslrm.patchify(posed)), gslrm_io["patch_tokens"], 1e-4)
    tokens = gslrm.tokens(gslrm.patchify(posed))
    close(tokens, gslrm_io["tokens_after_input_norm"], 1e-4)
    for i, layer in enumerate(gslrm.transformer_layers):
        tokens = layer(tokens)
        close(tokens, gslrm_io[f"tokens_after_layer_{i}"], 1e-4)
    close(tokens[:, gslrm.config.free_gaussians :], gslrm_io["image_tokens_out"], 1e-4)


@torch.no_grad()
def test_gslrm_raw_outputs(gslrm, gslrm_io, gslrm_cameras):
    free, pixels = gslrm.predict(gslrm_io["image"], gslrm_cameras)
    close(free, gslrm_io["raw_free_gaussians"], 1e-4)
    recorded = gslrm_io["raw_pixel_gaussians"]
    close(pixels, gslrm.unpatchify(recorded, gslrm_io["image"].shape), 1e-4)
    close(gslrm.reconstruct(gslrm_io["image"][0], gslrm_cameras).pixel.means.permute(0, 1, 4, 2, 3), gslrm_io["pixelalign_xyz"], 1e-4)


def recorded_gaussians(io: dict[str, torch.Tensor], prefix: str = "") -> Gaussians:
    means, quats, scales = (io[prefix + key][0] for key in ("xyz", "rotation_raw", "scaling_raw"))
    return Gaussians(means, quats, scales, io[prefix + "opacity_raw"][0, :, 0], io[prefix + "features"][0, :, 0])


def test_gslrm_gaussians(gslrm, gslrm_io, gslrm_cameras):
    """All Gaussians in the release's order, unclamped, and what they mean once activated."""
    gaussians = gslrm.reconstruct(gslrm_io["image"][0], gslrm_cameras).gaussians()
    recorded = recorded_gaussians(gslrm_io)
    assert len(gaussians) == read("gslrm_tiny")["n_gaussians_total"]
    for name in ("means", "quats", "scales", "opacities", "sh0"):
        close(getattr(gaussians, name), getattr(recorded, name), 1e-4)
    close(gaussians.scales.exp(), gslrm_io["scaling_activated"], 1e-4)
    close(gaussians.opacities.sigmoid()[:, None], gslrm_io["opacity_activated"], 1e-4)
    close(torch.nn.functional.normalize(gaussians.quats, dim=1), gslrm_io["rotation_activated"], 1e-3)
    close(gaussians.rgb, (SH_C0 * gslrm_io["features"][0, :, 0] + 0.5).clamp_min(0), 1e-4)


# --- filters and files (3.5) --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, ours", [("cli", RELEASE_CLI), ("gradio", RELEASE_APP)])
def test_filters(name, ours, gslrm_io):
    summary = read("gslrm_tiny")
    thresholds = summary["filters"][name]
    preset = FilterPreset(thresholds["opacity_thres"], thresholds["scaling_thres"], thresholds["floater_thres"])
    assert preset == ours
    everything = recorded_gaussians(gslrm_io)
    numbered = replace(everything, sh0=torch.arange(len(everything)).float()[:, None].expand(-1, 3))
    kept = numbered.filtered(preset).sh0[:, 0].long()
    assert len(kept) == summary["summary"][name]["kept"]
    assert torch.equal(kept, gslrm_io[f"keep_{name}"].nonzero()[:, 0])


def test_ply_columns(gslrm_io, tmp_path):
    """What we write agrees with the released columns, less those that are zero and the bytes; the release's own file is read back whole."""
    plyfile = pytest.importorskip("plyfile")
    kit = recorded_gaussians(gslrm_io).filtered(RELEASE_CLI)
    names, columns = read("gslrm_tiny")["summary"]["ply_cli_columns"], gslrm_io["ply_cli_nonzero_columns"]
    ply = plyfile.PlyData.read(kit.save(tmp_path / "head.ply"))
    assert ply.byte_order == "<" and [element.name for element in ply.elements] == ["vertex"]
    vertex = ply["vertex"]
    types = dict(map(tuple, read("gslrm_tiny")["summary"]["ply_properties"]))
    floats = [name for name in types if not name.startswith("f_rest_") and types[name] == "f4"]  # its bytes red, green, blue repeat f_dc
    assert [p.name for p in vertex.properties] == floats
    for name, column in zip(names, columns.T, strict=True):
        if name in floats:
            assert vertex[name].dtype == np.dtype("<f4"), name
            np.testing.assert_allclose(vertex[name], column.numpy(), atol=1e-6, err_msg=name)

    released = Gaussians.load(KIT / "gslrm_tiny_cli.ply")
    for name in ("means", "quats", "scales", "opacities", "sh0"):
        close(getattr(released, name), getattr(kit, name), 1e-6)


# --- rendering (3.7) ----------------------------------------------------------------------------------------------------------------


def psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(-10 * torch.log10((a - b).square().mean().clamp_min(1e-20)))


ORACLE = tensors("render_oracle")
PICTURES = sorted(key.removesuffix(".rgb") for key in ORACLE if key.endswith(".rgb"))


@pytest.mark.parametrize("picture", PICTURES)
def test_render_oracle(picture, gslrm_io):
    from facelift.rendering import render

    height, width = ORACLE[f"{picture}.rgb"].shape[1:]
    if picture == "scene":
        gaussians = recorded_gaussians(ORACLE, "scene.")
        cameras = Cameras(ORACLE["scene.fxfycxcy"][None], ORACLE["scene.c2w"][None], width, height)
    else:
        filtering, view = picture.split(".")
        gaussians = recorded_gaussians(gslrm_io)
        gaussians = gaussians.filtered(RELEASE_CLI) if filtering == "cli" else gaussians
        if view.startswith("view"):
            cameras = six_views(width)[int(view.removeprefix("view"))]
        else:
            frames, frame = map(int, view.removeprefix("turntable").split("_frame"))
            cameras = orbit([360 * frame / frames], size=width)
    rendering = render(gaussians, cameras, background=1.0, backend="cpu")
    assert psnr(rendering.rgb[0], ORACLE[f"{picture}.rgb"]) >= 50
    if f"{picture}.alpha" in ORACLE:
        assert psnr(rendering.alpha[0, 0], ORACLE[f"{picture}.alpha"]) >= 50


# --- full size (2): keys and shapes, without memory for the values --------------------------------------------------------------------


def full_size_modules() -> dict[str, torch.nn.Module]:
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from diffusers.pipelines.stable_diffusion import StableUnCLIPImageNormalizer
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPVisionConfig, CLIPVisionModelWithProjection

    from facelift.multiview.loading import stock_unet_config

    unet = read("unet_tiny")["config"] | {
        "sample_size": 64,
        "block_out_channels": [320, 640, 1280, 1280],
        "attention_head_dim": [5, 10, 20, 20],
        "cross_attention_dim": 1024,
        "projection_class_embeddings_input_dim": 2048,
    }
    vae = PIPELINE["configs"]["vae"] | {"block_out_channels": [128, 256, 512, 512], "sample_size": 512}
    vision = {"hidden_size": 1280, "intermediate_size": 5120, "projection_dim": 1024, "num_hidden_layers": 32, "patch_size": 14}
    text = {"vocab_size": 49408, "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 23}
    with torch.device("meta"):
        return {
            "gslrm": GSLRM(GSLRMConfig()),
            "unet": UNet2DConditionModel(**stock_unet_config(unet)[0]),
            "vae": AutoencoderKL(**vae),
            "image_encoder": CLIPVisionModelWithProjection(CLIPVisionConfig(num_attention_heads=16, **vision)),
            "text_encoder": CLIPTextModel(CLIPTextConfig(num_attention_heads=16, **text)),
            "image_normalizer": StableUnCLIPImageNormalizer(1024),
        }


@pytest.fixture(scope="module")
def full_size() -> dict[str, torch.nn.Module]:
    return full_size_modules()


@pytest.mark.parametrize("name", ["gslrm", "unet", "vae", "image_encoder", "text_encoder", "image_normalizer"])
def test_full_size_keys(name, full_size):
    """text_encoder: transformers 5 drops the prefix of its keys, and takes files that have it."""
    recorded = read("state_dict_full")
    expected = {key.removeprefix("text_model."): shape for key, shape in recorded[name].items()}
    actual = {key.removeprefix("text_model."): list(value.shape) for key, value in full_size[name].state_dict().items()}
    assert {key: shape for key, shape in actual.items() if not key.endswith("position_ids")} == expected
    assert sum(p.numel() for p in full_size[name].parameters()) == recorded["parameters"][name]


def test_checkpoint_with_the_loss_network_gives_exactly_the_model(tmp_path, monkeypatch):
    """The 183 released keys less the 32 of the perceptual loss are those of the model."""
    from huggingface_hub import constants

    from facelift.weights.find import gslrm_state_dict

    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path / "home"))
    recorded = read("state_dict_full")
    keys = [*recorded["gslrm"], *recorded["gslrm_loss_only"]]
    (tmp_path / "gslrm").mkdir()
    torch.save({"model": {key: torch.zeros(1) for key in keys}, "optimizer": {}}, tmp_path / "gslrm" / "ckpt.pt")
    assert set(gslrm_state_dict(tmp_path)) == set(recorded["gslrm"])
