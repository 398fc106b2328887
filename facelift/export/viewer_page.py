"""head.html: the 3D viewer and one head in a single file that opens by double click, without a server or a network."""

from __future__ import annotations

import base64
import gzip
import html
import json
import mimetypes
from pathlib import Path

from ..resources import resource

VIEWER = resource("assets/viewer")
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
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
<script type="text/plain" id="splats">{splats}</script>
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
show({{ splat: {{ bytes: bytes("splats"), orig_name: {name} }}, portrait: {portrait} }});
</script>
</body>
</html>
"""


def save_viewer(splats: str | Path, path: str | Path, portrait: str | Path | None = None, title: str = "3D head") -> Path:
    """Writes an HTML page with the viewer and everything it needs inside, about 1.5 MB and a third more than the splat file.

    splats: a .spz (smallest), .splat or .ply file.
    portrait: the picture to compare the head with.
    title: of the page.
    Returns the path.
    """
    splats, path = Path(splats), Path(path)
    page = PAGE.format(
        title=html.escape(title),
        css=(VIEWER / "viewer.css").read_text(encoding="utf-8"),
        markup=(VIEWER / "viewer.html").read_text(encoding="utf-8"),
        script=(VIEWER / "viewer.js").read_text(encoding="utf-8"),
        words=(VIEWER / "words.json").read_text(encoding="utf-8"),
        engine=_base64(gzip.compress((VIEWER / "spark.min.js").read_bytes(), 6, mtime=0)),
        splats=_base64(splats.read_bytes()),
        name=json.dumps(f"head{splats.suffix.lower()}"),
        portrait=json.dumps({"url": _data_url(Path(portrait))} if portrait else None),
    )
    path.write_text(page, encoding="utf-8")
    return path


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _data_url(path: Path) -> str:
    return f"data:{mimetypes.guess_type(path.name)[0]};base64,{_base64(path.read_bytes())}"
