"""head.html: the 3D viewer and one head, still or moving, in a single file that opens by double click, without a server or a network."""

from __future__ import annotations

import base64
import gzip
import html
import json
import mimetypes
from pathlib import Path

from ..resources import resource

VIEWER = resource("assets/viewer")
SCRIPTS = ("rig.js", "animate.js", "webcam.js", "extras.js", "pair.js", "viewer.js")  # in this order
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="description" content="{note}">
<title>{title}</title>
<style>
{css}
html, body {{ margin: 0; height: 100%; background: #fff; }}
.splat-viewer {{ --viewer-height: 100vh; --block-radius: 0; border: 0; }}
</style>
</head>
<body>
{markup}
<script type="application/json" id="words">{words}</script>
<script type="text/plain" id="engine">{engine}</script>
<script type="text/plain" id="head">{head}</script>
<script>
{script}
const text = (id) => document.getElementById(id).textContent;
const bytes = (id) => Uint8Array.from(atob(text(id)), (c) => c.charCodeAt(0));
async function engine() {{
  const module = new Blob([bytes("engine")]).stream().pipeThrough(new DecompressionStream("gzip"));
  const source = new Blob([await new Response(module).arrayBuffer()], {{ type: "text/javascript" }});
  return import(URL.createObjectURL(source));
}}
const show = headViewer(document.querySelector(".splat-viewer"), engine, JSON.parse(text("words")));
show({{ {kind}: {{ bytes: bytes("head"), orig_name: {name} }}, portrait: {portrait}, track: {track} }});
</script>
</body>
</html>
"""


def save_viewer(
    head: str | Path, path: str | Path, portrait: str | Path | None = None, title: str = "3D head", track: str = "null", note: str = ""
) -> Path:
    """Writes an HTML page with the viewer and everything it needs inside, about 1.5 MB and a third more than the head's file.

    head: a .spz (smallest), .splat or .ply file, or a .headrig, which visitors can move.
    portrait: the picture to compare the head with.
    title: of the page.
    track: what a .headrig does at first, the JSON of a track file.
    note: kept in the page's head.
    Returns the path.
    """
    head, path = Path(head), Path(path)
    suffix = head.suffix.lower()
    page = PAGE.format(
        title=html.escape(title),
        note=html.escape(note),
        css=(VIEWER / "viewer.css").read_text(encoding="utf-8"),
        markup=(VIEWER / "viewer.html").read_text(encoding="utf-8"),
        script=scripts(),
        words=(VIEWER / "words.json").read_text(encoding="utf-8"),
        engine=_base64(gzip.compress((VIEWER / "spark.min.js").read_bytes(), 6, mtime=0)),
        head=_base64(head.read_bytes()),
        kind="rig" if suffix == ".headrig" else "splat",
        name=json.dumps(f"head{suffix}"),
        portrait=json.dumps({"url": _data_url(Path(portrait))} if portrait else None),
        track=track,
    )
    path.write_text(page, encoding="utf-8")
    return path


def scripts() -> str:
    """The viewer's own code."""
    return "\n".join((VIEWER / name).read_text(encoding="utf-8") for name in SCRIPTS)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _data_url(path: Path) -> str:
    return f"data:{mimetypes.guess_type(path.name)[0]};base64,{_base64(path.read_bytes())}"
