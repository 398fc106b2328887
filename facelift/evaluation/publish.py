"""A report to keep in a repository: FILE.md with one small picture beside it, no plots, no paths of this machine.

    python -m facelift.evaluation --benchmark synthetic --data DIR --out report --publish docs/NAME.md --against docs/NAME.json
    python -m facelift.evaluation.compare docs/NAME.json report/report.json --publish docs/NAME.md     # measured already

FILE.json keeps the numbers of each case, so that the next report can be set against them.
"""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

from PIL import Image

from .comparison import differences
from .report import markdown
from .results import LeftOut, Report
from .sheets import SHEET_NAME

LARGEST = 280_000  # bytes of the picture
PLACE = re.compile(r"(?<![\w.~:/-])/[\w.~+@%-]+(?:/[\w.~+@%-]*)+")  # absolute paths, not addresses


def publish(report: Report, folder: Path, path: Path, against: Report | None = None) -> Path:
    """Writes path (.md), .webp and .json.

    folder: where the report lies.
    against: an earlier report, compared at the end.
    Raises ValueError for a path that is no .md, or an earlier report of another benchmark.
    """
    if path.suffix != ".md":
        raise ValueError(f"a report is published as Markdown: {path} must end in .md")
    report = portable(report)
    sheet = folder / SHEET_NAME
    text = markdown(report, path.with_suffix(".webp").name if sheet.is_file() else None, [])
    if against is not None:
        text += f"\n## Against an earlier report\n\n{differences(against, report, ('earlier', 'this'))}\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    if sheet.is_file():
        path.with_suffix(".webp").write_bytes(small_picture(sheet))
    report.save(path.with_suffix(".json"))
    path.write_text(text)
    return path


def portable(report: Report) -> Report:
    """Without single views, pictures and the folders of this machine."""
    return replace(
        report,
        command=without_places(report.command),
        weights={key: without_places(value) for key, value in report.weights.items()},
        missing={name: without_places(reason) for name, reason in report.missing.items()},
        left_out=[LeftOut(item.item, without_places(item.reason)) for item in report.left_out],
        cases=[replace(case, views=(), sheet=None) for case in report.cases],
    )


def without_places(text: str) -> str:
    """ "/home/user/data/test/a.png is cut off" -> "a.png is cut off"."""
    return PLACE.sub(lambda place: Path(place[0]).name, text)


def small_picture(path: Path) -> bytes:
    """As WebP, made smaller until it is."""
    picture = Image.open(path).convert("RGB")
    while True:
        for quality in (80, 65, 50):
            data = io.BytesIO()
            picture.save(data, "WEBP", quality=quality)
            if data.tell() <= LARGEST:
                return data.getvalue()
        picture = picture.resize((picture.width * 3 // 4, picture.height * 3 // 4), Image.Resampling.LANCZOS)
