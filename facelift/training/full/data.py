"""Posed pictures for the full-size models: shards of heads, or any folder of folders of pictures with their cameras.

    DIR/shard_*/                    as `facelift.training.data` reads them
    DIR/NAME/cameras.json, 000.webp (or .png, .jpg) ...
        cameras.json: one {"c2w": 4x4, "fxfycxcy": [4]} a picture, OpenCV axes, for pictures 512 pixels wide

Heads stand as `facelift.cameras` says; objects should fill the view of a camera at radius 2.7 about the origin.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from ...cameras import Cameras, ViewRig, orbit, six_views, view_rig
from ..data import HeadShards, degrade_portrait, views_at

PICTURES = (".webp", ".png", ".jpg")


def on_white(rgba: Tensor) -> Tensor:
    """Straight alpha (V, 4, H, W) -> colour on white (V, 3, H, W)."""
    return rgba[:, :3] * rgba[:, 3:] + 1 - rgba[:, 3:]


def resized(pictures: Tensor, size: int) -> Tensor:
    if pictures.shape[-1] == size:
        return pictures
    return F.interpolate(pictures, size=(size, size), mode="bilinear", antialias=True, align_corners=False)


class ShardPictures:
    """Heads of shards, mirrored half of the time and varied in colour. rig: whose views are 0, 1, ... of every head."""

    def __init__(self, folder: Path, size: int, rig: str = "six"):
        self.heads, self.size = HeadShards(folder, rig), size

    def __len__(self) -> int:
        return len(self.heads)

    def count(self, index: int) -> int:
        return len(self.heads.order)

    def load(self, index: int, views: list[int], rng: np.random.Generator) -> tuple[Tensor, Cameras]:
        """Pictures on white (V, 3, S, S) and their cameras."""
        sample = self.heads.sample(index, rng)
        cameras = Cameras(six_views(self.size).intrinsics[:1].expand(len(views), -1), sample.c2w[views], self.size, self.size)
        return resized(sample.rgba[views, :3], self.size), cameras

    def load_head(self, index: int, rng: np.random.Generator, degrade: bool) -> tuple[Tensor, Tensor]:
        """The views of the rig (V, 3, S, S), and the front view (3, S, S), with `degrade` as a photo would show it."""
        sample = self.heads.sample(index, rng)
        front = sample.portrait if degrade else sample.rgba[views_at(sample.c2w.numpy(), orbit([0.0]))[0]]
        return resized(sample.rgba[: len(self.heads.rig), :3], self.size), resized(front[None, :3], self.size)[0]


class FolderPictures:
    """One head or object a folder, as it is. rig: whose views come first, found by their cameras; None for pictures in any order."""

    def __init__(self, folder: Path, size: int, rig: ViewRig | None = None):
        self.folders, self.size, self.rig = sorted(path.parent for path in folder.glob("*/cameras.json")), size, rig
        if not self.folders:
            raise SystemExit(f"{folder} holds nothing to train on: neither shard_* folders nor folders with pictures and a cameras.json")

    def __len__(self) -> int:
        return len(self.folders)

    def count(self, index: int) -> int:
        return len(self.entries(index))

    def load(self, index: int, views: list[int], rng: np.random.Generator) -> tuple[Tensor, Cameras]:
        """As `ShardPictures.load`. Raises ValueError where a view of the rig is missing."""
        entries = self.entries(index)
        first = [] if self.rig is None else self.places(index, entries, self.rig.cameras())
        order = [*first, *(i for i in range(len(entries)) if i not in first)]
        stored = [order[view] for view in views]
        poses, intrinsics = (torch.tensor([entries[i][key] for i in stored], dtype=torch.float32) for key in ("c2w", "fxfycxcy"))
        rgba = torch.stack([self.picture(self.folders[index], i) for i in stored])
        return resized(on_white(rgba), self.size), Cameras(intrinsics * (self.size / 512), poses, self.size, self.size)

    def load_head(self, index: int, rng: np.random.Generator, degrade: bool) -> tuple[Tensor, Tensor]:
        """As `ShardPictures.load_head`. Raises ValueError where a view is missing, or no rig says which they are."""
        if self.rig is None:
            raise ValueError("pictures in any order do not tell which views belong to a head: name their rig")
        pictures, _ = self.load(index, list(range(len(self.rig))), rng)
        rgba = self.picture(self.folders[index], self.places(index, self.entries(index), orbit([0.0]))[0])
        front = degrade_portrait(rgba[:3], rgba[3:], rng)[None, :3] if degrade else on_white(rgba[None])
        return pictures, resized(front, self.size)[0]

    def entries(self, index: int) -> list[dict]:
        return json.loads((self.folders[index] / "cameras.json").read_text())

    def places(self, index: int, entries: list[dict], cameras: Cameras) -> list[int]:
        """Which pictures were taken by these cameras. Raises ValueError."""
        places = [v for v in views_at(np.array([entry["c2w"] for entry in entries]), cameras) if v is not None]
        if len(places) < len(cameras):
            raise ValueError(f"{self.folders[index]} lacks views: render with python -m facelift.synthesis --views six+ the rig's name")
        return places

    @staticmethod
    def picture(folder: Path, view: int) -> Tensor:
        for suffix in PICTURES:
            if (path := folder / f"{view:03d}{suffix}").is_file():
                pixels = np.array(Image.open(path).convert("RGBA"))
                return torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
        raise FileNotFoundError(f"{folder} has no picture {view:03d} ({', '.join(PICTURES)})")


def open_pictures(folder: str | Path, size: int, rig: str | None = None) -> ShardPictures | FolderPictures:
    """rig: whose views come first in every sample. Raises SystemExit with a sentence where the folder holds neither form."""
    folder = Path(folder)
    if not any(folder.glob("shard_*")):
        return FolderPictures(folder, size, view_rig(rig) if rig else None)
    try:
        return ShardPictures(folder, size, rig or "six")
    except ValueError as error:
        raise SystemExit(str(error)) from error


class ViewSamples(Dataset):
    """The views of the rig (V, 3, S, S) and the picture they are made from (3, S, S): the front view, or with `degrade` its photo."""

    def __init__(self, pictures: ShardPictures | FolderPictures, degrade: bool = False):
        self.pictures, self.degrade = pictures, degrade

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng([5, index])
        return self.pictures.load_head(int(rng.integers(len(self.pictures))), rng, self.degrade)


class PosedSamples(Dataset):
    """Pictures (T, 3, S, S), intrinsics (T, 4) and c2w (T, 4, 4) of randomly chosen views; the model is given the first `inputs`.

    rig: the inputs are the views of the rig that `pictures` was opened with, as at inference, instead of random ones.
    """

    def __init__(self, pictures: ShardPictures | FolderPictures, inputs: int, targets: int, rig: bool = False):
        if not 0 < inputs <= targets:
            raise SystemExit(f"{inputs} input views of {targets} rendered ones: give at least one, and no more than are rendered")
        self.pictures, self.inputs, self.targets, self.rig = pictures, inputs, targets, rig

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        rng = np.random.default_rng([6, index])
        subject = int(rng.integers(len(self.pictures)))
        count = self.pictures.count(subject)
        if count < self.targets:
            raise ValueError(f"a subject with {count} views cannot give {self.targets}: lower --targets")
        first = list(range(self.inputs)) if self.rig else []
        others = rng.permutation(np.arange(len(first), count))[: self.targets - len(first)]
        pictures, cameras = self.pictures.load(subject, first + [int(v) for v in others], rng)
        return pictures, cameras.intrinsics, cameras.c2w
