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
    ).set(
        # Cards on a quiet ground, with borders that can be seen.
        body_background_fill="*neutral_50",
        block_border_width="1px",
        block_shadow="none",
        input_border_width="1px",
        input_border_color="*neutral_300",
        input_border_color_dark="*neutral_600",
        input_shadow="none",
        button_border_width="1px",
        button_secondary_border_color="*neutral_300",
        button_secondary_border_color_dark="*neutral_600",
        button_secondary_shadow="none",
        button_secondary_background_fill_hover_dark="*primary_600",
        button_cancel_background_fill="#b91c1c",
        button_cancel_background_fill_dark="#b91c1c",
        button_cancel_background_fill_hover="#991b1b",
        button_cancel_background_fill_hover_dark="#991b1b",
        button_cancel_border_color="#b91c1c",
        button_cancel_border_color_dark="#b91c1c",
        button_cancel_text_color="white",
        button_cancel_text_color_dark="white",
        # Words that stand out: WCAG AA asks for a contrast of 4.5.
        body_text_color_subdued="*neutral_600",
        block_label_text_color="*primary_700",
        block_title_text_color="*primary_700",
        block_label_text_color_dark="*primary_100",
        block_title_text_color_dark="*primary_100",
        input_placeholder_color="*neutral_600",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_hover_dark="*primary_700",
    )
    return {"theme": theme, "css": (Path(__file__).parent / "page.css").read_text(encoding="utf-8")}
