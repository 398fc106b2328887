"""A sheet of what driven heads look like: twelve poses of each.

python -m facelift.evaluation.motion_sheet OUT/NAME [OUT/NAME ...] --out motion.webp
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from ..animation.drive import Driver
from ..animation.files import load_rig
from ..animation.head_rig import HeadRig
from ..animation.track import Pose
from ..cameras import orbit
from ..face.units import UNITS, sided, unit_weights
from ..rendering import render, to_bytes

PART = (slice(70, 430), slice(76, 436))  # of 512 px
COLUMNS = 6


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m facelift.evaluation.motion_sheet", description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path, help="with head.headrig, as `facelift rig` makes them")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(argv)
    rows = [row for folder in args.folders for row in sheet(load_rig(folder / "head.headrig"))]
    picture = Image.fromarray(np.concatenate(rows, 0))
    picture.resize((picture.width * 2 // 3, picture.height * 2 // 3), Image.Resampling.LANCZOS).save(args.out, quality=85)
    return 0


def poses(rig: HeadRig) -> dict[str, Pose]:
    """The photo's own, then others by name."""

    def photo(**values: float) -> np.ndarray:
        weights = rig.rest.astype(np.float64)
        for name, value in values.items():
            weights[[UNITS.index(unit) for unit in sided(name)]] = value
        return weights

    half = np.radians(20) / 2
    turned = (float(np.cos(half)), 0.0, 0.0, float(np.sin(half)))
    neutral = unit_weights
    return {
        "photo": Pose(rig.rest),
        "at rest": Pose(neutral()),
        "jaw open": Pose(neutral(jawOpen=0.7)),
        "smile": Pose(neutral(mouthSmile=0.9, cheekSquint=0.5)),
        "grin": Pose(neutral(mouthSmile=0.8, mouthUpperUp=0.5, mouthLowerDown=0.3, jawOpen=0.15, cheekSquint=0.5)),
        "blink": Pose(photo(eyeBlink=1)),
        "wink": Pose(photo(eyeBlinkLeft=1)),
        "brows": Pose(photo(browInnerUp=1, browOuterUp=1, browDown=0)),
        "pucker": Pose(neutral(mouthPucker=0.9)),
        "funnel": Pose(neutral(mouthFunnel=0.9, jawOpen=0.2)),
        "looks left": Pose(photo(), gaze=(20, 0)),
        "turned, speaking": Pose(neutral(jawOpen=0.5), turned),
    }


@torch.inference_mode()
def sheet(rig: HeadRig) -> list[np.ndarray]:
    driver, camera = Driver(rig), orbit([0.0])
    pictures = []
    for name, pose in poses(rig).items():
        picture = Image.fromarray(to_bytes(render(driver(pose), camera).rgb)[0][PART])
        ImageDraw.Draw(picture).text((6, 6), name, fill=(0, 0, 0), font_size=16)
        pictures.append(np.array(picture))
    return [np.concatenate(pictures[i : i + COLUMNS], 1) for i in range(0, len(pictures), COLUMNS)]


if __name__ == "__main__":
    raise SystemExit(main())
