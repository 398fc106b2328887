"""Views of training heads as a trained view generator makes them, for the reconstructor's last stage.

python -m facelift.training.generate --data DIR --depth runs/depth --views runs/views --out runs/generated --heads 200
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from ..devices import placed
from ..multiview.codec import PixelCodec
from ..multiview.compact import FACTOR, compact_scheduler
from .data import HeadShards
from .start import run_settings
from .views import Warper, load_generator, sample_views


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--views", type=Path, required=True, help="run of facelift.training.views")
    parser.add_argument("--depth", type=Path, required=True, help="run of facelift.training.depth, or a compact weight folder")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--heads", type=int, default=200)
    parser.add_argument("--steps", type=int, default=1, help="denoising steps")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    model = placed(load_generator(args.views), args.device)
    heads, codec, scheduler = HeadShards(args.data, run_settings(args.views)["rig"]), PixelCodec(FACTOR), compact_scheduler()
    warper = Warper(args.depth, heads.rig)
    args.out.mkdir(parents=True, exist_ok=True)
    for index in np.linspace(0, len(heads) - 1, min(args.heads, len(heads))).astype(int):
        sample = heads.sample(int(index), None, slice(len(heads.rig)))
        views = sample_views(model, scheduler, codec, sample.portrait, warper(sample.portrait), args.steps)
        np.save(args.out / f"{index}.npy", (views * 255).round().byte().permute(0, 2, 3, 1).numpy())


if __name__ == "__main__":
    main()
