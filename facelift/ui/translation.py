"""The page's words in other languages: a file each in `languages/`, from the English words, chosen by the visitor's browser.

English stands in `texts.py` and in the viewer's words.json. What a language has not, stays English.
"""

from __future__ import annotations

import json
from pathlib import Path

import gradio as gr

HERE = Path(__file__).parent
LANGUAGES = HERE / "languages"


def script() -> str:
    """JavaScript that translates the page, as statements."""
    files = sorted(LANGUAGES.glob("*.json"))
    gr.set_static_paths([LANGUAGES])
    addresses = {path.stem: f"gradio_api/file={path}" for path in files}
    return f"{(HERE / 'translate.js').read_text(encoding='utf-8')}\ntranslatePage({json.dumps(addresses)}).catch(console.error);"
