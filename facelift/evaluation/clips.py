"""Heads made of clips beside the truth: what of a person's motion comes back, in readings and in pixels.

python -m facelift.evaluation.clips --identities 1 --work DIR [--frames 48] [--weights compact] [--first 0] [--method rig] [--noise 3]

Clips of held-out synthetic identities that talk, blink and turn, seen from the front, with a camera's noise where asked for; the head is
made of the clip's anchor frame. Compared with true renders, which have no noise, from the front and from 20 degrees, beside the head that
does not move. DIR keeps clips and heads. Needs OpenGL.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from ..animation.head4d import MovingHead
from ..animation.track import Track
from ..cameras import orbit
from ..choices import METHODS
from ..face.units import UNITS, sided
from ..gaussians import Gaussians
from ..rendering.film import save_film
from ..synthesis.expression import Expression
from ..synthesis.head import build_head, draw_parameters
from ..synthesis.options import PAPER
from ..synthesis.sampler import SPLITS
from ..synthesis.scene import Scene
from ..synthesis.template import load_template
from ..video.frames import Clip
from ..video.heads import Take
from ..video.methods import METHODS as WAYS
from ..video.track import Performance, read_clip
from ..video.unfinished import Unfinished
from .motion import MOVING, SIZE, on_white, pictures, shared_renderer

FPS = 12.0
AZIMUTHS = (0.0, 20.0)
TURN = 12.0  # degrees to each side
STEADY, WHITE = 1 / 255, 0.985  # change between two frames below which a pixel is still, and the least band of the background
STILL = 0.1  # of a weight: what changes less in a short clip is not judged
ASKED = ("jawOpen", "eyeBlink", "mouthSmile", "mouthPucker", "browInnerUp")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m facelift.evaluation.clips", description=__doc__.splitlines()[0])
    parser.add_argument("--identities", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="of the held-out identities")
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--work", type=Path, required=True, metavar="DIR", help="keeps clips and heads")
    parser.add_argument("--weights", default="compact")
    parser.add_argument("--method", choices=METHODS, default="rig", help="of `facelift video`; default: rig")
    parser.add_argument("--noise", type=float, default=0.0, help="standard deviation of the clip's pixels, of 255 (default: none)")
    args = parser.parse_args(argv)
    args.work.mkdir(parents=True, exist_ok=True)
    true = performance_of(args.frames)
    for seed in SPLITS["held-out"][args.first : args.first + args.identities]:
        clip, truth = true_clip(seed, true, args.work, args.noise)
        read = read_clip(clip, FPS, args.frames / FPS)
        print(f"{seed}: anchor {read.anchor}, {read.lost} frames without a face")
        print("read of the true motion: " + came_back(true, read))
        moving, still = moved_by(args.method, seed, clip, read, args.work, args.weights)
        cameras = orbit(AZIMUTHS, 0.0, SIZE)
        ours = np.stack([pictures(moving[t], cameras) for t in range(len(moving))])
        compare(ours, pictures(still, cameras), truth / 255, read.anchor)
        again = args.work / f"{seed}_{args.method}.mp4"
        save_film(((frame[0] * 255).round().astype(np.uint8) for frame in ours), again, SIZE, FPS)
        print("read of the moving head's: " + came_back(true, read_clip(again, FPS, args.frames / FPS)))
    return 0


def performance_of(frames: int) -> Track:
    """Rests, talks, blinks, smiles, puckers, turns."""
    t = np.arange(frames) / FPS
    begun = np.clip((t - 0.4) / 0.3, 0, 1)

    def bump(middle: float, width: float) -> np.ndarray:
        return np.exp(-(((t - middle) / width) ** 2))

    amounts = {
        "jawOpen": 0.6 * begun * np.sin(2 * np.pi * 0.9 * t) ** 2 * (1 - 0.7 * bump(2.6, 0.4)),
        "eyeBlink": bump(1.2, 0.13) + bump(3.2, 0.13),
        "mouthSmile": 0.7 * bump(1.7, 0.4),
        "mouthPucker": 0.9 * bump(2.6, 0.3),
        "browInnerUp": 0.8 * bump(3.4, 0.35),
    }
    weights = np.zeros((frames, len(UNITS)))
    for name, values in amounts.items():
        weights[:, [UNITS.index(unit) for unit in sided(name)]] = values[:, None]
    half = np.radians(TURN) / 2 * begun * np.sin(2 * np.pi * 0.3 * t)
    rotation = np.stack([np.cos(half), 0 * half, 0 * half, np.sin(half)], 1)
    return Track(FPS, weights.clip(0, 1), rotation)


def true_clip(seed: int, track: Track, work: Path, noise: float) -> tuple[Path, np.ndarray]:
    """The clip from the front, noise of so much of 255 in it, and true pictures without, uint8 (T, 2, S, S, 3) on white."""
    kept, clip = work / f"{seed}_{len(track)}.npz", work / f"{seed}_{len(track)}_{noise:g}.mp4"
    if not kept.exists():
        rest = performing(seed, np.zeros(len(UNITS)))
        found = []
        for frame in range(len(track)):
            pose = track[frame]
            to_world = np.eye(4)
            to_world[:3, :3] = Rotation.from_quat(np.array(pose.rotation)[[1, 2, 3, 0]]).as_matrix()
            scene = replace(performing(seed, pose.weights), to_world=(to_world @ rest.to_world).astype(rest.to_world.dtype))
            shared_renderer().load(scene)
            found.append(on_white(shared_renderer().render(orbit(AZIMUTHS, 0.0, SIZE), 2).rgba))
        np.savez_compressed(kept, truth=np.stack(found))
    truth = np.load(kept)["truth"]
    random = np.random.default_rng(seed)
    noisy = ((frame[0] + random.normal(0, noise, frame[0].shape)).round().clip(0, 255).astype(np.uint8) for frame in truth)
    save_film(noisy, clip, SIZE, track.fps)
    return clip, truth


def performing(seed: int, weights: np.ndarray) -> Scene:
    template = load_template()
    column = np.zeros(len(template.names), np.float32)
    column[[template.index(f"fu/{unit}") for unit in UNITS]] = weights
    return build_head(replace(draw_parameters(seed, options=PAPER), expression=Expression("given", column, 0.0, 0.0)))


def moved_by(method: str, seed: int, clip: Path, read: Performance, work: Path, weights: str) -> tuple[MovingHead, Gaussians]:
    """The moving head, and the one that does not move. What is made is kept in `work`."""
    from ..pipeline import FaceLiftPipeline

    pipe = FaceLiftPipeline.from_pretrained(weights)
    kept = Unfinished(work / clip.stem, {"clip": clip.name, "weights": weights})
    take = Take(Clip(clip, FPS, len(read) / FPS), read, pipe, 4, kept, steady=False)
    moved = WAYS[method](take, lambda stage, done, total: print(f"{stage} {done} of {total}", end="\r", file=sys.stderr))
    return moved.moving, moved.gaussians


def came_back(true: Track, read: Performance) -> str:
    """Of each unit that moves, and of the turn: the share of the true motion that was read (a least-squares slope)."""
    words = []
    for name in ASKED:
        columns = [UNITS.index(unit) for unit in sided(name)]
        if np.ptp(true.weights[:, columns]) > STILL:
            words.append(f"{name} {slope(true.weights[:, columns], read.weights[:, columns]):.2f}")
    assert true.rotation is not None
    words.append(f"turn {slope(true.rotation[:, 3:], read.rotation[:, 3:]):.2f}")
    return ", ".join(words)


def slope(true: np.ndarray, read: np.ndarray) -> float:
    true, read = true - true.mean(0), read - read.mean(0)
    return float((true * read).sum() / (true**2).sum())


def compare(ours: np.ndarray, still: np.ndarray, truth: np.ndarray, anchor: int) -> None:
    """Prints, for each azimuth: gain over the still head and size of motion in moving pixels of all frames; and flicker, the mean change
    from one frame to the next of the person's pixels that are the same in both true ones.
    """
    for i, azimuth in enumerate(AZIMUTHS):
        change, true_change = ours[:, i] - still[i], truth[:, i] - truth[anchor, i]
        moving = np.abs(true_change).max(-1) > MOVING
        a, b = change[moving], true_change[moving]
        gain = 10 * np.log10((b**2).mean() / ((a - b) ** 2).mean())
        size, kept = np.sqrt((a**2).mean() / (b**2).mean()), (a * b).sum() / (b**2).sum()
        still_pixels = (np.abs(np.diff(truth[:, i], axis=0)).max(-1) < STEADY) & (truth[:-1, i].min(-1) < WHITE)
        flicker = 255 * np.abs(np.diff(ours[:, i], axis=0))[still_pixels].mean()
        print(f"{azimuth:+.0f} degrees: gain {gain:.2f} dB, size {size:.2f}, kept {kept:.2f}; flicker of still pixels {flicker:.3f} / 255")


if __name__ == "__main__":
    raise SystemExit(main())
