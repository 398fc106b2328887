"""Where everything on the page stands. `layout` makes the components; what they do is in `page.py`."""

from __future__ import annotations

import html
from abc import ABCMeta
from types import SimpleNamespace
from typing import Any

import gradio as gr

from ..serving.settings import ServiceSettings
from . import texts
from .about import about
from .aligner import CropAdjustment, face_buttons, portrait_frame, touch_buttons
from .changes import sentence
from .history import history_strip
from .motion import motion_buttons
from .taking import taking_panel
from .uploads import EXAMPLES
from .viewer import splat_viewer

QUALITIES = ((0.5, "Quick"), (2, "Fine"), (1, "Standard"))  # times the weight set's own number of steps
OWN = 0  # the quality of any other number of steps


# A picture input that hands the file over as it came: the pipeline checks kind and size before it decodes anything.
# Made without `class`, for which Gradio would write a .pyi file beside this one. `is_template`: in the browser it is a gr.Image.
Photo = ABCMeta.__new__(
    type(gr.Image), "Photo", (gr.Image,), {"is_template": True, "preprocess": lambda self, payload: payload.path if payload else None}
)


def layout(pipeline, settings: ServiceSettings) -> SimpleNamespace:
    """Places the components and returns those that take part in events."""
    promise = texts.promise(settings.keep_seconds, settings.keep_nothing, settings.link_seconds)
    ui = SimpleNamespace()
    gr.HTML(f"<header id='head'><h1>{texts.TITLE}</h1><p>{texts.LEAD} {texts.CONSENT}</p></header>")
    with gr.Tab("Make a head"), gr.Row(elem_id="columns"):
        with gr.Column(scale=4, min_width=340):
            _inputs(ui, pipeline)
        with gr.Column(scale=9, min_width=340, elem_id="results"):
            _results(ui, settings)
    with gr.Tab("About"):
        gr.HTML(about(pipeline.weights, promise))
    with gr.Row(elem_id="foot"):
        gr.HTML(f"<p>{html.escape(promise)} {html.escape(texts.weights_line(pipeline.weights))}</p>")
        ui.delete = gr.Button(texts.DELETE, size="sm", min_width=110, scale=0, elem_id="delete")
    ui.adjustment = gr.State((None, CropAdjustment()))  # of which photo and face, and how far
    ui.named = [steps for _, steps in qualities(pipeline.default_steps) if steps != OWN]
    ui.entry = gr.State(None)  # the head that is shown
    ui.history = gr.State([])
    return ui


def _inputs(ui: SimpleNamespace, pipeline) -> None:
    with gr.Row(elem_id="pictures"):
        with gr.Column(min_width=150, elem_id="photo-side"):
            ui.photo = Photo(
                label="Photo",
                type="filepath",
                image_mode=None,
                sources=["upload", "webcam", "clipboard"],
                placeholder=texts.PHOTO_HINT,
                elem_id="photo",
                height=220,
                min_width=150,
                buttons=[],
            )
            ui.faces = face_buttons("faces")
            ui.touch = touch_buttons("touch")
        with gr.Column(min_width=150):
            ui.portrait = portrait_frame("portrait")
    ui.note = gr.HTML(sentence(texts.HINT), elem_id="note", elem_classes="note")
    with gr.Row(equal_height=True):
        ui.generate = gr.Button("Generate", variant="primary", elem_id="generate")
        ui.stop = gr.Button("Stop", variant="stop", visible=False, elem_id="stop")
        another = texts.ANOTHER_ALIKE if pipeline.weights.kind == "compact" else texts.ANOTHER
        ui.another = gr.Button(another, visible=False, elem_id="another")
    ui.status = gr.HTML(elem_id="status", elem_classes="status")
    with gr.Row(equal_height=True):
        ui.quality = gr.Dropdown(
            qualities(pipeline.default_steps), value=pipeline.default_steps, label="Quality", filterable=False, min_width=130, scale=3,
            elem_id="quality",
        )  # fmt: skip
        ui.seed = gr.Number(4, label="Seed", precision=0, min_width=100, scale=2, elem_id="seed")
        ui.random_seed = gr.Button("Random", size="md", min_width=80, scale=1, elem_id="random-seed")
    with gr.Accordion("Advanced", open=False):
        ui.steps = gr.Slider(1, 100, pipeline.default_steps, step=1, label="Steps", info=texts.STEPS)
        ui.guidance_scale = gr.Slider(1, 10, pipeline.default_guidance_scale, step=0.1, label="Guidance", info=texts.GUIDANCE)
        ui.crop = gr.Checkbox(True, label=texts.CROP_LABEL, info=texts.CROP)
        ui.face = gr.Number(1, label="Which face", info=texts.FACE, precision=0)
    ui.examples = None
    folders = EXAMPLES, EXAMPLES / "synthetic"  # real people first
    if photos := [p for folder in folders for p in sorted(folder.glob("*")) if p.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp")]:
        gr.set_static_paths([EXAMPLES])
        ui.examples = gr.Examples([[str(p)] for p in photos], [ui.photo], label=texts.EXAMPLES, elem_id="examples")


def qualities(default: int) -> list[tuple[str, int]]:
    """Names for numbers of steps, fewest first; "Standard" where two would be the same; last what stands for any other number."""
    named = {max(1, round(default * times)): name for times, name in QUALITIES}
    return [*((named[n], n) for n in sorted(named)), (texts.OWN_STEPS, OWN)]


def _results(ui: SimpleNamespace, settings: ServiceSettings) -> None:
    with gr.Row(elem_id="stage"):
        ui.viewer = splat_viewer("viewer")
        ui.gallery = history_strip("history", settings.keep_nothing)
    options: dict[str, Any] = {"rows": 1, "object_fit": "contain", "show_label": False, "buttons": [], "interactive": False}
    ui.views = gr.Gallery(label=texts.VIEWS, elem_id="views", columns=6, height=118, **options)
    with gr.Row(elem_id="home"):
        ui.take = taking_panel("take", settings)
        motion_buttons(ui)
    ui.ran = gr.HTML(elem_id="ran", elem_classes="note")
