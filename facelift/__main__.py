"""facelift photo.jpg ... | facelift VERB ...; python -m facelift is the same."""

from __future__ import annotations

import sys

from .cli import VERBS
from .cli.lift import main as lift


def main(argv: list[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    if argv and argv[0] in VERBS:
        return VERBS[argv[0]](argv[1:])
    return lift(argv)


if __name__ == "__main__":
    sys.exit(main())
