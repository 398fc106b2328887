"""Training of the full-size models, at tiny sizes: from an SD-2.1-unCLIP folder to a weight folder that the pipeline runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from test_training import ball, curve
from tiny_release import tiny_release

from facelift import FaceLiftPipeline
from facelift.cameras import RIGS, orbit, six_views
from facelift.multiview.attention import MultiViewAttnProcessor
from facelift.multiview.loading import load_unet
from facelift.multiview.released import load_released
from facelift.portrait import Portrait
from facelift.reconstruction.gslrm import GSLRM, GSLRMConfig
from facelift.training.full import reconstructor, views
from facelift.training.full.data import PosedSamples, ViewSamples, open_pictures
from facelift.training.full.folder import start_folder, views_of, widened_unet
from facelift.training.full.perceptual import LAYERS, Perceptual
from facelift.training.loop import Trainer
from facelift.weights.find import WeightsError
from facelift.weights.released import PIPELINE, prompt_embeddings

# two samples, one at a time: gradients accumulate
TINY = ["--device", "cpu", "--mixed-precision", "no", "--no-checkpointing", "--workers", "0", "--batch", "2", "--log-every", "1"]


@pytest.fixture(scope="module")
def heads(tmp_path_factory) -> Path:
    """One head in the folder form: a coloured ball from the six cameras, two more, and 20 degrees above the front."""
    folder = tmp_path_factory.mktemp("heads") / "ball"
    folder.mkdir()
    entries = []
    for cameras in (six_views(64), orbit([30.0, 150.0, 0.0], [10.0, -5.0, 20.0], 64)):
        for i, rgba in enumerate(ball(cameras)[0]):
            Image.fromarray((rgba.permute(1, 2, 0) * 255).byte().numpy()).save(folder / f"{len(entries):03d}.png")
            entries.append({"c2w": cameras.c2w[i].tolist(), "fxfycxcy": cameras.at_size(512).intrinsics[i].tolist()})
    (folder / "cameras.json").write_text(json.dumps(entries))
    return folder.parent


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    """As SD-2.1-unCLIP comes: a UNet of four input channels and stock blocks."""
    release = tiny_release(tmp_path_factory.mktemp("release"))
    folder = tmp_path_factory.mktemp("base") / "unclip"
    shutil.copytree(release / PIPELINE, folder)
    state = load_file(folder / "unet" / "diffusion_pytorch_model.safetensors")
    state["conv_in.weight"] = state["conv_in.weight"][:, :4].contiguous()
    save_file(state, folder / "unet" / "diffusion_pytorch_model.safetensors")
    config = json.loads((folder / "unet" / "config.json").read_text().replace("MV2D", "2D"))
    ours = ("num_views", "multiview_attention", "sparse_mv_attention")
    config = {k: v for k, v in config.items() if k not in ours} | {"in_channels": 4, "mid_block_type": "UNetMidBlock2DCrossAttn"}
    (folder / "unet" / "config.json").write_text(json.dumps(config))
    return folder


def train_views(weights: Path, base: Path, heads: Path, run: Path, steps: int, *more: str) -> None:
    places = ["--base", str(base), "--weights", str(weights), "--data", str(heads), "--run", str(run)]
    views.main([*places, *TINY, "--steps", str(steps), *more])


def train_reconstructor(weights: Path, heads: Path, run: Path, steps: int, *more: str) -> None:
    sizes = ["--fresh", "--size", "32", "--width", "64", "--head-width", "32", "--layers", "2", "--inputs", "1", "--targets", "2"]
    reconstructor.main(["--weights", str(weights), "--data", str(heads), "--run", str(run), *sizes, *TINY, "--steps", str(steps), *more])


def test_widening_keeps_the_function(base):
    unet, _ = load_unet(base / "unet", torch.float32)
    wide = widened_unet(unet).eval()
    noise = torch.Generator().manual_seed(0)
    noisy, condition = (torch.randn(6, 4, 8, 8, generator=noise) for _ in range(2))
    text, labels = torch.randn(6, 77, 32, generator=noise), torch.randn(6, 64, generator=noise)
    with torch.no_grad():
        narrow = unet(noisy, 500, text, class_labels=labels).sample
        assert torch.allclose(wide(torch.cat([noisy, condition], 1), 500, text, class_labels=labels).sample, narrow, atol=1e-5)


def test_trained_folder_is_better_than_its_start_and_runs(base, heads, tmp_path):
    """Both models, from an SD folder; the loss is taken from what was written, with the same noise before and after."""
    before, after = tmp_path / "before", tmp_path / "after"
    start_folder(base, before)
    train_views(after, base, heads, tmp_path / "views", 5, "--lr", "3e-3", "--batch", "1")
    batch = tuple(t[None] for t in ViewSamples(open_pictures(heads, 64, "six"))[0])

    @torch.no_grad()
    def loss(folder: Path) -> float:
        pipeline = load_released(folder / PIPELINE, prompt_embeddings(folder), torch.device("cpu"), torch.float32)
        losses = [views.velocity_loss(pipeline.unet, pipeline, batch, torch.Generator().manual_seed(s), drop=0.0) for s in range(2)]
        return float(torch.stack(losses).mean())

    assert loss(after) < 0.9 * loss(before)

    train_reconstructor(after, heads, tmp_path / "lrm", 6, "--lr", "4e-3")
    curve = [json.loads(line)["mse"] for line in (tmp_path / "lrm" / "log.jsonl").read_text().splitlines()]
    assert curve[-1] < 0.9 * curve[0]  # the curve is a running mean

    pipeline = FaceLiftPipeline.from_pretrained(after, device="cpu")
    trained = torch.load(tmp_path / "lrm" / "last.pt", weights_only=True)["ema"]
    assert all(torch.equal(trained[key], value) for key, value in pipeline.reconstructor.state_dict().items())
    picture = Image.fromarray(np.full((512, 512, 3), 128, np.uint8))
    portrait = Portrait(picture, Image.new("L", (512, 512), 255), None, (), "none", None)
    made = pipeline.make_views(portrait, seed=4, steps=2, guidance_scale=3.0).views
    assert made.shape == (6, 3, 64, 64)
    assert len(pipeline.reconstruct(made).free) == 2


def test_another_rig_and_attention_from_training_to_a_head(base, heads, tmp_path):
    """Four views without attention across them: what the folder says is what the pipeline, and the next training, make."""
    weights, other = tmp_path / "weights", tmp_path / "other"
    shape = ["--rig", "four", "--attention", "none"]
    train_views(weights, base, heads, tmp_path / "views", 2, *shape, "--batch", "1", "--test", str(heads), "--test-steps", "1")
    train_reconstructor(weights, heads, tmp_path / "lrm", 2, "--rig", "four", "--targets", "6", "--test", str(heads))
    assert views_of(weights) == {"rig": "four", "attention": "none"}

    pipeline = FaceLiftPipeline.from_pretrained(weights, device="cpu")
    assert not any(isinstance(p, MultiViewAttnProcessor) for p in pipeline.multiview.unet.attn_processors.values())
    words = pipeline.multiview.prompt_embeds
    six = prompt_embeddings(start(base, other))
    assert torch.equal(words, six[[0, 2, 3, 4]])  # front, right, back, left are told what they were told among six
    picture = Image.fromarray(np.full((512, 512, 3), 128, np.uint8))
    head = pipeline(Portrait(picture, Image.new("L", (512, 512), 255), None, (), "none", None), steps=1)
    assert head.views.shape == (4, 64, 64, 3) and head.names == RIGS["four"].names
    assert torch.equal(head.cameras.c2w, RIGS["four"].cameras().c2w)

    with pytest.raises(SystemExit, match="begun with rig four, not eight"):
        train_views(weights, base, heads, tmp_path / "more", 1, "--rig", "eight")
    with pytest.raises(SystemExit, match="makes the views of the rig four, not raised"):
        train_reconstructor(weights, heads, tmp_path / "more", 1, "--rig", "raised", "--targets", "6")
    (weights / "settings.json").write_text('{"rig": "nine"}')
    with pytest.raises(WeightsError, match="settings.json does not say which views .* 'nine'"):
        FaceLiftPipeline.from_pretrained(weights, device="cpu")
    (weights / "settings.json").write_text('{"rig": "six"}')
    with pytest.raises(WeightsError, match="make 4 views"):
        FaceLiftPipeline.from_pretrained(weights, device="cpu")


def start(base: Path, weights: Path) -> Path:
    start_folder(base, weights)
    return weights


def test_without_the_input_view_the_photo_is_still_the_front(heads):
    """The raised rig is found among the pictures by its cameras; what the model is given is the picture from elevation 0."""
    six, raised = (ViewSamples(open_pictures(heads, 64, rig))[0] for rig in ("six", "raised"))
    assert torch.equal(six[0][0], six[1]) and torch.equal(raised[1], six[1])
    assert torch.equal(raised[0][1:], six[0][1:]) and not torch.equal(raised[0][0], six[0][0])
    poses = PosedSamples(open_pictures(heads, 64, "raised"), 6, 8, rig=True)[0][2]
    assert torch.allclose(poses[:6], RIGS["raised"].cameras().c2w)
    with pytest.raises(ValueError, match="ball lacks views"):
        ViewSamples(open_pictures(heads, 64, "eight"))[0]


@pytest.mark.parametrize("model", ["views", "reconstructor"])
def test_a_killed_run_goes_on_to_the_same_weights_and_curve(base, heads, tmp_path, monkeypatch, model):
    """Killed after the second step, before its checkpoint; held-out heads are measured and shown at every checkpoint."""
    options = ["--save-every", "1", "--test", str(heads), "--test-heads", "1"]

    def run(name: str) -> dict:
        folder, weights = tmp_path / name, tmp_path / f"{name}_weights"
        if model == "views":
            train_views(weights, base, heads, folder, 2, *options, "--batch", "1", "--test-steps", "1")
        else:
            train_reconstructor(weights, heads, folder, 2, *options)
        return torch.load(folder / "last.pt", weights_only=True)

    class Killed(Exception):
        pass

    whole = run("whole")
    save = Trainer.save

    def save_or_die(self):
        if self.step == 2:
            raise Killed
        save(self)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "save", save_or_die)
        with pytest.raises(Killed):
            run("killed")
    assert torch.load(tmp_path / "killed" / "last.pt", weights_only=True)["step"] == 1
    resumed = run("killed")
    for part in ("model", "ema"):
        assert all(torch.equal(whole[part][key], resumed[part][key]) for key in whole[part])
    assert curve(tmp_path / "killed") == curve(tmp_path / "whole") and len(curve(tmp_path / "whole")) == 4
    sheet = Image.open(tmp_path / "whole" / "sheets" / "0000002.webp")
    assert sheet.height == 3 * 128 and len(sheet.getcolors(2**17)) > 100


def test_cameras_of_each_sample_are_its_own(heads):
    """A batch of two with different cameras computes what each computes alone, as the model of the app does."""
    config = GSLRMConfig(image_size=32, width=64, head_width=32, layers=2)
    model = reconstructor.TrainableGSLRM(config, checkpointing=True)
    plain = GSLRM(config)
    plain.load_state_dict(model.state_dict())
    samples = PosedSamples(open_pictures(heads, 32), 2, 2)
    batch = [torch.stack(parts) for parts in zip(samples[0], samples[1], strict=True)]
    assert not torch.equal(batch[2][0], batch[2][1])
    both = reconstructor.rendering_loss(model, config, tuple(batch), 2)["loss"]
    alone = [reconstructor.rendering_loss(model, config, tuple(t[i : i + 1] for t in batch), 2)["loss"] for i in range(2)]
    assert torch.allclose(both, torch.stack(alone).mean(), rtol=1e-4)
    cameras = reconstructor.Cameras(batch[1][0], batch[2][0], 32, 32)
    with torch.no_grad():
        expected, found = (m.predict(batch[0][:1], cameras)[1] for m in (plain, model))
    assert torch.allclose(expected, found, atol=1e-5)


def test_perceptual_term_needs_vgg_and_sees_blur(tmp_path, capsys):
    state, channels, number = {}, 3, 0
    for width, count in LAYERS:
        for _ in range(count):
            state[f"features.{number}.weight"] = torch.randn(width, channels, 3, 3) * (2 / (9 * channels)) ** 0.5
            state[f"features.{number}.bias"] = torch.zeros(width)
            channels, number = width, number + 2
        number += 1
    perceptual, picture = Perceptual(state), torch.rand(1, 3, 32, 32)
    blurred = torch.nn.functional.avg_pool2d(picture, 3, 1, 1)
    assert perceptual(picture, picture) == 0 < perceptual(blurred, picture)
    with pytest.raises(ValueError, match="vgg19"):
        Perceptual({})


def test_what_is_missing_is_said(base, heads, tmp_path):
    with pytest.raises(SystemExit, match="unet"):
        train_views(tmp_path / "a", tmp_path, heads, tmp_path / "run", 1)
    with pytest.raises(SystemExit, match="nothing to train on"):
        open_pictures(tmp_path, 64)
    with pytest.raises(SystemExit, match="--fresh"):
        reconstructor.main(["--weights", str(tmp_path), "--data", str(heads), "--run", str(tmp_path / "r"), *TINY])
