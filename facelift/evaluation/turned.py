"""What a head turned in the photo costs, and what drawing it anew gives back: python -m facelift.evaluation.turned

Held-out synthetic heads are taken from beside their front. Their renders from the front, of heads made as if the photo were the front and
of heads whose portrait followed the turn, are compared with the truth from there.
"""

from __future__ import annotations

import argparse
import itertools
import math
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image

from ..cameras import orbit
from ..errors import PhotoError
from ..pipeline import FaceLiftPipeline
from ..portrait import Portrait, find_faces, make_portrait
from ..portrait.quiet import without_native_chatter
from ..rendering import render, to_bytes
from ..synthesis.dataset import prepare_worker
from ..synthesis.renderer import Renderer
from ..synthesis.sampler import Settings, make_head, plan
from .drawing import row
from .lenses import apart
from .metrics.pictures import psnr

WAYS = ("as the front", "from the side")


def landmarks(picture: np.ndarray) -> np.ndarray | None:
    faces = find_faces(Image.fromarray(picture))
    return faces[0].landmarks if faces else None


def likeness(picture: np.ndarray, points: np.ndarray, truth: np.ndarray, places: np.ndarray) -> float:
    """PSNR where the best shift, turn and scale lay the landmarks of one upon those of the other: what a crop makes the same."""
    matrix, _ = cv2.estimateAffinePartial2D(points, places, method=cv2.LMEDS)
    moved = cv2.warpAffine(picture, matrix, truth.shape[1::-1], flags=cv2.INTER_AREA, borderValue=(255, 255, 255))
    a, b = (torch.from_numpy(p).permute(2, 0, 1)[None].float() / 255 for p in (moved, truth))
    return float(psnr(a, b)[0])


def front_render(pipe: FaceLiftPipeline, portrait: Portrait, azimuth: float, size: int = 512) -> np.ndarray:
    """The head from its front. azimuth: where the photo was taken. Returns uint8 (size, size, 3)."""
    head = pipe(portrait)
    return to_bytes(render(head.gaussians, orbit([0.0 if portrait.from_side else -azimuth], size=size)).rgb)[0]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m facelift.evaluation.turned", description=__doc__)
    parser.add_argument("--heads", type=int, default=6)
    parser.add_argument("--yaw", type=float, nargs="+", default=[15.0, 30.0, 45.0])
    parser.add_argument("--sheet", type=Path, help="a picture to write: truth and both ways, a row a photo")
    args = parser.parse_args()
    prepare_worker()
    renderer, pipe = Renderer(), FaceLiftPipeline.from_pretrained("compact", device="cpu")
    found: dict[float, list[list[float]]] = {yaw: [] for yaw in args.yaw}
    rows = []
    for identity, appearance in itertools.islice(plan(0, args.heads, 1, "held-out"), args.heads):
        renderer.load(make_head(identity, appearance, Settings().options, Settings().light))
        side = 1 if identity % 2 else -1
        rgba = renderer.render(orbit([0.0, *(side * yaw for yaw in args.yaw)])).rgba
        white = [Image.alpha_composite(Image.new("RGBA", (512, 512), "white"), Image.fromarray(p, "RGBA")).convert("RGB") for p in rgba]
        truth = np.array(white[0])
        with without_native_chatter():
            places = landmarks(truth)
            for yaw, picture in zip(args.yaw, rgba[1:], strict=True):
                photo, renders = Image.fromarray(picture, "RGBA"), []
                try:
                    ways = [make_portrait(photo, matting="alpha", fov="off", follow_turn=follow) for follow in (False, True)]
                except PhotoError:
                    continue
                renders = [front_render(pipe, ways[0], side * yaw)]
                renders.append(front_render(pipe, ways[1], side * yaw) if ways[1].from_side else renders[0])
                points = [landmarks(shown) for shown in renders]
                rows.append(row(np.stack([np.array(ways[0].image), truth, *renders])))
                if places is None or points[0] is None or points[1] is None:
                    continue
                seen = [(shown, p) for shown, p in zip(renders, points, strict=True) if p is not None]
                alike = [likeness(shown, p, truth, places) for shown, p in seen]
                found[yaw].append([*(apart(p, places) for _, p in seen), *alike])
                print(identity, f"{side * yaw:.0f}", *(f"{value:.4f}" for value in found[yaw][-1]), flush=True)
    print(f"yaw  heads  landmarks: {WAYS[0]}  {WAYS[1]}   dB: {WAYS[0]}  {WAYS[1]}")
    for yaw, values in found.items():
        a, b, c, d = np.mean(values, 0) if values else [math.nan] * 4
        print(f"{yaw:3.0f}  {len(values):5}  {a:23.4f}  {b:13.4f}  {c:17.2f}  {d:13.2f}")
    if args.sheet and rows:
        Image.fromarray(np.concatenate(rows)).save(args.sheet)


if __name__ == "__main__":
    main()
