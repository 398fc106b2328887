"""How far a photo's lens sees: given, or by what the camera wrote into the file."""

from __future__ import annotations

import io
import math
from pathlib import Path

from pi_heif import register_heif_opener
from PIL import Image

from ..errors import SettingsError

FULL_FRAME = math.hypot(36, 24)  # mm: the diagonal that "35 mm equivalents" are meant for
EXIF, FOCAL_35, WIDTH, HEIGHT = 0x8769, 0xA405, 0xA002, 0xA003  # tags: the block of the camera, and what is in it
SENSORS = (4 / 3, 3 / 2, 16 / 9)  # a photo of another shape was cropped, and its lens tells nothing
SAME = 0.01  # by how much shapes may differ
DEGREES = (5.0, 150.0)


def check_fov(fov: float | str) -> None:
    """Raises SettingsError for what is no field of view."""
    if not (fov in ("auto", "off") or isinstance(fov, (int, float)) and DEGREES[0] <= fov <= DEGREES[1]):
        raise SettingsError(f"The field of view must be auto, off or {DEGREES[0]:.0f} to {DEGREES[1]:.0f} degrees, not {fov}.")


def focal_length(photo: str | Path | bytes | Image.Image, size: tuple[int, int], fov: float | str = "auto") -> float | None:
    """In pixels of the photo; None where nothing tells.

    photo: that `load_photo` read.
    size: of what it read, pixels.
    fov: degrees along the longer side; "auto" asks the photo's EXIF, "off" is None.
    """
    check_fov(fov)
    if not isinstance(fov, str):
        return max(size) / 2 / math.tan(math.radians(fov / 2))
    return None if fov == "off" else _by_exif(photo, size)


def _by_exif(photo: str | Path | bytes | Image.Image, size: tuple[int, int]) -> float | None:
    try:
        if isinstance(photo, Image.Image):
            written = photo.getexif().get_ifd(EXIF)
        else:
            register_heif_opener()
            with Image.open(io.BytesIO(photo) if isinstance(photo, bytes) else photo) as image:
                written = image.getexif().get_ifd(EXIF)
        millimetres = float(written.get(FOCAL_35, 0))
        taken = sorted(float(written.get(tag, 0)) for tag in (WIDTH, HEIGHT))
    except Exception:  # EXIF is written by everybody, and often damaged: it is only a guess
        return None
    shape = max(size) / min(size)
    shapes = (taken[1] / taken[0],) if taken[0] > 0 else SENSORS
    if not 5 <= millimetres <= 2000 or all(abs(shape / other - 1) > SAME for other in shapes):
        return None
    return millimetres / FULL_FRAME * math.hypot(*size)
