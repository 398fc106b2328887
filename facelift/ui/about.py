"""The About tab: how it works, what it cannot do, whose weights, what is kept."""

from __future__ import annotations

import html
from pathlib import Path

from . import texts

DIAGRAM = Path(__file__).parent / "how_it_works.svg"


def about(weights, promise: str) -> str:
    paragraphs = [
        ("How it works", texts.HOW),
        ("What it cannot do", texts.LIMITS),
        ("Weights", html.escape(texts.weights_line(weights)) + " " + texts.WEIGHTS_NOTE),
        ("Files", texts.FILES),
        ("Privacy", html.escape(promise) + " " + texts.CONSENT),
        ("For programs", texts.PROGRAMS),
    ]
    sections = "".join(f"<section><h2>{title}</h2><p>{text}</p></section>" for title, text in paragraphs)
    scrolled = "tabindex='0' role='group' aria-label='How it works'"  # by keys too, on narrow screens
    return f"<div id='about'><div {scrolled}>{DIAGRAM.read_text(encoding='utf-8')}</div>{sections}</div>"
