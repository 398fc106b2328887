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


def trapezoid(step: int, steps: int, warmup: int, decay_fraction: float = 0.25) -> float:
    """Learning-rate factor: linear warm-up, flat, linear to 2 % over the last part. A function of the step alone."""
    decay = max(1, int(steps * decay_fraction))
    return min(1.0, (step + 1) / warmup) * max(0.02, min(1.0, (steps - step) / decay))


class Trainer:
    """Optimizer, EMA and checkpoint of one model. `folder` then holds last.pt (everything), log.jsonl (the curve)."""

    def __init__(self, model: nn.Module, folder: str | Path, lr: float, betas=(0.9, 0.98), weight_decay=0.01, ema: float = 0.999):
        self.model, self.folder, self.lr, self.ema_decay = model, Path(folder), lr, ema
        self.folder.mkdir(parents=True, exist_ok=True)
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=lr, betas=betas, weight_decay=weight_decay, fused=True)
        self.ema = copy.deepcopy(model).eval().requires_grad_(False)
        self.step, self.started, self.skipped = 0, time.time(), 0

    def resume(self, path: Path | None = None) -> bool:
        path = path or self.folder / "last.pt"
        if not path.exists():
            return False
        state = torch.load(path, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.ema.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]
        return True

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

    def update(self, factor: float) -> float:
        """Clips, steps, averages. Returns the gradient norm; a step with a non-finite one is skipped and counted."""
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for group in self.optimizer.param_groups:
            group["lr"] = self.lr * factor
        if torch.isfinite(norm):
            self.optimizer.step()
        else:
            self.skipped += 1
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        decay = min(self.ema_decay, (1 + self.step) / (20 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.ema.parameters()), list(self.model.parameters()), 1 - decay)
        return float(norm)

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
