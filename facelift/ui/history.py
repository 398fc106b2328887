"""The last heads of one visitor, kept a while so that they can be compared. Their browser keeps them longer: `history.js`."""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr

from . import texts
from .downloads import THUMBNAIL, file_data
from .making import files_of

KEPT = 4
KEPT_IN_BROWSER = 8
HERE = Path(__file__).parent
STRIP = """<div class="strip" hidden>
  <p></p><div class="heads" role="group"></div>
  <button type="button" class="beside" aria-pressed="false"></button><button type="button" class="empty"></button>
</div>"""


@dataclass(frozen=True)
class HistoryEntry:
    """One finished head.

    folder: where its files are, until they are swept.
    making: how far what is added to them has come, by file name.
    link: what the page is told of a link that shares it, or nothing.
    """

    folder: Path
    report: dict
    making: dict[str, float] = field(default_factory=dict)
    link: dict[str, Any] = field(default_factory=dict)

    @property
    def files(self) -> dict[str, Path]:
        return files_of(self.folder)

    @property
    def thumbnail(self) -> Path:
        (picture,) = (self.folder / "renders").glob(f"{THUMBNAIL}_*.png")
        return picture


def keep(history: list[HistoryEntry], folder: Path, report: dict, kept: int = KEPT) -> list[HistoryEntry]:
    """history with a finished head at the end; the oldest go, with their files, when there are more than `kept`."""
    entries = [entry for entry in history if entry.folder != folder and entry.folder.is_dir()] + [HistoryEntry(folder, report)]
    for old in entries[:-kept]:
        shutil.rmtree(old.folder, ignore_errors=True)
    return entries[-kept:]


def history_strip(elem_id: str, keep_nothing: bool) -> gr.HTML:
    """The heads that this browser keeps. Its value is `strip_shown(...)`, and may have {missing: id}: one that is wanted and not here.

    A click triggers "choose" with {id}. For heads that are not here it triggers "bring" with {id, splat, portrait, report}; splat and
    portrait are paths of uploads.
    """
    return gr.HTML(
        html_template=STRIP, js_on_load=(HERE / "history.js").read_text(encoding="utf-8"), apply_default_css=False, elem_id=elem_id,
        words=texts.HISTORY, most=0 if keep_nothing else KEPT_IN_BROWSER,
    )  # fmt: skip


def strip_shown(history: list[HistoryEntry], shown: HistoryEntry | None, was: str | None = None) -> dict[str, Any]:
    """history: those that are here.
    was: the name under which the browser has the one that is shown.
    """
    entry = None
    if shown is not None:
        pictures = {"portrait": file_data(shown.folder / "portrait.png"), "thumbnail": file_data(shown.thumbnail)}
        entry = {"id": shown.folder.name, "report": shown.report, "splat": file_data(shown.folder / "head.spz"), "was": was, **pictures}
    return {"known": [kept.folder.name for kept in history], "entry": entry}


def report_from(values: Any) -> dict[str, Any]:
    """What a browser kept of a report: numbers and names within reason, and nothing else."""
    values = values if isinstance(values, dict) else {}
    numbers = {"seed": 2**31, "steps": 1000, "guidance_scale": 100}
    kept: dict[str, Any] = {name: _number(values.get(name), most) for name, most in numbers.items()}
    kept |= {name: str(values[name])[:60] for name in ("weights", "device", "matting") if isinstance(values.get(name), str)}
    seconds = values.get("seconds")
    if isinstance(seconds, dict):
        known = ("portrait", "views", "gaussians", "files", "total")
        kept["seconds"] = {name: value for name in known if (value := _number(seconds.get(name), 1e6)) is not None}
    return {name: value for name, value in kept.items() if value is not None}


def _number(value: Any, most: float) -> float | int | None:
    there = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and 0 <= value <= most
    return value if there else None
