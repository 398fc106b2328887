"""Every number of the papers by one command:

python -m facelift.evaluation --benchmark synthetic --data DIR --weights compact --out report
python -m facelift.evaluation --benchmark photos --weights compact other/weights compact:fuse_depths=off --out report
"""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from pathlib import Path

from ..weights.find import WeightsError
from .arguments import parser
from .benchmarks import BenchmarkError, Options, open_benchmark
from .comparison import compare
from .metrics import load_pair_metrics
from .publish import publish
from .report import write_report
from .results import Report, describe_value, format_value, label, mean_of
from .run import run
from .sheets import write_preface
from .tables import table
from .variants import load_variant


def main(argv: list[str] | None = None) -> int:
    """0: done. 1: the data or every weight set cannot be used. 2: wrong arguments.

    Of several weight sets those that are not there are named and skipped, so that one list serves whatever has been trained so far.
    """
    args = parser().parse_args(argv)
    if args.publish and (len(args.weights) > 1 or args.publish.suffix != ".md"):
        parser().error("--publish takes one weight set and the name of a Markdown file")
    if args.against and not args.publish:
        parser().error("--against belongs to --publish")
    command = shlex.join(["python", "-m", "facelift.evaluation", *(sys.argv[1:] if argv is None else argv)])
    reports, skipped = [], {}
    for weights in args.weights:
        try:
            reports.append(evaluate(args, weights, command))
        except (BenchmarkError, WeightsError, ValueError, OSError) as error:
            skipped[weights] = str(error)
            print(f"error: {error}", file=sys.stderr)
            if isinstance(error, BenchmarkError):
                return 1
    if len(args.weights) > 1 and reports:
        write_comparison(reports, args.out, skipped)
    return 0 if reports else 1


def evaluate(args: argparse.Namespace, weights: str, command: str) -> Report:
    """One weight set: its report goes to --out, or to a folder of its own in there where several are compared."""
    options = Options(args.data, args.train, args.seed, args.second_seed, args.input_view, args.matting)
    benchmark = open_benchmark(args.benchmark, options)  # before the weights: a missing data set is said at once
    pipe = load_variant(weights, args.device)
    metrics = load_pair_metrics(pipe.device, args.metrics, args.download)
    out = args.out / safe_name(weights) if len(args.weights) > 1 else args.out
    settings = {"seed": args.seed, "steps": pipe.default_steps, "guidance scale": pipe.default_guidance_scale, "matting": args.matting}
    against = args.against and Report.load(args.against)  # before the measuring: a wrong file is said at once
    report = run(benchmark, pipe, metrics, out, args.limit, command, settings, label=weights)
    write_preface(pipe, out, args.seed)
    path = write_report(report, out)
    if args.publish:
        print(publish(report, out, args.publish, against or None))
    mean = mean_of(report.column(report.rank).values())
    print(f"{path}: {len(report.cases)} cases, {len(report.left_out)} left out; {describe_value(report.rank, mean)}")
    return report


def write_comparison(reports: list[Report], out: Path, skipped: dict[str, str] | None = None) -> None:
    """out/comparison.md: all sets in one table, what was skipped and why, then each set against the first."""
    keys = list(dict.fromkeys(k for r in reports for k in r.summary()))
    summaries = [r.summary() for r in reports]
    rows = [[label(k), *(format_value(k, s[k].mean if k in s else None) for s in summaries)] for k in keys]
    parts = [table(["mean over cases", *(f"`{r.weights['name']}`" for r in reports)], rows)]
    if skipped:
        parts.append("Not measured:\n\n" + "\n".join(f"- `{weights}`: {reason}" for weights, reason in skipped.items()))
    parts += [compare(reports[0], other) for other in reports[1:]]
    (out / "comparison.md").write_text("\n\n".join(parts) + "\n")
    print(out / "comparison.md")


def safe_name(weights: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "_", weights).strip("_.") or "weights"


if __name__ == "__main__":
    sys.exit(main())
