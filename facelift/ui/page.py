"""The page: which function answers which click. `layout.py` says what stands where, `endpoints.py` what programs may call."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import gradio as gr

from ..serving.logs import adopt_server_logs
from ..serving.settings import ServiceSettings
from ..serving.visitors import visitors_of_this_process
from ..serving.worker import Stopped
from . import changes, texts, translation
from .aligner import CropAdjustment, faces_shown, portrait_shown
from .changes import progress, sentence, wrong
from .endpoints import HEADS_IN_LINE, LARGEST_SEED, MOST_FACES, ONE_PORTRAIT_AT_A_TIME, add_endpoints, face_from, settings_from, visitor_of
from .history import KEPT, keep
from .jobs import Jobs, Replaced, sentence_for
from .lanes import Runners
from .layout import OWN, layout
from .making import Finished, Update
from .motion import connect_motion, of_motion
from .recall import connect_recall, entry_shown
from .server import FairQueue, Service
from .taking import connect_taking
from .theme import style
from .uploads import MOST_SENT, GuardedBlocks

PORTRAITS_KEPT = 3  # a browser may still be reading the one before the last
ON_LOAD = """() => {
  TRANSLATION
  const examples = document.querySelector("#examples");
  const name = () => examples?.querySelectorAll(".gallery-item").forEach((button) => {
    const file = decodeURIComponent(button.querySelector("img")?.src ?? "").split("/").pop();
    button.setAttribute("aria-label", `Example: ${file.split(".")[0].replaceAll("_", " ")}`);
  });
  name();
  if (examples) new MutationObserver(name).observe(examples, { subtree: true, attributeFilter: ["src"], childList: true }); // late ones
  const plain = () => { // names of Gradio's that are not the words that stand there, and one on what may have none
    for (const e of document.querySelectorAll("#photo button[aria-label], #views .empty[aria-label]")) {
      if (e.innerText.trim() || e.matches(".empty")) e.removeAttribute("aria-label");
    }
    for (const button of document.querySelectorAll("#views button.thumbnail-lg")) {
      const caption = button.querySelector(".caption-label")?.textContent.trim();
      if (caption) button.setAttribute("aria-label", caption);
    }
  };
  plain();
  const watched = { subtree: true, childList: true };
  for (const part of ["#photo", "#views"]) new MutationObserver(plain).observe(document.querySelector(part), watched);
  document.addEventListener("keydown", (event) => { // a large view listens only while it has the focus, which it gets a moment late
    const large = event.isTrusted && event.key === "Escape" && !event.defaultPrevented && document.querySelector("#views .preview");
    if (large) large.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", code: "Escape", bubbles: true, cancelable: true }));
  });
}"""
NEW_SEED = "() => Math.floor(Math.random() * 1e6)"  # short enough to be read and told
# In the browser, in the order in which they are chosen: news of two choices that went over a server could overtake one another.
STEPS_OF_QUALITY = f"(quality, steps) => quality === {OWN} ? steps : quality"
QUALITY_OF_STEPS = "(steps) => NAMED.includes(steps) ? steps : OWN"
EMPTY_HISTORY = "() => dispatchEvent(new Event('facelift-empty'))"


def build_app(pipeline=None, settings: ServiceSettings | None = None, runners: Runners | None = None) -> GuardedBlocks:
    """The page for one pipeline, which runs in this process, or for the processes that `runners` are. Raises ResourceError."""
    settings = settings or ServiceSettings()
    visitors = visitors_of_this_process(settings.keep_nothing, settings.keep_seconds)
    jobs = Jobs(runners or Runners.here(pipeline), visitors, settings)
    with GuardedBlocks(title=texts.TITLE, analytics_enabled=False, fill_width=True) as app:
        app.visitors = visitors
        ui = layout(jobs.facts, settings)
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
    adopt_server_logs()
    app.service.start()
    if not prevent_thread_lock:
        app.block_thread()


def _settings(ui: SimpleNamespace) -> list:
    return [ui.photo, ui.seed, ui.steps, ui.guidance_scale, ui.crop, ui.face]


def _connect(app: gr.Blocks, ui: SimpleNamespace, jobs: Jobs) -> None:
    weights = jobs.facts.weights
    kept = 1 if jobs.settings.keep_nothing else KEPT

    def prepare(request, photo, crop, face, adjustment, anew=False):
        """The portrait, the faces of the photo and advice: what the page shows before anything slow begins."""
        if not photo:
            yield None, None, sentence(texts.HINT)
            return
        path = jobs.visitors.folder(visitor_of(request), "portrait", PORTRAITS_KEPT) / "portrait.png"
        try:
            face = face_from(face)
            made = jobs.portrait(photo, bool(crop), face, adjustment)
            if not path.parent.is_dir():  # deleted meanwhile, on purpose
                return
            made.image.save(path)
        except Exception as error:
            yield None, None, wrong(sentence_for(error))
            return
        found = made.advice if adjustment == CropAdjustment() else ()
        note = sentence(texts.portrait_note(len(made.faces), face), found[:3])
        yield portrait_shown(path, adjustment, made.crop is not None, anew), faces_shown(made, face), note

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
        jobs.stop(visitor_of(request), replaced=True)  # the page shows one job at a time
        of, adjustment = adjustment
        adjustment = adjustment if of == (photo, face) else CropAdjustment()  # a new photo may not have its portrait yet
        try:
            wanted = replace(settings_from(seed, steps, guidance_scale, crop, face), adjustment=adjustment)
            for update in jobs.run(visitor_of(request), FairQueue.client(request), photo, wanted):
                news = changes.of_update(ui, update, weights)
                if update.portrait is not None:
                    news[ui.portrait] = portrait_shown(update.portrait, adjustment, bool(crop))
                if isinstance(update, Finished):
                    if weights.kind == "compact" and any(entry.report.get("seed") != wanted.seed for entry in history):
                        news[ui.status] = sentence(texts.DONE_ALIKE)
                    history = keep(history, update.folder, update.report, kept)
                    news |= entry_shown(ui, history, history[-1])
                yield news
        except Replaced:  # by another photo, or by a job that speaks for itself
            if not jobs.runs(visitor_of(request)):
                yield {**changes.buttons(ui, running=False), ui.status: sentence(texts.ANOTHER_PHOTO)}
        except Stopped:  # news that was on its way may have come after what stopped it said so
            said = {ui.status: sentence(texts.STOPPED)} if visitor_of(request) in jobs.visitors else {}  # else all of theirs was deleted
            yield {**changes.buttons(ui, running=False), **said}
        except Exception as error:
            yield {**changes.buttons(ui, running=False), ui.status: wrong(sentence_for(error))}

    def stop_job(request: gr.Request):
        jobs.stop(visitor_of(request))
        return {**changes.buttons(ui, running=False), ui.status: sentence(texts.STOPPED)}

    def say_stopped_last(request: gr.Request):
        """Once more, after any news that was on its way: what is queued comes in order, and what is not may overtake it."""
        return dict.fromkeys(buttons, gr.skip()) if jobs.runs(visitor_of(request)) else stop_job(request)

    def stop_for_another(request: gr.Request):
        """Another photo, or none: the head in the making is none of it."""
        stopped = jobs.stop(visitor_of(request), replaced=True)
        return {**changes.buttons(ui, running=False), ui.status: sentence(texts.ANOTHER_PHOTO)} if stopped else {ui.status: gr.skip()}

    def delete_all(request: gr.Request):
        """Everything of the visitor, here and on the page."""
        jobs.forget(visitor_of(request))
        jobs.shares.forget(visitor_of(request))
        news = {**changes.cleared(ui), ui.viewer: None, **changes.buttons(ui, running=False), ui.another: gr.Button(visible=False)}
        news |= {ui.history: [], ui.photo: None, ui.portrait: None, ui.faces: None, ui.gallery: None, **of_motion(ui, None)}
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
        return "" if isinstance(status, str) and "wrong" in status else gr.skip()

    def read_link(request: gr.Request):
        """?seed= and ?weights= of the page's address."""
        seed, asked = request.query_params.get("seed", ""), request.query_params.get("weights")
        other = asked not in (None, "auto", weights.name)
        return (
            int(seed) if re.fullmatch("[0-9]{1,10}", seed) and int(seed) <= LARGEST_SEED else gr.skip(),
            sentence(texts.other_weights(asked[:60], weights)) if other else gr.skip(),  # a fast visitor's photo may be there already
        )

    def face_number(event: gr.EventData):
        told = event._data if isinstance(event._data, dict) else {}
        return told.get("face") if told.get("face") in range(1, MOST_FACES + 1) else gr.skip()

    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    at_once = {**quiet, "queue": False}
    prepared = [ui.portrait, ui.faces, ui.note, ui.adjustment]
    portraits = {**quiet, **ONE_PORTRAIT_AT_A_TIME, "trigger_mode": "always_last"}
    gr.on([ui.photo.change, ui.crop.input, ui.face.change], prepare_anew, [ui.photo, ui.crop, ui.face], prepared, **portraits)
    ui.photo.change(clear_error, ui.status, ui.status, **at_once)
    ui.portrait.adjust(move, [ui.photo, ui.crop, ui.face], prepared, **portraits)
    ui.faces.pick(face_number, None, ui.face, **quiet)
    in_browser: dict[str, Any] = {"fn": None, "api_visibility": "private"}
    quality = QUALITY_OF_STEPS.replace("NAMED", str(ui.named)).replace("OWN", str(OWN))
    ui.quality.input(inputs=[ui.quality, ui.steps], outputs=ui.steps, js=STEPS_OF_QUALITY, **in_browser)
    ui.steps.input(inputs=ui.steps, outputs=ui.quality, js=quality, **in_browser)

    results = [ui.status, ui.portrait, ui.views, ui.viewer, ui.ran, ui.take]
    shown = [*results, ui.generate, ui.stop, ui.another, ui.history, ui.gallery, ui.entry, ui.animate, ui.clip, ui.moving]
    buttons = [ui.status, ui.generate, ui.stop, ui.another]
    new_seed = {"inputs": None, "outputs": ui.seed, "js": NEW_SEED, **in_browser}
    ui.random_seed.click(**new_seed)
    starts, runs = [ui.generate.click, ui.another.click(**new_seed).then], []
    for start in starts + ([ui.examples.load_input_event.then] if ui.examples else []):
        start(show_waiting, None, buttons, **at_once)
        runs.append(start(make_head, [*_settings(ui), ui.adjustment, ui.history], shown, **quiet, **HEADS_IN_LINE, trigger_mode="multiple"))
        runs[-1].failure(show_refused, ui.status, buttons, **at_once)
    ends = connect_taking(ui, jobs, runs)
    recalls = connect_recall(ui, jobs, shown, ends)
    for another in (ui.generate.click, ui.another.click):
        another(None, cancels=[*ends, *recalls])
    if ui.examples:
        ui.examples.dataset.click(None, cancels=[*ends, *recalls])
    ui.photo.input(stop_for_another, None, buttons, **at_once)
    ui.stop.click(stop_job, None, buttons, cancels=runs, **at_once).then(say_stopped_last, None, buttons, **quiet)
    ui.delete.click(None, js=EMPTY_HISTORY)
    ui.delete.click(delete_all, None, [*shown, ui.photo, ui.faces], cancels=[*runs, *ends, *recalls], **at_once)
    app.load(read_link, None, [ui.seed, ui.note], js=ON_LOAD.replace("TRANSLATION", translation.script()), **quiet)
