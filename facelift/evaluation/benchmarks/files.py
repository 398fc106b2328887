"""Files of foreign data sets, read so that whatever is wrong names the file (`BadItem`)."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ...portrait.colour import eight_bits
from .base import BadItem

SMALLEST = 64  # pixels a side


def read_json(path: Path):
    try:
        return json.loads(path.read_text())
    except FileNotFoundError as error:
        raise BadItem(f"{path} is missing") from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BadItem(f"{path} cannot be read: {error}") from error


def entry(data, key: str, path: Path):
    try:
        return data[key]
    except (KeyError, TypeError, IndexError) as error:
        raise BadItem(f"{path} has no {key}") from error


def pose(matrix, path: Path, transposed: bool = False) -> np.ndarray:
    """A rigid transform, Shape (4, 4), from (3, 4) or (4, 4). Raises BadItem that names the file."""
    try:
        matrix = np.asarray(matrix, np.float64)
        matrix = matrix.T if transposed else matrix
    except (TypeError, ValueError) as error:
        raise BadItem(f"{path} has a camera that is no matrix of numbers") from error
    if matrix.shape not in ((3, 4), (4, 4)):
        raise BadItem(f"{path} has a camera of shape {matrix.shape}; (3, 4) or (4, 4) is needed")
    if not np.isfinite(matrix).all():
        raise BadItem(f"{path} has a camera with numbers that are not finite")
    whole = np.eye(4)
    whole[:3] = matrix[:3]
    rotation = whole[:3, :3]
    if not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-3) or np.linalg.det(rotation) < 0:
        raise BadItem(f"{path} has a camera whose rotation is not one")
    return whole


def open_picture(source: Path | bytes, name: str | Path | None = None) -> Image.Image:
    """source: a file, or what is in one. name: what to call it. Raises BadItem that names the file."""
    called = name or (source if isinstance(source, Path) else "The picture")
    try:
        picture = Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)
        picture.load()
    except FileNotFoundError as error:
        raise BadItem(f"{called} is missing") from error
    except Image.DecompressionBombError as error:
        raise BadItem(f"{called} is too large") from error
    except Exception as error:  # damaged files raise nearly anything
        raise BadItem(f"{called} is not a picture that can be read") from error
    if min(picture.size) < SMALLEST:
        raise BadItem(f"{called} is {picture.width}x{picture.height}; at least {SMALLEST} pixels a side are needed")
    return picture


def member(folder: Path, stem: str, suffixes: Sequence[str]) -> tuple[Image.Image, str]:
    """A picture from a folder, or from the zip file of the same name. Returns it and where it lay."""
    for suffix in suffixes:
        if (path := folder / (stem + suffix)).is_file():
            return open_picture(path), str(path)
    archive = folder.with_name(folder.name + ".zip")
    if archive.is_file():
        try:
            with zipfile.ZipFile(archive) as file:
                inside = [n for n in file.namelist() if Path(n).stem == stem and Path(n).suffix in suffixes]
                if inside:
                    where = f"{archive}: {inside[0]}"
                    return open_picture(file.read(inside[0]), where), where
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise BadItem(f"{archive} is not a zip file that can be read") from error
    raise BadItem(f"{folder / (stem + suffixes[0])} is missing")


def with_suffix(path: Path, suffixes: Sequence[str]) -> Path:
    """A path written without its suffix -> the file that is there, or what the first suffix would make of it."""
    if path.suffix:
        return path
    candidates = [path.with_name(path.name + s) for s in suffixes]
    return next((c for c in candidates if c.is_file()), candidates[0])


def masked(picture: Image.Image, mask: Image.Image, name: str | Path) -> Image.Image:
    """Raises BadItem for a mask of another shape; one of another size but the same shape is resized."""
    picture, mask = (eight_bits(p) if p.mode.startswith(("I", "F")) else p for p in (picture, mask))
    picture, mask = picture.convert("RGB"), mask.convert("L")
    if abs(picture.width / picture.height - mask.width / mask.height) > 0.01:
        raise BadItem(f"{name} is {mask.width}x{mask.height}, which does not fit its picture of {picture.width}x{picture.height}")
    picture.putalpha(mask.resize(picture.size, Image.Resampling.BILINEAR))
    return picture
