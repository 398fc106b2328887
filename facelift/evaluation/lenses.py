"""What other lenses cost and what drawing anew gives back: python -m facelift.evaluation.lenses

Held-out synthetic heads are drawn at several fields of view, the face always of one size, and compared with the portrait at 50 degrees.
"""

from __future__ import annotations

import argparse
import itertools
import math
from dataclasses import replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..cameras import FOCAL_512, RADIUS, Cameras, orbit
from ..multiview.lens import FACE
from ..pipeline import FaceLiftPipeline
from ..portrait import find_faces
from ..portrait.quiet import without_native_chatter
from ..rendering import to_bytes
from ..synthesis.dataset import prepare_worker
from ..synthesis.renderer import Renderer
from ..synthesis.rigs import off_centre
from ..synthesis.sampler import Settings, make_head, plan
from .metrics.pictures import psnr

SIDES = (234, 454)  # of MediaPipe's mesh: the width of a face


def cameras(fovs: list[float], size: int = 512) -> Cameras:
    """The models' own first, then those of other lenses, further away or nearer, that show the face in the same size."""
    views = [orbit([0.0], size=size)]
    for fov in fovs:
        focal = size / 2 / math.tan(math.radians(fov / 2))
        view = orbit([0.0], size=size, radius=FACE + focal / FOCAL_512 * 512 / size * (RADIUS - FACE))
        views.append(replace(view, intrinsics=torch.tensor([[focal, focal, size / 2, size / 2]])))
    return Cameras(torch.cat([v.intrinsics for v in views]), torch.cat([v.c2w for v in views]), size, size)


def landmarks(portrait: Tensor) -> np.ndarray | None:
    faces = find_faces(Image.fromarray(to_bytes(portrait[None])[0]))
    return faces[0].landmarks if faces else None


def apart(points: np.ndarray, truth: np.ndarray) -> float:
    """Mean distance of landmarks, as a share of the face's width, after the best shift, turn and scale: what a crop makes the same."""
    a, b = points - points.mean(0), truth - truth.mean(0)
    u, values, v = np.linalg.svd(a.T @ b)
    distance = np.linalg.norm(values.sum() / (a**2).sum() * a @ u @ v - b, axis=1).mean()
    return float(distance / np.linalg.norm(np.subtract(*truth[list(SIDES)])))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m facelift.evaluation.lenses", description=__doc__)
    parser.add_argument("--heads", type=int, default=6)
    parser.add_argument("--fov", type=float, nargs="+", default=[25.0, 35.0, 70.0, 90.0])
    args = parser.parse_args()
    prepare_worker()
    renderer, pipe = Renderer(), FaceLiftPipeline.from_pretrained("compact", device="cpu")
    found: dict[float, list[tuple[float, ...]]] = {fov: [] for fov in args.fov}
    for identity, appearance in itertools.islice(plan(0, args.heads, 1, "held-out"), args.heads):
        scene = make_head(identity, appearance, Settings().options, Settings().light)
        moved = off_centre(np.random.default_rng([identity, 7, appearance]), 0.5)
        renderer.load(replace(scene, to_world=moved @ scene.to_world))
        rgba = torch.from_numpy(np.asarray(renderer.render(cameras(args.fov)).rgba)).permute(0, 3, 1, 2).float() / 255
        pictures = torch.cat([rgba[:, :3] * rgba[:, 3:] + 1 - rgba[:, 3:], rgba[:, 3:]], 1)
        with without_native_chatter():
            truth = landmarks(pictures[0])
            for fov, picture, camera in zip(args.fov, pictures[1:], cameras(args.fov).intrinsics[1:], strict=True):
                portrait = Image.fromarray((picture * 255).round().byte().permute(1, 2, 0).numpy(), "RGBA")
                drawn = pipe.multiview.through_our_lens(portrait, float(camera[0]))
                assert drawn is not None  # compact weights find depth
                anew = torch.from_numpy(np.array(drawn)).permute(2, 0, 1).float() / 255
                before, after = landmarks(picture), landmarks(anew)
                if truth is not None and before is not None and after is not None:
                    quality = [float(psnr(shown[None, :3], pictures[:1, :3])[0]) for shown in (picture, anew)]
                    found[fov].append((apart(before, truth), apart(after, truth), *quality))
    print("fov  heads  landmarks: as taken  drawn anew   dB: as taken  drawn anew")
    for fov, rows in found.items():
        a, b, c, d = np.mean(rows, 0) if rows else [math.nan] * 4
        print(f"{fov:3.0f}  {len(rows):5}  {a:19.4f}  {b:10.4f}  {c:13.2f}  {d:10.2f}")


if __name__ == "__main__":
    main()
