"""What the rig misses of each frame, as the front shows it: painted on the Gaussians that are seen there, and said in a few patterns.

Each frame's own picture is laid on the driven head. What its render lacks goes back along the rays into the colours of what it drew
(simultaneous iterative reconstruction, Gilbert 1972), less into what turns away or is hidden. Of all frames together few patterns are
kept, those that more than noise explains, and none where the head is quiet: so that nothing flickers from other sides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from PIL import Image
from skimage.transform import SimilarityTransform
from torch import Tensor

from ..animation.drive import Driver, ramp
from ..animation.residual import MOST_PATTERNS, Residual
from ..animation.track import Pose
from ..cameras import Cameras, orbit
from ..errors import PhotoError
from ..face.landmarks import COUNT, LIPS_INNER, LIPS_OUTER, OUTLINE
from ..face.units import read_face
from ..gaussians import SH_C0, Gaussians
from ..rendering import Rendering, render, to_bytes
from .heads import Kept, Progress, Take
from .smoothing import smoothed

SETTLED = [i for i in range(COUNT) if i not in {*LIPS_INNER, *LIPS_OUTER, *OUTLINE}]  # landmarks that a face is laid on another by


@dataclass(frozen=True)
class FrontSettings:
    """rounds: of painting. seen: pixels of the front that a Gaussian covers, up to the first it is not painted, from the second on in full.
    sides: degrees from which it is looked at too, facing: what it covers in front as a share of what it does there, likewise: what turns
    away is not painted. opaque: alpha from which a pixel is the subject's. most: change of a colour, 0..1.
    patterns: at most. basis: frames, at most, that patterns are found in. noise: how many times what noise explains a pattern, or a place,
    must be more than. least: change of colour that is taken for noise, 0..1. cutoff, beta: of the filter over time.
    """

    rounds: int = 2
    seen: tuple[float, float] = (0.1, 0.5)
    sides: tuple[float, float] = (-30.0, 30.0)
    facing: tuple[float, float] = (0.3, 0.6)
    opaque: float = 0.9
    most: float = 0.5
    patterns: int = MOST_PATTERNS
    basis: int = 120
    noise: float = 3.0
    least: float = 1 / 255
    cutoff: float = 1.5
    beta: float = 4.0


FRONT = FrontSettings()


def front_residual(take: Take, driver: Driver, progress: Progress, settings: FrontSettings = FRONT) -> Residual | None:
    """Of the head that a rig and the performance's track drive; None where nothing is missing. Goes on where it was stopped."""
    performance = take.performance
    track, camera = performance.track(driver.rig.rest), orbit([0.0]).to(driver.device)
    faces = facing(driver(Pose(driver.rig.rest)), camera, settings)

    def painted(picture: np.ndarray, frame: int) -> Kept:
        gaussians = driver(track[frame])
        portrait = laid_on(take, picture, frame, gaussians, camera)
        change = torch.zeros_like(gaussians.sh0) if portrait is None else lacking(gaussians, portrait, camera, faces, settings)
        return {"sh0": change.cpu().numpy().astype(np.float16)}

    for frame, picture in enumerate(take.clip):
        take.kept.arrays(name_of(frame), partial(painted, picture, frame))
        progress("front", frame + 1, len(performance))
    return patterns_of(lambda frame: take.kept.read(name_of(frame))["sh0"], len(performance), performance.anchor, performance.fps, settings)


def name_of(frame: int) -> str:
    return f"front_{frame:05d}"


def laid_on(take: Take, picture: np.ndarray, frame: int, gaussians: Gaussians, camera: Cameras) -> Tensor | None:
    """A frame's portrait where the driven head stands: Shape (1, 4, S, S), alpha last; None where it shows no face."""
    try:
        portrait = take.portrait(picture, frame)
    except PhotoError:
        return None
    there = read_face(np.asarray(portrait.image))
    if there is None:
        return None
    rgba = portrait.rgba
    if take.steady:
        here = read_face(to_bytes(render(gaussians, camera).rgb[0]))
        if here is None:
            return None
        move = SimilarityTransform.from_estimate(here.landmarks[SETTLED, :2], there.landmarks[SETTLED, :2])
        if not move:
            return None
        rgba = rgba.transform(rgba.size, Image.Transform.AFFINE, tuple(move.params[:2].ravel()), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.asarray(rgba, np.float32) / 255).permute(2, 0, 1)[None].to(gaussians.means)


def lacking(gaussians: Gaussians, portrait: Tensor, camera: Cameras, share: Tensor, settings: FrontSettings) -> Tensor:
    """What sh0 must gain for the render to meet the portrait, Shape (1, 4, S, S). share: of each Gaussian, 0..1, Shape (N, 1). Returns
    Shape (N, 3)."""
    pixels, known = covered(gaussians, camera), portrait[:, 3:] > settings.opaque
    share = share * ramp(pixels, *settings.seen) / pixels.clamp_min(settings.seen[0])
    change = torch.zeros_like(gaussians.sh0)
    for _ in range(settings.rounds):
        now = replace(gaussians, sh0=gaussians.sh0 + change / SH_C0)
        missing = spread(now, camera, lambda drawn: (portrait[:, :3] - drawn.rgb) * known * (drawn.alpha > settings.opaque))
        change = (change + share * missing).clamp(-settings.most, settings.most)
    return change / SH_C0


def facing(gaussians: Gaussians, camera: Cameras, settings: FrontSettings) -> Tensor:
    """Share, 0..1, of what a Gaussian is to be painted: less where other sides see more of it. Shape (N, 1)."""
    front = covered(gaussians, camera)
    most = torch.stack([front, *(covered(gaussians, orbit([side]).to(front.device)) for side in settings.sides)]).amax(0)
    return ramp(front / most.clamp_min(1e-6), *settings.facing)


def covered(gaussians: Gaussians, camera: Cameras) -> Tensor:
    """Pixels that show each Gaussian, as far as they show it. Shape (N, 1)."""
    grey = replace(gaussians, sh0=torch.zeros_like(gaussians.sh0))
    return spread(grey, camera, lambda drawn: torch.ones_like(drawn.rgb)).mean(1, keepdim=True)


def spread(gaussians: Gaussians, camera: Cameras, of: Callable[[Rendering], Tensor]) -> Tensor:
    """What pixels have goes back to the Gaussians that they show, as far as they show them: sums, Shape (N, 3).

    of: from a rendering, Shape (1, 3, S, S).
    """
    with torch.enable_grad():
        sh0 = gaussians.sh0.detach().requires_grad_()
        drawn = render(replace(gaussians, sh0=sh0), camera)
        return torch.autograd.grad((drawn.rgb * of(drawn).detach()).sum(), sh0)[0] / SH_C0


def patterns_of(read: Callable[[int], np.ndarray], count: int, anchor: int, fps: float, settings: FrontSettings) -> Residual | None:
    """read: changes of sh0 that a frame lacks, Shape (N, 3). The anchor lacks nothing: what it does is the head's own."""
    own = read(anchor).astype(np.float32)
    frames = np.unique(np.linspace(0, count - 1, min(count, settings.basis)).round().astype(int))
    noise, energy = measured(lambda frame: read(frame) - own, frames, settings)
    share = np.clip(1 - settings.noise * noise / np.maximum(energy, 1e-12), 0, 1).astype(np.float32)
    index = np.flatnonzero(share)
    if not len(index):
        return None

    def row(frame: int) -> np.ndarray:
        return ((read(frame)[index] - own[index]) * share[index, None]).ravel()

    rows = np.stack([row(frame) for frame in frames])
    values, vectors = np.linalg.eigh((rows @ rows.T).astype(np.float64))
    explained = settings.noise * noise * 3 * float((share**2).sum())  # by noise, of one pattern
    chosen = [k for k in np.argsort(-values)[: settings.patterns] if values[k] > explained]
    if not chosen:
        return None
    patterns = (vectors[:, chosen].T @ rows).astype(np.float32)  # (K, 3n)
    inverse = np.linalg.pinv((patterns @ patterns.T).astype(np.float64))
    weights = np.stack([row(frame) @ patterns.T @ inverse for frame in range(count)])
    largest = np.abs(weights).max(0)
    weights = smoothed(weights / largest, fps, settings.cutoff, settings.beta)
    weights = (weights - weights[anchor]) / (again := np.abs(weights - weights[anchor]).max(0).clip(1e-9))
    patterns *= (largest * again)[:, None]
    steps = np.abs(patterns).max(1) / 127
    whole = np.rint(patterns / steps[:, None]).astype(np.int8).reshape(len(chosen), len(index), 3)
    return Residual(index.astype(np.int32), whole, steps.astype(np.float32), weights.astype(np.float32))


def measured(lacking: Callable[[int], np.ndarray], frames: np.ndarray, settings: FrontSettings) -> tuple[float, np.ndarray]:
    """Mean squares over frames and bands: of noise, which is what changes from frame to frame in most Gaussians; of each, Shape (N,)."""
    before: list[np.ndarray] = []
    jumps, energy = np.zeros(0), np.zeros(0)
    for frame in frames:
        now = lacking(int(frame))
        energy = energy + (now**2).mean(1) if len(energy) else (now**2).mean(1)
        if len(before) == 2:
            jump = ((before[0] - 2 * before[1] + now) ** 2).mean(1) / 6
            jumps = jumps + jump if len(jumps) else jump
        before = [*before[-1:], now]
    energy /= len(frames)
    touched = energy > np.median(energy[energy > 0]) / 4 if energy.any() else energy > 0  # what the front shows at all
    found = np.median(jumps[touched]) / (len(frames) - 2) if len(jumps) and touched.any() else 0.0
    return float(max(found, (settings.least / SH_C0) ** 2)), energy
