"""Two weight sets on the same cases: paired differences and whether they can be chance.

python -m facelift.evaluation.compare a/report.json b/report.json [--out comparison.md] [--publish docs/b.md]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .results import FEWEST, Report, Statistics, better, label, shown, statistics


def paired(a: dict[str, float], b: dict[str, float]) -> Statistics:
    """Of a - b over the cases that both have. Raises ValueError for none."""
    common = [name for name in a if name in b]
    if not common:
        raise ValueError("the two have no case in common")
    return statistics(np.array([a[n] - b[n] for n in common]))


def verdict(key: str, gap: Statistics) -> str:
    """Whose number is better, where the 95 % interval of the difference leaves out zero. Times depend on what else the machine does."""
    direction = better(key)
    if direction is None or key.endswith("seconds"):
        return ""
    if gap.count < FEWEST:
        return "too few cases"
    if gap.low <= 0 <= gap.high:
        return "no clear difference"
    return "second better" if (gap.mean > 0) == (direction == "lower") else "first better"


def compare(first: Report, second: Report) -> str:
    """Markdown. Raises ValueError for reports of different benchmarks."""
    names = [f"`{r.weights['name']}`" for r in (first, second)]
    if names[0] == names[1]:
        names = [names[0] + " (first)", names[1] + " (second)"]
    return f"# {first.title}: {names[0]} against {names[1]}\n\n{differences(first, second, names)}\n"


def differences(first: Report, second: Report, names: Sequence[str]) -> str:
    """The table of `compare`, with what the two are to be called. Raises ValueError for reports of different benchmarks."""
    from .report import ARROWS, table

    if first.benchmark != second.benchmark:
        raise ValueError(f"the reports are of two benchmarks, {first.benchmark} and {second.benchmark}")
    rows = []
    for key in first.columns():
        a, b = first.column(key), second.column(key)
        if not set(a) & set(b):
            continue
        gap = paired(a, b)
        common = [n for n in a if n in b]
        means = [shown(key, float(np.mean([side[n] for n in common]))) for side in (a, b)]
        change = f"{shown(key, gap.mean)} ({shown(key, gap.low)} to {shown(key, gap.high)})"
        rows.append([label(key) + ARROWS[better(key)], *means, change, str(gap.count), verdict(key, gap)])
    if not rows:
        raise ValueError("the reports have no case in common, so nothing can be compared")
    note = "Differences are first minus second on the same cases, with the 95 % interval of a bootstrap over cases."
    return f"{table(['what', *names, 'difference', 'cases', 'verdict'], rows)}\n\n{note}"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m facelift.evaluation.compare", description="Two reports side by side.")
    parser.add_argument("reports", nargs=2, type=Path, metavar="REPORT.JSON")
    parser.add_argument("--out", type=Path, help="Markdown file to write (default: print)")
    parser.add_argument("--publish", type=Path, metavar="FILE.md", help="write the second report to be kept, with the comparison")
    args = parser.parse_args(argv)
    try:
        first, second = (Report.load(p) for p in args.reports)
        text = compare(first, second)
        if args.publish:
            from .publish import publish

            print(publish(second, args.reports[1].parent, args.publish, first))
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if args.out:
        args.out.write_text(text)
    elif not args.publish:
        print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
