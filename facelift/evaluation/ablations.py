"""FaceLift's ablations (section 5, supplement 3.4) over whatever weight folders exist, in one table.

    python -m facelift.evaluation.ablations --data DIR --weights-root runs/ --out report/

Each row is a folder below --weights-root, trained as its line in `ROWS` says; what is not there is named, with what makes it.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from ..training.full.folder import views_of
from ..training.start import run_settings
from ..weights.find import WeightsError
from .__main__ import evaluate
from .__main__ import parser as evaluation_parser
from .benchmarks import BenchmarkError
from .comparison import paired, verdict
from .registry import OFFERED
from .report import published, published_table
from .results import Report, better, format_value, label
from .tables import ARROWS, table

SHOWN: tuple[str, ...] = ("true_six.psnr", "generated.psnr", "front.psnr", "near.psnr", "half.psnr")
SHOWN += tuple(f"extra.{metric}" for metric in ("psnr", "ssim", "lpips", "dreamsim", "arcface", "dlib"))
JUDGED = "extra.psnr"
PAPER = "facelift_table4_ablation"


@dataclass(frozen=True)
class Row:
    """folder: below the weights' root. rig, attention: what its config must say. change: of the full model's commands."""

    folder: str
    title: str
    change: str
    rig: str = "six"
    attention: str = "sparse"


BOTH, VIEWS = "`facelift.training.views` and `.reconstructor` with", "`facelift.training.views` with"
HEADS = "training heads of `facelift.synthesis` with"
BASE = Row("six_views", "full model: six views, input view, sparse attention, all lights", "the commands of the model card as they are")
ROWS = (
    BASE,
    Row("four_views", "four views", f"{BOTH} `--rig four`", rig="four"),
    Row("eight_views", "eight views, front top and front bottom too", f"{BOTH} `--rig eight`", rig="eight"),
    Row("no_input_view", "without input-view reconstruction", f"{BOTH} `--rig raised`", rig="raised"),
    Row("no_attention", "without multi-view attention", f"{VIEWS} `--attention none`", attention="none"),
    Row("dense_attention", "dense multi-view attention", f"{VIEWS} `--attention dense`", attention="dense"),
    Row("ambient_light", "training heads in ambient light alone", f"{HEADS} `--light ambient`"),
    Row("environment_light", "training heads in environment light alone", f"{HEADS} `--light environment`"),
    Row("no_pretraining", "reconstructor without pre-training", "`facelift.training.reconstructor --stage rendered` without `--init`"),
)
LGM_TITLE = "the full model's views, reconstructed by LGM"


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="python -m facelift.evaluation.ablations", description="The papers' ablations in one table.")
    p.add_argument("--data", type=Path, required=True, metavar="DIR", help="shards of held-out heads, the same for all rows")
    p.add_argument("--weights-root", type=Path, required=True, metavar="DIR", help=f"holds {', '.join(row.folder for row in ROWS)}")
    p.add_argument("--out", type=Path, required=True, metavar="DIR", help="for ablations.md, and a report a row")
    p.add_argument("--base", metavar="SET", help=f"the full model: any weight set (default: {BASE.folder} of --weights-root)")
    p.add_argument("--limit", type=int, metavar="N", help="measure N heads, evenly spread, instead of all")
    p.add_argument("--metrics", nargs="+", choices=OFFERED, help="default: all that can run here")
    p.add_argument("--device", default="auto")
    return p


def main(argv: list[str] | None = None) -> int:
    """0: a row could be measured. 1: none could, or the data cannot be used. 2: wrong arguments."""
    args = parser().parse_args(argv)
    command = shlex.join(["python", "-m", "facelift.evaluation.ablations", *(sys.argv[1:] if argv is None else argv)])
    base = args.base or str(args.weights_root / BASE.folder)
    sets = {row.title: base if row is BASE else str(args.weights_root / row.folder) for row in ROWS}
    sets[LGM_TITLE] = f"{base}:reconstructor=lgm"
    reports: dict[str, Report] = {}
    missing: dict[str, str] = {}
    for title, weights in sets.items():
        row = next((row for row in ROWS if row.title == title), None)
        try:
            if row and not (row is BASE and args.base):
                check(row, Path(weights))
            reports[title] = evaluate(arguments(args, weights, row.folder if row else "lgm"), weights, command)
        except BenchmarkError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        except (WeightsError, ValueError) as error:
            missing[title] = str(error)
            print(f"{title}: {error}", file=sys.stderr)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "ablations.md").write_text(ablation_table(sets, reports, missing, command))
    print(args.out / "ablations.md")
    return 0 if reports else 1


def arguments(args: argparse.Namespace, weights: str, folder: str) -> argparse.Namespace:
    """Of the evaluation of one row."""
    words = ["--benchmark", "synthetic", "--data", str(args.data), "--weights", weights, "--out", str(args.out / folder)]
    words += ["--device", args.device, *(["--limit", str(args.limit)] if args.limit else [])]
    return evaluation_parser().parse_args(words + (["--metrics", *args.metrics] if args.metrics else []))


def check(row: Row, folder: Path) -> None:
    """Raises WeightsError for a folder that is not there or holds something else than its row."""
    if not folder.is_dir():
        raise WeightsError(f"{folder} is not there; it is made by {row.change}.")
    try:
        found = run_settings(folder) if (folder / "config.json").is_file() else views_of(folder)
    except (OSError, KeyError, ValueError) as error:
        raise WeightsError(f"{folder} holds no weight set: {error}") from error
    wrong = [f"{key} {found[key]}" for key in ("rig", "attention") if found[key] != getattr(row, key)]
    if wrong:
        raise WeightsError(f"{folder} has {' and '.join(wrong)}, not what its name says; it is made by {row.change}.")


def ablation_table(sets: dict[str, str], reports: dict[str, Report], missing: dict[str, str], command: str) -> str:
    """Markdown: every row, empty where it could not be measured, and why; the paper's table below."""
    summaries = {title: report.summary() for title, report in reports.items()}
    keys = [key for key in SHOWN if any(key in summary for summary in summaries.values())]
    first = reports.get(BASE.title)
    lines = []
    for title in sets:
        cells = [format_value(key, summaries[title][key].mean if key in summaries.get(title, {}) else None) for key in keys]
        lines.append([title, *cells, difference(reports[title], first) if title in reports and first else "-"])
    header = ["", *(label(key) + ARROWS[better(key)] for key in keys), f"{label(JUDGED)}: against the full model"]
    parts = ["# Ablations", table(header, lines)]
    if missing:
        parts.append("Not measured:\n\n" + "\n".join(f"- {title}: {reason}" for title, reason in missing.items()))
    cases = max((len(report.cases) for report in reports.values()), default=0)
    parts.append(
        f"Means over {cases} heads; differences are paired, with 95 % intervals. Where a set's own views were not rendered for these heads,"
        " nothing can be measured from true views."
    )
    parts.append("## What the rows are\n\n" + "\n".join(f"- {row.title}: `{row.folder}`; {row.change}" for row in ROWS))
    parts += [f"## Beside {published()[PAPER]['title']}", table(*published_table(PAPER)), f"```bash\n{command}\n```"]
    return "\n\n".join(parts) + "\n"


def difference(report: Report, first: Report) -> str:
    if report is first:
        return ""
    gap = paired(report.column(JUDGED), first.column(JUDGED))
    word = verdict(JUDGED, gap).replace("first better", "better").replace("second better", "worse")
    return f"{gap.mean:+.2f} ({gap.low:+.2f} to {gap.high:+.2f}), {word}"


if __name__ == "__main__":
    sys.exit(main())
