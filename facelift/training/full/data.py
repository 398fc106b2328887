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

from ...cameras import Cameras, six_views
from ..data import HeadShards, degrade_portrait

PICTURES = (".webp", ".png", ".jpg")


def on_white(rgba: Tensor) -> Tensor:
    """Straight alpha (V, 4, H, W) -> colour on white (V, 3, H, W)."""
    return rgba[:, :3] * rgba[:, 3:] + 1 - rgba[:, 3:]


def resized(pictures: Tensor, size: int) -> Tensor:
    if pictures.shape[-1] == size:
        return pictures
    return F.interpolate(pictures, size=(size, size), mode="bilinear", antialias=True, align_corners=False)


class ShardPictures:
    """Heads of shards, mirrored half of the time and varied in colour."""

    def __init__(self, folder: Path, size: int):
        self.heads, self.size = HeadShards(folder), size
        self.views = np.load(self.heads.shards[0] / "c2w.npy", mmap_mode="r").shape[1]

    def __len__(self) -> int:
        return len(self.heads)

    def count(self, index: int) -> int:
        return self.views

    def load(self, index: int, views: list[int], rng: np.random.Generator) -> tuple[Tensor, Tensor, Cameras]:
        """Pictures on white (V, 3, S, S), the portrait as a photo would show it (3, S, S), cameras."""
        sample = self.heads.sample(index, rng)
        cameras = Cameras(six_views(self.size).intrinsics[:1].expand(len(views), -1), sample.c2w[views], self.size, self.size)
        return resized(sample.rgba[views, :3], self.size), resized(sample.portrait[None, :3], self.size)[0], cameras


class FolderPictures:
    """One head or object a folder, as it is."""

    def __init__(self, folder: Path, size: int):
        self.folders, self.size = sorted(path.parent for path in folder.glob("*/cameras.json")), size
        if not self.folders:
            raise SystemExit(f"{folder} holds nothing to train on: neither shard_* folders nor folders with pictures and a cameras.json")

    def __len__(self) -> int:
        return len(self.folders)

    def count(self, index: int) -> int:
        return len(json.loads((self.folders[index] / "cameras.json").read_text()))

    def load(self, index: int, views: list[int], rng: np.random.Generator) -> tuple[Tensor, Tensor, Cameras]:
        """As `ShardPictures.load`."""
        folder = self.folders[index]
        entries = json.loads((folder / "cameras.json").read_text())
        rgba = torch.stack([self.picture(folder, view) for view in views])
        poses, intrinsics = (torch.tensor([entries[v][key] for v in views], dtype=torch.float32) for key in ("c2w", "fxfycxcy"))
        cameras = Cameras(intrinsics * (self.size / 512), poses, self.size, self.size)
        portrait = degrade_portrait(rgba[0, :3], rgba[0, 3:], rng)[:3]
        return resized(on_white(rgba), self.size), resized(portrait[None], self.size)[0], cameras

    @staticmethod
    def picture(folder: Path, view: int) -> Tensor:
        for suffix in PICTURES:
            if (path := folder / f"{view:03d}{suffix}").is_file():
                pixels = np.array(Image.open(path).convert("RGBA"))
                return torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
        raise FileNotFoundError(f"{folder} has no picture {view:03d} ({', '.join(PICTURES)})")


def open_pictures(folder: str | Path, size: int) -> ShardPictures | FolderPictures:
    """Raises SystemExit with a sentence where the folder holds neither form."""
    folder = Path(folder)
    return ShardPictures(folder, size) if any(folder.glob("shard_*")) else FolderPictures(folder, size)


class ViewSamples(Dataset):
    """The six views (6, 3, S, S) and the picture they are made from (3, S, S): view 0 itself, or with `degrade` its photo."""

    def __init__(self, pictures: ShardPictures | FolderPictures, degrade: bool = False):
        self.pictures, self.degrade = pictures, degrade

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng([5, index])
        views, portrait, cameras = self.pictures.load(int(rng.integers(len(self.pictures))), list(range(6)), rng)
        if not torch.allclose(cameras.c2w, six_views().c2w, atol=1e-2):
            raise ValueError("the view generator trains on the six cameras of `cameras.six_views`, first in every sample; these are others")
        return views, portrait if self.degrade else views[0]


class PosedSamples(Dataset):
    """Pictures (T, 3, S, S), intrinsics (T, 4) and c2w (T, 4, 4) of randomly chosen views; the model is given the first `inputs`.

    six: the inputs are the rig's six views, as at inference, instead of random ones.
    """

    def __init__(self, pictures: ShardPictures | FolderPictures, inputs: int, targets: int, six: bool = False):
        if not 0 < inputs <= targets:
            raise SystemExit(f"{inputs} input views of {targets} rendered ones: give at least one, and no more than are rendered")
        if six and inputs != 6:
            raise SystemExit("the rig has six views: give 6 inputs with it")
        self.pictures, self.inputs, self.targets, self.six = pictures, inputs, targets, six

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        rng = np.random.default_rng([6, index])
        subject = int(rng.integers(len(self.pictures)))
        count = self.pictures.count(subject)
        if count < self.targets:
            raise ValueError(f"a subject with {count} views cannot give {self.targets}: lower --targets")
        first = list(range(6)) if self.six else []
        others = rng.permutation(np.arange(len(first), count))[: self.targets - len(first)]
        pictures, _, cameras = self.pictures.load(subject, first + [int(v) for v in others], rng)
        return pictures, cameras.intrinsics, cameras.c2w
