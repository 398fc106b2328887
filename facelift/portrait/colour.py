"""Any mode and colour profile to 8-bit sRGB."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageCms

GREY = ("1", "L", "LA")
SAME = 2  # of 255: a profile that changes no colour by more is sRGB by another name


def srgb(image: Image.Image) -> Image.Image:
    """RGB, or RGBA where there is transparency.

    A profile that is damaged, or of another kind of picture, counts as none, and a picture without one as sRGB: what all viewers do.
    """
    profile = image.info.get("icc_profile")
    if image.mode.startswith(("I", "F")):
        image = eight_bits(image)
    if image.mode == "LAB":  # TIFF
        return _converted(image, ImageCms.createProfile("LAB"))
    transparent = image.has_transparency_data
    if profile and (source := _opened(profile)) is not None:
        plain = image if image.mode == "CMYK" else image.convert("L" if image.mode in GREY and _space(source) == "GRAY" else "RGB")
        if _space(source) == {"L": "GRAY"}.get(plain.mode, plain.mode):
            colours = plain.convert("RGB") if _is_srgb(source) else _converted(plain, source)
            if transparent:
                colours.putalpha(image.convert("RGBA").getchannel("A"))
            return colours
    return image.convert("RGBA" if transparent else "RGB")


def eight_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 or 32 bits or floats, by the range in use: Pillow itself would clip at 255."""
    values = np.nan_to_num(np.asarray(image, dtype=np.float64))
    top = values.max()
    white = 1.0 if image.mode == "F" and top <= 1 else 255.0 if top <= 255 and not image.mode.startswith("I;16") else 65535.0
    return Image.fromarray(np.clip(np.rint(values * (255 / white)), 0, 255).astype(np.uint8))


def _opened(profile: bytes) -> ImageCms.ImageCmsProfile | None:
    try:
        return ImageCms.ImageCmsProfile(io.BytesIO(profile))
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


def _space(profile: ImageCms.ImageCmsProfile) -> str:
    return profile.profile.xcolor_space.strip()


def _is_srgb(profile: ImageCms.ImageCmsProfile) -> bool:
    """By what it does to colours all over the cube: names say little."""
    if _space(profile) != "RGB":
        return False
    steps = np.linspace(0, 255, 6).round().astype(np.uint8)
    colours = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(36, 6, 3)
    made = np.asarray(_converted(Image.fromarray(colours), profile), int)
    return bool(np.abs(made - colours).max() <= SAME)


def _converted(image: Image.Image, source: ImageCms.ImageCmsProfile | ImageCms.core.CmsProfile) -> Image.Image:
    made = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    assert made is not None, "inPlace is off"
    return made
