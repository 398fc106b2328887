"""The page and its API: what a visitor sees, and which function answers which click."""

from __future__ import annotations

import html
import tempfile
from abc import ABCMeta
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
from PIL import Image

from ..cameras import VIEW_NAMES, orbit
from ..gaussians import Gaussians
from ..portrait import load_photo
from ..rendering import render as draw
from ..rendering.turntable import to_bytes
from ..splat_io import SplatFileError
from . import texts
from .about import about
from .advice import advice
from .aligner import Nudge, face_buttons, faces_shown, portrait_frame, portrait_shown
from .downloads import MESH, NAMES
from .jobs import Jobs, Settings, Stopped, Update, make_mesh, sentence_for, views_of
from .takes import KEEP_SECONDS, KEPT, Take, drop, keep
from .theme import style
from .viewer import shown, splat_viewer

EXAMPLES = Path(__file__).parents[2] / "assets" / "examples"
DELETE_EVERY, DELETE_AFTER = 600, 3600  # seconds
QUALITIES = ((0.5, "Quick"), (2, "Fine"), (1, "Standard"))  # times the weight set's own number of steps
NAME_EXAMPLES = """() => {
  const examples = document.querySelector("#examples");
  const name = () => examples?.querySelectorAll(".gallery-item").forEach((button) => {
    const file = decodeURIComponent(button.querySelector("img")?.src ?? "").split("/").pop();
    button.setAttribute("aria-label", `Example: ${file.split(".")[0].replaceAll("_", " ")}`);
  });
  name();
  if (examples) new MutationObserver(name).observe(examples, { subtree: true, attributeFilter: ["src"], childList: true }); // late ones
}"""
SAVE_FILE = """(file) => {
  if (file?.url) Object.assign(document.createElement("a"), { href: file.url, download: file.orig_name }).click();
}"""
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
        _connect(app, ui, Jobs(pipeline))
    return app.queue(max_size=queue_size, api_open=False)


def launch(app: gr.Blocks, listen: bool = False, **options: Any):
    """Serves the page on this computer alone, or on all its network addresses with `listen`. Options are those of `Blocks.launch`."""
    defaults = {"server_port": 7860, "max_file_size": "20mb", "show_error": False, "ssr_mode": False, "footer_links": ["api"], **style()}
    return app.launch(server_name="0.0.0.0" if listen else "127.0.0.1", **{**defaults, **options})


def _layout(pipeline) -> SimpleNamespace:
    """Places the components and returns those that take part in events."""
    ui = SimpleNamespace()
    gr.HTML(f"<header id='head'><h1>{texts.TITLE}</h1><p>{texts.LEAD} {texts.CONSENT}</p></header>")
    with gr.Tab("Make a head"), gr.Row(elem_id="columns"):
        with gr.Column(scale=4, min_width=340):
            _inputs(ui, pipeline)
        with gr.Column(scale=9, min_width=340, elem_id="results"):
            _results(ui)
    with gr.Tab("About"):
        gr.HTML(about(pipeline.weights))
    gr.HTML(f"<div id='foot'><p>{texts.PRIVACY} {html.escape(texts.weights_line(pipeline.weights))}</p></div>")
    ui.nudge = gr.State((None, Nudge()))  # of which photo and face, and how far
    ui.take = gr.State(None)  # the head that is shown
    ui.takes = gr.State([], time_to_live=KEEP_SECONDS, delete_callback=drop)
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
        with gr.Column(min_width=150):
            ui.portrait = portrait_frame("portrait")
    ui.note = gr.HTML(_sentence(texts.HINT), elem_id="note", elem_classes="note")
    with gr.Row(equal_height=True):
        ui.generate = gr.Button("Generate", variant="primary", elem_id="generate")
        ui.stop = gr.Button("Stop", variant="stop", visible=False, elem_id="stop")
        ui.another = gr.Button("Another take", visible=False, elem_id="another")
    ui.status = gr.HTML(elem_id="status", elem_classes="status")
    steps = _qualities(pipeline.default_steps)
    with gr.Row(equal_height=True):
        ui.quality = gr.Dropdown(
            steps, value=pipeline.default_steps, label="Quality", filterable=False, min_width=130, scale=3, elem_id="quality"
        )
        ui.seed = gr.Number(4, label="Seed", precision=0, minimum=0, maximum=LARGEST_SEED, min_width=70, scale=2, elem_id="seed")
        ui.random_seed = gr.Button("Random", size="md", min_width=80, scale=1, elem_id="random-seed")
    with gr.Accordion("Advanced", open=False):
        ui.steps = gr.Slider(1, 100, pipeline.default_steps, step=1, label="Steps", info=texts.STEPS)
        ui.guidance_scale = gr.Slider(1, 10, pipeline.default_guidance_scale, step=0.1, label="Guidance", info=texts.GUIDANCE)
        ui.crop = gr.Checkbox(True, label="Find and align the face", info=texts.CROP)
        ui.face = gr.Number(1, label="Which face", info=texts.FACE, precision=0, minimum=1, maximum=99)
    ui.examples = None
    folders = EXAMPLES, EXAMPLES / "synthetic"  # real people first
    if photos := [p for folder in folders for p in sorted(folder.glob("*")) if p.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp")]:
        gr.set_static_paths([EXAMPLES])
        ui.examples = gr.Examples([[str(p)] for p in photos], [ui.photo], label=texts.EXAMPLES, elem_id="examples")


def _qualities(default: int) -> list[tuple[str, int]]:
    """Names for numbers of steps, fewest first; "Standard" where two would be the same."""
    named = {max(1, round(default * times)): name for times, name in QUALITIES}
    return [(named[steps], steps) for steps in sorted(named)]


def _results(ui: SimpleNamespace) -> None:
    ui.viewer = splat_viewer("viewer")
    look = {"rows": 1, "object_fit": "contain", "show_label": False, "buttons": [], "interactive": False}
    ui.views = gr.Gallery(label=texts.VIEWS, elem_id="views", columns=6, height=150, **look)
    ui.strip = gr.Gallery(label=texts.TAKES, elem_id="takes", columns=KEPT, height="auto", allow_preview=False, visible=False, **look)
    with gr.Row(elem_id="downloads"):
        button = {"size": "sm", "interactive": False, "min_width": 80}
        ui.downloads = {}
        for name in NAMES:
            if name == MESH:
                ui.mesh = gr.Button(MESH, elem_id="mesh", **button)  # makes what the other one, hidden until then, hands out
            ui.downloads[name] = gr.DownloadButton(name, visible=name != MESH, **button)
    ui.ran = gr.HTML(elem_id="ran", elem_classes="note")


def _connect(app: gr.Blocks, ui: SimpleNamespace, jobs: Jobs) -> None:
    weights = jobs.pipeline.weights

    def prepare(photo, crop, face, nudge, anew=False):
        """The portrait, the faces of the photo and advice: what the page shows before anything slow begins."""
        if not photo:
            yield None, None, _sentence(texts.HINT)
            return
        try:
            made = jobs.portrait(photo, bool(crop), int(face or 1), nudge)
        except Exception as error:
            yield None, None, _wrong(sentence_for(error))
            return
        with tempfile.TemporaryDirectory(prefix="facelift-") as folder:
            path = Path(folder) / "portrait.png"
            made.image.save(path)
            found = advice(load_photo(Path(photo).read_bytes()), made.face) if made.face and nudge == Nudge() else []
            note = " ".join([texts.portrait_note(len(made.faces), int(face or 1)), *found[:2]])
            yield portrait_shown(path, nudge, made.crop is not None, anew), faces_shown(made, int(face or 1)), _sentence(note)

    def prepare_anew(photo, crop, face):
        for news in prepare(photo, crop, face, Nudge(), anew=True):
            yield *news, ((photo, face), Nudge())

    def move(event: gr.EventData, photo, crop, face):
        nudge = Nudge.read(event._data)
        for news in prepare(photo, crop, face, nudge):
            yield *news, ((photo, face), nudge)

    def portrait(photo: str, crop: bool = True, face: int = 1):
        """The aligned portrait (512x512 PNG) of a photo and a sentence about it. Face 1 is the largest."""
        if not photo:
            raise gr.Error(texts.NO_PHOTO, print_exception=False)
        try:
            made = jobs.portrait(photo, bool(crop), int(face or 1))
        except Exception as error:
            raise gr.Error(sentence_for(error), print_exception=False) from None
        found = advice(load_photo(Path(photo).read_bytes()), made.face) if made.face else []
        with tempfile.TemporaryDirectory(prefix="facelift-") as folder:
            path = Path(folder) / "portrait.png"
            made.image.save(path)
            yield path, " ".join([texts.portrait_note(len(made.faces), int(face or 1)), *found])

    def make_head(request: gr.Request, photo, seed, steps, guidance_scale, crop, face, nudge, takes) -> Iterator[dict]:
        """The page's own Generate: every update of the job, as changes of the page."""
        if not photo:
            yield {**_buttons(ui, running=False), ui.status: _wrong(texts.NO_PHOTO)}
            return
        yield {**_buttons(ui, running=True), **_cleared(ui), ui.status: _progress(Update("portrait"))}
        of, nudge = nudge
        nudge = nudge if of == (photo, face) else Nudge()  # a new photo may not have its portrait yet
        settings, picture = replace(_settings(seed, steps, guidance_scale, crop, face), nudge=nudge), None
        try:
            for update in jobs.run(request.session_hash, photo, settings):
                picture = update.portrait or picture
                changes = _changes(ui, update, weights)
                if update.portrait is not None:
                    changes[ui.portrait] = portrait_shown(update.portrait, nudge, bool(crop))
                if update.stage == "done":
                    takes = keep(takes, update.folder, update.report)
                    changes |= {ui.takes: takes, ui.strip: _strip(takes), ui.another: gr.Button(visible=True), **_taken(ui, takes[-1])}
                yield changes
        except Stopped:
            yield {**_buttons(ui, running=False), ui.status: _sentence(texts.STOPPED)}
        except Exception as error:
            yield {**_buttons(ui, running=False), ui.status: _wrong(sentence_for(error))}

    def show_take(event: gr.SelectData, takes):
        """One of the last heads again, seen from where the visitor stands."""
        if not 0 <= event.index < len(takes):
            return {}
        take = takes[event.index]
        done = Update("done", views=views_of(take.folder), files=take.files, report=take.report, folder=take.folder)
        return {**_changes(ui, done, weights, keep_view=True), ui.status: _sentence(texts.this_take(take.report)), **_taken(ui, take)}

    def mesh(take) -> Iterator[dict]:
        """Makes the mesh of the head that is shown, while the next visitor's head may be in the making."""
        waiting = Update("mesh")
        yield {ui.mesh: gr.Button(f"{MESH} 0 %", interactive=False), ui.status: _progress(waiting)}
        try:
            for update in make_mesh(take.folder, jobs.pipeline.device):
                yield {ui.mesh: gr.Button(f"{MESH} {100 * update.fraction:.0f} %"), ui.status: _progress(update)}
        except Exception as error:
            yield {**_taken(ui, take), ui.status: _wrong(sentence_for(error))}
            return
        yield {**_taken(ui, take), ui.status: _sentence(texts.MESH_DONE)}

    def generate(
        request: gr.Request, photo: str, seed: int = 4, steps: int | None = None, guidance_scale: float | None = None,
        crop: bool = True, face: int = 1,
    ):  # fmt: skip
        """Portrait, six views, splat file (.ply), turntable (.mp4) and report of one photo; what is not there yet is null."""
        if not photo:
            raise gr.Error(texts.NO_PHOTO, print_exception=False)
        made = views = None
        settings = replace(_settings(seed, steps, guidance_scale, crop, face), extras=False)
        try:
            for update in jobs.run(request.session_hash, photo, settings):
                made = made if update.portrait is None else update.portrait
                views = views if update.views is None else _captioned(update.views)
                done = update.stage == "done"
                files = [str(update.files[name]) for name in ("head.ply", "turntable.mp4")] if done else [None, None]
                yield made, views, *files, update.report if done else _stage(update)
        except Stopped:
            raise gr.Error(texts.STOPPED, print_exception=False) from None
        except Exception as error:
            raise gr.Error(sentence_for(error), print_exception=False) from None

    def render(splats: str, azimuth: float = 0.0, elevation: float = 0.0, size: int = 512):
        """A picture of a splat file (.ply, .splat, .spz). Degrees from the front: -90 shows the right side, 90 the left; up is positive."""
        try:
            gaussians = Gaussians.load(splats or "")
        except (SplatFileError, OSError):
            raise gr.Error(texts.NO_SPLATS, print_exception=False) from None
        camera = orbit([float(azimuth or 0)], float(elevation or 0), min(1024, max(64, int(size or 512))))
        with tempfile.TemporaryDirectory(prefix="facelift-") as folder:
            path = Path(folder) / "render.png"
            Image.fromarray(to_bytes(draw(gaussians, camera).rgb[0])).save(path)
            yield path

    def stop_job(request: gr.Request):
        jobs.stop(request.session_hash)
        return {**_buttons(ui, running=False), ui.status: _sentence(texts.STOPPED)}

    waiting = _progress(Update("waiting"))

    def begun():
        """At once: waiting can be stopped too."""
        return {**_buttons(ui, running=True), ui.status: waiting}

    def not_started(status):
        """After an error: a job that still waits was refused, since too many do. Whatever else ended it has said so already."""
        return {**_buttons(ui, running=False), ui.status: _wrong(texts.BUSY) if status == waiting else gr.skip()}

    def from_link(request: gr.Request):
        """?seed= and ?weights= of the page's address."""
        seed, asked = request.query_params.get("seed", ""), request.query_params.get("weights")
        other = asked not in (None, "auto", weights.name)
        return (
            int(seed) if seed.isdecimal() and int(seed) <= LARGEST_SEED else gr.skip(),
            _sentence(texts.other_weights(asked[:60], weights)) if other else gr.skip(),  # a fast visitor's photo may be there already
        )

    def picked(event: gr.EventData):
        return event._data["face"]

    quiet = {"show_progress": "hidden", "api_visibility": "private"}
    one_portrait = {"concurrency_id": "portrait", "concurrency_limit": 1}
    prepared = [ui.portrait, ui.faces, ui.note, ui.nudge]
    looks = {**quiet, **one_portrait, "trigger_mode": "always_last"}
    gr.on([ui.photo.change, ui.crop.input, ui.face.change], prepare_anew, [ui.photo, ui.crop, ui.face], prepared, **looks)
    ui.portrait.nudge(move, [ui.photo, ui.crop, ui.face], prepared, **looks)
    ui.faces.pick(picked, None, ui.face, **quiet)
    ui.quality.input(lambda steps: steps, ui.quality, ui.steps, queue=False, **quiet)

    settings = [ui.photo, ui.seed, ui.steps, ui.guidance_scale, ui.crop, ui.face]
    results = [ui.status, ui.portrait, ui.views, ui.viewer, ui.ran, *ui.downloads.values()]
    shown = [*results, ui.generate, ui.stop, ui.another, ui.takes, ui.strip, ui.take, ui.mesh]
    buttons = [ui.status, ui.generate, ui.stop, ui.another]
    at_once = {**quiet, "queue": False}
    new_seed = {"fn": None, "inputs": None, "outputs": ui.seed, "js": f"() => Math.floor(Math.random() * {LARGEST_SEED})"}
    runs = []
    starts = [ui.generate.click, ui.another.click(**new_seed, api_visibility="private").then]
    meshing = {"concurrency_id": "mesh", "concurrency_limit": 1}
    asked = ui.mesh.click(lambda: gr.Button(f"{MESH} …", interactive=False), None, ui.mesh, **at_once)
    meshes = asked.then(mesh, ui.take, [ui.status, ui.mesh, ui.downloads[MESH], ui.take], **quiet, **meshing)
    meshes.success(None, ui.downloads[MESH], None, js=SAVE_FILE, api_visibility="private")
    for start in starts + ([ui.examples.load_input_event.then] if ui.examples else []):
        start(begun, None, buttons, cancels=meshes, **at_once)
        runs.append(start(make_head, [*settings, ui.nudge, ui.takes], shown, **quiet, **ONE_HEAD_AT_A_TIME))
        runs[-1].failure(not_started, ui.status, buttons, **at_once)
    ui.stop.click(stop_job, None, buttons, cancels=runs, **at_once)
    ui.random_seed.click(**new_seed, api_visibility="private")
    ui.strip.select(show_take, ui.takes, shown, cancels=meshes, **quiet)
    app.load(from_link, None, [ui.seed, ui.note], js=NAME_EXAMPLES, **quiet)
    _endpoints(settings, generate, portrait, render)


def _endpoints(settings: list, generate, portrait, render) -> None:
    """What programs call; hidden components say what goes in and comes out."""

    def endpoint(function, inputs, outputs, **options) -> None:
        gr.Button(visible=False).click(function, inputs, outputs, api_name=function.__name__, **options)

    hidden, light = {"visible": False}, {"concurrency_id": "portrait", "concurrency_limit": 1}
    picture = {**hidden, "type": "filepath"}
    photo, _, _, _, crop, face = settings
    answer = [
        gr.Image(label="Portrait", **picture), gr.Gallery(label="Six views", **hidden), gr.File(label="Splat file", **hidden),
        gr.File(label="Turntable", **hidden), gr.JSON(label="Report", **hidden),
    ]  # fmt: skip
    endpoint(generate, settings, answer, **ONE_HEAD_AT_A_TIME)
    endpoint(portrait, [photo, crop, face], [gr.Image(label="Portrait", **picture), gr.Textbox(label="Note", **hidden)], **light)
    asked = [
        gr.File(label="Splat file", file_types=[".ply", ".splat", ".spz"], **picture), gr.Number(0, label="Azimuth", **hidden),
        gr.Number(0, label="Elevation", **hidden), gr.Number(512, label="Size", precision=0, **hidden),
    ]  # fmt: skip
    endpoint(render, asked, gr.Image(label="Picture", **picture), **light)


def _settings(seed, steps, guidance_scale, crop, face) -> Settings:
    return Settings(int(seed or 0), int(steps) if steps else None, guidance_scale, bool(crop), int(face or 1))


def _stage(update: Update) -> dict:
    return {"stage": update.stage, "fraction": round(update.fraction, 3)}


def _captioned(views) -> list:
    return [(view, name.replace("_", " ")) for view, name in zip(views, VIEW_NAMES, strict=True)]


def _buttons(ui: SimpleNamespace, running: bool) -> dict:
    changes = {ui.generate: gr.Button(visible=not running), ui.stop: gr.Button(visible=running)}
    return {**changes, ui.another: gr.Button(visible=False)} if running else changes


def _strip(takes: list[Take]):
    pictures = [(take.thumbnail, str(i + 1)) for i, take in enumerate(takes)]
    return gr.Gallery(value=pictures, selected_index=len(takes) - 1, visible=len(takes) > 1)


def _cleared(ui: SimpleNamespace) -> dict:
    downloads = {button: gr.DownloadButton(value=None, interactive=False) for button in ui.downloads.values()}
    return {ui.views: None, ui.viewer: None, ui.ran: "", **downloads, **_taken(ui, None)}


def _taken(ui: SimpleNamespace, take: Take | None) -> dict:
    """The head that is shown, and its mesh: to be made, or to be had."""
    there = take is not None and MESH in take.files
    return {
        ui.take: take,
        ui.mesh: gr.Button(MESH, visible=not there, interactive=take is not None),
        ui.downloads[MESH]: gr.DownloadButton(value=take.files[MESH] if there else None, visible=there, interactive=there),
    }


def _changes(ui: SimpleNamespace, update: Update, weights, keep_view: bool = False) -> dict:
    """What an update changes on the page."""
    done = update.stage == "done"
    changes = {ui.status: _sentence(texts.DONE) if done else _progress(update)}
    if update.views is not None:
        changes[ui.views] = _captioned(update.views)
    if update.splat is not None:
        changes[ui.viewer] = shown(update.splat, update.portrait)
    elif "turntable.mp4" in update.files:
        folder, files = update.files["turntable.mp4"].parent, update.files
        changes[ui.viewer] = shown(files["head.spz"], folder / "portrait.png", files["turntable.mp4"], keep_view)
    for name in update.files.keys() - {MESH}:
        path = update.files[name]
        changes[ui.downloads[name]] = gr.DownloadButton(value=path, interactive=True)
    if done:
        changes |= {ui.ran: _sentence(texts.what_ran(update.report, weights)), **_buttons(ui, running=False)}
    return changes


def _sentence(text: str) -> str:
    return f"<p>{html.escape(text)}</p>"


def _wrong(text: str) -> str:
    """Told where the visitor looks, and at once to those who listen."""
    return f"<p class='wrong' role='alert'>{html.escape(text)}</p>"


def _progress(update: Update) -> str:
    words = ", ".join(filter(None, [texts.STAGES[update.stage], update.detail, texts.left(update.seconds_left)])) + " …"
    bar = f"<div class='bar' aria-hidden='true'><span style='width:{100 * update.fraction:.0f}%'></span></div>"
    return f"<div role='status'>{html.escape(words)}</div>{bar}"
