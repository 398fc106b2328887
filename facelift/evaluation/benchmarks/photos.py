"""Photos of which no other view exists: is it still the same person, in front, at the sides, and nobody on the back?"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ...cameras import orbit
from ...pipeline import FaceLiftPipeline
from ...portrait import PhotoError
from ...portrait.photo import READ, find_photos
from ...rendering import render, to_bytes
from ..drawing import row, stacked
from ..metrics import PairMetrics
from ..metrics.colours import colours_beside_photo
from ..metrics.faces import face_in, input_to_output, janus, output_to_output
from ..metrics.networks import frechet_distance
from ..metrics.pictures import psnr
from ..metrics.unseen import loose_pieces, sharpness_beside_photo
from ..results import CaseResult, ViewResult, mean_of
from .base import EXAMPLES, BadItem, Benchmark, BenchmarkError, Measured

TURN = tuple(i * 22.5 - 157.5 for i in range(16))  # 16 views, as many as Gen3D-Face generates
NEAR, HALF, FAR, BEHIND = (20.0, -20.0), (45.0, -45.0), (70.0, -70.0), (157.5, 180.0, -157.5)
UNSEEN = (90.0, 135.0, 180.0, -135.0, -90.0)
SHEET = (0.0, 20.0, 45.0, 90.0, 135.0, 180.0, -135.0, -90.0, -45.0, -20.0)
CARRIED = (45.0, -45.0, 90.0, -90.0, 180.0)


class Photos(Benchmark):
    """Any photos. second_seed: makes each head again with another seed, to see what depends on it."""

    name, rank = "photos", "half.dlib"
    title = "Photos"
    published: tuple[str, ...] = ("gen3d_face_table1_ffhq",)
    notes = (
        "Distances compare the aligned portrait with renders of the head. 'About 20', '45' and 'about 70 degrees' are means of both sides.",
        "Identity among outputs and from input to output follows Gen3D-Face section 4 (mean cosine similarity; here of 16 renders around"
        " the head, those in which a face is found), with ArcFace where it is at hand and left out where not.",
        "Skin compares a cheek at 45 degrees with the portrait's, hair the top of the head at 45, 90 and 180 degrees (CIEDE2000); no true"
        " side view is known, so light that really differs counts as an error too.",
        "Detail compares the fine structure of the renders' heads at 90, 135 and 180 degrees (root of the mean squared Laplacian) with that"
        " around the face of the portrait; noise in a photo counts as structure.",
        "FID compares portraits with all renders of them and falls with the number of photos: only equal numbers compare.",
        f"Rows of a sheet: the portrait, then renders at {', '.join(f'{a:g}' for a in SHEET)} degrees; the portrait, then the views"
        " that were generated.",
    )

    def __init__(self, folder: Path = EXAMPLES, seed: int = 4, second_seed: int | None = None):
        try:
            self.photos = {p.name: p for p in find_photos([folder])}
        except (ValueError, OSError) as error:
            raise BenchmarkError(self.needs(folder)) from error
        if not folder.is_dir():
            raise BenchmarkError(self.needs(folder))
        self.seed, self.second_seed = seed, second_seed
        self.features: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])  # of portraits and of renders, for FID

    def needs(self, folder: Path) -> str:
        return f"{folder} is no folder with photos ({READ}): name one with --data."

    def items(self) -> list[str]:
        return list(self.photos)

    @torch.no_grad()
    def measure(self, name: str, pipe: FaceLiftPipeline, metrics: PairMetrics) -> Measured:
        start = time.perf_counter()
        try:
            portrait = pipe.make_portrait(self.photos[name])
        except PhotoError as error:
            path = str(self.photos[name])
            raise BadItem(str(error) if path in str(error) else f"{path}: {error}") from error
        seconds = time.perf_counter() - start
        head = pipe(portrait, seed=self.seed)
        truth, alpha = np.array(portrait.image), np.array(portrait.alpha)
        azimuths = list(dict.fromkeys((0.0, *SHEET, *FAR, *TURN)))
        rendering = render(head.gaussians, orbit(azimuths).to(pipe.device))
        pictures = dict(zip(azimuths, to_bytes(rendering.rgb), strict=True))
        alphas = dict(zip(azimuths, rendering.alpha[:, 0].cpu().numpy(), strict=True))

        front = metrics(pictures[0.0][None], truth[None])[0]
        values: dict[str, float | None] = {f"front.{k}": v for k, v in front.items()}
        pair = metrics.tensor(np.stack([pictures[0.0], truth]))
        values["foreground.psnr"] = float(psnr(pair[:1], pair[1:], torch.from_numpy(alpha > 127).to(pair.device)[None]))
        views = [ViewResult("0", 0.0, front)]
        for group, members in (("near", NEAR), ("half", HALF), ("far", FAR)):
            rows = [metrics.compare_faces(pictures[a], truth, landmarks=False) for a in members]  # they move with the pose
            values |= {f"{group}.{k}": mean_of(r[k] for r in rows) for k in rows[0]}
            values[f"{group}.found"] = float(np.mean([face_in(pictures[a]) is not None for a in members]))
            views += [ViewResult(f"{a:g}", abs(a), r) for a, r in zip(members, rows, strict=True)]
        turned = {a: (pictures[a], alphas[a]) for a in CARRIED}
        values |= {f"carried.{k}": v for k, v in colours_beside_photo(truth, alpha / 255, turned).items()}
        values["unseen.detail"] = sharpness_beside_photo(truth, alpha / 255, [(pictures[a], alphas[a]) for a in UNSEEN])
        values["loose"] = loose_pieces(np.stack(list(alphas.values())))
        values["back.janus"] = janus([pictures[a] for a in BEHIND])
        values |= self.identity(truth, [pictures[a] for a in TURN], metrics)
        values |= self.other_seed(portrait, pipe, pictures)
        values |= {"gaussians": float(len(head.gaussians)), "portrait.seconds": seconds}
        values |= {"views.seconds": head.report["seconds"]["views"], "reconstruction.seconds": head.report["seconds"]["gaussians"]}
        sheet = row(np.stack([truth, *(pictures[a] for a in SHEET)]))
        made = row(np.stack([truth, *(np.array(Image.fromarray(v).resize((512, 512))) for v in head.views)]))
        return Measured(CaseResult(name, values, tuple(views)), stacked([sheet, made]))

    def identity(self, truth: np.ndarray, turn: list[np.ndarray], metrics: PairMetrics) -> dict[str, float | None]:
        """Gen3D-Face's measures, each where its model is at hand."""
        found: dict[str, float | None] = {}
        if "arcface" in metrics.embedders:
            embed = metrics.embedders["arcface"]
            vectors = [v for v in (embed(p).vector for p in turn) if v is not None]
            found |= {"o2o": output_to_output(vectors), "i2o": input_to_output(embed(truth).vector, vectors)}
        if metrics.clip is not None:
            both = metrics.clip(metrics.tensor(np.stack([truth, *turn])))
            found["clip"] = float((both[1:] @ both[0]).mean())
        if metrics.inception is not None:
            features = metrics.inception(metrics.tensor(np.stack([truth, *turn]))).cpu().numpy()
            self.features[0].append(features[:1])
            self.features[1].append(features[1:])
        return found

    def other_seed(self, portrait, pipe: FaceLiftPipeline, pictures: dict[float, np.ndarray]) -> dict[str, float]:
        if self.second_seed is None:
            return {}
        other = pipe(portrait, seed=self.second_seed)
        front, back = to_bytes(render(other.gaussians, orbit([0.0, 180.0]).to(pipe.device)).rgb)
        pairs = np.stack([front, back]), np.stack([pictures[0.0], pictures[180.0]])
        a, b = (torch.from_numpy(p).permute(0, 3, 1, 2).float() / 255 for p in pairs)
        return dict(zip(("front.seeds", "back.seeds"), psnr(a, b).tolist(), strict=True))

    def overall(self) -> dict[str, float]:
        real, made = self.features
        return {"fid": frechet_distance(np.concatenate(real), np.concatenate(made))} if len(real) > 1 else {}


class FFHQ(Photos):
    """Gen3D-Face's out-of-domain setting: photos of FFHQ, background removed."""

    name, title = "ffhq", "FFHQ-1024, out-of-domain photos"
    published = ("gen3d_face_table1_ffhq", "gen3d_face_table3_ffhq", "gen3d_face_table4_ffhq")

    def needs(self, folder: Path) -> str:
        return (
            f"{folder} is no folder with FFHQ's photos: get images1024x1024 from https://github.com/NVlabs/ffhq-dataset and name the folder"
            " that holds the PNG files with --data (a random 1,024 of them is Gen3D-Face's setting: --limit 1024 spreads them evenly)."
        )
