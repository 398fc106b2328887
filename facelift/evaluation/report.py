"""A report for people: Markdown with the published rows beside ours, plots, and a contact sheet."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from ..resources import resource
from .comparison import paired
from .plots import by_angle
from .results import FEWEST, METRICS, Report, better, format_value, label
from .sheets import chosen, write_sheet
from .tables import ARROWS, table

PUBLISHED = resource("assets/benchmarks/published.json")
COLUMN_OF = {  # a column of the papers -> ours
    "PSNR": "psnr", "SSIM": "ssim", "LPIPS": "lpips", "DreamSim": "dreamsim", "ArcFace": "arcface",
    "FID": "fid", "O2O ID": "o2o", "CLIP": "clip", "I2O ID": "i2o", "Re-ID match": "reid", "Re-ID dist": "dlib",
}  # fmt: skip
SAME_MODEL = {"arcface": ("o2o", "i2o"), "dlib": ("reid",)}  # what is missing with a metric
PLOTTED = ("psnr", "ssim", "lpips", "dlib")


@cache
def published() -> dict:
    return json.loads(PUBLISHED.read_text())


def write_report(report: Report, folder: Path) -> Path:
    """Writes folder/report.md, report.json, sheet.webp and plots. Returns the Markdown's path."""
    folder.mkdir(parents=True, exist_ok=True)
    sheet, plots = write_sheet(report, folder), write_plots(report, folder)
    path = folder / "report.md"
    path.write_text(markdown(report, sheet.name if sheet else None, plots))
    report.save(folder / "report.json")
    return path


def markdown(report: Report, sheet: str | None, plots: list[str]) -> str:
    """sheet, plots: names of the pictures beside the text."""
    parts = [
        f"# {report.title}: `{report.weights['name']}`",
        _facts(report),
        _summary(report),
        *[_beside(report, table) for table in report.published],
        _baselines(report),
        _section("Not available here", [f"{_with_kin(name)}: not available: {reason}." for name, reason in report.missing.items()]),
        _section(f"Left out: {len(report.left_out)}", [f"{item.item}: {item.reason}" for item in report.left_out]),
        _pictures(report, sheet, plots),
        _cases(report),
        _section("How to read this", report.notes),
        _origin(report),
    ]
    return "\n\n".join(p for p in parts if p) + "\n"


def write_plots(report: Report, folder: Path) -> list[str]:
    """One SVG per metric that views have. Returns the file names."""
    names = []
    for metric in PLOTTED:
        groups: dict[str, list[tuple[float, float]]] = {"renders": [], "generated": []}
        for case in report.cases:
            for view in case.views:
                if (value := view.values.get(metric)) is not None:
                    groups["generated" if view.name.startswith("generated") else "renders"].append((view.angle, value))
        for group, points in groups.items():
            if len({round(angle) for angle, _ in points}) > 1:
                name = f"{metric}_{group}.svg"
                title = f"{METRICS[metric][0]}, {'renders of the head' if group == 'renders' else 'generated views'}"
                (folder / name).write_text(by_angle(points, title))
                names.append(name)
    return names


def _facts(report: Report) -> str:
    device, memory = report.machine.get("device", "?"), report.machine.get("peak_memory_gb", "?")
    return (
        f"{len(report.cases)} cases measured, {len(report.left_out)} left out, {report.seconds / 60:.1f} minutes on {device},"
        f" at most {memory} GB of memory. Weights: {report.weights.get('kind', '?')}, {report.weights.get('licence', '?')}."
    )


def _summary(report: Report) -> str:
    rows = []
    for key, s in report.summary().items():
        name = label(key) + ARROWS[better(key)]
        interval = f"{format_value(key, s.low)} to {format_value(key, s.high)}" if s.count >= FEWEST else "too few cases"
        rows.append([name, format_value(key, s.mean), interval, format_value(key, s.median), str(s.count), f"`{key}`"])
    for key, value in report.overall.items():
        rows.append([label(key) + ARROWS[better(key)], format_value(key, value), "", "", str(len(report.cases)), f"`{key}`"])
    return table(["what", "mean", "95 % interval", "median", "cases", "in report.json"], rows)


def _beside(report: Report, name: str) -> str:
    """A table of a paper with our row below it: from the cameras by which cases are ranked. Nothing where data and numbers differ both."""
    paper = published()[name]
    keys = [COLUMN_OF[c] for c in paper["columns"]]
    stage, same_data = report.rank.rpartition(".")[0], report.benchmark == paper["benchmark"]
    ours = {**{k: s.mean for k, s in report.summary().items()}, **report.overall}
    found = [ours.get(f"{stage}.{k}", ours.get(k)) for k in keys]
    if not same_data and not any(found):
        return ""
    header, rows = published_table(name)
    rows.append([f"**this run: {report.weights['name']}, {len(report.cases)} cases**", *map(format_value, keys, found)])
    note = "Rows of the paper are as printed there; only the last was measured here."
    if not same_data:
        note += f" Ours are other heads ({report.title.lower()}): it says how large such numbers are, not who is better."
    if None in found:
        note += " `-` was not measured."
    return f"## Beside {paper['title']}\n\n{table(header, rows)}\n\n{note}"


def published_table(name: str) -> tuple[list[str], list[list[str]]]:
    """Header and rows as the paper prints them."""
    paper = published()[name]
    header = ["", *(c + ARROWS[better(COLUMN_OF[c])] for c in paper["columns"])]
    rows = [[row, *map(_printed, paper["columns"], values)] for row, values in paper["rows"].items()]
    return header, rows


def _printed(column: str, value: float) -> str:
    """With the zeros at the end that a number in a file loses."""
    decimals = len(str(value).partition(".")[2])
    return f"{value:.{max(decimals, 2 if column in ('PSNR', 'FID') else 4)}f}"


def _with_kin(name: str) -> str:
    """A metric that is missing, and what is missing with it."""
    return ", ".join(METRICS[key][0] for key in (name, *SAME_MODEL.get(name, ())))


def _baselines(report: Report) -> str:
    names = report.baselines()
    if not names:
        return ""
    keys = [k for k in report.columns() if report.column(k) and any(report.column(k, n) for n in names)]
    rows = []
    for key in keys:
        ours = report.column(key)
        cells = [label(key) + ARROWS[better(key)], format_value(key, report.summary()[key].mean)]
        for name in names:
            theirs = report.column(key, name)
            gap = paired(ours, theirs)
            ahead = f"{format_value(key, gap.low)} to {format_value(key, gap.high)}"
            cells.append(f"{format_value(key, sum(theirs.values()) / len(theirs))} ({ahead})")
        rows.append(cells)
    header = ["mean (95 % interval of our difference from it)", f"`{report.weights['name']}`", *names]
    return "## Beside heads that need no learning\n\n" + table(header, rows)


def _pictures(report: Report, sheet: str | None, plots: list[str]) -> str:
    parts = []
    if sheet is not None:
        cases = ", ".join(f"{word} {case.name}" for word, case in chosen(report))
        parts.append(
            f"## Worst, median, best\n\nBy {label(report.rank)}: {cases}.\n\n![Real photos; worst, median and best cases]({sheet})"
        )
    if plots:
        parts.append("## By view\n\n" + "\n".join(f"![{name.removesuffix('.svg')}]({name})" for name in plots))
    return "\n\n".join(parts)


def _cases(report: Report) -> str:
    keys = [k for k in report.columns() if report.column(k)]
    rows = [[case.name, *(format_value(k, case.values.get(k)) for k in keys)] for case in report.cases]
    return "## All cases\n\n" + table(["", *(f"`{k}`" for k in keys)], rows)


def _section(title: str, lines: list[str]) -> str:
    return f"## {title}\n\n" + "\n".join(f"- {line}" for line in lines) if lines else ""


def _origin(report: Report) -> str:
    versions = ", ".join(f"{k} {v}" for k, v in report.machine.get("versions", {}).items())
    settings = ", ".join(f"{k} {v}" for k, v in report.settings.items())
    return f"## Where this comes from\n\n```bash\n{report.command}\n```\n\nSettings: {settings}. Versions: {versions}."
