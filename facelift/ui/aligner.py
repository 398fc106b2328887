"""Choosing a face and moving the crop: a photo's faces as buttons over it, and the portrait, which can be moved, zoomed and turned."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image, ImageOps

from ..portrait import Crop, Portrait, load_photo, make_portrait
from ..portrait.crop import FACE_CENTRE, SIZE
from . import texts
from .downloads import file_data

HERE = Path(__file__).parent
BICUBIC = Image.Resampling.BICUBIC
FACES = '<div class="faces" role="group"></div>'
TOUCH = """<div class="touch">
  <label><span data-text="selfie"></span><input type="file" accept="image/*" capture="user"></label>
  <label><span data-text="choose"></span><input type="file" accept="image/*,.heic,.heif,.avif"></label>
</div>"""
PORTRAIT = """<div class="aligner" data-state="empty">
  <div class="frame" tabindex="0" role="application"><img alt="" draggable="false"><span class="empty"></span></div>
  <div class="tools" role="toolbar">
    <button type="button" data-adjust="out">−</button><button type="button" data-adjust="in">+</button>
    <button type="button" data-adjust="left">⟲</button><button type="button" data-adjust="right">⟳</button>
    <button type="button" data-adjust="undo" disabled>↶</button><button type="button" data-adjust="reset">↺</button>
  </div>
</div>"""


@dataclass(frozen=True)
class CropAdjustment:
    """How the visitor moved the portrait: pixels right and down, times larger, degrees clockwise, about the middle of the face."""

    x: float = 0.0
    y: float = 0.0
    zoom: float = 1.0
    turn: float = 0.0

    @classmethod
    def read(cls, values: Any) -> CropAdjustment:
        """From a browser: anything but numbers within reason is taken as no change."""
        values = values if isinstance(values, dict) else {}

        def number(name: str, default: float, low: float, high: float) -> float:
            value = values.get(name)
            return min(high, max(low, float(value))) if isinstance(value, (int, float)) and math.isfinite(value) else default

        return cls(number("x", 0, -400, 400), number("y", 0, -400, 400), number("zoom", 1, 0.4, 2.5), number("turn", 0, -180, 180))


def adjusted(data: bytes, portrait: Portrait, adjustment: CropAdjustment) -> Portrait:
    """The portrait of the same face with the crop moved. Raises PhotoError.

    What was in the frame before keeps its outline; only what comes in from outside is cut out anew.
    """
    if adjustment == CropAdjustment() or portrait.crop is None:
        return portrait
    framed = _framed(portrait.upright(load_photo(data)), portrait.crop, adjustment)
    rgb, alpha = _moved(portrait.image, adjustment, (255, 255, 255)), _moved(portrait.alpha, adjustment, 0)
    inner = Image.new("L", (SIZE - 6, SIZE - 6), 255)  # the outermost rows of a portrait may be empty
    known = _moved(ImageOps.expand(inner, 3), adjustment, 0) > 253
    within = Image.new("L", (SIZE, SIZE), 0)  # where the photo is: a head that its border cuts goes on beyond
    left, top, right, bottom = portrait.crop.crop_in_scaled
    x, y = portrait.crop.paste_at
    within.paste(255, (x, y + 2 * (y > 0), x + right - left, y + bottom - top))
    sharp = (alpha > 250) & (_moved(within, adjustment, 0) > 250)
    rgb = np.where(sharp[..., None], np.asarray(framed.convert("RGB")), rgb)  # the photo is sharper, the edges are not clean
    if not known.all():
        fresh = make_portrait(framed, crop=False)
        rgb = np.where(known[..., None], rgb, np.asarray(fresh.image))
        alpha = np.where(known, alpha, np.asarray(fresh.alpha))
    focal = portrait.focal and portrait.focal * adjustment.zoom
    back = np.vstack([np.reshape(_matrix(adjustment, 1 / adjustment.zoom), (2, 3)), [0, 0, 1]])
    pose = portrait.pose and portrait.pose.moved(np.linalg.inv(back))
    return replace(portrait, image=Image.fromarray(rgb), alpha=Image.fromarray(alpha), focal=focal, pose=pose)


def _moved(image: Image.Image, adjustment: CropAdjustment, fill) -> np.ndarray:
    """A portrait-sized picture, moved."""
    return np.asarray(
        image.transform((SIZE, SIZE), Image.Transform.AFFINE, _matrix(adjustment, 1 / adjustment.zoom), BICUBIC, fillcolor=fill)
    )


def _framed(photo: Image.Image, crop: Crop, adjustment: CropAdjustment) -> Image.Image:
    """The part of the photo that the moved portrait shows, 512x512, white (or clear) beyond its border."""
    scaled_size = [max(1, round(side * adjustment.zoom)) for side in crop.scaled_size]
    left, top = crop.crop_in_scaled[0] - crop.paste_at[0], crop.crop_in_scaled[1] - crop.paste_at[1]
    a, b, c, d, e, f = _matrix(adjustment, 1.0, left, top)
    corners = [(a * x + b * y + c, d * x + e * y + f) for x in (0, SIZE) for y in (0, SIZE)]
    window = [  # of the scaled photo, with room for the filter
        (max(0, math.floor(min(side)) - 3), min(length, math.ceil(max(side)) + 3))
        for side, length in zip(zip(*corners, strict=True), scaled_size, strict=True)
    ]
    fill = (255, 255, 255, 0) if photo.mode == "RGBA" else (255, 255, 255)
    if any(high <= low for low, high in window):
        return Image.new(photo.mode, (SIZE, SIZE), fill)
    (x0, x1), (y0, y1) = window
    scaled = _resized_part(photo, scaled_size, (x0, y0, x1, y1))
    return scaled.transform((SIZE, SIZE), Image.Transform.AFFINE, (a, b, c - x0, d, e, f - y0), BICUBIC, fillcolor=fill)


def _resized_part(photo: Image.Image, size: list[int], window: tuple[int, int, int, int]) -> Image.Image:
    """A window of the photo resized to (width, height), without the rest: x0, y0, x1, y1 in pixels of the resized photo."""
    kx, ky = photo.width / size[0], photo.height / size[1]
    x0, y0, x1, y1 = window[0] * kx, window[1] * ky, min(window[2] * kx, photo.width), min(window[3] * ky, photo.height)
    reach = [math.ceil(4 * max(1.0, k)) for k in (kx, ky)]  # twice that of the filter: a reduced photo has larger pixels
    left, top = max(0, int(x0) - reach[0]), max(0, int(y0) - reach[1])
    part = photo.crop((left, top, min(photo.width, math.ceil(x1) + reach[0]), min(photo.height, math.ceil(y1) + reach[1])))
    box = x0 - left, y0 - top, x1 - left, y1 - top
    return part.resize((window[2] - window[0], window[3] - window[1]), BICUBIC, box=box, reducing_gap=3.0)


def _matrix(adjustment: CropAdjustment, scale: float, left: float = 0.0, top: float = 0.0) -> tuple[float, ...]:
    """From pixels of the moved portrait to those of a source: shift and turn undone, `scale` source pixels for each.

    left, top: where the unmoved portrait lies in the source, in portrait pixels.
    """
    cx, cy = FACE_CENTRE
    angle = math.radians(adjustment.turn)
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    x, y = cx + adjustment.x, cy + adjustment.y
    size = scale * adjustment.zoom  # source pixels for each pixel of the unmoved portrait
    return cos, sin, (cx + left) * size - cos * x - sin * y, -sin, cos, (cy + top) * size + sin * x - cos * y


def face_buttons(elem_id: str) -> gr.HTML:
    """Boxes over the photo in the element before it. Its value is `faces_shown(...)`; a click triggers "pick" with {face: number}."""
    return gr.HTML(html_template=FACES, js_on_load=_script("faces.js"), apply_default_css=False, elem_id=elem_id, words=texts.ALIGNER)


def touch_buttons(elem_id: str) -> gr.HTML:
    """For fingers: the camera, or a picture that is there, handed to the photo's own input."""
    return gr.HTML(html_template=TOUCH, js_on_load=_script("touch.js"), apply_default_css=False, elem_id=elem_id, words=texts.TOUCH)


def portrait_frame(elem_id: str) -> gr.HTML:
    """The portrait. Its value is `portrait_shown(...)`; moving it triggers "adjust" with the fields of `CropAdjustment`."""
    return gr.HTML(
        html_template=PORTRAIT, js_on_load=_script("aligner.js"), apply_default_css=False, elem_id=elem_id, words=texts.ALIGNER,
        centre=[v / SIZE for v in FACE_CENTRE], size=SIZE,
    )  # fmt: skip


def _script(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def faces_shown(portrait: Portrait, chosen: int) -> dict[str, Any]:
    """chosen: 1 is the largest."""
    return {"boxes": [[round(v, 1) for v in portrait.box_in_photo(face)] for face in portrait.faces], "chosen": chosen}


def portrait_shown(picture: Path, adjustment: CropAdjustment, movable: bool, anew: bool = False) -> dict[str, Any]:
    """adjustment: what the picture shows already.
    movable: whether the visitor may change that.
    anew: another photo or face, so that what the visitor did to the last one is void.
    """
    return {"picture": file_data(picture), "adjustment": asdict(adjustment), "movable": movable, "anew": anew}
