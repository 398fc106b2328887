"""The page: which function answers which click. `layout.py` says what stands where, `endpoints.py` what programs may call."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import gradio as gr

from ..serving.settings import ServiceSettings
from ..serving.visitors import visitors_of_this_process
from ..serving.worker import Stopped
from . import changes, texts
from .aligner import CropAdjustment, faces_shown, portrait_shown
from .changes import progress, sentence, wrong
from .downloads import MESH
from .endpoints import HEADS_IN_LINE, LARGEST_SEED, ONE_DRAWING_AT_A_TIME, ONE_PORTRAIT_AT_A_TIME, add_endpoints, settings_from, visitor_of
from .history import KEPT, keep
from .jobs import Jobs, Runners, sentence_for
from .layout import layout, qualities
from .making import Finished, Update, views_of
from .motion import connect_motion, of_motion
from .server import FairQueue, Service
from .theme import style
from .uploads import MOST_SENT, GuardedBlocks

PORTRAITS_KEPT = 3  # a browser may still be reading the one before the last
ON_LOAD = """() => {
  const examples = document.querySelector("#examples");
  const name = () => examples?.querySelectorAll(".gallery-item").forEach((button) => {
    const file = decodeURIComponent(button.querySelector("img")?.src ?? "").split("/").pop();
    button.setAttribute("aria-label", `Example: ${file.split(".")[0].replaceAll("_", " ")}`);
  });
  name();
  if (examples) new MutationObserver(name).observe(examples, { subtree: true, attributeFilter: ["src"], childList: true }); // late ones
  document.addEventListener("keydown", (event) => { // a large view listens only while it has the focus, which it gets a moment late
    const large = event.isTrusted && event.key === "Escape" && !event.defaultPrevented && document.querySelector("#views .preview");
    if (large) large.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", code: "Escape", bubbles: true, cancelable: true }));
  });
}"""
SAVE_FILE = """(file) => {
  if (file?.url) Object.assign(document.createElement("a"), { href: file.url, download: file.orig_name }).click();
}"""
NEW_SEED = "() => Math.floor(Math.random() * 1e6)"  # short enough to be read and told


def build_app(pipeline=None, settings: ServiceSettings | None = None, runners: Runners | None = None) -> GuardedBlocks:
    """The page for one pipeline, which runs in this process, or for the processes that `runners` are. Raises ResourceError."""
    settings = settings or ServiceSettings()
    visitors = visitors_of_this_process(settings.keep_nothing, settings.keep_seconds)
    jobs = Jobs(runners or Runners.here(pipeline), visitors, settings)
    with GuardedBlocks(title=texts.TITLE, analytics_enabled=False, fill_width=True) as app:
        app.visitors = visitors
        ui = layout(jobs.facts, texts.promise(settings.keep_seconds, settings.keep_nothing))
        _connect(app, ui, jobs)
        connect_motion(ui, jobs)
        add_endpoints(jobs, _settings(ui))
    app.service = Service(app, jobs)
    app.queue(api_open=False)
    app._queue = FairQueue(app, settings.calls_each)
    return app


def launch(app: GuardedBlocks, listen: bool = False, prevent_thread_lock: bool = False, **options: Any) -> None:
    """Serves the page on this computer alone, or on all its network addresses with `listen`. Options are those of `Blocks.launch`."""
    ours = {
        "server_port": 7860, "max_file_size": MOST_SENT, "show_error": False, "ssr_mode": False, "footer_links": ["api"],
        "state_session_capacity": app.service.jobs.settings.sessions, **style(),
    }  # fmt: skip
    address = "0.0.0.0" if listen else "127.0.0.1"
    app.launch(server_name=address, prevent_thread_lock=True, _app=app.service.application(), **{**ours, **options})
    app.service.start()
    if not prevent_thread_lock:
        app.block_thread()


def _settings(ui: SimpleNamespace) -> list:
    return [ui.photo, ui.seed, ui.steps, ui.guidance_scale, ui.crop, ui.face]


def _connect(app: gr.Blocks, ui: SimpleNamespace, jobs: Jobs) -> None:
    weights, default_steps = jobs.facts.weights, jobs.facts.default_steps
    kept = 1 if jobs.settings.keep_nothing else KEPT

    def prepare(request, photo, crop, face, adjustment, anew=False):
        """The portrait, the faces of the photo and advice: what the page shows before anything slow begins."""
        if not photo:
            yield None, None, sentence(texts.HINT)
            return
        try:
            made = jobs.portrait(photo, bool(crop), int(face or 1), adjustment)
        except Exception as error:
            yield None, None, wrong(sentence_for(error))
            return
        path = jobs.visitors.folder(visitor_of(request), "portrait", PORTRAITS_KEPT) / "portrait.png"
        made.image.save(path)
        found = made.advice if adjustment == CropAdjustment() else ()
        note = sentence(texts.portrait_note(len(made.faces), int(face or 1)), found[:3])
        yield portrait_shown(path, adjustment, made.crop is not None, anew), faces_shown(made, int(face or 1)), note

    def prepare_anew(request: gr.Request, photo, crop, face):
        for news in prepare(request, photo, crop, face, CropAdjustment(), anew=True):
            yield *news, ((photo, face), CropAdjustment())

    def move(request: gr.Request, event: gr.EventData, photo, crop, face):
        adjustment = CropAdjustment.read(event._data)
        for news in prepare(request, photo, crop, face, adjustment):
            yield *news, ((photo, face), adjustment)

    def make_head(request: gr.Request, photo, seed, steps, guidance_scale, crop, face, adjustment, history) -> Iterator[changes.Changes]:
        """Every update of the job, as changes of the page."""
        if not photo:
            yield {**changes.buttons(ui, running=False), ui.status: wrong(texts.NO_PHOTO)}
            return
        yield {**changes.buttons(ui, running=True), **changes.cleared(ui), **of_motion(ui, None), ui.status: progress(Update("portrait"))}
        of, adjustment = adjustment
        adjustment = adjustment if of == (photo, face) else CropAdjustment()  # a new photo may not have its portrait yet
        try:
            wanted = replace(settings_from(seed, steps, guidance_scale, crop, face), adjustment=adjustment)
            for update in jobs.run(visitor_of(request), FairQueue.client(request), photo, wanted):
                news = changes.of_update(ui, update, weights)
                if update.portrait is not None:
                    news[ui.portrait] = portrait_shown(update.portrait, adjustment, bool(crop))
                if isinstance(update, Finished):
                    history = keep(history, update.folder, update.report, kept)
                    news |= {ui.history: history, ui.gallery: changes.gallery(history), ui.another: gr.Button(visible=True)}
                    news |= {**changes.of_entry(ui, history[-1]), **of_motion(ui, history[-1])}
                yield news
        except Stopped:  # news that was on its way may have come after what stopped it said so
            said = {ui.status: sentence(texts.STOPPED)} if visitor_of(request) in jobs.visitors else {}  # else all of theirs was deleted
            yield {**changes.buttons(ui, running=False), **said}
        except Exception as error:
            yield {**changes.buttons(ui, running=False), ui.status: wrong(sentence_for(error))}

    def show_entry(event: gr.SelectData, history):
        """One of the last heads again, seen from where the visitor stands."""
        if not 0 <= event.index < len(history):
            return {}
        entry = history[event.index]
        if not entry.folder.is_dir():
            return {ui.status: wrong(texts.GONE)}
        done = Finished(views=views_of(entry.folder), files=entry.files, report=entry.report, folder=entry.folder)
        news = {**changes.of_update(ui, done, weights, keep_view=True), **changes.of_entry(ui, entry), **of_motion(ui, entry)}
        return {**news, ui.status: sentence(texts.shown_again(entry.report))}

    def mesh(entry) -> Iterator[changes.Changes]:
        """Makes the mesh of the head that is shown, while the next visitor's head may be in the making."""
        yield {ui.mesh: gr.Button(f"{MESH} 0 %", interactive=False), ui.status: progress(Update("mesh"))}
        try:
            for update in jobs.mesh(entry.folder):
                yield {ui.mesh: gr.Button(f"{MESH} {100 * update.fraction:.0f} %"), ui.status: progress(update)}
        except Exception as error:
            yield {**changes.of_entry(ui, entry), ui.status: wrong(sentence_for(error))}
            return
        yield {**changes.of_entry(ui, entry), ui.status: sentence(texts.MESH_DONE)}

    def stop_job(request: gr.Request):
        jobs.stop(visitor_of(request))
        return {**changes.buttons(ui, running=False), ui.status: sentence(texts.STOPPED)}

    def delete_all(request: gr.Request):
        """Everything of the visitor, here and on the page."""
        jobs.forget(visitor_of(request))
        news = {**changes.cleared(ui), **changes.buttons(ui, running=False), ui.another: gr.Button(visible=False), ui.history: []}
        news |= {ui.photo: None, ui.portrait: None, ui.faces: None, ui.gallery: gr.Gallery(value=None, visible=False)}
        return {**news, ui.status: sentence(texts.DELETED)}

    waiting = progress(Update("waiting"))

    def show_waiting():
        """At once: waiting can be stopped too."""
        return {**changes.buttons(ui, running=True), ui.status: waiting}

    def show_refused(status):
        """After an error: a job that still waits was refused, since too many do. Whatever else ended it has said so already."""
        return {**changes.buttons(ui, running=False), ui.status: wrong(texts.BUSY) if status == waiting else gr.skip()}

    def clear_error(status):
        """Another photo: what was wrong with the last one matters no more."""
        return "" if status and "wrong" in status else gr.skip()

    def read_link(request: gr.Request):
        """?seed= and ?weights= of the page's address."""
        seed, asked = request.query_params.get("seed", ""), request.query_params.get("weights")
        other = asked not in (None, "auto", weights.name)
        return (
            int(seed) if seed.isdecimal() and int(seed) <= LARGEST_SEED else gr.skip(),
            sentence(texts.other_weights(asked[:60], weights)) if other else gr.skip(),  # a fast visitor's photo may be there already
        )

    def face_number(event: gr.EventData):
        return event._data["face"]

    def name_quality(steps):
        """The quality that goes with a number of steps."""
        return gr.Dropdown(choices=qualities(default_steps, int(steps)), value=int(steps))

    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    at_once = {**quiet, "queue": False}
    prepared = [ui.portrait, ui.faces, ui.note, ui.adjustment]
    portraits = {**quiet, **ONE_PORTRAIT_AT_A_TIME, "trigger_mode": "always_last"}
    gr.on([ui.photo.change, ui.crop.input, ui.face.change], prepare_anew, [ui.photo, ui.crop, ui.face], prepared, **portraits)
    ui.photo.change(clear_error, ui.status, ui.status, **at_once)
    ui.portrait.adjust(move, [ui.photo, ui.crop, ui.face], prepared, **portraits)
    ui.faces.pick(face_number, None, ui.face, **quiet)
    ui.quality.input(lambda steps: steps, ui.quality, ui.steps, **at_once)
    ui.steps.input(name_quality, ui.steps, ui.quality, **at_once)

    results = [ui.status, ui.portrait, ui.views, ui.viewer, ui.ran, *ui.downloads.values()]
    shown = [*results, ui.generate, ui.stop, ui.another, ui.history, ui.gallery, ui.entry, ui.mesh, ui.animate, ui.clip, ui.moving]
    buttons = [ui.status, ui.generate, ui.stop, ui.another]
    new_seed = {"fn": None, "inputs": None, "outputs": ui.seed, "js": NEW_SEED, "api_visibility": "private"}
    ui.random_seed.click(**new_seed)
    asked = ui.mesh.click(lambda: gr.Button(f"{MESH} …", interactive=False), None, ui.mesh, **at_once)
    meshes = asked.then(mesh, ui.entry, [ui.status, ui.mesh, ui.downloads[MESH], ui.entry], **quiet, **ONE_DRAWING_AT_A_TIME)
    meshes.success(None, ui.downloads[MESH], None, js=SAVE_FILE, api_visibility="private")
    starts, runs = [ui.generate.click, ui.another.click(**new_seed).then], []
    for start in starts + ([ui.examples.load_input_event.then] if ui.examples else []):
        start(show_waiting, None, buttons, cancels=meshes, **at_once)
        runs.append(start(make_head, [*_settings(ui), ui.adjustment, ui.history], shown, **quiet, **HEADS_IN_LINE))
        runs[-1].failure(show_refused, ui.status, buttons, **at_once)
    ui.stop.click(stop_job, None, buttons, cancels=runs, **at_once)
    ui.delete.click(delete_all, None, [*shown, ui.photo, ui.faces], cancels=[*runs, meshes], **at_once)
    ui.gallery.select(show_entry, ui.history, shown, cancels=meshes, **quiet)
    app.load(read_link, None, [ui.seed, ui.note], js=ON_LOAD, **quiet)
