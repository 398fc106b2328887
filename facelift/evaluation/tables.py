"""Tables in Markdown."""

from __future__ import annotations

ARROWS = {"higher": " ↑", "lower": " ↓", None: ""}  # behind a column's name: which way is better


def table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
