"""facelift render head.ply -o DIR: pictures of any splat file from any cameras."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..choices import SPLATS, UPS

if TYPE_CHECKING:
    from ..cameras import Cameras
    from ..gaussians import Gaussians

UP_HELP = "axis that points up in the file: z (ours), y (glTF), -y (OpenCV, gsplat; write --up=-y), -z; auto: told by the head (default)"


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="facelift render", description=f"Render a splat file (.{', .'.join(SPLATS)}) on white.")
    p.add_argument("splats", type=Path, metavar="HEAD")
    p.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="pictures are DIR/000.png, 001.png, ...")
    cameras = p.add_mutually_exclusive_group(required=True)
    cameras.add_argument("--cameras", type=Path, metavar="JSON", help='a list of {"c2w": 4x4, "fxfycxcy": [fx, fy, cx, cy]}, for 512 px')
    cameras.add_argument("--turntable", type=int, metavar="N", help="N views all around")
    cameras.add_argument("--azimuth", type=float, nargs="+", metavar="DEG", help="relative to the front; positive is the subject's left")
    p.add_argument(
        "--elevation", type=float, nargs="+", default=[0.0], metavar="DEG", help="one for all azimuths or one each; up is positive"
    )
    p.add_argument("--up", choices=UPS, default="auto", help=UP_HELP)
    p.add_argument("--size", type=int, default=512, help="pixels a side (default: 512)")
    p.add_argument("--device", default="auto", help="auto, cpu, cuda ... (default: auto)")
    return p


def read_cameras(path: Path, size: int) -> Cameras:
    """Raises ValueError with the entry that is wrong."""
    import numpy as np
    import torch

    from ..cameras import Cameras

    try:
        entries = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(entries, list) or not entries:
        raise ValueError(f"{path} must hold a list of cameras")
    c2w, intrinsics = [], []
    for i, entry in enumerate(entries):
        try:
            pose, lens = np.array(entry["c2w"], np.float64), np.array(entry["fxfycxcy"], np.float64)
        except (KeyError, TypeError, ValueError):
            pose = lens = np.empty(0)
        if pose.shape != (4, 4) or lens.shape != (4,) or not (np.isfinite(pose).all() and np.isfinite(lens).all()):
            raise ValueError(f'{path}: camera {i} needs "c2w" (4x4 numbers) and "fxfycxcy" (4 numbers)')
        c2w.append(pose)
        intrinsics.append(lens)
    poses, lenses = torch.tensor(np.stack(c2w), dtype=torch.float32), torch.tensor(np.stack(intrinsics), dtype=torch.float32)
    return Cameras(lenses, poses, 512, 512).at_size(size)


def chosen_cameras(args: argparse.Namespace) -> Cameras:
    """Raises ValueError."""
    from ..cameras import orbit, turntable

    if args.size < 1 or (args.turntable is not None and args.turntable < 1):
        raise ValueError("--size and --turntable must be at least 1")
    if args.cameras is not None:
        return read_cameras(args.cameras, args.size)
    if args.turntable is not None:
        return turntable(args.turntable, args.size, args.elevation[0])
    elevations = args.elevation * len(args.azimuth) if len(args.elevation) == 1 else args.elevation
    return orbit(args.azimuth, elevations, args.size)


def upright(gaussians: Gaussians, up: str) -> Gaussians:
    """With z up. up: one of `choices.UPS`; what was guessed is said where it is not our own."""
    if up == "auto":
        from ..export.axes import guess_up

        guess = guess_up(gaussians)
        if guess is None:
            print("nothing tells which axis is up: z, as in our own files, is taken; --up names another", file=sys.stderr)
        elif guess != "z":
            print(f"up is {guess}, by the look of the head; --up names another", file=sys.stderr)
        up = guess or "z"
    return gaussians.with_z_up(up)


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    from PIL import Image

    from ..devices import resolve_device
    from ..gaussians import Gaussians
    from ..rendering import render, to_bytes

    try:
        cameras, device = chosen_cameras(args), resolve_device(args.device)
    except ValueError as error:
        parser().error(str(error))
    try:
        gaussians = upright(Gaussians.load(args.splats), args.up).to(device)
        args.output.mkdir(parents=True, exist_ok=True)
        for i in range(len(cameras)):
            picture = to_bytes(render(gaussians, cameras[i].to(device)).rgb)[0]
            Image.fromarray(picture).save(args.output / f"{i:03d}.png")
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{len(gaussians)} Gaussians, {len(cameras)} pictures in {args.output}")
    return 0
