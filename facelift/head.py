"""A finished head, and its files."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from .cameras import VIEW_NAMES, Cameras
from .choices import MESHES
from .gaussians import Gaussians
from .rendering import render, to_bytes


@dataclass(frozen=True)
class Head:
    """What one photo becomes. views: uint8 (V, H, W, 3) of `cameras`, called `names`. gaussians: filtered."""

    portrait: Image.Image
    views: np.ndarray
    cameras: Cameras
    gaussians: Gaussians
    report: dict
    names: tuple[str, ...] = VIEW_NAMES

    def save(
        self,
        folder: str | Path,
        formats: tuple[str, ...] = ("ply",),
        turntable: bool = True,
        progress: Callable[[int, int], None] | None = None,
        spz_version: int = 3,
    ) -> dict:
        """Writes portrait, views, renders, splat files, turntable and report.json.

        formats: suffixes of splat files, as `Gaussians.save` knows them, and of meshes, "glb" and "obj". Raises MeshError.
        spz_version: see `Gaussians.save`.
        progress: called with (frames done, frames in all) of the turntable.
        Returns the report as written.
        """
        folder = Path(folder)
        seconds = {k: v for k, v in self.report["seconds"].items() if k != "total"}
        start = time.perf_counter()
        for name in ("views", "renders"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self.portrait.save(folder / "portrait.png")
        renders = to_bytes(render(self.gaussians, self.cameras).rgb)
        for i, name in enumerate(self.names):
            Image.fromarray(self.views[i]).save(folder / "views" / f"{i}_{name}.png")
            Image.fromarray(renders[i]).save(folder / "renders" / f"{i}_{name}.png")
        for suffix in formats:
            if suffix not in MESHES:
                self.gaussians.save(folder / f"head.{suffix}", spz_version)
        if meshes := [suffix for suffix in formats if suffix in MESHES]:
            from .export.mesh import make_mesh, write_mesh

            mesh = make_mesh(self.gaussians)
            for suffix in meshes:
                write_mesh(mesh, folder / f"head.{suffix}")
        seconds["files"] = time.perf_counter() - start
        start = time.perf_counter()
        if turntable:
            self.save_turntable(folder / "turntable.mp4", progress)
        seconds["turntable"] = time.perf_counter() - start if turntable else 0.0
        seconds["total"] = sum(seconds.values())
        report = {**self.report, "seconds": {k: round(v, 3) for k, v in seconds.items()}}
        (folder / "report.json").write_text(json.dumps(report, indent=2) + "\n")
        return report

    def save_turntable(self, path: str | Path, progress: Callable[[int, int], None] | None = None) -> Path:
        """30 frames a second; 180 frames of 512 px on CUDA, 60 of 256 px on a CPU."""
        from .rendering.turntable import save_turntable

        on_gpu = self.gaussians.means.is_cuda
        save_turntable(self.gaussians, path, 180 if on_gpu else 60, 512 if on_gpu else 256, progress=progress)
        return Path(path)
