"""The recipes of CONTRIBUTING.md, each followed once in a temporary place."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from conftest import MARKERS
from torch import Tensor, nn

from facelift.cameras import Cameras, rays, six_views
from facelift.gaussians import SH_C0, FilterPreset, Gaussians
from facelift.reconstruction.pixel_gaussians import PixelGaussians, decode_pixel_gaussians, flatten_gaussians
from facelift.reconstruction.protocol import Context, Reconstruction

ROOT = Path(__file__).parents[1]
SIZE = 32  # pixels a side of the toy models' views


def test_every_test_has_exactly_one_marker(request):
    assert all(sum(mark.name in MARKERS for mark in item.iter_markers()) == 1 for item in request.session.items)


def test_every_command_that_the_guides_show_exists():
    """Of `facelift VERB` and `python -m facelift.MODULE` in the guides: the verb is one, the module is there."""
    from facelift.cli import VERBS

    guides = ("README.md", "CONTRIBUTING.md", "docs/architecture.md", "facelift/training/README.md")
    text = "\n".join((ROOT / name).read_text() for name in guides)
    verbs = set(re.findall(r"(?:^|`)facelift ([a-z]+)(?!\S)", text, re.MULTILINE))
    modules = set(re.findall(r"-m (facelift(?:\.\w+)*)", text))
    assert verbs and verbs <= set(VERBS)
    assert modules and all(any((ROOT / m.replace(".", "/")).with_suffix(s).exists() for s in ("", ".py")) for m in modules)


# --- a reconstructor and a weight set ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CardConfig:
    depth: float = 0.0
    patch_size: int = 4


class Card(nn.Module):
    """Toy: every view is a flat card in its own colours, `depth` behind the origin, lit by one learned number."""

    def __init__(self, config: CardConfig):
        super().__init__()
        self.config = config
        self.light = nn.Parameter(torch.zeros(()))

    @torch.inference_mode()
    def reconstruct(self, images: Tensor, cameras: Cameras) -> Reconstruction:
        v, _, h, w = images.shape
        raw = torch.zeros(1, v, h, w, 14)
        raw[..., 3:6], raw[..., 9], raw[..., 13] = self.light, 1.0, 6.0
        prior = torch.full((1, v, h, w), self.config.depth)
        pixel = decode_pixel_gaussians(raw, images[None], *rays(cameras), color_skip=True, alpha_gate=True, prior_depth=prior)
        return Reconstruction(flatten_gaussians(pixel, self.config.patch_size)[:0], pixel, self.config.patch_size)


def portrait():
    """A dark disc on white, cut out, as `make_portrait` would hand it on."""
    from PIL import Image

    from facelift.portrait import Portrait

    y, x = np.mgrid[-1:1:512j, -1:1:512j]
    inside = x**2 + y**2 < 0.4
    picture = np.where(inside[..., None], (90, 60, 50), 255).astype(np.uint8)
    return Portrait(Image.fromarray(picture), Image.fromarray((inside * 255).astype(np.uint8)), None, (), "none", None)


def write_views(folder: Path) -> None:
    """The view generator of a compact weight set, tiny and untrained."""
    from facelift.multiview.compact import CompactViewGenerator, compact_scheduler, compact_unet
    from facelift.multiview.depth import depth_unet
    from facelift.weights.tensors import write_tensors

    generator = CompactViewGenerator(compact_unet((32, 32), SIZE))
    config = {key: value for key, value in dict(generator.unet.config).items() if not key.startswith("_")}
    write_tensors(folder / "unet" / "diffusion_pytorch_model.safetensors", generator.unet.state_dict())
    (folder / "unet" / "config.json").write_text(json.dumps(config))
    write_tensors(folder / "prompt_embeds.safetensors", {"prompt_embeds": generator.prompt_embeds.detach()})
    compact_scheduler().save_pretrained(folder / "scheduler")
    depth_unet((32, 32), image_size=SIZE).save_pretrained(folder / "depth")


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """A weight folder with the toy reconstructor, which is in the registry only while a test asks for it."""
    from facelift.weights.tensors import write_tensors

    folder = tmp_path_factory.mktemp("toy")
    write_views(folder / "multiview")
    write_tensors(folder / "reconstructor" / "model.safetensors", {"light": torch.tensor(0.1)})
    settings = {
        "format": "facelift-compact",
        "licence": "CC0-1.0",
        "multiview": {"image_size": SIZE, "steps": 1, "guidance_scale": 1.0, "eta": 0.0, "keep_portrait": True},
        "reconstructor": {"type": "card", "depth": 0.2},
        "refinements": [{"type": "fade", "logit": -2.0}],
    }
    (folder / "config.json").write_text(json.dumps(settings))
    (folder / "README.md").write_text("# Toy weights\n")
    return folder


def test_a_weight_set_with_a_reconstructor_and_a_refinement_of_its_own(weights, monkeypatch):
    from facelift import FaceLiftPipeline
    from facelift.reconstruction.loading import RECONSTRUCTORS
    from facelift.reconstruction.refine import REFINEMENTS

    monkeypatch.setitem(RECONSTRUCTORS, "card", (Card, CardConfig))
    monkeypatch.setitem(REFINEMENTS, Fade.name, Fade)
    pipe = FaceLiftPipeline.from_pretrained(weights, device="cpu")
    assert pipe.reconstructor.config == CardConfig(0.2) and pipe.refinements == (Fade(-2.0),)
    head = pipe(portrait())
    assert head.views.shape == (6, SIZE, SIZE, 3) and head.report["licence"] == "CC0-1.0"
    assert len(head.gaussians) and (head.gaussians.opacities == -2.0).all()


def test_a_reconstructor_that_is_not_registered_is_named(weights):
    from facelift import FaceLiftPipeline
    from facelift.errors import WeightsError

    with pytest.raises(WeightsError, match="card"):
        FaceLiftPipeline.from_pretrained(weights, device="cpu")


# --- a refinement ------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fade:
    """Toy: every Gaussian is at most this opaque."""

    name: ClassVar[str] = "fade"

    logit: float = 0.0

    def __call__(self, reconstruction: Reconstruction, context: Context) -> Reconstruction:
        pixel = reconstruction.pixel
        return replace(reconstruction, pixel=pixel._replace(opacities=pixel.opacities.clamp_max(self.logit)))


def test_a_refinement(monkeypatch):
    from facelift.reconstruction.refine import REFINEMENTS, read_refinements, write_refinements

    monkeypatch.setitem(REFINEMENTS, Fade.name, Fade)
    settings = [{"type": "fade", "logit": 1.0}]
    (fade,) = read_refinements(settings)
    assert fade == Fade(1.0) and write_refinements([fade]) == settings
    v, h, w = 6, 4, 4
    shape = (1, v, h, w)
    means, quats, scales, sh0 = (torch.zeros(*shape, n) for n in (3, 4, 3, 3))
    pixel = PixelGaussians(means, quats, scales, torch.full(shape, 3.0), sh0, torch.zeros(shape))
    before = Reconstruction(flatten_gaussians(pixel, 2)[:0], pixel, 2)
    after = fade(before, Context(torch.ones(v, 4, h, w), six_views(4), torch.ones(4, 8, 8)))
    assert (after.gaussians().opacities == 1.0).all() and torch.equal(after.gaussians().means, before.gaussians().means)
    assert len(after.filtered(FilterPreset(side=9, height=9, corner=9, scale=99))) == v * h * w


# --- a hair style ------------------------------------------------------------------------------------------------------------------------


def test_a_hair_style(monkeypatch):
    from facelift.synthesis.expression import draw_expression
    from facelift.synthesis.hair import STYLES, appearance, draw_hair_appearance, grow_hair
    from facelift.synthesis.hair.growth import Scalp
    from facelift.synthesis.hair.styles import Style
    from facelift.synthesis.hair.tufts import Tuft
    from facelift.synthesis.identity import draw_identity
    from facelift.synthesis.surface import make_surface
    from facelift.synthesis.template import load_template

    def spikes(scalp: Scalp, rng: np.random.Generator) -> list[Tuft]:
        """Straight out of the skin, five centimetres."""
        roots = scalp.roots(200, rng)
        points = roots.points[:, None] + roots.normals[:, None] * np.linspace(0, 0.05, 4)[None, :, None]
        return [Tuft(points.astype(np.float32), 0.001)]

    monkeypatch.setitem(STYLES, "spikes", Style(spikes, cover=0.8))
    for odds in (appearance.MEN, appearance.WOMEN):
        monkeypatch.setitem(odds, "spikes", 1e9)  # so that it is drawn
    template, rng = load_template(), np.random.default_rng(0)
    identity = draw_identity(rng, template)
    surface = make_surface(template, identity, draw_expression(rng, template), rng)
    hair = draw_hair_appearance(rng, identity, melanin=0.3)
    assert hair.style == "spikes"
    strands, cover = grow_hair(surface, hair, rng, identity)
    lengths = np.linalg.norm(strands[0].points[:, -1] - strands[0].points[:, 0], axis=1)
    assert len(lengths) and np.allclose(lengths, 0.05, atol=1e-4) and 0 < cover.max() <= 0.8


# --- a metric ----------------------------------------------------------------------------------------------------------------------------


def test_a_metric(monkeypatch):
    from facelift.evaluation.metrics import load_pair_metrics
    from facelift.evaluation.results import METRICS, better, label

    def worst(a: Tensor, b: Tensor) -> Tensor:
        """Largest difference of any pixel. a, b: Shape (N, 3, H, W), 0..1. Returns Shape (N,)."""
        return (a - b).abs().flatten(1).amax(1)

    monkeypatch.setitem(METRICS, "worst", ("worst pixel", "lower", 2))
    assert label("front.worst").endswith("worst pixel") and better("front.worst") == "lower"
    metrics = load_pair_metrics(torch.device("cpu"), ["psnr"])
    metrics.tensors["worst"] = worst
    black, white = np.zeros((2, 8, 8, 3), np.uint8), np.full((2, 8, 8, 3), 255, np.uint8)
    assert [row["worst"] for row in metrics(black, white, faces=False)] == [1.0, 1.0]


# --- a file format -----------------------------------------------------------------------------------------------------------------------


def test_a_splat_format(tmp_path, monkeypatch):
    import io

    from facelift.export import splats
    from facelift.export.coding import Arrays

    def encode(arrays: Arrays) -> bytes:
        file = io.BytesIO()
        np.savez(file, means=arrays.means, quats=arrays.quats, scales=arrays.scales, opacities=arrays.opacities, sh0=arrays.sh0)
        return file.getvalue()

    def decode(data: bytes, most: int) -> Arrays:
        arrays = np.load(io.BytesIO(data))
        return Arrays(*(arrays[name] for name in ("means", "quats", "scales", "opacities", "sh0")))

    monkeypatch.setitem(splats.FORMATS, ".npz", (encode, decode))
    torch.manual_seed(0)
    head = Gaussians(torch.randn(5, 3), torch.randn(5, 4), torch.randn(5, 3), torch.randn(5), torch.randn(5, 3) * SH_C0)
    again = Gaussians.load(head.save(tmp_path / "head.npz"))
    assert all(torch.equal(getattr(again, name), getattr(head, name)) for name in ("means", "quats", "scales", "opacities", "sh0"))
