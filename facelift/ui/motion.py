"""The page's heads that move: a rig is made when it is asked for, and a clip's motion is carried over to the head that is shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr

from . import texts
from .changes import Changes, progress, sentence, wrong
from .history import HistoryEntry
from .jobs import Jobs, sentence_for
from .making import Update
from .moving import PAGE, RIG, TRACK
from .viewer import shown

ONE_AT_A_TIME: dict[str, Any] = {"concurrency_id": "motion", "concurrency_limit": 1}


def motion_buttons(ui: SimpleNamespace) -> None:
    with gr.Row(elem_id="motion"):
        button: dict[str, Any] = {"size": "sm", "interactive": False, "min_width": 80}
        ui.animate = gr.Button(texts.ANIMATE, elem_id="animate", **button)
        ui.clip = gr.UploadButton(texts.CLIP, elem_id="clip", file_types=["video", ".gif"], **button)
        ui.moving = gr.DownloadButton(PAGE, elem_id="moving", **button)


def of_motion(ui: SimpleNamespace, entry: HistoryEntry | None) -> Changes:
    """What may be pressed with this head shown, or none."""
    page = None if entry is None or not (entry.folder / PAGE).exists() else entry.folder / PAGE
    there = entry is not None
    return {
        ui.animate: gr.Button(interactive=there),
        ui.clip: gr.UploadButton(value=None, interactive=there),
        ui.moving: gr.DownloadButton(value=page, interactive=page is not None),
    }


def connect_motion(ui: SimpleNamespace, jobs: Jobs) -> None:
    def animate(entry: HistoryEntry | None) -> Iterator[Changes]:
        """The head's rig in the viewer, where it can be moved by hand."""
        yield from moved(entry, None)

    def perform(clip: str, entry: HistoryEntry | None) -> Iterator[Changes]:
        """The head does what the face in a clip does."""
        yield from moved(entry, clip)

    def moved(entry: HistoryEntry | None, clip: str | None) -> Iterator[Changes]:
        if entry is None or not entry.folder.is_dir():
            yield {**of_motion(ui, None), ui.status: wrong(texts.GONE)}
            return
        held = {ui.animate: gr.Button(interactive=False), ui.clip: gr.UploadButton(interactive=False)}
        yield {**held, ui.status: progress(Update("rig"))}
        notes: tuple[str, ...] = ()
        try:
            for news in jobs.motion(entry.folder, clip):
                if isinstance(news, Update):
                    yield {ui.status: progress(news)}
                else:
                    notes = news
        except Exception as error:
            yield {**of_motion(ui, entry), ui.status: wrong(sentence_for(error).replace(Path(clip or "").name or "\0", "The clip"))}
            return
        files = entry.folder / RIG, entry.folder / TRACK if clip is not None else None
        value = shown(entry.files["head.spz"], entry.folder / "portrait.png", entry.files.get("turntable.mp4"), True, *files)
        note = " ".join([texts.MOVES if clip is None else texts.PERFORMS, *notes])
        yield {**of_motion(ui, entry), ui.viewer: value, ui.status: sentence(note)}

    outputs = [ui.status, ui.viewer, ui.animate, ui.clip, ui.moving]
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", **ONE_AT_A_TIME}
    ui.animate.click(animate, ui.entry, outputs, **quiet)
    ui.clip.upload(perform, [ui.clip, ui.entry], outputs, **quiet)
