"""Whether a real face detector takes the heads for faces, and finds them where the crop of a photo puts a face.

python -m facelift.synthesis.audit --heads 500 --workers 2
python -m facelift.synthesis.audit --heads 500 --keep audit.json   # can be stopped and started again
"""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.spatial import cKDTree
from tqdm import tqdm

from ..arrays import to_pixels
from ..cameras import Cameras, six_views
from ..files import write_whole
from ..portrait.quiet import without_native_chatter
from .dataset import prepare_worker, start_worker
from .head import FACE_CENTRE, FACE_SIZE, make_head
from .renderer import NoContextError
from .scene import Scene
from .skin import CHEEKS

VIEWS = {"front": 0, "front_right": 1, "front_left": 5}
TURNED = {"front_right": -1, "front_left": 1}  # and the side of the cheek that looks at the camera, 1 the subject's left
CHEEK, HIDDEN, NEAR = 0.022, 0.15, 6.0  # metres around its middle; share under hair that makes it covered; pixels to the next hair


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
                "covered": bool(scene.meta["clothing"]["hat"] or scene.meta["clothing"]["scarf"]),
                "style": scene.meta["hair"]["style"],
                "hair_over_cheek": {name: hair_over_cheek(scene, cameras[list(VIEWS).index(name)], side) for name, side in TURNED.items()},
            }
            for name, rgba in zip(VIEWS, renderer.render(cameras).rgba, strict=True):
                picture = Image.new("RGBA", (512, 512), "white")
                picture.alpha_composite(Image.fromarray(rgba))
                faces = find_faces(picture.convert("RGB"))
                result[name] = [round(float(x), 1) for x in faces[0].box] if faces else None
            found.append(result)
    return found


def hair_over_cheek(scene: Scene, camera: Cameras, side: int) -> bool:
    """Whether hair, beards aside, stands before more than a little of the cheek that this camera looks at."""
    surface, template = scene.surface, scene.surface.template
    middle = np.array(CHEEKS[0]) * [side, 1, 1]
    cheek = surface.body[0][np.linalg.norm(template.rest[: template.body] - middle, axis=1) < CHEEK]
    points = [np.zeros((0, 3))]
    for strands in scene.strands:
        root = (strands.points[:, 0] - surface.head_center) @ surface.head_rotation
        hair = strands.points[~((root[:, 1] < -0.03) & (root[:, 2] < -0.02))] if strands.kind == "hair" else strands.points[:0]
        points += [(hair[:, :-1] * (1 - t) + hair[:, 1:] * t).reshape(-1, 3) for t in (0.0, 0.33, 0.67)]
    (face, depth), (hair, hair_depth) = (project(p, scene.to_world, camera) for p in (cheek, np.concatenate(points)))
    before = hair[hair_depth < depth.max()]
    if len(before) == 0:
        return False
    return bool(np.mean(cKDTree(before).query(face)[0] < NEAR) > HIDDEN)


def project(points: np.ndarray, to_world: np.ndarray, camera: Cameras) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (N, 2) and z-depth (N,)."""
    *pixel, depth = to_pixels(points, camera.viewmats[0].double().numpy() @ to_world, camera.intrinsics[0].double().numpy())
    return np.stack(pixel, 1), depth


def summary(found: list[dict]) -> dict:
    """Rates of detection; size and centre of the front face against the crop's."""
    boxes = np.array([f["front"] for f in found if f["front"]])
    sizes = (boxes[:, 2:] - boxes[:, :2]).mean(1)
    centres = (boxes[:, 2:] + boxes[:, :2]) / 2
    bare = [(f, name) for f in found for name in TURNED if not f["covered"] and not f["hair_over_cheek"][name]]
    return {
        "heads": len(found),
        "front_found": len(boxes) / len(found),
        "turned_45_found": float(np.mean([f[name] is not None for f in found for name in TURNED])),
        "turned_45_found_bare": float(np.mean([f[name] is not None for f, name in bare])),  # no hat, no scarf, no hair over the cheek
        "turned_45_bare": len(bare) / (2 * len(found)),
        "face_size": {"mean": sizes.mean().round(2), "sd": sizes.std().round(2), "crop": FACE_SIZE},
        "face_centre": {"mean": centres.mean(0).round(2).tolist(), "sd": centres.std(0).round(2).tolist(), "crop": FACE_CENTRE},
        "missed": [f["seed"] for f in found if not f["front"]],
        "missed_45_bare": [f"{f['seed']} {name}" for f, name in bare if f[name] is None],
    }


def keep(file: Path, found: list[dict]) -> None:
    content = json.dumps(found)
    write_whole(file, lambda partial: partial.write_text(content))


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m facelift.synthesis.audit", description=__doc__.split("\n")[0])
    parser.add_argument("--heads", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--keep", type=Path, metavar="FILE", help="what was found so far; those heads are not rendered again")
    args = parser.parse_args(argv)
    prepare_worker()
    try:
        found = {f["seed"]: f for f in json.loads(args.keep.read_text())} if args.keep and args.keep.is_file() else {}
        missing = [seed for seed in range(args.seed, args.seed + args.heads) if seed not in found]
        chunks = [missing[i : i + 10] for i in range(0, len(missing), 10)]
        with ProcessPoolExecutor(args.workers, get_context("spawn"), initializer=start_worker) as pool:
            for chunk in tqdm(pool.map(find, chunks), total=len(chunks), unit="x10 heads"):
                found.update({f["seed"]: f for f in chunk})
                if args.keep:
                    keep(args.keep, list(found.values()))
    except (NoContextError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    heads = [found[seed] for seed in range(args.seed, args.seed + args.heads)]
    print(json.dumps(summary(heads), indent=2, default=float))
    return 0


if __name__ == "__main__":
    sys.exit(main())
