"""facelift convert IN OUT [OUT ...]: a splat file in other formats, for other programs."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from ..choices import MESHES, SPLATS, SPZ_VERSIONS, UPS
from ..files import write_whole

FORMATS = ", ".join(f".{name}" for name in SPLATS)


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        prog="facelift convert", description=f"Convert a splat file ({FORMATS}) to others, or to a mesh (.{', .'.join(MESHES)})."
    )
    p.add_argument("splats", type=Path, metavar="IN")
    p.add_argument("outputs", type=Path, nargs="+", metavar="OUT", help="the suffix names the format")
    p.add_argument("--up", choices=UPS, help="turn what points up in the file to ours, z; auto: as the head tells (default: axes stay)")
    p.add_argument("--spz-version", type=int, choices=SPZ_VERSIONS, default=3, help="of .spz files (default: 3)")
    return p


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    from ..errors import MeshError, SplatFileError
    from ..export.splats import format_of
    from ..gaussians import Gaussians
    from .render import upright

    meshes = tuple(f".{name}" for name in MESHES)
    for path in args.outputs:
        try:
            if path.suffix.lower() not in meshes:
                format_of(path)
        except SplatFileError as error:
            parser().error(f"{error}, {', '.join(meshes)}")
        if path.exists() and args.splats.exists() and path.samefile(args.splats):
            parser().error(f"{path} is the file that is read")
    try:
        gaussians = Gaussians.load(args.splats)
        if args.up is not None:
            gaussians = upright(gaussians, args.up)
        for path in args.outputs:
            if path.suffix.lower() in meshes:
                from ..export.mesh import make_mesh, write_mesh

                write_mesh(make_mesh(gaussians), path)
            else:
                write_whole(path, partial(gaussians.save, spz_version=args.spz_version))
            print(f"{path}: {len(gaussians)} Gaussians, {path.stat().st_size:,} bytes{_lost(gaussians, path)}")
    except (OSError, SplatFileError, MeshError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _lost(gaussians, path: Path) -> str:
    if gaussians.shN is not None and path.suffix.lower() in (".splat", *(f".{name}" for name in MESHES)):
        return "; this format has no place for colour that depends on the view: the constant part was kept"
    return ""
