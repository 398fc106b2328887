"""The page as a service: what stands around Gradio's server, and what it does every few seconds."""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from gradio.queueing import Queue
from gradio.routes import App, ORJSONResponse, file_upload_statuses

from ..serving import memory
from ..serving.clients import Presence, Sessions
from ..serving.connections import Silent
from ..serving.guard import Guard
from ..serving.operations import Operations
from ..serving.sharing import SharedPages
from ..serving.worker import Worker
from . import texts
from .front import Front
from .jobs import Jobs

log = logging.getLogger(__name__)
EVERY = 5.0  # seconds between two rounds
GRACE = 30.0  # after which a visitor whose page was closed, or lost its connection, has left
IDLE = 120.0  # for those without a page, after their last call
FETCH = 10.0  # seconds without a file asked for, after which a server that ends takes the last heads for fetched
MOST_CALLS = 400  # that wait, of all clients
SESSION = re.compile(r"[\w-]{1,64}", re.ASCII)


class GuardedApp(App):
    """Gradio's application behind a guard."""

    def __init__(self, jobs: Jobs, presence: Presence):
        super().__init__(default_response_class=ORJSONResponse)
        asked = Operations(SharedPages(Front(super().__call__), jobs.shares), jobs.not_ready, jobs.metrics)
        self.guard = Guard(asked, jobs.settings, presence, jobs.metrics, lambda: jobs.visitors.free() < jobs.settings.disk_free)

    async def __call__(self, scope, receive, send) -> None:
        await self.guard(scope, receive, send)


class FairQueue(Queue):
    """Gradio's queue of calls, in which each client has few places."""

    def __init__(self, app: Any, calls_each: int):
        super().__init__(True, app.max_threads, 1, MOST_CALLS, app)
        self.calls_each = calls_each
        self.ANALYTICS_MAX_EVENTS = 100  # nobody reads them

    async def push(self, body, request, username):
        client = self.client(request)
        if not (body.session_hash is None or SESSION.fullmatch(body.session_hash)) or body.fn_index not in self.blocks.fns:
            return False, texts.NOT_UNDERSTOOD, "error"
        if sum(self.client(event.request) == client for event in self.events()) >= self.calls_each:
            return False, "You have too many calls in the making: wait for one to end.", "queue_full"
        answer = await super().push(body, request, username)
        for lane in self.event_queue_per_concurrency_id.values():
            lane.queue[:] = fairly(lane.queue, self.client)
        return answer

    def events(self) -> list[Any]:
        """Those that wait and those that run."""
        waiting = [event for queue in list(self.event_queue_per_concurrency_id.values()) for event in queue.queue]
        return waiting + [event for job in list(self.active_jobs) if job for event in job]

    @staticmethod
    def client(request: Any) -> str:
        """request: Gradio's or Starlette's, of which the guard has looked for whom it is."""
        return request.client.host if request.client else "unknown"


def fairly(waiting: list[Any], client_of: Callable[[Any], str]) -> list[Any]:
    """Calls of a lane, in the order they came: the first of each client before anybody's second."""
    turns: Counter[str] = Counter()

    def turn(event: Any) -> int:
        turns[client_of(event.request)] += 1
        return turns[client_of(event.request)]

    return sorted(waiting, key=turn)


class Service:
    """The page's guard and keeper, and the processes that work for it."""

    def __init__(self, app: Any, jobs: Jobs):
        self.app, self.jobs, self.presence, self.sessions = app, jobs, Presence(), Sessions(jobs.settings.sessions_each)
        self.keeper = Keeper(app, jobs, self.presence)
        metrics = jobs.metrics
        metrics.ask("facelift_line", lambda: len(jobs.line))
        metrics.ask("facelift_visitors", lambda: len(self.presence))
        metrics.ask("facelift_links", lambda: len(jobs.shares))
        metrics.ask("facelift_memory_bytes", memory.resident, process="server")
        metrics.ask("facelift_disk_bytes", jobs.visitors.size)
        metrics.ask("facelift_disk_free_bytes", jobs.visitors.free)
        for lane, runner in jobs.runners.lanes().items():
            if isinstance(runner, Worker):
                metrics.ask("facelift_memory_bytes", partial(getattr, runner, "size"), process=lane)
                metrics.ask("facelift_worker_restarts_total", partial(getattr, runner, "restarts"), process=lane)
            metrics.ask("facelift_lane_passed_seconds", partial(jobs.watch.since, lane), lane=lane)

    def application(self) -> GuardedApp:
        return GuardedApp(self.jobs, self.presence)

    def start(self) -> None:
        self.keeper.start()

    def used(self, client: str, session: str) -> None:
        """A call of a session."""
        gone = self.sessions.used(client, session, self.presence)
        if gone is not None:
            self.keeper.forget_session(gone)

    def drain(self) -> None:
        """No new heads; returns when those in the making, their films too, are done and were fetched, or after `drain_seconds`."""
        self.jobs.line.closed = texts.ENDING
        end, making = time.monotonic() + self.jobs.settings.drain_seconds, len(self.jobs.line)
        while len(self.jobs.line) and time.monotonic() < end:
            self.jobs.line.wait(0.5)
        if making:
            self.presence.fetched()  # from now on
        while making and len(self.presence) and self.presence.since_fetched < FETCH and time.monotonic() < end:
            time.sleep(0.2)
            if self.jobs.working:  # a film is begun when its head has left the line
                self.presence.fetched()

    def close(self) -> None:
        self.keeper.ended.set()
        self.jobs.runners.close()


class Keeper(threading.Thread):
    """Sweeps files and sessions, and sees those off who left."""

    def __init__(self, app: Any, jobs: Jobs, presence: Presence):
        super().__init__(name="facelift-keeper", daemon=True)
        self.app, self.jobs, self.presence = app, jobs, presence
        self.ended = threading.Event()
        self.silent = Silent(jobs.settings.head_of_request_seconds)
        self._used: dict[str, tuple[object, float]] = {}  # when Gradio says that a session was used last, and when we read that
        self._uploads: dict[str, float] = {}

    def run(self) -> None:
        while not self.ended.wait(EVERY):
            try:
                self.round()
            except Exception:  # the next round may do better, and there must be one
                log.exception("keeping failed")

    def round(self) -> None:
        for visitor in self.presence.gone(GRACE):
            self.jobs.forget(visitor)
            self.forget_session(visitor)
        self.jobs.watch.try_lanes()
        self.jobs.visitors.sweep()
        self.jobs.shares.sweep()
        self.forget_idle()
        self.forget_uploads()
        if self.app.server is not None:
            self.silent.close(self.app.server.server_state.connections.copy())
        for files in list(self.app.temp_file_sets):  # only names, but of all files there ever were
            files.intersection_update({name for name in list(files) if name and _there(name)})
        memory.give_back()

    def forget_idle(self) -> None:
        """Sessions without a page, some time after their last call, by the clock that nobody sets."""
        now, queue, used = time.monotonic(), self.app._queue, self.app.server_app.state_holder.time_last_used
        there = dict.fromkeys([*queue.pending_event_ids_session, *queue.pending_messages_per_session]) | used
        before, self._used = self._used, {}
        for visitor, when in there.items():
            since = before[visitor][1] if visitor in before and before[visitor][0] == when else now
            self._used[visitor] = when, since
            if visitor not in self.presence and now - since > IDLE:
                self.forget_session(visitor)

    def forget_uploads(self) -> None:
        """What Gradio keeps to tell how far an upload is, also of those that never came."""
        now, kept = time.monotonic(), (file_upload_statuses._statuses, file_upload_statuses._signals)
        self._uploads = {name: self._uploads.get(name, now) for names in kept for name in list(names)}
        for name, since in self._uploads.items():
            if now - since > 2 * self.jobs.settings.body_seconds:
                for names in kept:
                    names.pop(name, None)

    def forget_session(self, visitor: str) -> None:
        """What Gradio keeps of a visitor, unless something of theirs still runs."""
        queue, holder = self.app._queue, self.app.server_app.state_holder
        if any(event.session_hash == visitor for event in queue.events()):
            return
        with holder.lock, suppress(KeyError):
            holder.time_last_used.pop(visitor, None)
            holder.session_data.pop(visitor, None)
        for kept in (queue.pending_messages_per_session, queue.pending_event_ids_session):
            kept.pop(visitor, None)


def _there(name: str) -> bool:
    with suppress(OSError, ValueError):
        return os.path.exists(name)
    return False
