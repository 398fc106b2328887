"""The page and its API: what a visitor sees, and which function answers which click."""

from __future__ import annotations

import html
import tempfile
from abc import ABCMeta
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr

from ..cameras import VIEW_NAMES
from . import texts
from .jobs import DOWNLOADS, Jobs, Settings, Stopped, Update, sentence_for
from .theme import style
from .viewer import shown, splat_viewer

EXAMPLES = Path(__file__).parents[2] / "assets" / "examples"
DELETE_EVERY, DELETE_AFTER = 600, 3600  # seconds
LARGEST_SEED = 2**31 - 1
ONE_HEAD_AT_A_TIME = {"concurrency_id": "head", "concurrency_limit": 1}


# A picture input that hands the file over as it came: the pipeline checks kind and size before it decodes anything.
# Made without `class`, for which Gradio would write a .pyi file beside this one. `is_template`: in the browser it is a gr.Image.
Photo = ABCMeta.__new__(
    type(gr.Image), "Photo", (gr.Image,), {"is_template": True, "preprocess": lambda self, payload: payload.path if payload else None}
)


def build_app(pipeline, queue_size: int = 8) -> gr.Blocks:
    """The page for one pipeline. One head is made at a time, and at most `queue_size` visitors wait."""
    with gr.Blocks(title=texts.TITLE, analytics_enabled=False, delete_cache=(DELETE_EVERY, DELETE_AFTER), fill_width=True) as app:
        ui = _layout(pipeline)
        _connect(ui, Jobs(pipeline))
    return app.queue(max_size=queue_size, api_open=False)


def launch(app: gr.Blocks, listen: bool = False, **options: Any):
    """Serves the page on this computer alone, or on all its network addresses with `listen`. Options are those of `Blocks.launch`."""
    defaults = {"server_port": 7860, "max_file_size": "20mb", "show_error": False, "ssr_mode": False, "footer_links": ["api"], **style()}
    return app.launch(server_name="0.0.0.0" if listen else "127.0.0.1", **{**defaults, **options})


def _layout(pipeline) -> SimpleNamespace:
    """Places the components and returns those that take part in events."""
    ui = SimpleNamespace()
    gr.HTML(f"<div id='head'><h1>{texts.TITLE}</h1><p>{texts.LEAD} {texts.CONSENT}</p></div>")
    with gr.Row(elem_id="columns"):
        with gr.Column(scale=4, min_width=340):
            _inputs(ui, pipeline)
        with gr.Column(scale=9, min_width=340):
            _results(ui)
    gr.HTML(f"<div id='foot'><p>{texts.PRIVACY}</p><p>{html.escape(texts.weights_line(pipeline.weights))}</p></div>")
    return ui


def _inputs(ui: SimpleNamespace, pipeline) -> None:
    picture = {"height": 220, "min_width": 150, "buttons": []}
    with gr.Row():
        ui.photo = Photo(
            label="Photo",
            type="filepath",
            image_mode=None,
            sources=["upload", "webcam", "clipboard"],
            placeholder=texts.PHOTO_HINT,
            elem_id="photo",
            **picture,
        )
        ui.portrait = gr.Image(label="Portrait", interactive=False, elem_id="portrait", **picture)
    ui.note = gr.HTML(_sentence(texts.HINT), elem_id="note", elem_classes="note")
    with gr.Row(equal_height=True):
        ui.generate = gr.Button("Generate", variant="primary", elem_id="generate")
        ui.stop = gr.Button("Stop", variant="stop", visible=False, elem_id="stop")
    ui.status = gr.HTML(elem_id="status", elem_classes="status")
    with gr.Row(equal_height=True):
        ui.seed = gr.Number(4, label="Seed", precision=0, minimum=0, maximum=LARGEST_SEED, min_width=100, scale=2, elem_id="seed")
        ui.random_seed = gr.Button("Random", size="md", min_width=100, scale=1, elem_id="random-seed")
    with gr.Accordion("Advanced", open=False):
        ui.steps = gr.Slider(1, 100, pipeline.default_steps, step=1, label="Steps", info=texts.STEPS)
        ui.guidance_scale = gr.Slider(1, 10, pipeline.default_guidance_scale, step=0.1, label="Guidance", info=texts.GUIDANCE)
        ui.crop = gr.Checkbox(True, label="Find and align the face", info=texts.CROP)
        ui.face = gr.Number(1, label="Which face", info=texts.FACE, precision=0, minimum=1, maximum=99)
    ui.examples = None
    if photos := sorted(p for p in EXAMPLES.glob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp")):
        gr.set_static_paths([EXAMPLES])
        ui.examples = gr.Examples([[str(p)] for p in photos], [ui.photo], label="Or try one of these", elem_id="examples")


def _results(ui: SimpleNamespace) -> None:
    ui.viewer = splat_viewer("viewer")
    look = {"columns": 6, "rows": 1, "height": 150, "object_fit": "contain", "show_label": False, "buttons": []}
    ui.views = gr.Gallery(label="Six views", interactive=False, elem_id="views", **look)
    with gr.Row(elem_id="downloads"):
        ui.downloads = {name: gr.DownloadButton(name, size="sm", interactive=False, min_width=80) for name in DOWNLOADS}
    ui.ran = gr.HTML(elem_id="ran", elem_classes="note")


def _connect(ui: SimpleNamespace, jobs: Jobs) -> None:
    def show_portrait(photo, crop=True, face=1):
        """The aligned portrait of a photo, and a sentence about it."""
        if not photo:
            yield None, _sentence(texts.HINT)
            return
        try:
            made = jobs.portrait(photo, bool(crop), int(face or 1))
        except Exception as error:
            sentence = sentence_for(error)
            yield None, _sentence(sentence)
            raise gr.Error(sentence, print_exception=False) from None
        with tempfile.TemporaryDirectory(prefix="facelift-") as folder:
            path = Path(folder) / "portrait.png"
            made.image.save(path)
            yield path, _sentence(texts.portrait_note(len(made.faces), int(face or 1)))

    def make_head(request: gr.Request, photo, seed, steps, guidance_scale, crop, face) -> Iterator[dict]:
        """The page's own Generate: every update of the job, as changes of the page."""
        if not photo:
            yield {ui.status: _sentence(texts.NO_PHOTO)}
            raise gr.Error(texts.NO_PHOTO, print_exception=False)
        yield {**_buttons(ui, running=True), **_cleared(ui), ui.status: _progress(Update("portrait"))}
        try:
            for update in jobs.run(request.session_hash, photo, _settings(seed, steps, guidance_scale, crop, face)):
                yield _changes(ui, update, jobs.pipeline.weights)
        except Stopped:
            yield {**_buttons(ui, running=False), ui.status: _sentence(texts.STOPPED)}
        except Exception as error:
            sentence = sentence_for(error)
            yield {**_buttons(ui, running=False), ui.status: _sentence(sentence)}
            raise gr.Error(sentence, print_exception=False) from None

    def generate(request: gr.Request, photo, seed=4, steps=None, guidance_scale=None, crop=True, face=1):
        """Portrait, six views, splat file (.ply), turntable (.mp4) and report of one photo; what is not there yet is null."""
        if not photo:
            raise gr.Error(texts.NO_PHOTO, print_exception=False)
        portrait = views = None
        try:
            for update in jobs.run(request.session_hash, photo, _settings(seed, steps, guidance_scale, crop, face)):
                portrait = portrait if update.portrait is None else update.portrait
                views = views if update.views is None else _captioned(update.views)
                done = update.stage == "done"
                files = [str(update.files[name]) for name in ("head.ply", "turntable.mp4")] if done else [None, None]
                yield portrait, views, *files, update.report if done else _stage(update)
        except Stopped:
            raise gr.Error(texts.STOPPED, print_exception=False) from None
        except Exception as error:
            raise gr.Error(sentence_for(error), print_exception=False) from None

    def stop_job(request: gr.Request):
        jobs.stop(request.session_hash)
        return {**_buttons(ui, running=False), ui.status: _sentence(texts.STOPPED)}

    waiting = _progress(Update("waiting"))

    def not_started(status):
        """After an error: a job that still waits was refused, since too many do."""
        return {**_buttons(ui, running=False), ui.status: _sentence(texts.BUSY) if status == waiting else status}

    gr.on(
        [ui.photo.change, ui.crop.input, ui.face.change],
        show_portrait,
        [ui.photo, ui.crop, ui.face],
        [ui.portrait, ui.note],
        api_name="portrait",
        show_progress_on=ui.portrait,
        concurrency_id="portrait",
        concurrency_limit=1,
        trigger_mode="always_last",
    )
    settings = [ui.photo, ui.seed, ui.steps, ui.guidance_scale, ui.crop, ui.face]
    shown = [ui.status, ui.portrait, ui.views, ui.viewer, ui.ran, ui.generate, ui.stop, *ui.downloads.values()]
    buttons = [ui.status, ui.generate, ui.stop]
    quiet = {"show_progress": "hidden", "api_visibility": "private"}
    at_once = {**quiet, "queue": False}
    runs = []
    for start in [ui.generate.click] + ([ui.examples.load_input_event.then] if ui.examples else []):
        start(lambda: {**_buttons(ui, running=True), ui.status: waiting}, None, buttons, **at_once)  # waiting can be stopped too
        runs.append(start(make_head, settings, shown, **quiet, **ONE_HEAD_AT_A_TIME))
        runs[-1].failure(not_started, ui.status, buttons, **at_once)
    ui.stop.click(stop_job, None, buttons, cancels=runs, **at_once)
    ui.random_seed.click(None, None, ui.seed, js=f"() => Math.floor(Math.random() * {LARGEST_SEED})", api_visibility="private")
    files = [gr.File(label=label, visible=False) for label in ("Splat file", "Turntable")]
    answer = [ui.portrait, ui.views, *files, gr.JSON(label="Report", visible=False)]
    gr.Button(visible=False).click(generate, settings, answer, api_name="generate", **ONE_HEAD_AT_A_TIME)


def _settings(seed, steps, guidance_scale, crop, face) -> Settings:
    return Settings(int(seed or 0), int(steps) if steps else None, guidance_scale, bool(crop), int(face or 1))


def _stage(update: Update) -> dict:
    return {"stage": update.stage, "fraction": round(update.fraction, 3)}


def _captioned(views) -> list:
    return [(view, name.replace("_", " ")) for view, name in zip(views, VIEW_NAMES, strict=True)]


def _buttons(ui: SimpleNamespace, running: bool) -> dict:
    return {ui.generate: gr.Button(visible=not running), ui.stop: gr.Button(visible=running)}


def _cleared(ui: SimpleNamespace) -> dict:
    downloads = {button: gr.DownloadButton(value=None, interactive=False) for button in ui.downloads.values()}
    return {ui.views: None, ui.viewer: None, ui.ran: "", **downloads}


def _changes(ui: SimpleNamespace, update: Update, weights) -> dict:
    """What an update changes on the page."""
    done = update.stage == "done"
    changes = {ui.status: _sentence(texts.DONE) if done else _progress(update)}
    if update.portrait is not None:
        changes[ui.portrait] = update.portrait
    if update.views is not None:
        changes[ui.views] = _captioned(update.views)
    if update.splat is not None:
        changes[ui.viewer] = shown(update.splat)
    for name, path in update.files.items():
        changes[ui.downloads[name]] = gr.DownloadButton(value=path, interactive=True)
    if done:
        changes |= {ui.ran: _sentence(texts.what_ran(update.report, weights)), **_buttons(ui, running=False)}
    return changes


def _sentence(text: str) -> str:
    return f"<p>{html.escape(text)}</p>"


def _progress(update: Update) -> str:
    words = texts.STAGES[update.stage] + (f", {update.detail}" if update.detail else "") + " …"
    return f"<div role='status'>{html.escape(words)}</div><div class='bar'><span style='width:{100 * update.fraction:.0f}%'></span></div>"
