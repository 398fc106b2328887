"""Two weight sets on the same cases: paired differences and whether they can be chance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .results import FEWEST, Report, Statistics, better, format_value, label, statistics
from .tables import ARROWS, table


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
    if first.benchmark != second.benchmark:
        raise ValueError(f"the reports are of two benchmarks, {first.benchmark} and {second.benchmark}")
    rows = []
    for key in first.columns():
        a, b = first.column(key), second.column(key)
        if not set(a) & set(b):
            continue
        gap = paired(a, b)
        common = [n for n in a if n in b]
        means = [format_value(key, float(np.mean([side[n] for n in common]))) for side in (a, b)]
        change = f"{format_value(key, gap.mean)} ({format_value(key, gap.low)} to {format_value(key, gap.high)})"
        rows.append([label(key) + ARROWS[better(key)], *means, change, str(gap.count), verdict(key, gap)])
    if not rows:
        raise ValueError("the reports have no case in common, so nothing can be compared")
    note = "Differences are first minus second on the same cases, with the 95 % interval of a bootstrap over cases."
    return f"{table(['what', *names, 'difference', 'cases', 'verdict'], rows)}\n\n{note}"
