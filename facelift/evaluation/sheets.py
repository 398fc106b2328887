"""The contact sheet of a report: the worst, the median and the best cases, said which is which."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .results import CaseResult, Report, shown

EACH = 2  # cases from each end and from the middle
CAPTION = 22  # pixels
PREFACE = "preface.webp"  # in the folder of the cases


def chosen(report: Report) -> list[tuple[str, CaseResult]]:
    """(worst, median or best; case), each case once."""
    ranked = report.ranked()
    middle = max(0, (len(ranked) - EACH) // 2)
    picks = [("best", c) for c in ranked[::-1][:EACH]] + [("worst", c) for c in ranked[:EACH]]
    picks += [("median", c) for c in ranked[middle : middle + EACH]]
    once = {case.name: (word, case) for word, case in reversed(picks)}
    order = {"worst": 0, "median": 1, "best": 2}
    return sorted(once.values(), key=lambda p: (order[p[0]], [c.name for c in ranked].index(p[1].name)))


def write_sheet(report: Report, folder: Path) -> Path | None:
    """folder/sheet.webp from the sheets of the cases. None where no case has a rank."""
    rows = []
    for word, case in chosen(report):
        if case.sheet is None or not (folder / case.sheet).is_file():
            continue
        value = report.column(report.rank)[case.name]
        rows += [_caption(f"{word}: {case.name} ({shown(report.rank, value)})"), np.array(Image.open(folder / case.sheet).convert("RGB"))]
    if not rows:
        return None
    if (folder / "cases" / PREFACE).is_file():
        rows = [np.array(Image.open(folder / "cases" / PREFACE).convert("RGB")), *rows]
    width = max(r.shape[1] for r in rows)
    rows = [np.pad(r, ((0, 0), (0, width - r.shape[1]), (0, 0)), constant_values=255) for r in rows]
    Image.fromarray(np.concatenate(rows)).save(folder / "sheet.webp", quality=85)
    return folder / "sheet.webp"


def _caption(text: str) -> np.ndarray:
    strip = Image.new("RGB", (480, CAPTION), "white")
    ImageDraw.Draw(strip).text((4, 3), text, fill="black", font=ImageFont.load_default(14))
    return np.array(strip)
