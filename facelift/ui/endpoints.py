"""What programs call: /generate, /portrait and /render."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any

import gradio as gr

from ..errors import SettingsError, SplatFileError
from ..serving.worker import Stopped
from . import texts
from .changes import captioned
from .filming import TURNTABLE
from .jobs import Jobs, sentence_for
from .making import Finished, Settings, Update
from .server import FairQueue

HEADS_IN_LINE: dict[str, Any] = {"concurrency_id": "head", "concurrency_limit": None}  # the line is that of `Jobs`
MOST_STEPS, MOST_FACES = 100, 99
LARGEST_SEED = 2**31 - 1
ONE_PORTRAIT_AT_A_TIME: dict[str, Any] = {"concurrency_id": "portrait", "concurrency_limit": 1}
ONE_DRAWING_AT_A_TIME: dict[str, Any] = {"concurrency_id": "drawing", "concurrency_limit": 1}


def add_endpoints(jobs: Jobs, settings: list) -> None:
    """settings: the page's inputs for photo, seed, steps, guidance scale, crop and face, whose names and defaults are the API's too."""

    def generate(
        request: gr.Request, photo: str, seed: int = 4, steps: int | None = None, guidance_scale: float | None = None,
        crop: bool = True, face: int = 1,
    ):  # fmt: skip
        """Portrait, six views, splat file (.ply), turntable (.mp4) and report of one photo; what is not there yet is null."""
        if not photo:
            raise gr.Error(texts.NO_PHOTO, print_exception=False)
        made = views = done = None
        try:
            wanted = replace(settings_from(seed, steps, guidance_scale, crop, face), extras=False)
            for update in jobs.run(visitor_of(request), FairQueue.client(request), photo, wanted):
                made = made if update.portrait is None else update.portrait
                views = views if update.views is None else captioned(update.views)
                if isinstance(update, Finished):
                    done = update  # its place in the line is free before its film begins
                else:
                    yield made, views, None, None, _stage(update)
            if done is None:
                raise Stopped
            for news in jobs.film(done.folder):
                yield made, views, None, None, _stage(news)
            yield made, views, str(done.files["head.ply"]), str(done.folder / TURNTABLE), done.report
        except Stopped:
            raise gr.Error(texts.STOPPED, print_exception=False) from None
        except Exception as error:
            raise gr.Error(sentence_for(error), print_exception=False) from None

    def portrait(request: gr.Request, photo: str, crop: bool = True, face: int = 1):
        """The aligned portrait (512x512 PNG) of a photo and a sentence about it. Face 1 is the largest."""
        if not photo:
            raise gr.Error(texts.NO_PHOTO, print_exception=False)
        try:
            face = face_from(face)
            made = jobs.portrait(photo, bool(crop), face)
        except Exception as error:
            raise gr.Error(sentence_for(error), print_exception=False) from None
        path = jobs.visitors.folder(visitor_of(request)) / "portrait.png"
        made.image.save(path)
        return path, " ".join([texts.portrait_note(len(made.faces), face), *made.advice])

    def render(request: gr.Request, splats: str, azimuth: float = 0.0, elevation: float = 0.0, size: int = 512):
        """A picture of a .ply, .splat, .spz or .sog file. Degrees from the front: -90 shows the right side, 90 the left; up is positive."""
        path = jobs.visitors.folder(visitor_of(request)) / "render.png"
        try:
            aside, up = _number("azimuth", azimuth, 3600, -3600), _number("elevation", elevation, 3600, -3600)
            jobs.picture(splats or "", aside or 0.0, up or 0.0, min(1024, max(64, int(size or 512))), path)
        except (SplatFileError, OSError):
            raise gr.Error(texts.NO_SPLATS, print_exception=False) from None
        except Exception as error:
            raise gr.Error(sentence_for(error), print_exception=False) from None
        return path

    hidden: dict[str, Any] = {"visible": False}  # components that say what goes in and comes out
    picture = {**hidden, "type": "filepath"}
    photo, _, _, _, crop, face = settings
    head = [
        gr.Image(label="Portrait", **picture), gr.Gallery(label="Six views", **hidden), gr.File(label="Splat file", **hidden),
        gr.File(label="Turntable", **hidden), gr.JSON(label="Report", **hidden),
    ]  # fmt: skip
    portrait_and_note = [gr.Image(label="Portrait", **picture), gr.Textbox(label="Note", **hidden)]
    view = [
        gr.File(label="Splat file", file_types=[".ply", ".splat", ".spz", ".sog"], **picture), gr.Number(0, label="Azimuth", **hidden),
        gr.Number(0, label="Elevation", **hidden), gr.Number(512, label="Size", precision=0, **hidden),
    ]  # fmt: skip
    for function, inputs, outputs, turns in (
        (generate, settings, head, HEADS_IN_LINE),
        (portrait, [photo, crop, face], portrait_and_note, ONE_PORTRAIT_AT_A_TIME),
        (render, view, gr.Image(label="Picture", **picture), ONE_DRAWING_AT_A_TIME),
    ):
        gr.Button(**hidden).click(function, inputs, outputs, api_name=function.__name__, **turns)


def visitor_of(request: gr.Request) -> str:
    """The session, a name that its browser chose; of those without one, what they make belongs to nobody else."""
    return request.session_hash or secrets.token_urlsafe(16)


def settings_from(seed, steps, guidance_scale, crop, face) -> Settings:
    """From what the page's inputs hold, of which each but the crop may be empty. Raises SettingsError."""

    wanted, scale = _number("number of steps", steps, MOST_STEPS, 1), _number("guidance", guidance_scale, 100)
    seed = _number("seed", seed, LARGEST_SEED)
    return Settings(int(seed or 0), int(wanted) if wanted else None, scale, bool(crop), face_from(face))


def face_from(face) -> int:
    """The number of a face, by size; the largest where none is told. Raises SettingsError."""
    return int(_number("number of the face", face, MOST_FACES, 1) or 1)


def _number(name: str, value, most: float, least: float = 0) -> float | None:
    if value in (None, "", 0):
        return None
    if not isinstance(value, (int, float)) or not least <= value <= most:  # nor is NaN
        raise SettingsError(f"The {name} must be a number from {least:g} to {most:.10g}.")
    return value


def _stage(update: Update) -> dict:
    return {"stage": update.stage, "fraction": round(update.fraction, 3)}
