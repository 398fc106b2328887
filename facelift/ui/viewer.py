"""The 3D viewer of the page: a `gr.HTML` around Spark, which draws a splat file with WebGL2 in the visitor's browser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import FileData
from gradio.processing_utils import move_files_to_cache

from ..export.viewer_page import scripts
from ..face.model import load_reading_scale
from ..resources import resource
from .downloads import file_data
from .front import PREVIEW

ASSETS = resource("assets/viewer")
MODULE = ASSETS / "spark.min.js"
SAMPLE = ASSETS / "sample.spz"  # how it was made: README.md beside it
READER = resource("assets/vendor/tasks-vision")
WEBCAM = {  # MediaPipe, which reads the visitor's face in their browser
    "bundle": READER / "vision_bundle.mjs",
    "loader": READER / "vision_wasm_internal.js",
    "wasm": READER / "vision_wasm_internal.wasm.gz",
    "model": resource("weights/mediapipe/face_landmarker.task"),
}
ON_LOAD = """
const engine = () => import(new URL(props.module.url, document.baseURI).href);
const show = headViewer(element.querySelector(".splat-viewer"), engine, props.words, props.sample, props.webcam);
watch("value", () => show(props.value));
show(props.value);
"""


def splat_viewer(elem_id: str) -> gr.HTML:
    """Shows a Gaussian splat file; `assets/viewer/viewer.js` says what it can do and what tests can read from it.

    Its value is `shown(...)`, or None to clear it. (A function, not a subclass: for those Gradio writes a .pyi file beside the source.)
    """
    gr.set_static_paths([MODULE, SAMPLE, PREVIEW, *WEBCAM.values()])
    viewer = gr.HTML(
        html_template=read("viewer.html"),
        css_template=read("viewer.css"),
        js_on_load=scripts() + ON_LOAD,
        apply_default_css=False,
        elem_id=elem_id,
        words=json.loads(read("words.json")),
    )
    # Addresses are properties: in the value they would be downloads of 3 MB for every API client.
    served = {
        name: move_files_to_cache(FileData(path=str(path), orig_name=path.name).model_dump(), viewer, postprocess=True)
        for name, path in {"module": MODULE, "sample": SAMPLE, **WEBCAM}.items()
    }
    viewer.props["module"], viewer.props["sample"] = served.pop("module"), served.pop("sample")
    viewer.props["webcam"] = {"files": served, "scale": load_reading_scale()}
    return viewer


def read(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")


def shown(
    splat: Path,
    portrait: Path | None = None,
    film: Path | None = None,
    keep_view: bool = False,
    rig: Path | None = None,
    track: Path | None = None,
) -> dict[str, Any]:
    """The viewer's value: a .splat, .spz or .ply file of a head that faces -y with z up, the portrait to compare it with, and the film
    for browsers without WebGL2. keep_view: the camera stays where it is, to compare two heads. rig, track: a .headrig to be shown instead,
    and what it does. Gradio adds the addresses.
    """
    files = {"splat": splat, "portrait": portrait, "film": film, "rig": rig, "track": track}
    return {**{name: file_data(path) for name, path in files.items()}, "keep_view": keep_view}
