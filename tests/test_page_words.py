"""The page's words in other languages."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from facelift.ui import texts, translation

CATALOGS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(translation.LANGUAGES.glob("*.json"))}
SOURCES = Path(texts.__file__).parent


def test_all_languages_say_the_same_things():
    keys = set(CATALOGS["de"])
    assert set(CATALOGS) == {"de", "es", "fr", "ja", "zh"}
    for language, catalog in CATALOGS.items():
        assert set(catalog) == keys, language
        for key, words in catalog.items():
            assert words.strip() and set(re.findall(r"{\w+}", words)) <= set(re.findall(r"{\w+}", key)), (language, key)


def test_stages_and_the_viewer_s_buttons_are_translated():
    words = json.loads((SOURCES.parents[1] / "assets" / "viewer" / "words.json").read_text())
    main = words["buttons"]
    wanted = [*texts.STAGES.values(), *(word for name in main for word in words["buttons"][name]), words["empty"], words["sample"]]
    assert not [word for word in [*wanted, texts.DONE, texts.LEAD, texts.CONSENT] if word not in CATALOGS["de"]]


def test_sentences_are_translated_whole_and_in_parts(tmp_path):
    if not (node := shutil.which("node")):
        pytest.skip("needs Node.js")
    code = (SOURCES / "translate.js").read_text() + f"const say = translator({json.dumps(CATALOGS['de'])});"
    said = [
        "  Generate ", "Waiting for its turn, 1 before you, about 10 s left …", "The film is ready and saved: film_nod_4s_512.mp4.",
        f"{texts.LEAD} {texts.CONSENT}", "head.glb", "42 %", "Nobody translated this.",
    ]  # fmt: skip
    run = subprocess.run([node, "-e", f"{code}console.log(JSON.stringify({json.dumps(said)}.map(say)))"], capture_output=True, text=True)
    de = CATALOGS["de"]
    assert json.loads(run.stdout) == [
        f"  {de['Generate']} ", "Wartet, bis es dran ist, 1 vor dir, noch etwa 10 s …",
        "Der Film ist fertig und gespeichert: film_nod_4s_512.mp4.", f"{de[texts.LEAD]} {de[texts.CONSENT]}",
        "head.glb", "42 %", "Nobody translated this.",
    ]  # fmt: skip


def test_the_page_speaks_the_browser_s_language(stand_in, open_page):
    _, url = stand_in
    page = open_page(url, locale="de-AT")
    page.wait_for_selector("#generate:has-text('Erzeugen')")
    assert page.evaluate("document.documentElement.lang") == "de"
    page.click("#generate")
    page.wait_for_selector("#status:has-text('Wähle zuerst ein Foto')")
