"""The 3D viewer of the page: a `gr.HTML` around Spark, which draws a splat file with WebGL2 in the visitor's browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import FileData
from gradio.processing_utils import move_files_to_cache

from . import texts

HERE = Path(__file__).parent
MODULE = HERE.parents[1] / "assets" / "viewer" / "spark.min.js"
HTML = f"""<div class="splat-viewer" data-state="empty">
  <div class="splat-stage"></div>
  <div class="splat-message" role="status">{texts.VIEWER["empty"]}</div>
  <div class="splat-tools">
    <button type="button" data-do="rotate" aria-pressed="false">Turn</button>
    <button type="button" data-do="reset">Front</button>
    <button type="button" data-do="full" aria-pressed="false">Full size</button>
  </div>
</div>"""


def splat_viewer(elem_id: str) -> gr.HTML:
    """Shows a Gaussian splat file: orbit, zoom, touch, turning, front view, full size.

    Its value is `shown(path)`, or None to clear it. For tests, the element `.splat-viewer` carries data-state (empty, loading, loaded,
    error, no-webgl), data-splats and data-frames. (A function, not a subclass: for those Gradio writes a .pyi file beside the source.)
    """
    gr.set_static_paths([MODULE])
    viewer = gr.HTML(
        html_template=HTML,
        css_template=(HERE / "viewer.css").read_text(encoding="utf-8"),
        js_on_load=(HERE / "viewer.js").read_text(encoding="utf-8"),
        apply_default_css=False,
        elem_id=elem_id,
        texts=texts.VIEWER,
    )
    # The module's address is a property: in the value it would be a download of 3 MB for every API client.
    viewer.props["module"] = move_files_to_cache(FileData(path=str(MODULE)).model_dump(), viewer, postprocess=True)
    return viewer


def shown(path: str | Path) -> dict[str, Any]:
    """The viewer's value for a .splat, .spz or .ply file of a head that faces -y with z up; Gradio adds the address."""
    return FileData(path=str(path), orig_name=Path(path).name).model_dump()
