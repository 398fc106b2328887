"""Presets of sampling: exact stays exact, fast does the work it says, on tiny random weights."""

from __future__ import annotations

import pytest
import torch

from facelift.bench.models import TINY, random_portrait, random_system
from facelift.errors import SettingsError
from facelift.multiview.conditioning import Draw
from facelift.multiview.deep import DeepFeatures, split_forward
from facelift.multiview.pipeline import MultiViewPipeline, seeded_noise
from facelift.multiview.released import RELEASED_SCHEDULER
from facelift.multiview.sampling import FAST, PRESETS, Preset, Sampler, solver
from facelift.stock import DDIMScheduler

STEPS = 2


@pytest.fixture(scope="module")
def tiny() -> MultiViewPipeline:
    return random_system(TINY, torch.device("cpu")).multiview


def no_noise(shape: tuple[int, ...]) -> torch.Tensor:
    raise AssertionError("nothing is drawn on the way")


def sampled(tiny: MultiViewPipeline, preset: Preset, steps: int = STEPS, later: Draw | None = None) -> torch.Tensor:
    draw = seeded_noise(4)
    condition = tiny.encode(random_portrait(), draw)
    return tiny.denoise(tiny.prepare_latents(condition, draw), condition, steps, 3.0, tiny.config.eta, later or draw, preset=preset)


def test_guided_everywhere_and_nothing_kept_is_exact(tiny):
    expected = sampled(tiny, PRESETS["exact"])
    assert torch.equal(sampled(tiny, Preset("ddim", guided=(0, 1), deep_every=1)), expected)
    assert not torch.equal(sampled(tiny, Preset("ddim", guided=(0.1, 0.5))), expected)


def test_fast_asks_for_the_work_it_says(tiny):
    """15 steps, guided in the middle; deep levels in every other one, and where guidance begins."""
    shallow: list[int] = []
    deep: list[int] = []
    hooks = [
        tiny.unet.conv_in.register_forward_hook(lambda _, inputs, __: shallow.append(len(inputs[0]))),
        tiny.unet.mid_block.register_forward_hook(lambda _, inputs, __: deep.append(len(inputs[0]))),
    ]
    try:
        sampled(tiny, FAST, tiny.steps_of("fast"), no_noise)
    finally:
        for hook in hooks:
            hook.remove()
    assert shallow == [6] * 3 + [12] * 11 + [6]
    assert deep == [6] * 2 + [12] * 6


@pytest.mark.parametrize("sampler", ["ddim", "dpm", "unipc"])
def test_a_model_that_knows_the_views_is_led_to_them(sampler: Sampler):
    scheduler = DDIMScheduler(**RELEASED_SCHEDULER)
    views, latents = torch.full((1, 4, 2, 2), 0.7), torch.randn(1, 4, 2, 2, generator=torch.Generator().manual_seed(0))
    way = solver(Preset(sampler), scheduler, 12, 0.0, no_noise)
    for t in way.timesteps:
        alpha, sigma = scheduler.alphas_cumprod[t] ** 0.5, (1 - scheduler.alphas_cumprod[t]) ** 0.5
        noise = (latents - alpha * views) / sigma
        latents, clean = way.step(alpha * noise - sigma * views, t, latents)
        torch.testing.assert_close(clean, views, atol=1e-2, rtol=0)
    assert len(way.timesteps) == 12
    torch.testing.assert_close(latents, views, atol=0.1 if sampler == "ddim" else 1e-3, rtol=0)  # DDIM ends a timestep above clean


@torch.inference_mode()
def test_deep_levels_kept_from_the_same_input_change_nothing(tiny):
    torch.manual_seed(0)
    x, text, labels, t = torch.randn(12, 8, 8, 8), torch.randn(12, 77, 32), torch.randn(12, 64), torch.tensor(501)
    expected = tiny.unet(x, t, text, class_labels=labels).sample
    output, deep = split_forward(tiny.unet, x, t, text, labels)
    assert torch.equal(output, expected)
    again, _ = split_forward(tiny.unet, x, t, text, labels, deep)
    assert torch.equal(again, expected)
    run = DeepFeatures(2)
    run(tiny.unet, x, t, text, labels)
    half = run(tiny.unet, x[6:], t, text[6:], labels[6:])  # guidance has ended
    torch.testing.assert_close(half, expected[6:], atol=1e-5, rtol=1e-5)


def test_a_preset_that_is_not_there_is_one_sentence(tiny):
    with pytest.raises(SettingsError, match="exact or fast"):
        tiny(random_portrait(), preset="quick")
