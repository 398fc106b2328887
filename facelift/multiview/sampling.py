"""How views are sampled: by which solver, in how many steps, where guidance acts, and what is kept from step to step."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from ..errors import SettingsError
from ..stock import DDIMScheduler
from .conditioning import Draw

Sampler = Literal["ddim", "dpm", "unipc"]


@dataclass(frozen=True)
class Preset:
    """The defaults are the release's way.

    sampler: ddim; or DPM-Solver++ of second order (arXiv 2211.01095), or UniPC (arXiv 2302.04867), which draw no noise on the way.
    steps: None is the weight set's own number.
    guided: between which shares of the training's timesteps guidance acts, 0 clean and 1 noise (arXiv 2404.07724); elsewhere the UNet
        is asked for the conditional half alone, which is half the work.
    deep_every: for how many steps the output of the UNet's deep levels serves, as of `deep.DeepFeatures`.
    """

    sampler: Sampler = "ddim"
    steps: int | None = None
    guided: tuple[float, float] = (0.0, 1.0)
    deep_every: int = 1


EXACT = Preset()
FAST = Preset("dpm", 15, (0.1, 0.8), 2)  # chosen by what it costs: no released weights were at hand to choose by pictures
PRESETS = {"exact": EXACT, "fast": FAST}


def preset_named(name: str, offered: tuple[str, ...] = tuple(PRESETS)) -> Preset:
    """offered: those that the weights have a use for. Raises SettingsError."""
    if name not in PRESETS:
        raise SettingsError(f"There is no preset {name!r}: take {' or '.join(PRESETS)}.")
    if name not in offered:
        raise SettingsError(f"The preset {name} would save nothing with these weights, whose views take a step or two: leave it out.")
    return PRESETS[name]


def moved(noise: Tensor, like: Tensor) -> Tensor:
    """From the CPU to where another tensor is, in its type, without waiting for what a GPU still does."""
    cast = noise.to(like.dtype)  # here: a cast on the way would copy from memory that is not pinned, and wait
    return cast.pin_memory().to(like.device, non_blocking=True) if like.is_cuda else cast


class Solver(Protocol):
    """From noise to clean latents, once: it keeps state. Timesteps lie on the CPU: read on a GPU they would wait for it in every step."""

    timesteps: Tensor

    def step(self, output: Tensor, t: Tensor, latents: Tensor) -> tuple[Tensor, Tensor]:
        """The UNet's guided output at t -> latents of the next timestep, and the clean ones as they seem now."""
        ...


class DDIM:
    def __init__(self, own: DDIMScheduler, steps: int, eta: float, draw: Draw):
        scheduler = type(own).from_config(own.config)
        assert isinstance(scheduler, DDIMScheduler)
        scheduler.set_timesteps(steps)
        self.scheduler, self.timesteps, self.eta, self.draw = scheduler, scheduler.timesteps, eta, draw

    def step(self, output: Tensor, t: Tensor, latents: Tensor) -> tuple[Tensor, Tensor]:
        noise = moved(self.draw(tuple(latents.shape)), latents) if self.eta > 0 else None
        following, clean = self.scheduler.step(output, t, latents, eta=self.eta, variance_noise=noise, return_dict=False)
        return following, clean


class Multistep:
    """Solvers of second order, which look at the step before.

    They begin at the last training timestep and end at the clean latents ("trailing"), where DDIM's "leading" timesteps begin below it:
    by 2 % of them in 50 steps, by 7 % in 15.
    """

    def __init__(self, own: DDIMScheduler, steps: int, kind: Sampler):
        from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler  # with SciPy: not for everyone
        from diffusers.schedulers.scheduling_unipc_multistep import UniPCMultistepScheduler

        made: type[DPMSolverMultistepScheduler] | type[UniPCMultistepScheduler]
        made = DPMSolverMultistepScheduler if kind == "dpm" else UniPCMultistepScheduler
        known = inspect.signature(made.__init__).parameters
        settings = {name: value for name, value in own.config.items() if name in known}
        self.scheduler = made(**{**settings, "timestep_spacing": "trailing"})
        self.scheduler.set_timesteps(steps)
        self.timesteps = self.scheduler.timesteps

    def step(self, output: Tensor, t: Tensor, latents: Tensor) -> tuple[Tensor, Tensor]:
        (following,) = self.scheduler.step(output, t, latents, return_dict=False)
        clean = self.scheduler.model_outputs[-1]  # both keep them as clean latents
        assert isinstance(clean, torch.Tensor)
        return following, clean.to(latents)


def solver(preset: Preset, own: DDIMScheduler, steps: int, eta: float, draw: Draw) -> Solver:
    """own: the weight set's scheduler, which says how noise was added in training. eta, draw: of DDIM's noise on the way."""
    return DDIM(own, steps, eta, draw) if preset.sampler == "ddim" else Multistep(own, steps, preset.sampler)
