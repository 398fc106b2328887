"""What a visitor can take home besides the files that `Head.save` writes."""

from __future__ import annotations

import json
import subprocess
import zipfile
from pathlib import Path
from typing import Any

from gradio.data_classes import FileData

MESH = "head.glb"  # made when it is asked for: it takes seconds, and few want it
ALL = "everything.zip"
THUMBNAIL = 5  # the number of the view that stands for a head: from half the left
NAMES = (
    "head.ply",
    "head.splat",
    "head.spz",
    MESH,
    "head.html",
    "turntable.mp4",
    "turntable.webp",
    "views.zip",
    "report.json",
)


def pack_views(folder: Path) -> Path:
    """views.zip: the portrait and the pictures of a saved head."""
    path = folder / "views.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for picture in [folder / "portrait.png", *sorted((folder / "views").glob("*.png"))]:
            archive.write(picture, picture.relative_to(folder))
    return path


def pack_all(files: dict[str, Path], path: Path) -> Path:
    """files: by their names in the archive."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, file in files.items():
            archive.write(file, name)
    return path


def save_webp(film: Path, path: Path, size: int = 256, fps: int = 15) -> Path:
    """A film as an animated picture, for chats that play no films. Raises RuntimeError with ffmpeg's words."""
    from imageio_ffmpeg import get_ffmpeg_exe

    options = ["-vf", f"fps={fps},scale={size}:-2", "-c:v", "libwebp_anim", "-quality", "75", "-loop", "0"]
    run = subprocess.run(
        [get_ffmpeg_exe(), "-loglevel", "error", "-y", "-i", str(film), *options, str(path)], stdin=subprocess.DEVNULL, capture_output=True
    )
    if run.returncode:
        raise RuntimeError(f"ffmpeg could not write {path}: {run.stderr.decode(errors='replace').strip()}")
    return path


def write_report(report: dict, folder: Path) -> None:
    (folder / "report.json").write_text(json.dumps(report, indent=2) + "\n")


def file_data(path: Path | None) -> dict[str, Any] | None:
    """A file as a value of our own components has it: Gradio adds the address."""
    if path is None:
        return None
    return FileData(path=str(path), orig_name=Path(path).name, size=Path(path).stat().st_size).model_dump()
