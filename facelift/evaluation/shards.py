"""How well a weight set does on held-out synthetic heads whose other views are known.

    python -m facelift.evaluation.shards --test DIR --weights compact --heads 16 --out report
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..cameras import Cameras, six_views
from ..multiview.pipeline import to_bytes
from ..pipeline import FaceLiftPipeline
from ..portrait import Portrait
from ..rendering import render
from ..training.data import HeadShards, Sample
from .photos import masked_psnr


def as_portrait(rgba: Tensor) -> Portrait:
    """A rendered front view (4, H, W), on white, as the portrait stage would hand it on: 512 px."""
    image = Image.fromarray(to_bytes(rgba[None])[0]).resize((512, 512), Image.Resampling.LANCZOS)
    alpha = Image.fromarray((rgba[3] * 255).round().byte().numpy()).resize((512, 512), Image.Resampling.LANCZOS)
    return Portrait(image=image, alpha=alpha, face=None, faces=(), matting="alpha channel", crop=None)


def novel_views(pipe: FaceLiftPipeline, views: Tensor, sample: Sample) -> tuple[list[float], np.ndarray]:
    """PSNR at the sample's extra cameras for Gaussians made from `views` (6, 4, S, S)."""
    size = views.shape[-1]
    gaussians = pipe.make_gaussians(views, six_views(size), as_portrait(sample.rgba[0]))
    extra = Cameras(six_views(size).intrinsics[:1].expand(len(sample.c2w) - 6, -1), sample.c2w[6:], size, size)
    pictures = render(gaussians, extra).rgb.clamp(0, 1)
    return [masked_psnr(p, t[:3]) for p, t in zip(pictures, sample.rgba[6:], strict=True)], to_bytes(pictures)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--test", type=Path, required=True, help="folder of shards that training never saw")
    parser.add_argument("--weights", default="compact")
    parser.add_argument("--heads", type=int, default=16)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(argv)
    pipe = FaceLiftPipeline.from_pretrained(args.weights, device="cpu")
    heads = HeadShards(args.test)
    true_six, whole_path, front, generated, rows = [], [], [], [], []
    for i in range(min(args.heads, len(heads))):
        sample = heads.sample(i)
        size = sample.rgba.shape[-1]
        views = pipe.make_views(as_portrait(sample.rgba[0]), 4, None, None)
        generated.append([masked_psnr(v[:3], t[:3]) for v, t in zip(views, sample.rgba[:6], strict=True)])
        true_six += novel_views(pipe, sample.rgba[:6], sample)[0]
        numbers, pictures = novel_views(pipe, views, sample)
        whole_path += numbers
        head = pipe.make_gaussians(views, six_views(size), as_portrait(sample.rgba[0]))
        front.append(masked_psnr(render(head, six_views(size)[0]).rgb[0].clamp(0, 1), sample.rgba[0, :3]))
        if i < 6:
            rows.append(np.concatenate([*to_bytes(sample.rgba[:6])], 1))
            rows.append(np.concatenate([*to_bytes(views)], 1))
            rows.append(np.concatenate([*to_bytes(sample.rgba[6:9]), *pictures[:3]], 1))
    result = {
        "heads": len(generated),
        "generated_views_1_to_5": round(float(np.mean(np.array(generated)[:, 1:])), 2),
        "generated_each_view": [round(float(v), 2) for v in np.mean(generated, 0)],
        "novel_from_true_six": round(float(np.mean(true_six)), 2),
        "novel_whole_path": round(float(np.mean(whole_path)), 2),
        "front_whole_path": round(float(np.mean(front)), 2),
    }
    args.out.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(rows)).save(args.out / "held_out.png")
    (args.out / "held_out.json").write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    with torch.no_grad():
        main()
