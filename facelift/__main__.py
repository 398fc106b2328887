"""python -m facelift photo.jpg ... | python -m facelift render head.ply ..."""

from __future__ import annotations

import sys


def main(argv: list[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == ["render"]:
        from .cli.render import main as render

        return render(argv[1:])
    from .cli.lift import main as lift

    return lift(argv)


if __name__ == "__main__":
    sys.exit(main())
