"""facelift rig OUT/NAME: a head of an output folder becomes one that can be driven."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

SPLATS = ("ply", "compressed.ply", "spz", "sog", "splat")  # the most exact first


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        prog="facelift rig",
        description="Make heads that can be driven: writes head.headrig into output folders of heads. Only for people who agreed.",
    )
    p.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="of a head, as `facelift photo.jpg` writes it")
    p.add_argument("--gltf", action="store_true", help="also headrig.glb, the face with 52 morph targets for Blender and three.js")
    return p


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    failed = 0
    for folder in args.folders:
        try:
            rig_folder(folder, args.gltf)
        except (OSError, ValueError) as error:  # the other heads are still done
            failed += 1
            print(f"error: {folder}: {error}", file=sys.stderr)
    return 1 if failed else 0


def rig_folder(folder: Path, gltf: bool) -> None:
    from PIL import Image

    from ..animation.files import save_rig
    from ..animation.gltf import save_gltf
    from ..animation.rig import rig_head
    from ..gaussians import Gaussians
    from ..portrait.quiet import without_native_chatter

    splats = next((path for path in (folder / f"head.{suffix}" for suffix in SPLATS) if path.is_file()), None)
    portrait = folder / "portrait.png"
    if splats is None or not portrait.is_file():
        raise ValueError("is no folder of a head: it needs portrait.png and head.ply, .spz or .splat, as `facelift photo.jpg` writes them")
    gaussians = Gaussians.load(splats)
    start = time.perf_counter()
    with without_native_chatter(), Image.open(portrait) as picture:
        rig = rig_head(gaussians, picture)
    seconds = time.perf_counter() - start
    path = save_rig(rig, folder / "head.headrig")
    if gltf:
        save_gltf(rig, folder / "headrig.glb")
    print(f"{path}: {rig.own} Gaussians of the head, {len(rig) - rig.own} added; {path.stat().st_size / 1e6:.1f} MB, {seconds:.1f} s")
