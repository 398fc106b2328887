"""What both training loops share: learning rate, EMA, checkpoints that survive a kill, a log."""

from __future__ import annotations

import copy
import json
import os
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset


def trapezoid(progress: float, step: int, warmup: int, decay: float = 0.25) -> float:
    """Learning-rate factor: linear warm-up over the first steps, flat, linear to 2 % over the last part. progress: 0 to 1."""
    return min(1.0, (step + 1) / warmup) * max(0.02, min(1.0, (1 - progress) / decay))


def samples_from(dataset: Dataset, start: int, stop: int, batch: int, workers: int) -> DataLoader:
    """Batches of dataset[start * batch] on, so that what a step sees depends on its number alone. workers 0: in this process."""
    return DataLoader(dataset, batch, sampler=range(start * batch, stop * batch), num_workers=workers, drop_last=True)


class Trainer:
    """Optimizer, EMA and checkpoint of one model. `folder` then holds last.pt (everything), log.jsonl (the curve).

    minutes: a budget after which `running` says no, whatever the step; the learning rate then follows the clock if that is ahead.
    """

    def __init__(
        self,
        model: nn.Module,
        folder: str | Path,
        lr: float,
        steps: int,
        warmup: int,
        minutes: float | None = None,
        betas=(0.9, 0.98),
        weight_decay=0.01,
        ema: float = 0.999,
    ):
        self.model, self.folder, self.lr, self.ema_decay = model, Path(folder), lr, ema
        self.steps, self.warmup, self.minutes = steps, warmup, minutes
        self.folder.mkdir(parents=True, exist_ok=True)
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=lr, betas=betas, weight_decay=weight_decay, fused=True)
        self.ema = copy.deepcopy(model).eval().requires_grad_(False)
        self.step, self.started, self.skipped = 0, time.time(), 0

    @property
    def progress(self) -> float:
        """0 to 1, by steps or by the clock, whichever is farther."""
        elapsed = (time.time() - self.started) / 60 / self.minutes if self.minutes else 0.0
        return min(1.0, max(self.step / self.steps, elapsed))

    @property
    def running(self) -> bool:
        return self.progress < 1.0

    def resume(self, path: Path | None = None) -> bool:
        path = path or self.folder / "last.pt"
        if not path.exists():
            return False
        state = torch.load(path, weights_only=True, map_location="cpu")
        self.model.load_state_dict(state["model"])
        self.ema.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]
        return True

    def start_from(self, weights: dict[str, torch.Tensor]) -> None:
        """Weights of an earlier run, maybe of a smaller model; step and optimizer begin anew."""
        weights = widened(weights, self.model)
        self.model.load_state_dict(weights)
        self.ema.load_state_dict(weights)

    def save(self) -> None:
        state = {
            "model": self.model.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
        }
        temporary = self.folder / "last.pt.tmp"
        torch.save(state, temporary)
        os.replace(temporary, self.folder / "last.pt")

    def update(self) -> torch.Tensor:
        """Clips, steps, averages. Returns the gradient norm; a step with a non-finite one is skipped and counted."""
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for group in self.optimizer.param_groups:
            group["lr"] = self.lr * trapezoid(self.progress, self.step, self.warmup)
        if torch.isfinite(norm):
            self.optimizer.step()
        else:
            self.skipped += 1
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        decay = min(self.ema_decay, (1 + self.step) / (20 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.ema.parameters()), list(self.model.parameters()), 1 - decay)
        return norm.detach()

    def log(self, **values) -> None:
        entry = {"step": self.step, "seconds": round(time.time() - self.started, 1), "skipped": self.skipped, **values}
        print(json.dumps(entry), flush=True)
        with open(self.folder / "log.jsonl", "a") as file:
            file.write(json.dumps(entry) + "\n")


def widened(state: dict[str, torch.Tensor], model: nn.Module) -> dict[str, torch.Tensor]:
    """Weights of a smaller model of the same kind, for `model`: the channels it did not have are zero."""

    def pad(old: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
        lacking = [extra for have, want in zip(old.shape, new.shape, strict=True) for extra in (want - have, 0)]
        return F.pad(old, lacking[::-1])

    return {name: pad(state[name], parameter) for name, parameter in model.state_dict().items()}


def psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    """Decibels between pictures in 0..1."""
    return float(-10 * torch.log10((a - b).square().mean().clamp_min(1e-10)))
