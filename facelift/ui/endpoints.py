"""What programs call: /generate, /portrait and /render."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from ..cameras import orbit
from ..errors import SplatFileError
from ..export.splats import load_splats
from ..rendering import render as draw
from ..rendering import to_bytes
from . import texts
from .changes import captioned
from .jobs import Finished, Jobs, Settings, Stopped, Update, sentence_for

ONE_HEAD_AT_A_TIME: dict[str, Any] = {"concurrency_id": "head", "concurrency_limit": 1}
ONE_PORTRAIT_AT_A_TIME: dict[str, Any] = {"concurrency_id": "portrait", "concurrency_limit": 1}
MOST_GAUSSIANS = 1_000_000  # that /render reads: heads have 150,000 to 400,000; decoding a million takes 0.3 GB
MOST_TILES = 3_000_000  # that /render touches: 1.1 million for 400,000 Gaussians at 1024 px; ten seconds of one core at the worst


def add_endpoints(jobs: Jobs, settings: list) -> None:
    """settings: the page's inputs for photo, seed, steps, guidance scale, crop and face, whose names and defaults are the API's too."""

    def generate(
        request: gr.Request, photo: str, seed: int = 4, steps: int | None = None, guidance_scale: float | None = None,
        crop: bool = True, face: int = 1,
    ):  # fmt: skip
        """Portrait, six views, splat file (.ply), turntable (.mp4) and report of one photo; what is not there yet is null."""
        if not photo:
            raise gr.Error(texts.NO_PHOTO, print_exception=False)
        made = views = None
        wanted = replace(settings_from(seed, steps, guidance_scale, crop, face), extras=False)
        try:
            for update in jobs.run(request.session_hash, photo, wanted):
                made = made if update.portrait is None else update.portrait
                views = views if update.views is None else captioned(update.views)
                if isinstance(update, Finished):
                    yield made, views, str(update.files["head.ply"]), str(update.files["turntable.mp4"]), update.report
                else:
                    yield made, views, None, None, _stage(update)
        except Stopped:
            raise gr.Error(texts.STOPPED, print_exception=False) from None
        except Exception as error:
            raise gr.Error(sentence_for(error), print_exception=False) from None

    def portrait(photo: str, crop: bool = True, face: int = 1):
        """The aligned portrait (512x512 PNG) of a photo and a sentence about it. Face 1 is the largest."""
        if not photo:
            raise gr.Error(texts.NO_PHOTO, print_exception=False)
        try:
            made = jobs.portrait(photo, bool(crop), int(face or 1))
        except Exception as error:
            raise gr.Error(sentence_for(error), print_exception=False) from None
        with tempfile.TemporaryDirectory(prefix="facelift-") as folder:
            path = Path(folder) / "portrait.png"
            made.image.save(path)
            yield path, " ".join([texts.portrait_note(len(made.faces), int(face or 1)), *made.advice])

    def render(splats: str, azimuth: float = 0.0, elevation: float = 0.0, size: int = 512):
        """A picture of a splat file (.ply, .splat, .spz). Degrees from the front: -90 shows the right side, 90 the left; up is positive."""
        camera = orbit([float(azimuth or 0)], float(elevation or 0), min(1024, max(64, int(size or 512))))
        try:
            picture = to_bytes(draw(load_splats(splats or "", MOST_GAUSSIANS), camera, most_tiles=MOST_TILES).rgb[0])
        except (SplatFileError, OSError):
            raise gr.Error(texts.NO_SPLATS, print_exception=False) from None
        except Exception as error:
            raise gr.Error(sentence_for(error), print_exception=False) from None
        with tempfile.TemporaryDirectory(prefix="facelift-") as folder:
            path = Path(folder) / "render.png"
            Image.fromarray(picture).save(path)
            yield path

    hidden: dict[str, Any] = {"visible": False}  # components that say what goes in and comes out
    picture = {**hidden, "type": "filepath"}
    photo, _, _, _, crop, face = settings
    head = [
        gr.Image(label="Portrait", **picture), gr.Gallery(label="Six views", **hidden), gr.File(label="Splat file", **hidden),
        gr.File(label="Turntable", **hidden), gr.JSON(label="Report", **hidden),
    ]  # fmt: skip
    portrait_and_note = [gr.Image(label="Portrait", **picture), gr.Textbox(label="Note", **hidden)]
    view = [
        gr.File(label="Splat file", file_types=[".ply", ".splat", ".spz"], **picture), gr.Number(0, label="Azimuth", **hidden),
        gr.Number(0, label="Elevation", **hidden), gr.Number(512, label="Size", precision=0, **hidden),
    ]  # fmt: skip
    for function, inputs, outputs, turns in (
        (generate, settings, head, ONE_HEAD_AT_A_TIME),
        (portrait, [photo, crop, face], portrait_and_note, ONE_PORTRAIT_AT_A_TIME),
        (render, view, gr.Image(label="Picture", **picture), ONE_PORTRAIT_AT_A_TIME),
    ):
        gr.Button(**hidden).click(function, inputs, outputs, api_name=function.__name__, **turns)


def settings_from(seed, steps, guidance_scale, crop, face) -> Settings:
    """From what the page's inputs hold, of which each but the crop may be empty."""
    return Settings(int(seed or 0), int(steps) if steps else None, guidance_scale, bool(crop), int(face or 1))


def _stage(update: Update) -> dict:
    return {"stage": update.stage, "fraction": round(update.fraction, 3)}
