"""What a visitor takes home: files by purpose, a film of their own, all in one, and how to share it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp
from types import SimpleNamespace
from typing import Any

import gradio as gr

from ..serving.settings import ServiceSettings
from . import texts
from .changes import Changes, progress, sentence, wrong
from .downloads import ALL, MESH, file_data, pack_all
from .endpoints import ONE_DRAWING_AT_A_TIME, visitor_of
from .filming import PATHS, SIZES, TURNTABLE, Film
from .history import HistoryEntry
from .jobs import Jobs, sentence_for
from .making import Update
from .server import FairQueue

HERE = Path(__file__).parent
ONE_FILM_AT_A_TIME: dict[str, Any] = {"concurrency_id": "film", "concurrency_limit": 1}
PACKED = "packed"  # folder of a head: each archive lies in one of its own
PANEL = """<div class="take">
  <div class="row">
    <button type="button" data-open="files" data-text="download" aria-expanded="false" disabled></button>
    <button type="button" data-open="share" data-text="share" aria-expanded="false" disabled></button>
  </div>
  <div class="panel files-panel" role="region" data-label="download" hidden>
    <button type="button" class="close" data-label="close">✕</button>
    <div class="groups"></div>
    <form class="film-form">
      <label><span data-text="path"></span><select name="path">{paths}</select></label>
      <label><span data-text="seconds"></span><input name="seconds" type="number" min="1" max="12" step="0.5" value="4" required></label>
      <label><span data-text="size"></span><select name="size">{sizes}</select></label>
      <button type="submit" data-text="film"></button>
    </form>
  </div>
  <div class="panel share-panel" role="region" data-label="share" hidden>
    <button type="button" class="close" data-label="close">✕</button>
    <p data-text="share_note"></p>
    <div class="row">
      <button type="button" data-send="head.html" data-text="send_page" hidden></button>
      <button type="button" data-send="turntable.mp4" data-text="send_film" hidden></button>
      <button type="button" data-save="head.html" data-text="save_page"></button>
    </div>
    <p class="embed-note"></p>
    <textarea readonly rows="2" data-label="embed"></textarea>
    <div class="row"><button type="button" data-copy data-text="copy"></button></div>
    <div class="link-part" hidden>
      <p class="link-note"></p>
      <ul class="links"></ul>
      <div class="row"><button type="button" data-link data-text="link"></button></div>
    </div>
    <p class="said" role="status"></p>
  </div>
</div>"""


def taking_panel(elem_id: str, settings: ServiceSettings) -> gr.HTML:
    """Its value is `taken(...)`, or None without a head.

    It triggers "mesh", "pack", "link", and "film" with a film's fields, or none of them. Links are withdrawn by a request of its own.
    """
    options = "".join(f'<option value="{path}">{texts.FILM_PATHS[path]}</option>' for path in PATHS)
    sizes = "".join(f'<option value="{size}"{" selected" if size == 512 else ""}>{size} px</option>' for size in SIZES)
    return gr.HTML(
        html_template=PANEL.format(paths=options, sizes=sizes), js_on_load=(HERE / "taking.js").read_text(encoding="utf-8"),
        apply_default_css=False, elem_id=elem_id, words=texts.TAKING, share=not settings.keep_nothing, all=ALL, films=texts.FILM_GROUP,
        links=texts.link_note(settings.link_seconds) if settings.link_seconds else None,
        groups=[{"title": title, "note": note, "names": names} for title, note, names in texts.FILE_GROUPS],
        made={MESH: "mesh", TURNTABLE: "film", ALL: "pack"},
    )  # fmt: skip


def taken(entry: HistoryEntry | None, failed: str | None = None) -> dict[str, Any] | None:
    """failed: the file that was asked for and is not coming."""
    if entry is None:
        return None
    files = {name: file_data(path) for name, path in entry.files.items()}
    if packed := sorted((entry.folder / PACKED).glob(f"*/{ALL}"), key=lambda path: path.stat().st_mtime):
        files[ALL] = file_data(packed[-1])
    return {"files": files, "making": dict(entry.making), "failed": failed, "link": dict(entry.link) or None}


def connect_taking(ui: SimpleNamespace, jobs: Jobs, heads: list) -> list:
    """heads: the events that make one, after which its film is made. Returns what is to be cancelled once another head is shown."""

    def made(entry: HistoryEntry, name: str, news: Iterator[Update], done: str, quietly: bool = False) -> Iterator[Changes]:
        """One more file of the head that is shown, while the next visitor's head may be in the making."""
        entry.making[name] = 0.0
        failed = None
        try:
            yield {ui.take: taken(entry)} if quietly else {ui.take: taken(entry), ui.status: progress(Update("waiting"))}
            for update in news:
                entry.making[name] = update.fraction
                yield {ui.take: taken(entry)} if quietly else {ui.take: taken(entry), ui.status: progress(update)}
            said = sentence(done)
        except Exception as error:
            if not entry.folder.is_dir():  # deleted meanwhile, on purpose
                return
            failed, said = name, wrong(sentence_for(error))
        finally:
            entry.making.pop(name, None)
        yield {ui.take: taken(entry, failed)} if quietly else {ui.take: taken(entry, failed), ui.status: said}

    nothing: Changes = {ui.status: gr.skip()}  # of a function that yields nothing at all, Gradio empties the outputs

    def mesh(entry: HistoryEntry | None) -> Iterator[Changes]:
        yield nothing
        if entry is not None:
            yield from made(entry, MESH, jobs.mesh(entry.folder), texts.MESH_DONE)

    def film(event: gr.EventData, entry: HistoryEntry | None) -> Iterator[Changes]:
        """One of the visitor's own, or the turntable."""
        yield nothing
        if entry is None:
            return
        try:
            wanted = Film.read(event._data) if event._data else None
        except Exception as error:
            yield {ui.status: wrong(sentence_for(error))}
            return
        name = wanted.name if wanted else TURNTABLE
        news = iter(()) if name in entry.files else jobs.film(entry.folder, wanted)
        yield from made(entry, name, news, texts.FILM_DONE.format(name=name))

    def own_film(entry: HistoryEntry | None) -> Iterator[Changes]:
        """The turntable that every head gets, in nobody's way."""
        yield nothing
        if entry is not None and TURNTABLE not in entry.files and entry.folder.is_dir():
            yield from made(entry, TURNTABLE, jobs.film(entry.folder), "", quietly=True)

    def pack(entry: HistoryEntry | None) -> Changes:
        if entry is None or not entry.folder.is_dir():
            return {ui.status: wrong(texts.GONE)}
        above = entry.folder / PACKED
        if above.exists():
            shutil.rmtree(above, ignore_errors=True)
        above.mkdir()
        pack_all(entry.files, Path(mkdtemp(dir=above)) / ALL)
        return {ui.take: taken(entry)}

    def link(request: gr.Request, entry: HistoryEntry | None) -> Changes:
        """A link to the head that is shown: the one it has, or a new one."""
        page = entry.files.get("head.html") if entry is not None else None
        if entry is None or page is None:
            return {ui.status: wrong(texts.GONE)}
        if not entry.link or jobs.shares.find(entry.link["name"]) is None:
            try:
                made = jobs.shares.add(visitor_of(request), FairQueue.client(request), page)
            except Exception as error:
                return {ui.status: wrong(sentence_for(error))}
            entry.link.update({"name": made.name, "path": made.path, "key": made.key, "until": round(1000 * made.until)})
        return {ui.take: taken(entry)}

    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    outputs = [ui.status, ui.take]
    meshes = ui.take.mesh(mesh, ui.entry, outputs, **quiet, **ONE_DRAWING_AT_A_TIME)
    films = [ui.take.film(film, ui.entry, outputs, **quiet, **ONE_FILM_AT_A_TIME)]
    films += [head.success(own_film, ui.entry, outputs, **quiet, **ONE_FILM_AT_A_TIME) for head in heads]
    ui.take.pack(pack, ui.entry, outputs, **quiet)
    if jobs.settings.link_seconds:
        ui.take.link(link, ui.entry, outputs, **quiet)
    return [meshes, *films]
