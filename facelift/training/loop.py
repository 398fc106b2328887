"""What all training loops share: learning rate, EMA, checkpoints that survive a kill, a log, sample sheets."""

from __future__ import annotations

import contextlib
import copy
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic

import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset

from ..devices import Net
from ..files import write_whole

if TYPE_CHECKING:
    from accelerate import Accelerator

HOPELESS = 50  # steps in a row without a finite gradient: the weights are spoilt

# numbers for the curve, rows of pictures (N, 3, H, W) for the sheet
Evaluation = tuple[Mapping[str, float | list[float]], list[torch.Tensor]]


def trapezoid(progress: float, step: int, warmup: int, decay: float = 0.25) -> float:
    """Learning-rate factor: linear warm-up over the first steps, flat, linear to 2 % over the last part. progress: 0 to 1.

    decay: that last part's share; 0 stays flat to the end.
    """
    return min(1.0, (step + 1) / warmup) * (max(0.02, min(1.0, (1 - progress) / decay)) if decay else 1.0)


def parameter_groups(model: nn.Module, faster: Mapping[str, float]) -> list[dict]:
    """For an optimizer: one group for each factor on the learning rate. faster: as of `Trainer`."""
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        factor = next((f for start, f in faster.items() if name.startswith(start)), 1.0)
        groups.setdefault(factor, []).append(parameter)
    return [{"params": parameters, "factor": factor} for factor, parameters in groups.items()]


def bf16_pays(device: torch.device) -> bool:
    """False for processors that would emulate bf16, ten times slower than fp32: those with neither AVX-512 BF16 nor AMX."""
    able = torch.cpu.get_capabilities()
    return device.type != "cpu" or able.get("avx512_bf16", False) or able.get("amx_bf16", False)


def mixed_precision(device: torch.device) -> torch.autocast:
    """Around a model's forward pass: bf16, where that is faster."""
    return torch.autocast(device.type, torch.bfloat16, enabled=bf16_pays(device))


def samples_from(dataset: Dataset, start: int, stop: int, batch: int, workers: int) -> DataLoader:
    """Batches of dataset[start * batch] on, so that what a step sees depends on its number alone. workers 0: in this process."""
    return DataLoader(dataset, batch, sampler=range(start * batch, stop * batch), num_workers=workers, drop_last=True)


class Trainer(Generic[Net]):
    """Optimizer, EMA and checkpoint of one model. `folder` then holds last.pt (everything), log.jsonl (the curve), sheets/ (samples).

    folder: made where it is not there.
    lr, steps, warmup, decay: as of `trapezoid`, times the highest learning rate.
    betas, weight_decay: of AdamW.
    ema: decay of the average.
    minutes: a budget after which `running` says no, whatever the step; the learning rate then follows the clock if that is ahead.
    accelerator: mixed precision, gradient accumulation and several processes; train `trainer.model`, inside `accumulate`. A checkpoint
        does not depend on it: it holds the bare model.
    parts: what else a checkpoint holds, by name, each with `state_dict` and `load_state_dict`.
    faster: factors on the learning rate of parameters whose names begin so.
    """

    def __init__(
        self,
        model: Net,
        folder: str | Path,
        lr: float,
        steps: int,
        warmup: int,
        minutes: float | None = None,
        betas=(0.9, 0.98),
        weight_decay=0.01,
        ema: float = 0.999,
        decay: float = 0.25,
        accelerator: Accelerator | None = None,
        parts: Mapping[str, Any] | None = None,
        faster: Mapping[str, float] | None = None,
    ):
        if accelerator and minutes:
            raise ValueError("a budget of minutes would end the processes at different steps: give steps")
        self.decay, self.accelerator = decay, accelerator
        self.model, self.folder, self.lr, self.ema_decay = model, Path(folder), lr, ema
        self.steps, self.warmup, self.minutes = steps, warmup, minutes
        self.folder.mkdir(parents=True, exist_ok=True)
        self.parts = dict(parts or {})
        groups = parameter_groups(model, faster or {})
        self.optimizer = torch.optim.AdamW(groups, lr=lr, betas=betas, weight_decay=weight_decay, fused=True)
        self.ema = copy.deepcopy(model).eval().requires_grad_(False)
        if accelerator:
            self.model, self.optimizer = accelerator.prepare(model, self.optimizer)
        self.bare = model  # without what the accelerator wraps around it
        self.step, self.started, self.skipped, self.hopeless = 0, time.time(), 0, 0
        self.means: dict[str, torch.Tensor] = {}  # of what `average` was given

    @property
    def progress(self) -> float:
        """0 to 1, by steps or by the clock, whichever is farther."""
        elapsed = (time.time() - self.started) / 60 / self.minutes if self.minutes else 0.0
        return min(1.0, max(self.step / self.steps, elapsed))

    @property
    def running(self) -> bool:
        return self.progress < 1.0

    @property
    def is_main(self) -> bool:
        """Whether this process writes."""
        return self.accelerator is None or self.accelerator.is_main_process

    def accumulate(self) -> contextlib.AbstractContextManager:
        """Around the work on one batch; `update` acts on the last batch of a step only."""
        return self.accelerator.accumulate(self.model) if self.accelerator else contextlib.nullcontext()

    def resume(self) -> bool:
        """Goes on from the folder's checkpoint, if there is one. The curve forgets what came after it, since that comes again."""
        path = self.folder / "last.pt"
        if not path.exists():
            self.forget()
            return False
        state = torch.load(path, weights_only=True, map_location="cpu")
        self.bare.load_state_dict(state["model"])
        self.ema.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        for name, part in self.parts.items():
            part.load_state_dict(state["parts"][name])
        self.step, self.means = state["step"], state.get("means", {})  # runs begun before means were kept have none
        self.skipped = state.get("skipped", 0)
        self.forget()
        return True

    def forget(self) -> None:
        """Cuts the lines after this step off the curve, and one that a kill left half written."""
        path = self.folder / "log.jsonl"
        if not self.is_main or not path.exists():
            return
        whole = [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
        kept = "".join(line for line in whole if json.loads(line)["step"] <= self.step)
        write_whole(path, lambda partial: partial.write_text(kept))

    def start_from(self, weights: dict[str, torch.Tensor]) -> None:
        """Weights of an earlier run, maybe of a smaller model; step and optimizer begin anew."""
        weights = widened(weights, self.bare)
        self.bare.load_state_dict(weights)
        self.ema.load_state_dict(weights)

    def save(self) -> None:
        if not self.is_main:
            return
        state = {
            "model": self.bare.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "skipped": self.skipped,
            "means": self.means,
            "parts": {name: part.state_dict() for name, part in self.parts.items()},
        }
        write_whole(self.folder / "last.pt", lambda path: torch.save(state, path))

    def update(self, loss: torch.Tensor, values: dict[str, torch.Tensor]) -> torch.Tensor | None:
        """Gradients, clipped; optimizer; average. Returns the gradient norm; a step with a non-finite one is skipped and counted.

        values: numbers for the curve. None while gradients of further batches belong to the same step.
        """
        self.accelerator.backward(loss) if self.accelerator else loss.backward()
        self.average(values)
        if self.accelerator and not self.accelerator.sync_gradients:
            return None
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for group in self.optimizer.param_groups:
            group["lr"] = self.lr * group.get("factor", 1.0) * trapezoid(self.progress, self.step, self.warmup, self.decay)
        if torch.isfinite(norm):
            self.optimizer.step()
            self.hopeless = 0
        else:
            self.skipped, self.hopeless = self.skipped + 1, self.hopeless + 1
            if self.hopeless == HOPELESS:
                raise SystemExit(f"no finite gradient in {HOPELESS} steps: lower --lr and start again, it goes on from the last checkpoint")
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        decay = min(self.ema_decay, (1 + self.step) / (20 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.ema.parameters()), list(self.bare.parameters()), 1 - decay)
        return norm.detach()

    def average(self, values: dict[str, torch.Tensor]) -> None:
        """Running means of numbers, for the curve: a checkpoint keeps them, so that it goes on after a kill as if there had been none."""
        for name, value in values.items():
            value = value.detach()
            if torch.isfinite(value):  # a step without it is skipped
                self.means[name] = self.means.get(name, value).to(value.device).lerp(value, 0.03)

    def record(
        self,
        norm: torch.Tensor | None,
        log_every: int,
        evaluate_every: int,
        evaluate: Callable[[Net], Evaluation] | None = None,
        **more: float,
    ) -> bool:
        """After a step: now and then a line of the curve, more seldom what `evaluate` finds of the average, and a checkpoint.

        norm: as `update` gave it.
        log_every, evaluate_every: steps.
        more: stands in the line too.
        Returns whether training goes on.
        """
        if norm is None:
            return True
        last = not self.running
        if self.step % log_every == 0 or last:
            means = {name: round(value.item(), 5) for name, value in self.means.items()}
            self.log(**means, norm=round(norm.item(), 4), **more)
        if self.step % evaluate_every == 0 or last:
            if evaluate and self.is_main:
                numbers, rows = evaluate(self.ema)
                self.log(**numbers)
                write_whole(self.folder / "sheets" / f"{self.step:07d}.webp", lambda path: write_sheet(path, rows))
            self.save()  # last, so that what a kill takes from the curve comes again
        return not last

    def log(self, **values) -> None:
        if not self.is_main:
            return
        entry = {"step": self.step, "seconds": round(time.time() - self.started, 1), "skipped": self.skipped, **values}
        print(json.dumps(entry), flush=True)
        with open(self.folder / "log.jsonl", "a") as file:
            file.write(json.dumps(entry) + "\n")


def write_sheet(path: Path, rows: list[torch.Tensor], side: int = 128) -> None:
    """A contact sheet, WebP. rows: pictures (N, 3, H, W), 0..1, squares; rows may differ in N and size."""
    rows = [F.interpolate(row.detach().float().cpu(), size=(side, side), mode="area") for row in rows]
    sheet = torch.ones(3, side * len(rows), side * max(len(row) for row in rows))
    for i, row in enumerate(rows):
        sheet[:, i * side : (i + 1) * side, : side * len(row)] = torch.cat(list(row), -1)
    pixels = (sheet.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(path, "WEBP", quality=85)


def widened(state: dict[str, torch.Tensor], model: nn.Module) -> dict[str, torch.Tensor]:
    """Weights of a smaller model of the same kind, for `model`: the channels it did not have are zero."""

    def pad(old: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
        lacking = [extra for have, want in zip(old.shape, new.shape, strict=True) for extra in (want - have, 0)]
        return F.pad(old, lacking[::-1])

    return {name: pad(state[name], parameter) for name, parameter in model.state_dict().items()}


def psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    """Decibels between pictures in 0..1."""
    return float(-10 * torch.log10((a - b).square().mean().clamp_min(1e-10)))


def roughness(gap: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """How much the depth error changes from pixel to pixel: noise that a mean error hides and a close look shows. (..., H, W)."""
    total = gap.new_zeros(())
    for axis in (-1, -2):
        both = weight.narrow(axis, 1, weight.shape[axis] - 1) * weight.narrow(axis, 0, weight.shape[axis] - 1)
        total = total + (gap.diff(dim=axis).abs().clamp_max(0.1) * both).sum() / both.sum().clamp_min(1)
    return total
