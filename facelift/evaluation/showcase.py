"""python -m facelift.evaluation.showcase --out heads.webp: the example photos and their heads from all around, as the README shows them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from PIL import Image

from ..pipeline import FaceLiftPipeline
from ..portrait.quiet import without_native_chatter
from ..weights.find import WeightsError
from .drawing import stacked
from .sheets import photo_rows

AZIMUTHS = (0.0, 20.0, 45.0, 90.0, 135.0, 180.0, -135.0, -90.0, -45.0, -20.0)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m facelift.evaluation.showcase", description=__doc__.split(": ", 1)[1])
    parser.add_argument("--weights", default="compact", help="auto, compact, released, a folder or a Hub repo (default: compact)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="a picture: .webp, .png or .jpg")
    parser.add_argument("--side", type=int, default=256, help="pixels of each picture (default: 256)")
    parser.add_argument("--seed", type=int, default=4, help="default: 4")
    args = parser.parse_args(argv)
    try:
        pipe = FaceLiftPipeline.from_pretrained(args.weights)
        with without_native_chatter():
            sheet = Image.fromarray(stacked(photo_rows(pipe, AZIMUTHS, args.side, args.seed)))
        sheet.save(args.out, quality=85)
    except (WeightsError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{args.out}: weights {pipe.weights.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
