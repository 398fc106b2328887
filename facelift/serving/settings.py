"""Every number of the service, in one place."""

from __future__ import annotations

from dataclasses import dataclass

MEGABYTE = 2**20


@dataclass(frozen=True)
class ServiceSettings:
    """keep_seconds: how long a visitor's photos and results are kept at most.
    keep_nothing: they lie in memory alone, one head a visitor.
    share_hours: how long links to heads last that visitors share; 0: there are none, and none with keep_nothing.
    links_each, links: of one client, and of all, at once.
    heads_waiting: visitors that may wait for a head.
    heads_each, calls_each: heads, and calls of all kinds, that one client may have running or waiting.
    portrait_seconds, head_seconds, mesh_seconds, film_seconds, render_seconds: after which the process that works on one is ended.
    film_length: seconds that the film of a head plays, which is made of each without being asked for.
    photo_bytes, call_bytes: of an upload, and of any other request.
    sent_bytes_at_once, sent_bytes_a_second: that one client may upload.
    disk_free: bytes below which nothing is taken any more.
    body_seconds, head_of_request_seconds: for a request to arrive in, and for its headers.
    requests_a_second, requests_at_once, requests_open, logins_a_minute: of one client.
    pages_a_second, pages_at_once: of those requests, the ones for the page itself.
    sessions, sessions_each: visitors whose page is remembered, and of those the ones of one client.
    hosts: names this server answers to, besides this computer's own and numeric addresses.
    proxies: networks of which it is believed for whom they ask.
    drain_seconds: for running jobs to end in, after the server was told to end.
    """

    keep_seconds: int = 3600
    keep_nothing: bool = False
    share_hours: int = 0
    links_each: int = 8
    links: int = 100
    heads_waiting: int = 8
    heads_each: int = 2
    calls_each: int = 16
    portrait_seconds: float = 60
    head_seconds: float = 1800
    mesh_seconds: float = 300
    film_seconds: float = 600
    render_seconds: float = 60
    film_length: float = 2
    photo_bytes: int = 20 * MEGABYTE
    call_bytes: int = MEGABYTE // 8
    sent_bytes_at_once: int = 200 * MEGABYTE
    sent_bytes_a_second: float = MEGABYTE / 4
    disk_free: int = 256 * MEGABYTE
    body_seconds: float = 60
    head_of_request_seconds: float = 15
    requests_a_second: float = 50
    requests_at_once: int = 400
    requests_open: int = 100
    pages_a_second: float = 2
    pages_at_once: int = 60
    logins_a_minute: float = 10
    sessions: int = 500
    sessions_each: int = 50
    hosts: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    drain_seconds: float = 120

    @property
    def link_seconds(self) -> int:
        """How long a shared link lasts; 0: there are none."""
        return 0 if self.keep_nothing else 3600 * self.share_hours
