"""Pictures of real or foreign heads from known cameras: FaceLift's protocol for Cafca and Ava-256 (section 4, supplement 5.1)."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ...cameras import orbit
from ...pipeline import FaceLiftPipeline
from ...portrait import PhotoError, make_portrait
from ...portrait.crop import fit_square
from ...portrait.photo import on_white
from ..alignment import similarity_from_landmarks, warp
from ..drawing import draw, row
from ..metrics import PairMetrics
from ..metrics.faces import face_in, reid
from ..metrics.networks import frechet_distance
from ..results import CaseResult, LeftOut, ViewResult, averaged, mean_of
from ..rig import angle_from_front, into_our_system
from .base import BadItem, Benchmark, Measured
from .layout import PosedView
from .layouts import LAYOUTS

SIZE = 512
PLAUSIBLE = 1.5  # a view's own scale may differ from that of the input view by this factor; profiles mislead landmarks
SHEET = 10  # views


class PosedPictures(Benchmark):
    """input_view: another than the layout's own. matting: "auto" takes backgrounds out where the data set has no masks."""

    rank = "psnr"
    notes = (
        "Truth and render are compared at 512 px on white. The test cameras are carried into our system (supplement 5.1), then each render"
        " is aligned to its truth by MediaPipe's landmarks, scale and shift only (Algorithm 1). A view in which either shows no face,"
        " or whose scale is implausible, takes the transform of the input view; 'views aligned by their own landmarks' is the share for"
        " which that was not needed.",
        "A case's number is the mean over its test views, the table's the mean over cases. Face distances leave out views without a face;"
        " the papers do not say how they treat those, nor which LPIPS network they use (here AlexNet).",
        "Rows of a sheet: the portrait that the head was made from, then true test views; below these the aligned renders.",
    )

    def __init__(self, layout: str, folder: Path, seed: int = 4, input_view: str | None = None, matting: str = "auto"):
        self.layout = LAYOUTS[layout](folder, input_view)
        self.name, self.title, self.published = layout, f"{self.layout.title[0].upper()}{self.layout.title[1:]}", self.layout.published
        self.seed, self.matting = seed, matting
        self.features: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])

    def items(self) -> list[str]:
        return self.layout.cases

    def left_out(self) -> list[LeftOut]:
        return self.layout.missing

    @torch.no_grad()
    def measure(self, name: str, pipe: FaceLiftPipeline, metrics: PairMetrics) -> Measured:
        case = self.layout.load(name)
        start = time.perf_counter()
        try:
            portrait = make_portrait(case.input.picture(), matting=self.matting)
        except PhotoError as error:
            raise BadItem(f"{case.input.file}: {error}") from error
        seconds = time.perf_counter() - start
        truths, views, left_out = [], [], [LeftOut(f"{name}, view {item.item}", item.reason) for item in case.left_out]
        for view in case.tests:
            try:
                truths.append(self.truth(view))
                views.append(view)
            except BadItem as error:
                left_out.append(LeftOut(f"{name}, view {view.name}", str(error)))
            except PhotoError as error:
                left_out.append(LeftOut(f"{name}, view {view.name}", f"{view.file}: {error}"))
        if not views:
            raise BadItem(f"no test view can be used ({left_out[0].reason})")
        try:
            cameras = into_our_system(case.input.c2w, np.stack([v.c2w for v in views]), case.centre, SIZE)
        except ValueError as error:
            raise BadItem(f"{error} (of {case.input.file})") from error
        head = pipe(portrait, seed=self.seed)
        renders = draw(head.gaussians, cameras)
        front = own_transform(draw(head.gaussians, orbit([0.0]))[0], self.truth(case.input)) or (1.0, np.zeros(2))
        moved, own = zip(*(aligned(r, t, front) for r, t in zip(renders, truths, strict=True)), strict=True)

        rows, angles = metrics(np.stack(moved), np.stack(truths)), angle_from_front(cameras)
        values: dict[str, float | None] = averaged(rows)
        if "dlib" in metrics.embedders:
            found = reid([r["dlib"] for r in rows if r["dlib"] is not None])
            values["reid"] = found[0] if found else None
        values |= {"aligned": mean_of(map(float, own)), "gaussians": float(len(head.gaussians)), "portrait.seconds": seconds}
        values |= {"views.seconds": head.report["seconds"]["views"], "reconstruction.seconds": head.report["seconds"]["gaussians"]}
        if metrics.inception is not None:
            for features, pictures in zip(self.features, (truths, moved), strict=True):
                features.append(metrics.inception(metrics.tensor(np.stack(pictures))).cpu().numpy())
        seen = tuple(ViewResult(v.name, float(a), r) for v, a, r in zip(views, angles, rows, strict=True))
        shown = np.linspace(0, len(views) - 1, min(SHEET, len(views))).round().astype(int)
        given = np.array(portrait.image)
        sheet = [row(np.stack([given, *(truths[i] for i in shown)])), row(np.stack([np.full_like(given, 255), *(moved[i] for i in shown)]))]
        return Measured(CaseResult(name, values, seen), np.concatenate(sheet), tuple(left_out))

    def truth(self, view: PosedView) -> np.ndarray:
        """The picture on white, whole, in a square of 512 px."""
        picture = view.picture()
        if picture.mode == "RGBA":
            return np.array(fit_square(on_white(picture, picture.getchannel("A"))))
        return np.array(make_portrait(picture, crop=False, matting=self.matting).image)

    def overall(self) -> dict[str, float]:
        truths, made = self.features
        return {"fid": frechet_distance(np.concatenate(truths), np.concatenate(made))} if truths else {}


def own_transform(render: np.ndarray, truth: np.ndarray) -> tuple[float, np.ndarray] | None:
    """Scale and shift from the landmarks of both; None where either shows no face."""
    a, b = face_in(render), face_in(truth)
    if a is None or b is None or a.landmarks is None or b.landmarks is None:
        return None
    return similarity_from_landmarks(a.landmarks, b.landmarks)


def aligned(render: np.ndarray, truth: np.ndarray, front: tuple[float, np.ndarray]) -> tuple[np.ndarray, bool]:
    """The render moved onto its truth, and whether by its own landmarks. front: scale and shift of the input view."""
    own = own_transform(render, truth)
    size = Image.fromarray(truth).size
    if own is None or not 1 / PLAUSIBLE < own[0] / front[0] < PLAUSIBLE:
        return warp(render, *front, size), False
    return warp(render, *own, size), True
