"""How the page looks: system fonts only, so that no request leaves the page for a font."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def style() -> dict[str, Any]:
    """The look, as keyword arguments of `Blocks.launch`."""
    import gradio as gr

    theme = gr.themes.Soft(
        primary_hue="indigo",
        neutral_hue="slate",
        font=["system-ui", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif"],
        font_mono=["ui-monospace", "Menlo", "Consolas", "monospace"],
        spacing_size="sm",
        radius_size="lg",
    )
    return {"theme": theme, "css": (Path(__file__).parent / "page.css").read_text(encoding="utf-8")}
