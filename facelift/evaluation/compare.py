"""Two reports that exist already, set against each other.

python -m facelift.evaluation.compare a/report.json b/report.json [--out comparison.md] [--publish docs/b.md]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .comparison import compare
from .publish import publish
from .results import Report


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
