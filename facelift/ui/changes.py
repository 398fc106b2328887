"""What news of a job changes on the page: dictionaries from components to their new looks, and the words in them."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
from gradio.blocks import Block

from ..weights.find import WeightSet
from . import texts
from .making import Finished, Update
from .viewer import shown

Changes = dict[Block, Any]  # component -> its new value, or itself with new looks


def of_update(ui: SimpleNamespace, update: Update, weights: WeightSet, keep_view: bool = False) -> Changes:
    """weights: what the head is made with, for the words below it.
    keep_view: the visitor goes on looking from where they stand.
    """
    done = isinstance(update, Finished)
    changes: Changes = {ui.status: sentence(texts.DONE) if done else progress(update)}
    if update.views is not None:
        changes[ui.views] = captioned(update.views)
    if update.splat is not None:
        changes[ui.viewer] = shown(update.splat, update.portrait)
    if isinstance(update, Finished):
        folder, files = update.folder, update.files
        changes[ui.viewer] = shown(files["head.spz"], folder / "portrait.png", files.get("turntable.mp4"), keep_view)
        changes |= {ui.ran: sentence(texts.what_ran(update.report, weights)), **buttons(ui, running=False)}
    return changes


def cleared(ui: SimpleNamespace) -> Changes:
    return {ui.views: None, ui.viewer: {"waiting": True}, ui.ran: "", ui.take: None, ui.entry: None}


def buttons(ui: SimpleNamespace, running: bool) -> Changes:
    changes: Changes = {ui.generate: gr.Button(visible=not running), ui.stop: gr.Button(visible=running)}
    return {**changes, ui.another: gr.Button(visible=False)} if running else changes


def captioned(views: list[Path]) -> list[tuple[Path, str]]:
    """Called as their files are: 1_front_right.png."""
    return [(view, view.stem.partition("_")[2].replace("_", " ")) for view in views]


def sentence(text: str, advice: Sequence[str] = ()) -> str:
    """advice: set apart below, one a line."""
    lines = "".join(f"<li>{html.escape(line)}</li>" for line in advice)
    return f"<p>{html.escape(text)}</p>" + (f"<ul class='advice'>{lines}</ul>" if lines else "")


def wrong(text: str) -> str:
    """Told where the visitor looks, and at once to those who listen."""
    return f"<p class='wrong' role='alert'>{html.escape(text)}</p>"


def progress(update: Update) -> str:
    words = ", ".join(filter(None, [texts.STAGES[update.stage], update.detail, texts.left(update.seconds_left)])) + " …"
    bar = f"<div class='bar' aria-hidden='true'><span style='width:{100 * update.fraction:.0f}%'></span></div>"
    return f"<div role='status'>{html.escape(words)}</div>{bar}"
