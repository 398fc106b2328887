"""The contact sheet of a report: real photos first, then the worst, the median and the best cases, said which is which."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..cameras import orbit
from ..pipeline import FaceLiftPipeline
from ..portrait.photo import find_photos
from .benchmarks.base import EXAMPLES
from .drawing import draw, row, stacked
from .results import CaseResult, Report, describe_value

EACH = 2  # cases from each end and from the middle, where there are enough
CAPTION = 22  # pixels
SHEET_NAME = "sheet.webp"
PREFACE = "preface.webp"  # in the folder of the cases
PHOTO_SIDE = 320  # pixels, twice those of the cases
PHOTO_AZIMUTHS = (0.0, 20.0, 45.0, 90.0, 180.0)


def write_preface(pipe: FaceLiftPipeline, folder: Path, seed: int = 4) -> None:
    """The example photos and their heads at a few angles: numbers on data sets must not hide what happens to real people."""
    rows = photo_rows(pipe, PHOTO_AZIMUTHS, PHOTO_SIDE, seed)
    rows.insert(0, _caption(f"real photos, and their heads at {', '.join(f'{a:g}' for a in PHOTO_AZIMUTHS)} degrees"))
    (folder / "cases").mkdir(parents=True, exist_ok=True)
    Image.fromarray(stacked(rows)).save(folder / "cases" / PREFACE, quality=85)


def photo_rows(pipe: FaceLiftPipeline, azimuths: Sequence[float], side: int, seed: int = 4) -> list[np.ndarray]:
    """Of each example photo the portrait, then its head at these angles: uint8 (side, side * (1 + len(azimuths)), 3)."""
    rows = []
    for photo in find_photos([EXAMPLES]):
        portrait = pipe.make_portrait(photo)
        pictures = draw(pipe(portrait, seed=seed).gaussians, orbit(azimuths))
        rows.append(row(np.stack([np.array(portrait.image), *pictures]), side))
    return rows


def chosen(report: Report) -> list[tuple[str, CaseResult]]:
    """(worst, median or best; case), each case once."""
    ranked = report.ranked()
    each = min(EACH, max(1, len(ranked) // 3))
    middle = max(0, (len(ranked) - each) // 2)
    picks = [("best", c) for c in ranked[::-1][:each]] + [("worst", c) for c in ranked[:each]]
    picks += [("median", c) for c in ranked[middle : middle + each]]
    once = {case.name: (word, case) for word, case in reversed(picks)}
    order = {"worst": 0, "median": 1, "best": 2}
    return sorted(once.values(), key=lambda p: (order[p[0]], [c.name for c in ranked].index(p[1].name)))


def write_sheet(report: Report, folder: Path) -> Path | None:
    """folder/sheet.webp from the preface and the sheets of the cases. None where there is nothing to show."""
    rows = []
    if (folder / "cases" / PREFACE).is_file():
        rows.append(np.array(Image.open(folder / "cases" / PREFACE).convert("RGB")))
    for word, case in chosen(report):
        if case.sheet is None or not (folder / case.sheet).is_file():
            continue
        value = describe_value(report.rank, report.column(report.rank)[case.name])
        rows += [_caption(f"{word}: {case.name}; {value}"), np.array(Image.open(folder / case.sheet).convert("RGB"))]
    if not rows:
        return None
    Image.fromarray(stacked(rows)).save(folder / SHEET_NAME, quality=85)
    return folder / SHEET_NAME


def _caption(text: str) -> np.ndarray:
    font = ImageFont.load_default(14)
    strip = Image.new("RGB", (round(font.getlength(text)) + 8, CAPTION), "white")
    ImageDraw.Draw(strip).text((4, 3), text, fill="black", font=font)
    return np.array(strip)
