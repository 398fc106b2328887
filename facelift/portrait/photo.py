"""Reading a photo: any picture a person has, made upright, in RGB or, where it is a cut-out, RGBA."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from ..errors import PhotoError

MAX_PIXELS = 50_000_000
MIN_SIDE = 32
FORMATS = ("JPEG", "PNG", "WEBP")  # JPEG includes MPO, which many phones write
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


def find_photos(paths: list[Path]) -> list[Path]:
    """Files as given, folders by their pictures in the order of their names, each file once. Raises ValueError."""
    photos: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())
            if not inside:
                raise ValueError(f"{path} holds no JPEG, PNG or WEBP files")
            photos += inside
        else:
            photos.append(path)
    return list({p.resolve(): p for p in photos}.values())


def load_photo(photo: str | Path | bytes | Image.Image) -> Image.Image:
    """Reads a JPEG, PNG or WEBP and turns it as its EXIF orientation says.

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
        return Image.open(io.BytesIO(photo) if isinstance(photo, bytes) else photo, formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise PhotoError(f"{name} is too large: at most {MAX_PIXELS // 1_000_000} megapixels are accepted.") from error
    except PermissionError as error:
        raise PhotoError(f"{name} may not be read: permission denied.") from error
    except Exception as error:
        raise PhotoError(f"{name} is not a JPEG, PNG or WEBP picture, or is damaged.") from error


def _plain(image: Image.Image) -> Image.Image:
    """Any mode to RGB or RGBA."""
    if image.mode.startswith(("I", "F")):
        return eight_bits(image).convert("RGB")
    if not image.has_transparency_data:
        return image.convert("RGB")
    rgba = image.convert("RGBA")
    alpha = np.asarray(rgba.getchannel("A"))
    if alpha.max() == 0:
        raise PhotoError("The photo is fully transparent.")
    return rgba if _is_cut_out(alpha) else on_white(rgba, rgba.getchannel("A"))


def _is_cut_out(alpha: np.ndarray) -> bool:
    """A cut-out has a background one can see through; rounded corners or a faint watermark are none."""
    return bool(np.count_nonzero(alpha < 128) >= 0.01 * alpha.size)


def eight_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 or 32 bits or floats, by the range in use: Pillow itself would clip at 255."""
    values = np.nan_to_num(np.asarray(image, dtype=np.float64))
    top = values.max()
    white = 1.0 if image.mode == "F" and top <= 1 else 255.0 if top <= 255 and not image.mode.startswith("I;16") else 65535.0
    return Image.fromarray(np.clip(np.rint(values * (255 / white)), 0, 255).astype(np.uint8))


def on_white(image: Image.Image, alpha: Image.Image) -> Image.Image:
    """image over white, weighted by alpha (mode L)."""
    white = Image.new("RGB", image.size, (255, 255, 255))
    white.paste(image.convert("RGB"), (0, 0), alpha)
    return white
