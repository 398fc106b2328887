"""Whether a real face detector takes the heads for faces, and finds them where the crop of a photo puts a face.

python -m facelift.synthesis.audit --heads 500 --workers 2
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
from PIL import Image
from tqdm import tqdm

from ..cameras import six_views
from ..cli.quiet import without_native_chatter
from .head import FACE_CENTRE, FACE_SIZE, make_head

VIEWS = {"front": 0, "front_right": 1, "front_left": 5}


def find(seeds: list[int]) -> list[dict]:
    """For each seed: what it wears, and the face box of each view, (x0, y0, x1, y1) at 512 px or None."""
    from ..portrait.faces import find_faces
    from .renderer import Renderer

    renderer, cameras, found = Renderer(), six_views(512)[list(VIEWS.values())], []
    with without_native_chatter():
        for seed in seeds:
            scene = make_head(seed)
            renderer.load(scene)
            result = {
                "seed": seed,
                "covered": bool(scene.meta["wear"]["hat"] or scene.meta["wear"]["scarf"]),
                "style": scene.meta["hair"]["style"],
            }
            for name, rgba in zip(VIEWS, renderer.render(cameras).rgba, strict=True):
                picture = Image.new("RGBA", (512, 512), "white")
                picture.alpha_composite(Image.fromarray(rgba))
                faces = find_faces(picture.convert("RGB"))
                result[name] = [round(float(x), 1) for x in faces[0].box] if faces else None
            found.append(result)
    return found


def summary(found: list[dict]) -> dict:
    """Rates of detection; size and centre of the front face against the crop's."""
    boxes = np.array([f["front"] for f in found if f["front"]])
    sizes = (boxes[:, 2:] - boxes[:, :2]).mean(1)
    centres = (boxes[:, 2:] + boxes[:, :2]) / 2
    turned = [f[name] is not None for f in found for name in ("front_right", "front_left")]
    bare = [f[name] is not None for f in found if not f["covered"] for name in ("front_right", "front_left")]
    return {
        "heads": len(found),
        "front_found": len(boxes) / len(found),
        "turned_45_found": float(np.mean(turned)),
        "turned_45_found_without_hat_or_scarf": float(np.mean(bare)),
        "face_size": {"mean": sizes.mean().round(2), "sd": sizes.std().round(2), "crop": FACE_SIZE},
        "face_centre": {"mean": centres.mean(0).round(2).tolist(), "sd": centres.std(0).round(2).tolist(), "crop": FACE_CENTRE},
        "missed": [f["seed"] for f in found if not f["front"]],
    }


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--heads", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    args = parser.parse_args(argv)
    chunks = [list(range(first, min(first + 10, args.seed + args.heads))) for first in range(args.seed, args.seed + args.heads, 10)]
    with ProcessPoolExecutor(args.workers, get_context("spawn")) as pool:
        found = [f for chunk in tqdm(pool.map(find, chunks), total=len(chunks), unit="x10 heads") for f in chunk]
    print(json.dumps(summary(found), indent=2, default=float))


if __name__ == "__main__":
    main()
