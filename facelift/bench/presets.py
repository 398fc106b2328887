"""Presets of sampling, and each part of the fast one alone: what it costs, and how far the six views are from those of all steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from ..multiview.pipeline import MultiViewPipeline, seeded_noise
from ..multiview.sampling import EXACT, FAST, Preset
from .models import System

SEED = 4
SILENT = "ours without noise on the way"  # what the better samplers approximate: they draw none either


def decibels(mean_square: float) -> float:
    """Of pictures in 0..1; 200 for equal ones."""
    return min(200.0, -10 * math.log10(max(mean_square, 1e-20)))


def sampled(pipeline: MultiViewPipeline, portrait, preset: Preset, steps: int, eta: float, seed: int = SEED) -> Tensor:
    """Encoding to decoded views. Shape (V, 3, S, S)."""
    draw = seeded_noise(seed)
    condition = pipeline.encode(portrait, draw)
    latents = pipeline.prepare_latents(condition, draw)
    return pipeline.decode(pipeline.denoise(latents, condition, steps, pipeline.config.guidance_scale, eta, draw, preset=preset)).float()


def preset_works(system: System, steps: int, graphed: System | None = None) -> dict[str, Callable[[], Tensor]]:
    """By way. steps: of exact. graphed: the system with a CUDA graph, which serves presets that keep no features."""
    few, config = FAST.steps or steps, system.multiview.config
    plain = replace(FAST, guided=EXACT.guided, deep_every=1)

    def work(preset: Preset, steps: int = few, eta: float = config.eta, seed: int = SEED, by: System = system) -> Callable[[], Tensor]:
        return lambda: sampled(by.multiview, by.portrait, preset, steps, eta, seed)

    works = {
        "ours": work(EXACT, steps),
        SILENT: work(EXACT, steps, 0.0),
        "ours by another seed": work(EXACT, steps, seed=SEED + 1),
        f"ddim {few}": work(EXACT),
        f"{FAST.sampler} {few}": work(plain),
        f"unipc {few}": work(replace(plain, sampler="unipc")),
        f"{FAST.sampler} {few} guided in the middle": work(replace(plain, guided=FAST.guided)),
        f"{FAST.sampler} {few} with deep levels kept": work(replace(plain, deep_every=FAST.deep_every)),
        "fast": work(FAST),
    }
    if graphed is not None:
        works[f"{FAST.sampler} {few} guided in the middle, graph"] = work(replace(plain, guided=FAST.guided), by=graphed)
    return works


def differences(outputs: dict[str, Tensor]) -> dict[str, float]:
    """dB between the views of each way and those of all steps, with noise on the way and without. outputs: by way."""
    found = {}
    for truth in ("ours", SILENT):
        for way, output in outputs.items():
            if truth in outputs and way != truth:
                found[f"{way} from {truth}"] = decibels(float((output - outputs[truth]).square().mean()))
    return found
