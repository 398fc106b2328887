"""Held-out synthetic heads: every other view of them is known, and so is their depth."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ...cameras import RIGS, VIEW_NAMES, Cameras, orbit, six_views
from ...gaussians import Gaussians
from ...multiview.pipeline import GeneratedViews
from ...pipeline import FaceLiftPipeline
from ...portrait import Portrait
from ...reconstruction.lgm import LGM, the_four
from ...reconstruction.protocol import Context, Reconstruction
from ...reconstruction.refine import FuseDepths
from ...rendering import render, to_bytes
from ...training.data import HeadShards, Sample, views_at
from ..baselines import Baselines
from ..drawing import draw, row, stacked
from ..metrics import PairMetrics
from ..metrics.colours import colours_beside_truth
from ..metrics.faces import janus
from ..metrics.pictures import depth_error
from ..metrics.unseen import grid, loose_pieces
from ..results import CaseResult, ViewResult, averaged, mean_of
from ..rig import angle_from_front
from .base import BadItem, Benchmark, BenchmarkError, Measured

NEAR = (10.0, 30.0)  # degrees from the front that count as "about 20"
FAR = (60.0, 80.0)  # that count as "about 70"
FACE_SHOWS = 60.0  # degrees up to which faces are compared, but for "about 70"
BEHIND = (150.0, 180.0, -150.0)
BACK = VIEW_NAMES.index("back")


def as_portrait(rgba: Tensor) -> Portrait:
    """A rendered front view (4, H, W), on white, as the portrait stage would hand it on: 512 px."""
    image = Image.fromarray(to_bytes(rgba[None])[0]).resize((512, 512), Image.Resampling.LANCZOS)
    alpha = Image.fromarray((rgba[3] * 255).round().byte().numpy()).resize((512, 512), Image.Resampling.LANCZOS)
    return Portrait(image=image, alpha=alpha, face=None, faces=(), matting="alpha channel", crop=None)


def resized(views: Tensor, size: int) -> Tensor:
    return views if views.shape[-1] == size else F.interpolate(views, size=(size, size), mode="bicubic", antialias=True).clamp(0, 1)


class SyntheticHeads(Benchmark):
    """Shards in the format of `training/data.py`, from seeds that training never saw.

    Cameras: the six, and each head's own extra ones. Weight sets of other rigs are measured from the same extra cameras; from their own
    views where those were rendered too. train: shards of training heads, for the baselines; None leaves them out.
    """

    name, rank = "synthetic", "extra.psnr"
    title = "Held-out synthetic heads"
    published = ("facelift_table1_cafca", "facelift_table2_ava256")
    notes = (
        "Pictures are compared whole, on white, at the size of the data. 'About 20 degrees' are the extra cameras 10 to 30 degrees from"
        " the front; a head without one has no such number. 'From true views' skips the view generator.",
        "Depth error is the mean distance along the rays between a pixel's Gaussian and the true surface, given true views;"
        " one unit is about 19 cm. Skin and hair compare mean colours of the side and back renders with the truth (CIEDE2000).",
        "Sharpness is the sum of the gradients, of the truth's: below 1 is blurred, above is noise. The grid of 8 px is how fine detail"
        " correlates with itself 8 px aside: true views have some too. 'About 70 degrees' are the extra cameras 60 to 80 degrees from"
        " the front; only there are faces turned so far compared.",
        "Rows of a sheet: the truth from all cameras, the six first; the generated views below their truth (behind all, where there is"
        " none); renders of the head from all cameras.",
    )

    def __init__(self, folder: Path, train: Path | None = None, seed: int = 4):
        try:
            self.heads = HeadShards(folder)
        except (OSError, ValueError, EOFError) as error:
            raise BenchmarkError(
                f"{folder} holds no shards of synthetic heads (shard_*/ with rgba.npy, offset.npy, c2w.npy): make some with"
                f" python -m facelift.synthesis --split held-out --format shards --heads 48 --out DIR ({error})"
            ) from error
        self.seed = seed
        self.baselines = Baselines.from_shards(train) if train else None

    def items(self) -> list[str]:
        return [f"{i:04d}" for i in range(len(self.heads))]

    def sample(self, index: int) -> Sample:
        """Raises BadItem that names the shard."""
        shard = self.heads.shards[index // self.heads.per_shard]
        try:
            sample = self.heads.sample(index)
        except (OSError, ValueError, EOFError, IndexError, RuntimeError) as error:  # cut off, or not of the shapes of the first shard
            raise BadItem(f"{shard} is damaged: {error}") from error
        if sample.rgba.shape[-2:] != sample.ray_depth.shape[-2:] or not sample.c2w.isfinite().all() or sample.rgba.max() > 1:
            raise BadItem(f"{shard} is damaged: rgba, ray_depth and c2w are not of one size, or hold impossible numbers")
        return sample

    @torch.no_grad()
    def measure(self, name: str, pipe: FaceLiftPipeline, metrics: PairMetrics) -> Measured:
        sample = self.sample(int(name))
        size, work = sample.rgba.shape[-1], pipe.multiview.config.image_size
        portrait, channels = as_portrait(sample.rgba[0]), pipe.multiview.codec.channels
        known = views_at(sample.c2w.numpy(), pipe.rig.cameras())  # where the sample has each view of the rig
        extras = extra_views(sample)

        start = time.perf_counter()
        generated = pipe.make_views(portrait, self.seed)
        seconds = {"views.seconds": time.perf_counter() - start}
        start = time.perf_counter()
        head = pipe.refine(pipe.reconstruct(generated.views), pipe.context(generated, portrait)).filtered(pipe.filters)
        seconds["reconstruction.seconds"] = time.perf_counter() - start

        values: dict[str, float | None] = {}
        whole_rig = [v for v in known if v is not None]
        if len(whole_rig) == len(known):
            truth = resized(sample.rgba[whole_rig], work)[:, :channels].to(pipe.device)
            context = pipe.context(GeneratedViews(truth, None), portrait)
            reconstruction = pipe.reconstruct(truth)
            renders = draw(pipe.refine(reconstruction, context).filtered(pipe.filters), cameras_of(sample, extras))
            values |= {f"true_six.{k}": v for k, v in averaged(metrics(renders, to_bytes(sample.rgba[extras]), faces=False)).items()}
            values["pixels.depth"] = self.depth(pipe, reconstruction, context, sample, whole_rig)
        made = to_bytes(resized(generated.views[:, :3].float().cpu(), size))
        pairs = [(i, v) for i, v in enumerate(known) if v is not None]
        scores = metrics(made[[i for i, _ in pairs]], to_bytes(sample.rgba[[v for _, v in pairs]]), faces=False)
        new = [numbers for (i, _), numbers in zip(pairs, scores, strict=True) if i or not pipe.rig.starts_with_photo]
        values |= {f"generated.{k}": v for k, v in averaged(new).items()}
        values |= self.generated(generated.views.float().cpu(), sample, known, pipe.rig.starts_with_photo)

        whole, seen, pictures = whole_path(head, sample, extras, metrics)
        values |= whole
        rig_render = render(head, six_views(size))
        carried = colours_beside_truth(to_bytes(rig_render.rgb), rig_render.alpha[:, 0].cpu().numpy(), sample.rgba[:6])
        values |= {f"carried.{k}": v for k, v in carried.items()}
        values["back.janus"] = janus(list(draw(head, orbit(BEHIND, 0.0, 256))))
        values |= {"gaussians": float(len(head)), **seconds}
        angles = angle_from_front(pipe.rig.cameras())
        seen += [ViewResult(f"generated {pipe.rig.names[i]}", float(angles[i]), v) for (i, _), v in zip(pairs, scores, strict=True)]

        beside = {}
        if self.baselines is not None:
            for label, stand_in in self.baselines.heads(sample).items():
                beside[label] = whole_path(stand_in, sample, extras, metrics, faces=False)[0]
        return Measured(CaseResult(name, values, tuple(seen), beside), sheet_of(to_bytes(sample.rgba), made, known, pictures))

    @staticmethod
    def generated(views: Tensor, sample: Sample, known: list[int | None], starts_with_photo: bool) -> dict[str, float | None]:
        """The grid of the new views beside that of their truth, at the size they are made; hair of the back.

        views: Shape (V, 3 or 4, H, W).
        known: where the sample has each of them.
        """
        values: dict[str, float | None] = {}
        new = [i for i, place in enumerate(known) if place is not None and (i or not starts_with_photo)]
        if new:
            truth = resized(sample.rgba[[known[i] for i in new]], views.shape[-1])
            alpha = torch.minimum(truth[:, 3], views[new, 3]) if views.shape[1] == 4 else truth[:, 3]
            for name, shown in (("generated.grid", views[new, :3]), ("truth.grid", truth[:, :3])):
                values[name] = mean_of(grid(shown, alpha).tolist())
        if BACK in known:
            back = resized(views[known.index(BACK)][None], sample.rgba.shape[-1])
            pictures, alphas = to_bytes(sample.rgba[:6]), sample.rgba[:6, 3].numpy().copy()
            pictures[BACK] = to_bytes(back[:, :3])[0]
            if views.shape[1] == 4:
                alphas[BACK] = back[0, 3].numpy()
            values["generated.hair"] = colours_beside_truth(pictures, alphas, sample.rgba[:6], (BACK,))["hair"]
        return values

    @staticmethod
    def depth(pipe: FaceLiftPipeline, reconstruction: Reconstruction, context: Context, sample: Sample, known: list[int]) -> float:
        """Mean error of what the reconstructor found and the views settled on, before anything else is refined.

        known: where the sample has the views of the rig.
        """
        for fusion in (r for r in pipe.refinements if isinstance(r, FuseDepths)):
            reconstruction = fusion(reconstruction, context)
        ray_depth = reconstruction.pixel.ray_depth[0].float().cpu()
        if isinstance(pipe.reconstructor, LGM):
            known = [known[i] for i in the_four(context.cameras)]
        size = sample.ray_depth.shape[-1]
        if ray_depth.shape[-1] != size:
            ray_depth = F.interpolate(ray_depth[None], size=(size, size), mode="bilinear", align_corners=False)[0]
        surface = (sample.ray_depth[known] < 5) & (sample.rgba[known, 3] >= 0.5)
        per_view = depth_error(ray_depth, sample.ray_depth[known], surface)
        return float(per_view[~per_view.isnan()].mean())


def extra_views(sample: Sample) -> list[int]:
    """Views that belong to no rig, so that every weight set is judged from the same new places."""
    taken = {v for rig in RIGS.values() for v in views_at(sample.c2w.numpy(), rig.cameras())}
    return [v for v in range(len(sample.c2w)) if v not in taken]


def cameras_of(sample: Sample, views: list[int]) -> Cameras:
    size = sample.rgba.shape[-1]
    return Cameras(six_views(size).intrinsics[:1].expand(len(views), -1), sample.c2w[views], size, size)


def sheet_of(truth: np.ndarray, made: np.ndarray, known: list[int | None], pictures: np.ndarray) -> np.ndarray:
    """The truth, what was generated below its truth (behind all where `known` has none), the renders; uint8 (V, H, W, 3) each."""
    lost = [i for i, v in enumerate(known) if v is None]
    below = np.full_like(truth, 255)
    for view, place in zip(made, known, strict=True):
        if place is not None:
            below[place] = view
    return stacked([row(truth), row(np.concatenate([below, made[lost]])), row(pictures)])


def whole_path(
    head: Gaussians, sample: Sample, extras: list[int], metrics: PairMetrics, faces: bool = True
) -> tuple[dict, list[ViewResult], np.ndarray]:
    """A head against all cameras of the sample: means by group of cameras, every view, and the pictures."""
    cameras = cameras_of(sample, list(range(len(sample.c2w))))
    rendering = render(head, cameras.to(head.means.device))
    pictures, truth, angles = to_bytes(rendering.rgb), to_bytes(sample.rgba), angle_from_front(cameras)
    rows = metrics(pictures, truth, faces=False)
    far = {i: dict(rows[i]) for i in extras if FAR[0] <= angles[i] <= FAR[1]}
    if faces:
        for numbers, picture, true, angle in zip(rows, pictures, truth, angles, strict=True):
            if angle < FACE_SHOWS:
                numbers |= metrics.compare_faces(picture, true)
        for i, numbers in far.items():
            numbers |= metrics.compare_faces(pictures[i], truth[i])
    groups = {
        "front": [0],
        "near": [i for i in extras if NEAR[0] <= angles[i] <= NEAR[1]],
        "half": [1, 5],
        "extra": extras,
    }
    values = {f"{g}.{k}": v for g, members in groups.items() for k, v in averaged([rows[i] for i in members]).items()}
    values |= {f"far.{k}": v for k, v in averaged(list(far.values())).items()}
    values["loose"] = loose_pieces(rendering.alpha[:, 0].cpu().numpy())
    names = [*VIEW_NAMES, *(f"extra {i}" if i + 6 in extras else f"rig {i}" for i in range(len(rows) - 6))]
    return values, [ViewResult(n, float(a), r) for n, a, r in zip(names, angles, rows, strict=True)], pictures
