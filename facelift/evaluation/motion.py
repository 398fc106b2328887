"""Driven heads beside true renders of the same person with another expression, and beside the head that does not move:

python -m facelift.evaluation.motion --identities 8 --work DIR [--weights compact] [--first 0] [--units jawOpen mouthSmile]

Held-out synthetic identities with a face at rest as the photo; each unit alone at 1. Moving pixels are those where truth changes by more
than 6/255. DIR keeps true renders and heads, so that a second run measures the rig alone. Needs OpenGL.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

from ..animation.drive import Driver
from ..animation.head_rig import HeadRig
from ..animation.rig import rig_head
from ..animation.track import Pose
from ..cameras import Cameras, orbit, six_views
from ..face.units import UNITS, FaceReading, read_face, sided
from ..gaussians import Gaussians
from ..rendering import render
from ..synthesis.expression import Expression
from ..synthesis.head import build_head, draw_parameters
from ..synthesis.options import PAPER
from ..synthesis.renderer import Renderer
from ..synthesis.sampler import SPLITS
from ..synthesis.scene import Scene
from ..synthesis.template import load_template
from .cracks import FaceMask, crack_share

TRIED = (
    "jawOpen", "mouthSmile", "eyeBlink", "browInnerUp", "browOuterUp", "browDown", "mouthPucker", "mouthFunnel", "mouthUpperUp",
    "mouthLowerDown", "mouthFrown", "jawLeft", "mouthRight", "eyeSquint", "noseSneer", "cheekPuff", "eyeWide",
)  # fmt: skip
JUDGED = ("eyeBlink", "jawOpen", "mouthSmile", "browInnerUp", "mouthPucker", "mouthFunnel")  # what MediaPipe reads well enough
AZIMUTHS = (0.0, 30.0, -30.0, 60.0)
SIZE = 512
MOVING = 6 / 255
LEAST_READ = 0.15  # change of a reading in true renders from which it is judged


class Motion(NamedTuple):
    """Of one unit from one side. gain: dB of driven over frozen in moving pixels. size: norm of the change beside the true one.
    kept: share of the true change in the driven one."""

    gain: float
    size: float
    kept: float


@dataclass(frozen=True)
class Trial:
    """One unit of one head. motion: one for each of AZIMUTHS. read: change of MediaPipe's reading, true and driven; None where it found
    no face. crosstalk: the largest change of a unit that does not change in truth. cracks: share of the face's pixels. milliseconds: to
    drive."""

    unit: str
    motion: tuple[Motion, ...]
    read: tuple[float, float] | None
    crosstalk: tuple[float, str]
    cracks: float
    milliseconds: float


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m facelift.evaluation.motion", description=__doc__.splitlines()[0])
    parser.add_argument("--identities", type=int, default=8)
    parser.add_argument("--first", type=int, default=0, help="of the held-out identities")
    parser.add_argument("--work", type=Path, required=True, metavar="DIR", help="keeps true renders, heads and results.json")
    parser.add_argument("--weights", default="compact")
    parser.add_argument("--units", nargs="+", default=list(TRIED), choices=TRIED)
    args = parser.parse_args(argv)
    trials: list[Trial] = []
    for seed in SPLITS["held-out"][args.first : args.first + args.identities]:
        truth, gaussians, portrait = prepared(seed, args.units, args.work, args.weights)
        start = time.perf_counter()
        rig = rig_head(gaussians, portrait)
        print(f"{seed}: rig {time.perf_counter() - start:.2f} s, {len(rig)} Gaussians, {rig.own} of the head; rest {rest_psnr(rig):.1f} dB")
        for trial in try_units(rig, truth, args.units):
            trials.append(trial)
            print(f"{seed} {describe([trial])}", flush=True)
    print(summary(trials))
    (args.work / "results.json").write_text(json.dumps([t.__dict__ for t in trials], default=str, indent=1))
    return 0


def prepared(seed: int, units: list[str], work: Path, weights: str) -> tuple[dict[str, np.ndarray], Gaussians, Image.Image]:
    """True pictures by unit, and "rest", uint8 (4, S, S, 3) on white; the head of the front one at rest; its portrait."""
    work.mkdir(parents=True, exist_ok=True)
    kept = work / f"{seed}.npz"
    truth = dict(np.load(kept)) if kept.exists() else {}
    if missing := [unit for unit in ("rest", *units) if unit not in truth]:
        truth |= true_pictures(seed, missing)
        np.savez_compressed(kept, **truth)
    splats, portrait = work / f"{seed}.ply", work / f"{seed}.png"
    if not splats.exists():
        from ..pipeline import FaceLiftPipeline

        head = FaceLiftPipeline.from_pretrained(weights)(Image.fromarray(truth["rest_rgba"]), crop=False)
        head.portrait.save(portrait)
        head.gaussians.save(splats)
    return truth, Gaussians.load(splats), Image.open(portrait)


def true_pictures(seed: int, units: list[str]) -> dict[str, np.ndarray]:
    renderer, cameras = shared_renderer(), orbit(AZIMUTHS, 0.0, SIZE)
    rest = expressive(seed, None)
    found = {}
    for unit in units:
        scene = rest if unit == "rest" else replace(expressive(seed, unit), to_world=rest.to_world)
        renderer.load(scene)
        rgba = renderer.render(cameras, 2).rgba
        found[unit] = on_white(rgba)
        if unit == "rest":
            found["rest_rgba"] = rgba[0]
    return found


_renderers: list[Renderer] = []  # one OpenGL context a process


def shared_renderer() -> Renderer:
    if not _renderers:
        _renderers.append(Renderer())
    return _renderers[0]


def expressive(seed: int, unit: str | None) -> Scene:
    template = load_template()
    weights = np.zeros(len(template.names), np.float32)
    for name in sided(unit) if unit else ():
        weights[template.index(f"fu/{name}")] = 1
    return build_head(replace(draw_parameters(seed, options=PAPER), expression=Expression("given", weights, 0.0, 0.0)))


def on_white(rgba: np.ndarray) -> np.ndarray:
    alpha = rgba[..., 3:].astype(np.float32) / 255
    return (rgba[..., :3] * alpha + 255 * (1 - alpha)).round().astype(np.uint8)


def pictures(gaussians: Gaussians, cameras: Cameras) -> np.ndarray:
    """float (V, S, S, 3), 0..1, on white."""
    with torch.inference_mode():
        return render(gaussians, cameras).rgb.clamp(0, 1).permute(0, 2, 3, 1).numpy()


def rest_psnr(rig: HeadRig) -> float:
    """The rig at rest against the head it was made of, over six views, dB; infinite where nothing differs."""
    cameras = six_views(SIZE)
    error = np.mean((pictures(Driver(rig)(Pose(rig.rest)), cameras) - pictures(rig.head, cameras)) ** 2)
    return float("inf") if error == 0 else float(-10 * np.log10(error))


def try_units(rig: HeadRig, truth: dict[str, np.ndarray], units: list[str]) -> Iterator[Trial]:
    driver, cameras, mask = Driver(rig), orbit(AZIMUTHS, 0.0, SIZE), FaceMask(rig)
    still, true_still = pictures(rig.head, cameras), truth["rest"] / 255
    read_still, read_true_still = read(still[0]), read(true_still[0])
    for unit in units:
        weights = rig.rest.astype(np.float64)
        weights[[UNITS.index(name) for name in sided(unit)]] = 1
        driver(Pose(weights))
        start = time.perf_counter()
        gaussians = driver(Pose(weights))
        milliseconds = 1000 * (time.perf_counter() - start)
        moved, true_moved = pictures(gaussians, cameras), truth[unit] / 255
        motion = tuple(measure(moved[i] - still[i], true_moved[i] - true_still[i]) for i in range(len(cameras)))
        change = difference(read(moved[0]), read_still)
        true_change = difference(read(true_moved[0]), read_true_still)
        columns = [UNITS.index(name) for name in sided(unit)]
        both = None if change is None or true_change is None else (float(true_change[columns].mean()), float(change[columns].mean()))
        cracks = np.mean([crack_share(mask, weights, still[i], moved[i], cameras[i]) for i in range(3)])
        yield Trial(unit, motion, both, crosstalk(change, true_change), float(cracks), milliseconds)


def measure(change: np.ndarray, true_change: np.ndarray) -> Motion:
    moving = np.abs(true_change).max(-1) > MOVING
    if moving.sum() < 20:
        return Motion(np.nan, np.nan, np.nan)
    a, b = change[moving].astype(np.float64), true_change[moving]
    gain = 10 * np.log10((b**2).mean() / ((a - b) ** 2).mean())
    return Motion(float(gain), float(np.sqrt((a**2).mean() / (b**2).mean())), float((a * b).sum() / (b * b).sum()))


def read(picture: np.ndarray) -> FaceReading | None:
    return read_face((picture * 255).round().astype(np.uint8))


def difference(a: FaceReading | None, b: FaceReading | None) -> np.ndarray | None:
    return None if a is None or b is None else a.weights - b.weights


def crosstalk(change: np.ndarray | None, true_change: np.ndarray | None) -> tuple[float, str]:
    """Of units that change by less than 0.05 in truth, the one that changes most in the driven head; gaze is not asked."""
    if change is None or true_change is None:
        return np.nan, ""
    still = (np.abs(true_change) < 0.05) & np.array(["Look" not in unit for unit in UNITS])
    most = int(np.argmax(np.where(still, np.abs(change), -1)))
    return float(abs(change[most])), UNITS[most]


def describe(trials: list[Trial]) -> str:
    """One line: means over trials of one unit."""
    words = [f"{trials[0].unit:15s}"]
    for i, azimuth in enumerate(AZIMUTHS):
        gain, size, kept = np.nanmean(np.array([t.motion[i] for t in trials]), 0)
        words.append(f"{azimuth:+.0f}: {gain:5.2f} dB size {size:.2f} kept {kept:.2f};")
    read = np.array([t.read for t in trials if t.read])
    words.append(f"read {read[:, 0].mean():.2f} {read[:, 1].mean():.2f}," if len(read) else "not read,")
    worst = max(trials, key=lambda t: t.crosstalk[0])
    words.append(f"crosstalk {np.nanmean([t.crosstalk[0] for t in trials]):.2f} (most {worst.crosstalk[1]} {worst.crosstalk[0]:.2f}),")
    words.append(f"cracks {100 * np.mean([t.cracks for t in trials]):.2f} %, {np.median([t.milliseconds for t in trials]):.0f} ms")
    return " ".join(words)


def summary(trials: list[Trial]) -> str:
    lines = ["", "means"]
    by_unit = {unit: [t for t in trials if t.unit == unit] for unit in dict.fromkeys(t.unit for t in trials)}
    lines += [describe(of) for of in by_unit.values()]
    motion = np.array([t.motion for t in trials])  # (trials, azimuths, 3)
    for i, azimuth in enumerate(AZIMUTHS):
        gain, size, kept = np.nanmean(motion[:, i], 0)
        lines.append(f"{azimuth:+.0f} degrees: gain {gain:.2f} dB, size {size:.2f}, kept {kept:.2f}")
    below = [unit for unit, of in by_unit.items() if np.nanmean([t.motion[0].gain for t in of]) < 0]
    lines.append(f"units below frozen in front: {', '.join(below) or 'none'}")
    for unit in (u for u in JUDGED if u in by_unit):
        pairs = [t.read for t in by_unit[unit] if t.read and t.read[0] >= LEAST_READ]
        if pairs:
            true, ours = np.mean(pairs, 0)
            lines.append(f"read back {unit}: {ours:.2f} of {true:.2f}, {100 * ours / true:.0f} %")
    milliseconds = np.median([t.milliseconds for t in trials])
    lines.append(f"cracks {100 * np.mean([t.cracks for t in trials]):.3f} %; driving {milliseconds:.0f} ms a frame")
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
