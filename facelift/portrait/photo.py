"""Reading a photo: any picture a person has, made upright, in RGB or, where it is a cut-out, RGBA."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from pi_heif import register_heif_opener
from PIL import Image, ImageOps

from ..errors import PhotoError
from .colour import srgb

MAX_PIXELS = 65_000_000  # phones with "64 megapixels" write 9280x6944
MIN_SIDE = 32
# By Pillow's names, with the endings of each. MPO is JPEG with a second picture, which many phones write.
FORMATS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"), "PNG": (".png",), "WEBP": (".webp",),
    "HEIF": (".heic", ".heif", ".hif"), "AVIF": (".avif",), "TIFF": (".tif", ".tiff"), "BMP": (".bmp",), "GIF": (".gif",),
}  # fmt: skip
SUFFIXES = tuple(suffix for suffixes in FORMATS.values() for suffix in suffixes)
READ = "JPEG, PNG, WEBP, HEIC, AVIF, TIFF, BMP or GIF"
NEW_SUBFILE_TYPE, DNG_VERSION = 254, 50706  # tags of TIFF


def find_photos(paths: list[Path]) -> list[Path]:
    """Files as given, folders by their pictures in the order of their names, each file once. Raises ValueError.

    What is in a folder is a picture by its ending; see `other_files`. Hidden files, as macOS leaves beside each picture, are none.
    """
    photos: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = [p for p in _files(path) if p.suffix.lower() in SUFFIXES]
            if not inside:
                raise ValueError(f"{path} holds no {READ} files")
            photos += inside
        else:
            photos.append(path)
    return list({p.resolve(): p for p in photos}.values())


def other_files(paths: list[Path]) -> list[Path]:
    """What `find_photos` passes over in the folders among these paths, hidden files left out."""
    return [p for path in paths if path.is_dir() for p in _files(path) if p.suffix.lower() not in SUFFIXES]


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if not p.name.startswith(".") and p.is_file())


def load_photo(photo: str | Path | bytes | Image.Image) -> Image.Image:
    """Reads a picture (the first of several), converts its colours to sRGB and turns it as its EXIF orientation says.

    photo: a path, the bytes of a file, or an opened picture. Its size is checked before its pixels are decoded.
    Returns RGB, or RGBA where the transparency cuts something out (see `_is_cut_out`).
    Raises PhotoError for whatever is not a photo: missing, damaged, another format, too large, too small.
    """
    name = f"'{photo}'" if isinstance(photo, (str, Path)) else "The photo"
    image = photo if isinstance(photo, Image.Image) else _open(photo, name)
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise PhotoError(f"{name} is too large: {width}x{height} pixels, at most {MAX_PIXELS // 1_000_000} megapixels are accepted.")
    if min(width, height) < MIN_SIDE:
        raise PhotoError(f"{name} is too small: {width}x{height} pixels, at least {MIN_SIDE} on each side are needed.")
    try:
        image.load()
        return _plain(ImageOps.exif_transpose(image))
    except PhotoError:
        raise
    except Exception as error:  # damaged files raise nearly anything: OSError, SyntaxError, struct.error, IndexError ...
        raise PhotoError(f"{name} is damaged or incomplete and cannot be read.") from error


def _open(photo: str | Path | bytes, name: str) -> Image.Image:
    if isinstance(photo, (str, Path)) and not Path(photo).is_file():
        raise PhotoError(f"{name} is not a file.")
    try:
        register_heif_opener()
        image = Image.open(io.BytesIO(photo) if isinstance(photo, bytes) else photo, formats=tuple(FORMATS))
    except Image.DecompressionBombError as error:
        raise PhotoError(f"{name} is too large: at most {MAX_PIXELS // 1_000_000} megapixels are accepted.") from error
    except PermissionError as error:
        raise PhotoError(f"{name} may not be read: permission denied.") from error
    except Exception as error:
        raise PhotoError(f"{name} is not a {READ} picture, or is damaged.") from error
    if _is_raw(image):
        raise PhotoError(f"{name} is a camera's raw picture: save it as JPEG first.")
    return image


def _is_raw(image: Image.Image) -> bool:
    """DNG, NEF and the like are TIFF files whose first picture is a small preview."""
    tags = getattr(image, "tag_v2", {})
    return image.format == "TIFF" and (DNG_VERSION in tags or bool(int(tags.get(NEW_SUBFILE_TYPE, 0)) & 1))


def _plain(image: Image.Image) -> Image.Image:
    """Any mode to RGB, or RGBA where it is a cut-out."""
    rgba = srgb(image)
    if rgba.mode == "RGB":
        return rgba
    alpha = np.asarray(rgba.getchannel("A"))
    if alpha.max() == 0:
        raise PhotoError("The photo is fully transparent.")
    return rgba if _is_cut_out(alpha) else on_white(rgba, rgba.getchannel("A"))


def _is_cut_out(alpha: np.ndarray) -> bool:
    """A cut-out has a background one can see through; rounded corners or a faint watermark are none."""
    return bool(np.count_nonzero(alpha < 128) >= 0.01 * alpha.size)


def on_white(image: Image.Image, alpha: Image.Image | None = None) -> Image.Image:
    """RGB over white, weighted by alpha (mode L), without it by the picture's own; an RGB picture without any is as it was."""
    if alpha is None and image.mode != "RGBA":
        return image
    white = Image.new("RGB", image.size, (255, 255, 255))
    white.paste(image.convert("RGB"), (0, 0), image.getchannel("A") if alpha is None else alpha)
    return white
