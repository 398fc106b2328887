"""Shards: what training reads of rendered heads. Each is a folder written once and never changed, with N heads in V views each:

| file        | dtype   | shape           |                                                                              |
| ----------- | ------- | --------------- | ---------------------------------------------------------------------------- |
| rgba.npy    | uint8   | (N, V, H, W, 4) | sRGB, straight alpha; the first six views are those of `cameras.six_views`   |
| offset.npy  | float16 | (N, V, H, W)    | ray depth: from the point of the pixel's ray nearest to the origin, or EMPTY |
| c2w.npy     | float32 | (N, V, 4, 4)    | camera to world, OpenCV axes                                                 |
| classes.npy | uint8   | (N, V, H, W)    | what a pixel shows, an index into `scene.CLASSES`; not in every shard        |
| heads.json  |         | N               | every parameter drawn                                                        |
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..cameras import Cameras, rays

EMPTY = 9.0  # ray depth of a pixel that shows nothing


@dataclass(frozen=True)
class Shard:
    """A shard on disk. Each array is memory-mapped when asked for, which raises OSError or ValueError where it is missing or cut off."""

    folder: Path

    @property
    def rgba(self) -> np.ndarray:
        return self._array("rgba")

    @property
    def ray_depth(self) -> np.ndarray:
        return self._array("offset")

    @property
    def c2w(self) -> np.ndarray:
        return self._array("c2w")

    @property
    def classes(self) -> np.ndarray | None:
        return self._array("classes") if (self.folder / "classes.npy").is_file() else None

    @property
    def heads(self) -> list[dict]:
        return json.loads((self.folder / "heads.json").read_text())

    def _array(self, name: str) -> np.ndarray:
        return np.load(self.folder / f"{name}.npy", mmap_mode="r")


def find_shards(folder: Path) -> list[Path]:
    """All that are in a folder by now, in order."""
    return sorted(p for p in folder.glob("shard_*") if p.is_dir())


def write_shard(
    folder: Path, rgba: np.ndarray, ray_depth: np.ndarray, c2w: np.ndarray, classes: np.ndarray | None = None, heads: Sequence[dict] = ()
) -> None:
    """Into a folder that exists. Shapes as above; dtypes become those above. heads: metadata of each."""
    arrays = {"rgba": (rgba, np.uint8), "offset": (ray_depth, np.float16), "c2w": (c2w, np.float32)}
    if classes is not None:
        arrays["classes"] = classes, np.uint8
    for name, (array, dtype) in arrays.items():
        np.save(folder / f"{name}.npy", np.asarray(array, dtype))
    (folder / "heads.json").write_text(json.dumps(list(heads)))


def ray_depth(depth: np.ndarray, cameras: Cameras) -> np.ndarray:
    """From z-depth, 0 where nothing is. Shape (V, H, W), both."""
    origins, directions = (x.numpy() for x in rays(cameras))
    forward = cameras.c2w[:, :3, 2].numpy()
    along = np.einsum("vkhw,vk->vhw", directions, forward)  # z gained per unit of way
    nearest = -(origins * directions).sum(1)
    return np.where(depth > 0, depth / along - nearest, EMPTY)
