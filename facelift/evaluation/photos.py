"""How well a weight set keeps real photos: numbers and a contact sheet.

    python -m facelift.evaluation.photos assets/examples --weights compact --out report
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..cameras import orbit
from ..cli.lift import find_photos
from ..multiview.pipeline import to_bytes
from ..pipeline import FaceLiftPipeline
from ..portrait import find_faces
from ..rendering import render

SHEET_AZIMUTHS = (0, 20, 45, 90, 135, 180, -135, -90, -45, -20)
DETECTION_AZIMUTHS = (0, 20, -20, 45, -45)


def masked_psnr(a: Tensor, b: Tensor, mask: Tensor | None = None) -> float:
    """a, b: Shape (3, H, W), 0..1. mask: Shape (H, W), where to look. Decibels."""
    error = (a - b).square().mean(0)
    error = error.mean() if mask is None else error[mask].mean()
    return float(-10 * torch.log10(error.clamp_min(1e-10)))


def measure(pipe: FaceLiftPipeline, photo: Path) -> tuple[dict, Image.Image, np.ndarray]:
    """Front render against the portrait at 512 px, over the whole picture and inside the matte, and where a detector finds the face.

    Returns the numbers, a contact sheet (views; portrait and one turn) and the portrait with its turn in one row of pictures.
    """
    portrait = pipe.make_portrait(photo)
    head = pipe(portrait)
    truth = torch.from_numpy(np.array(portrait.image)).permute(2, 0, 1).float() / 255
    figure = torch.from_numpy(np.array(portrait.alpha)) > 127
    front = render(head.gaussians, orbit([0.0])).rgb[0].clamp(0, 1)
    pictures = to_bytes(render(head.gaussians, orbit(DETECTION_AZIMUTHS)).rgb)
    found = {str(a): len(find_faces(Image.fromarray(p))) == 1 for a, p in zip(DETECTION_AZIMUTHS, pictures, strict=True)}
    numbers = {
        "front_psnr": round(masked_psnr(front, truth), 2),
        "front_psnr_figure": round(masked_psnr(front, truth, figure), 2),
        "face_found": found,
        "gaussians": len(head.gaussians),
        "seconds": {k: round(v, 2) for k, v in head.report["seconds"].items()},
        "matting": portrait.matting,
    }
    turn = to_bytes(render(head.gaussians, orbit(SHEET_AZIMUTHS, 0.0, 256)).rgb)
    small = np.array(portrait.image.resize((256, 256)))
    rows = [
        np.concatenate([np.array(Image.fromarray(v).resize((256, 256))) for v in head.views], 1),
        np.concatenate([small, *turn[:5]], 1),
        np.concatenate([turn[0], *turn[5:]], 1),
    ]
    return numbers, Image.fromarray(np.concatenate(rows)), np.concatenate([small, *turn], 1)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("photos", nargs="+", type=Path)
    parser.add_argument("--weights", default="compact")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(argv)
    pipe = FaceLiftPipeline.from_pretrained(args.weights, device=args.device)
    args.out.mkdir(parents=True, exist_ok=True)
    results, turns = {}, []
    for photo in find_photos(args.photos):
        results[photo.name], sheet, turn = measure(pipe, photo)
        sheet.save(args.out / f"{photo.stem}.png")
        turns.append(turn)
        print(photo.name, json.dumps(results[photo.name]))
    Image.fromarray(np.concatenate(turns)).save(args.out / "heads.webp", quality=88)
    (args.out / "photos.json").write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
