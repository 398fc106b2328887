"""Choosing a face and moving the crop: a photo's faces as buttons over it, and the portrait, which can be moved, zoomed and turned."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from ..portrait import Portrait, load_photo, make_portrait
from ..portrait.crop import FACE_CENTRE, SIZE
from . import texts
from .viewer import file_data

HERE = Path(__file__).parent
FACES = '<div class="faces" role="group"></div>'
PORTRAIT = """<div class="aligner" data-state="empty">
  <div class="frame" tabindex="0" role="application"><img alt="" draggable="false"><span class="empty"></span></div>
  <div class="tools" role="toolbar">
    <button type="button" data-nudge="out">−</button><button type="button" data-nudge="in">+</button>
    <button type="button" data-nudge="left">⟲</button><button type="button" data-nudge="right">⟳</button>
    <button type="button" data-nudge="reset">↺</button>
  </div>
</div>"""


@dataclass(frozen=True)
class Nudge:
    """How the visitor moved the portrait: pixels right and down, times larger, degrees clockwise, about the middle of the face."""

    x: float = 0.0
    y: float = 0.0
    zoom: float = 1.0
    turn: float = 0.0

    @classmethod
    def read(cls, values: Any) -> Nudge:
        """From a browser: anything but numbers within reason is taken as no change."""
        values = values if isinstance(values, dict) else {}

        def number(name: str, default: float, low: float, high: float) -> float:
            value = values.get(name)
            return min(high, max(low, float(value))) if isinstance(value, (int, float)) and math.isfinite(value) else default

        return cls(number("x", 0, -400, 400), number("y", 0, -400, 400), number("zoom", 1, 0.4, 2.5), number("turn", 0, -180, 180))


def nudged(data: bytes, portrait: Portrait, nudge: Nudge) -> Portrait:
    """The portrait of the same face with the crop moved, cut out anew from the photo. Raises PhotoError."""
    if nudge == Nudge() or portrait.crop is None:
        return portrait
    moved = make_portrait(_framed(load_photo(data), portrait, nudge), crop=False)
    return replace(moved, face=portrait.face, faces=portrait.faces, crop=portrait.crop)


def _framed(photo: Image.Image, portrait: Portrait, nudge: Nudge) -> Image.Image:
    """The part of the photo that the moved portrait shows, 512x512, white (or clear) beyond its border."""
    crop = portrait.crop
    width, height = (max(1, round(side * nudge.zoom)) for side in crop.scaled_size)
    scaled = photo.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0)
    left, top = crop.crop_in_scaled[0] - crop.paste_at[0], crop.crop_in_scaled[1] - crop.paste_at[1]
    cx, cy = FACE_CENTRE
    angle = math.radians(nudge.turn)
    cos, sin = math.cos(angle), math.sin(angle)
    # Portrait pixel -> pixel of the scaled photo: undo the shift, undo the turn about the face, zoom is in the scaled photo already.
    px, py = (cx + left) * nudge.zoom, (cy + top) * nudge.zoom
    sx, sy = cx + nudge.x, cy + nudge.y
    matrix = (cos, sin, px - cos * sx - sin * sy, -sin, cos, py + sin * sx - cos * sy)
    fill = (255, 255, 255, 0) if photo.mode == "RGBA" else (255, 255, 255)
    return scaled.transform((SIZE, SIZE), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC, fillcolor=fill)


def face_buttons(elem_id: str) -> gr.HTML:
    """Boxes over the photo in the element before it. Its value is `faces_shown(...)`; a click triggers "pick" with {face: number}."""
    return gr.HTML(html_template=FACES, js_on_load=_script("faces.js"), apply_default_css=False, elem_id=elem_id, words=texts.ALIGNER)


def portrait_frame(elem_id: str) -> gr.HTML:
    """The portrait. Its value is `portrait_shown(...)`; moving it triggers "nudge" with the fields of `Nudge`."""
    return gr.HTML(
        html_template=PORTRAIT, js_on_load=_script("aligner.js"), apply_default_css=False, elem_id=elem_id, words=texts.ALIGNER,
        centre=[v / SIZE for v in FACE_CENTRE], size=SIZE,
    )  # fmt: skip


def _script(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def faces_shown(portrait: Portrait, chosen: int) -> dict[str, Any]:
    """chosen: 1 is the largest."""
    return {"boxes": [[round(float(v), 1) for v in face.box] for face in portrait.faces], "chosen": chosen}


def portrait_shown(picture: Path, nudge: Nudge, movable: bool) -> dict[str, Any]:
    return {"picture": file_data(picture), "nudge": asdict(nudge), "movable": movable}
