"""How well one person is cut out: synthetic heads, alone and beside another, before pictured and made backgrounds.

    python -m facelift.synthesis --split held-out --format shards --views six --size 512 --heads 32 --out data/mattes
    python -m facelift.evaluation.mattes --data data/mattes --mattings mediapipe u2netp

Prints a table, a row for each matting. What is measured, in the portrait's 512 px:

| column   |                                                                                                            |
| -------- | ---------------------------------------------------------------------------------------------------------- |
| IoU      | of alpha above one half, %                                                                                 |
| hair     | mean alpha error within 12 px of the true outline above the chin, %                                        |
| lost     | share of the person that is gone, %                                                                        |
| others   | share of the neighbour in the portrait's alpha, %                                                          |
| colour   | Delta E of the foreground's colours within 6 px of the outline                                             |
| fringe   | how much of the background is in these colours, % (projected on the way from true foreground to background) |
| on white | Delta E of the portrait within 6 px of the outline                                                         |
| seconds  | of one processor for the whole portrait                                                                    |
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image

from ..errors import PhotoError
from ..portrait import MATTINGS, Face, Portrait, apply_crop, find_faces, make_portrait
from ..portrait.crop import FACE_CENTRE, FACE_SIZE, SIZE
from ..synthesis.shards import Shard, find_shards
from .metrics.pictures import delta_e, lab
from .tables import table

COLUMNS = ("IoU", "hair", "lost", "others", "colour", "fringe", "on white", "seconds")
HEIGHT, ALONE, PAIR = 640, 720, 900  # of the photos, and their widths
HAIR, EDGE = 12, 6  # pixels from the outline
SEED = 3


@dataclass(frozen=True)
class Case:
    """A photo and what is true of it; arrays are as large as the photo, 0..1.

    person: Shape (H, W, 3), colours, also behind what covers them. background: Shape (H, W, 3), what is to go, neighbour included.
    alpha, other: Shape (H, W), what is seen of the person and of the neighbour. face: (x, y), about where the person's is.
    """

    photo: Image.Image
    person: np.ndarray
    background: np.ndarray
    alpha: np.ndarray
    other: np.ndarray | None
    face: tuple[float, float]


def backgrounds() -> list[np.ndarray]:
    """Four pictures that scikit-image brings and four made ones: blurred lights, a gradient, stripes, plain. Shape (640, 900, 3), 0..1."""
    import skimage

    folder = Path(skimage.__file__).parent / "data"
    pictures = [Image.open(folder / name).convert("RGB") for name in ("coffee.png", "chelsea.png", "motorcycle_left.png", "rocket.jpg")]
    lights = np.random.default_rng(SEED).random((7, 9, 3)).astype(np.float32)
    down = np.linspace(0, 1, HEIGHT)[:, None, None] * np.ones((1, PAIR, 1))
    stripes = (np.arange(PAIR) // 40 % 2)[None, :, None] * np.ones((HEIGHT, 1, 1))
    return [
        *(np.asarray(p.resize((PAIR, HEIGHT)), np.float32) / 255 for p in pictures),
        cv2.resize(lights, (PAIR, HEIGHT), interpolation=cv2.INTER_CUBIC).clip(0, 1),
        _between(down, (0.75, 0.8, 0.9), (0.2, 0.35, 0.6)),
        _between(stripes, (0.45, 0.2, 0.18), (0.85, 0.8, 0.7)),
        _between(0 * down, (0.18, 0.3, 0.2), (0, 0, 0)),
    ]


def cases(heads: np.ndarray) -> Iterator[Case]:
    """The first half of the heads alone, each of the second half beside one of the first, before it and behind it by turns.

    heads: Shape (N, H, W, 4), uint8, straight alpha, from the front.
    """
    rng, scenes, half = np.random.default_rng(SEED), backgrounds(), len(heads) // 2
    for i, head in enumerate(heads):
        alone = i < half
        width = ALONE if alone else PAIR
        scene = scenes[(i if alone else i + 3) % len(scenes)][:, (PAIR - width) // 2 :][:, :width]
        side = int(SIZE * rng.uniform(0.9, 1.2))
        apart = 0 if alone else int(rng.uniform(300, 370)) * (-1 if i % 4 < 2 else 1)
        left = (width + apart - side) // 2
        colours, alpha = _placed(head, side, left, width)
        other, cover = None, np.zeros_like(alpha)
        if not alone:
            other_side = int(SIZE * rng.uniform(0.9, 1.2))
            other_colours, other = _placed(heads[(3 + 3 * i) % half], other_side, (width - apart - other_side) // 2, width)
            cover = other if i % 2 else cover
            scene = other_colours * other + (1 - other) * scene
            other = other * (1 if i % 2 else 1 - alpha)
        seen = alpha * (1 - cover)
        noisy = (colours * seen + (1 - seen) * scene) * 255 + rng.normal(0, 2.5, scene.shape)
        photo = Image.fromarray(noisy.clip(0, 255).round().astype(np.uint8))
        face = (left + side * FACE_CENTRE[0] / SIZE, HEIGHT - side + side * FACE_CENTRE[1] / SIZE)
        yield Case(photo, colours, scene, seen[..., 0], None if other is None else other[..., 0], face)


def portrait_of(case: Case, matting: str, faces: tuple[Face, ...]) -> tuple[Portrait, float]:
    """And the processor's seconds. faces: of the photo. Raises PhotoError."""
    gaps = [np.hypot(face.centre[0] - case.face[0], face.centre[1] - case.face[1]) for face in faces]
    start = time.process_time()
    portrait = make_portrait(case.photo, face_index=int(np.argmin(gaps)) if gaps else 0, matting=matting)
    return portrait, time.process_time() - start


def measured(case: Case, portrait: Portrait, seconds: float) -> dict[str, float]:
    """By the names of COLUMNS; "others" only beside a neighbour."""
    assert portrait.crop is not None, "made with a crop"
    crop = portrait.crop

    def cropped(values: np.ndarray) -> np.ndarray:
        picture = Image.fromarray((values * 255).round().astype(np.uint8))
        background = 0 if values.ndim == 2 else (255, 255, 255)
        return np.asarray(apply_crop(picture, crop, background), np.float32) / 255

    made, image = (np.asarray(x, np.float32) / 255 for x in (portrait.alpha, portrait.image))
    alpha, person, background = cropped(case.alpha), cropped(case.person), cropped(case.background)
    colours = ((image - 1 + made[..., None]) / np.maximum(made, 1e-3)[..., None]).clip(0, 1)
    inside = (alpha > 0.5).astype(np.uint8)
    gap = cv2.distanceTransform(inside, cv2.DIST_L2, 5) + cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5)
    hair = (gap < HAIR) & (np.arange(SIZE)[:, None] < FACE_CENTRE[1] + FACE_SIZE / 2)
    edge = gap < EDGE
    both = edge & (np.minimum(made, alpha) > 0.1)
    way = background[both] - person[both]
    found = {
        "IoU": 100 * float(((made > 0.5) & (inside > 0)).sum() / ((made > 0.5) | (inside > 0)).sum()),
        "hair": 100 * float(np.abs(made - alpha)[hair].mean()),
        "lost": 100 * float((alpha - made).clip(0).sum() / alpha.sum()),
        "colour": _apart(colours[both], person[both]),
        "fringe": 100 * float(((colours[both] - person[both]) * way).sum() / (way**2).sum()),
        "on white": _apart(image[edge], (person * alpha[..., None] + 1 - alpha[..., None])[edge]),
        "seconds": seconds,
    }
    return found if case.other is None else found | {"others": 100 * float((made * cropped(case.other)).sum() / made.sum())}


def _apart(a: np.ndarray, b: np.ndarray) -> float:
    """Mean CIEDE2000. a, b: Shape (N, 3), sRGB 0..1."""
    return float(delta_e(lab(torch.from_numpy(a)), lab(torch.from_numpy(b))).mean())


def _between(where: np.ndarray, low: tuple[float, ...], high: tuple[float, ...]) -> np.ndarray:
    return (np.array(low) * (1 - where) + np.array(high) * where).astype(np.float32)


def _placed(head: np.ndarray, side: int, left: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """A head of this size in an empty photo, at its lower border: colours, Shape (H, W, 3), and alpha, Shape (H, W, 1), 0..1."""
    straight = head.astype(np.float32) / 255
    straight[..., :3] *= straight[..., 3:]
    move = np.array([[side / head.shape[1], 0, left], [0, side / head.shape[0], HEIGHT - side]], np.float32)
    placed = cv2.warpAffine(straight, move, (width, HEIGHT), flags=cv2.INTER_LINEAR)
    return (placed[..., :3] / np.maximum(placed[..., 3:], 1e-3)).clip(0, 1), placed[..., 3:]


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="python -m facelift.evaluation.mattes", description="How well one person is cut out.")
    p.add_argument("--data", type=Path, required=True, metavar="DIR", help="shards of held-out heads")
    p.add_argument("--limit", type=int, default=32, metavar="N", help="heads, half of them alone (default: 32)")
    p.add_argument("--mattings", nargs="+", choices=MATTINGS, default=["u2netp"])
    p.add_argument("--pictures", type=Path, metavar="DIR", help="keep the portraits here")
    return p


def main(argv: list[str] | None = None) -> int:
    """0: measured. 1: no heads in the folder."""
    args = parser().parse_args(argv)
    heads = [shard.rgba[:, 0] for shard in map(Shard, find_shards(args.data))]
    if not heads:
        print(f"error: no shards in {args.data}", file=sys.stderr)
        return 1
    rows: dict[tuple[str, str], list[dict[str, float]]] = {}
    for i, case in enumerate(cases(np.concatenate(heads)[: args.limit])):
        kind, faces = "alone" if case.other is None else "pair", find_faces(case.photo)
        for name in args.mattings:
            try:
                portrait, seconds = portrait_of(case, name, faces)
            except PhotoError as error:
                print(f"{kind} {i}, {name}: {error}", file=sys.stderr)
                continue
            rows.setdefault((kind, name), []).append(measured(case, portrait, seconds))
            if args.pictures:
                args.pictures.mkdir(parents=True, exist_ok=True)
                portrait.rgba.save(args.pictures / f"{i:02d}_{kind}_{name}.png")
    print(table(["", "cases", *COLUMNS], [[f"{kind}: {name}", str(len(found)), *_means(found)] for (kind, name), found in rows.items()]))
    return 0


def _means(found: list[dict[str, float]]) -> list[str]:
    return [f"{np.mean([case[column] for case in found]):.2f}" if column in found[0] else "" for column in COLUMNS]


if __name__ == "__main__":
    sys.exit(main())
