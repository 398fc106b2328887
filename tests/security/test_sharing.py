"""Links to shared heads: who can see what, for how long, and what a browser may do with it."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from facelift.cli.app import main, parser, settings_of
from facelift.errors import BusyError
from facelift.serving.clients import Presence
from facelift.serving.guard import Guard
from facelift.serving.metrics import Metrics
from facelift.serving.settings import ServiceSettings
from facelift.serving.sharing import ENDED, SharedPages, Shares
from facelift.serving.visitors import Visitors
from facelift.ui import texts


@pytest.fixture
def service(tmp_path):
    """A guarded server of links alone: `shares`, `visitors`, `page` (what is shared) and `ask(method, path, headers)`."""
    visitors = Visitors(tmp_path, 600)
    shares = Shares(visitors.root, 3600, each=2, most=3)
    page = visitors.folder("me") / "head.html"
    page.write_text("<!doctype html>my head")

    async def nothing(scope, receive, send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"the page"})

    guard = Guard(SharedPages(nothing, shares), ServiceSettings(), Presence(), Metrics())

    def ask(method: str, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
        async def asked() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(guard), base_url="http://localhost") as client:
                return await client.request(method, path, headers=headers)

        return asyncio.run(asked())

    yield SimpleNamespace(shares=shares, visitors=visitors, page=page, ask=ask)
    visitors.close()


def test_whoever_has_the_link_sees_the_head_and_nobody_else(service):
    link = service.shares.add("me", "a", service.page)
    assert re.fullmatch(r"shared/[0-9a-f]{40}", link.path) and link.key not in link.path  # 160 bits
    answer = service.ask("GET", f"/{link.path}")
    assert answer.status_code == 200 and answer.text == "<!doctype html>my head" and answer.headers["content-type"].startswith("text/html")
    assert service.ask("HEAD", f"/{link.path}").status_code == 200
    for path in ("/shared/", "/shared/x", f"/{link.path}0", f"/{link.path}/", f"/{link.path.upper()}", f"/shared/{link.key}"):
        answer = service.ask("GET", path)
        assert answer.text in (f"{ENDED}\n", "the page") and (answer.status_code == 404 or answer.text == "the page")
    assert service.ask("POST", f"/{link.path}").status_code == 405


def test_a_link_outlives_the_page_it_was_made_on(service):
    link = service.shares.add("me", "a", service.page)
    service.visitors.forget("me")  # the page was closed
    service.visitors.sweep()
    assert service.ask("GET", f"/{link.path}").status_code == 200


def test_a_link_ends_by_the_clock(service):
    service.shares.seconds = -1
    link = service.shares.add("me", "a", service.page)
    assert service.ask("GET", f"/{link.path}").text == f"{ENDED}\n" and service.ask("GET", f"/{link.path}").status_code == 404
    service.shares.sweep()
    assert not len(service.shares) and not link.page.exists()


def test_its_owner_withdraws_it_and_others_cannot(service):
    link, other = (service.shares.add("me", "a", service.page) for _ in range(2))
    for key in (None, "", other.key, link.name):
        headers = {} if key is None else {"x-key": key}
        assert service.ask("DELETE", f"/{link.path}", headers).status_code == 404
    assert service.ask("DELETE", f"/{link.path}", {"x-key": link.key, "origin": "https://evil.example"}).status_code == 403
    assert service.ask("DELETE", f"/{link.path}", {"x-key": link.key}).status_code == 200
    assert service.ask("GET", f"/{link.path}").status_code == 404 and not link.page.exists()
    assert service.ask("GET", f"/{other.path}").status_code == 200
    service.shares.forget("me")  # Delete now
    assert service.ask("GET", f"/{other.path}").status_code == 404 and not list(service.shares.folder.iterdir())


def test_links_are_few(service):
    for client in "aab":
        service.shares.add("me", client, service.page)
    for client in "ac":
        with pytest.raises(BusyError, match="withdraw one"):
            service.shares.add("me", client, service.page)
    assert len(list(service.shares.folder.iterdir())) == 3


def test_a_shared_head_may_stand_in_other_pages_and_ask_for_nothing(service):
    link = service.shares.add("me", "a", service.page)
    for path in (link.path, "shared/unknown"):
        headers = service.ask("GET", f"/{path}").headers
        policy = headers["content-security-policy"]
        assert "frame-ancestors *" in policy and "default-src 'none'" in policy and "x-frame-options" not in headers
        assert "sandbox allow-scripts" in policy and "allow-same-origin" not in policy  # no part of our page, nor of its cookies
        assert not re.search(r"(connect|img|media|script)-src [^;]*(\*|http|'self')", policy)
        assert (headers["cache-control"], headers["referrer-policy"], headers["x-robots-tag"]) == ("no-store", "no-referrer", "noindex")
    page = service.ask("GET", "/").headers
    assert page["x-frame-options"] == "SAMEORIGIN" and "frame-ancestors 'self'" in page["content-security-policy"]


def test_links_are_off_unless_asked_for_and_where_nothing_is_kept(tmp_path: Path):
    assert ServiceSettings().link_seconds == 0 and ServiceSettings(share_hours=2, keep_nothing=True).link_seconds == 0
    assert settings_of(parser().parse_args(["--share-links", "24"])).link_seconds == 86400
    assert "link" not in texts.promise(3600, False) and "for a day" in texts.promise(3600, False, 86400)
    with pytest.raises(SystemExit, match="leave one of them out"):
        main(["--share-links", "24", "--keep-nothing"])
    with pytest.raises(BusyError):
        Shares(tmp_path, 0, 8, 100).add("me", "a", tmp_path / "head.html")


def test_logs_name_no_link(service, caplog):
    link = service.shares.add("me", "a", service.page)
    with caplog.at_level("INFO", "facelift.requests"):
        service.ask("GET", f"/{link.path}")
        service.ask("DELETE", f"/{link.path}", {"x-key": link.key})
    told = [str(record.__dict__) for record in caplog.records if record.name == "facelift.requests"]
    assert len(told) == 2 and not any(link.name in line or link.key in line for line in told)
