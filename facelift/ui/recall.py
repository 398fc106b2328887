"""Heads of before: shown again from here, or brought back by the browser that kept them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr

from . import changes, texts
from .aligner import CropAdjustment, portrait_shown
from .changes import Changes, progress, sentence, wrong
from .endpoints import visitor_of
from .history import KEPT, HistoryEntry, keep, report_from, strip_shown
from .jobs import Jobs, sentence_for
from .layout import OWN
from .making import Finished, Update, views_of
from .motion import of_motion
from .taking import taken
from .uploads import Refused, real_path

ONE_AT_A_TIME: dict[str, Any] = {"concurrency_id": "recall", "concurrency_limit": 2}


def entry_shown(ui: SimpleNamespace, history: list[HistoryEntry], entry: HistoryEntry, was: str | None = None) -> Changes:
    """All that follows the head that is shown. was: see `strip_shown`."""
    return {
        ui.entry: entry, ui.history: history, ui.gallery: strip_shown(history, entry, was), ui.take: taken(entry),
        ui.another: gr.Button(visible=True), **of_motion(ui, entry),
    }  # fmt: skip


def connect_recall(ui: SimpleNamespace, jobs: Jobs, shown: list, ends: list) -> list:
    """shown: what a head changes on the page. ends: what is cancelled when another is shown. Returns the events."""
    weights, kept = jobs.facts.weights, 1 if jobs.settings.keep_nothing else KEPT
    standard = jobs.facts.default_steps, jobs.facts.default_guidance_scale

    def again(history: list[HistoryEntry], entry: HistoryEntry, was: str | None = None) -> Changes:
        """The head seen from where the visitor stands, and the settings that made it."""
        done = Finished(views=views_of(entry.folder) or None, files=entry.files, report=entry.report, folder=entry.folder)
        news = {**changes.of_update(ui, done, weights, keep_view=True), **entry_shown(ui, history, entry, was)}
        if not done.views:
            news[ui.views] = None
        news[ui.portrait] = portrait_shown(entry.folder / "portrait.png", CropAdjustment(), movable=False)
        report = entry.report
        steps, scale = report.get("steps") or standard[0], report.get("guidance_scale") or standard[1]
        quality = steps if steps in ui.named else OWN
        return {**news, ui.seed: report.get("seed", 0), ui.steps: steps, ui.guidance_scale: scale, ui.quality: quality}

    def choose(event: gr.EventData, history: list[HistoryEntry]) -> Changes:
        """One that is here; one that was swept since, or that a server before this one had, is asked for from the browser."""
        wanted = _told(event).get("id")
        history = [entry for entry in history if entry.folder.is_dir()]
        chosen = [entry for entry in history if entry.folder.name == wanted]
        if not chosen:
            asked = {**strip_shown(history, None), "missing": wanted}
            return {ui.history: history, **({ui.status: wrong(texts.GONE)} if jobs.settings.keep_nothing else {ui.gallery: asked})}
        return {**again(history, chosen[0]), ui.status: sentence(texts.shown_again(chosen[0].report))}

    def bring(request: gr.Request, event: gr.EventData, history: list[HistoryEntry]):
        """One that the browser sent."""
        told, visitor = _told(event), visitor_of(request)
        yield {ui.status: progress(Update("recall"))}
        try:
            splats, portrait = (_sent(jobs, visitor, told.get(name)) for name in ("splat", "portrait"))
            folder = jobs.restore(visitor, splats, portrait, report := report_from(told.get("report")))
        except Refused:
            yield {ui.status: wrong(texts.NOT_SENT)}
            return
        except Exception as error:
            yield {ui.status: wrong(sentence_for(error))}
            return
        history = keep(history, folder, report, kept)
        was = told.get("id")
        news = again(history, history[-1], was if isinstance(was, str) else None)
        yield {**news, ui.status: sentence(texts.RESTORED if told.get("again") else texts.RESTORED_ONE)}

    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    outputs = [*shown, ui.seed, ui.steps, ui.guidance_scale, ui.quality]
    return [
        ui.gallery.choose(choose, ui.history, outputs, cancels=ends, **quiet),
        ui.gallery.bring(bring, ui.history, outputs, cancels=ends, **quiet, **ONE_AT_A_TIME),
    ]


def _told(event: gr.EventData) -> dict[str, Any]:
    return event._data if isinstance(event._data, dict) else {}


def _sent(jobs: Jobs, visitor: str, path: Any) -> bytes:
    """An upload. Raises Refused."""
    if not isinstance(path, str):
        raise Refused
    real = real_path(path)
    jobs.visitors.uses(visitor, real)
    return Path(real).read_bytes()
