"""Work runs in a process that can be ended: what takes too long, dies or grows takes nothing else with it."""

from __future__ import annotations

import os
import threading
import time

import pytest

from facelift.errors import BusyError, DeadlineError, PhotoError, WorkerError
from facelift.serving.line import Line
from facelift.serving.worker import Here, Stopped, Worker, ping


def prepared() -> dict:
    return {"process": os.getpid()}


def unprepared() -> None:
    raise PhotoError("not today")


def process(at: dict, tell) -> int:
    return at["process"]


def for_ever(at: dict, tell) -> None:
    tell("begun")
    while True:
        pass


def dies(at: dict, tell) -> None:
    os._exit(3)


def refuses(at: dict, tell) -> None:
    raise PhotoError("no face")


def counts(at: dict, tell, n: int) -> int:
    for i in range(n):
        tell(i)
    return n


def grows(at: dict, tell) -> None:
    at["kept"] = bytearray(os.urandom(2**20)) * 300


def call(runner, work, *arguments, seconds=60.0, tell=lambda news: None, stop=None):
    return runner.call(work, *arguments, seconds=seconds, tell=tell, stop=stop or threading.Event())


@pytest.fixture
def worker():
    made = Worker("test", prepared)
    yield made
    made.close()


def test_what_takes_too_long_is_ended_and_the_next_work_is_done(worker):
    first, news = call(worker, process), []
    with pytest.raises(DeadlineError, match="longer than the 1 seconds"):
        call(worker, for_ever, seconds=1, tell=news.append)
    assert news == ["begun"]
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)
    assert call(worker, process) != first and worker.restarts == 1


def test_a_process_that_dies_is_told_and_replaced(worker):
    with pytest.raises(WorkerError, match="Try again"):
        call(worker, dies)
    assert call(worker, counts, 3) == 3


def test_errors_come_back_and_cost_nothing(worker):
    first = call(worker, process)
    with pytest.raises(PhotoError, match="no face") as caught:
        call(worker, refuses)
    assert caught.value.__notes__[-1].startswith("test_workers.py:") and caught.value.__notes__[-1].endswith(" refuses")
    with pytest.raises(ZeroDivisionError):
        call(worker, counts, 3, tell=lambda news: 1 / 0)
    assert call(worker, process) == first


def test_what_cannot_be_prepared_is_told():
    with pytest.raises(PhotoError, match="not today"):
        Worker("test", unprepared).start()


@pytest.mark.parametrize("kind", ["here", "process"])
def test_work_that_nobody_waits_for_ends_at_its_next_news(worker, kind):
    runner, stop, news = Here({}) if kind == "here" else worker, threading.Event(), []

    def listen(item) -> None:
        news.append(item)
        if item == 4:
            stop.set()

    with pytest.raises(Stopped):
        call(runner, counts, 10**9, tell=listen, stop=stop)
    assert news == [0, 1, 2, 3, 4]
    assert call(runner, counts, 2) == 2


def test_one_that_waits_can_be_stopped(worker):
    busy, stop = threading.Event(), threading.Event()
    other = threading.Thread(target=lambda: pytest.raises(DeadlineError, call, worker, for_ever, seconds=3, tell=lambda _: busy.set()))
    other.start()
    assert busy.wait(60)
    stop.set()
    with pytest.raises(Stopped):
        call(worker, ping, stop=stop)
    other.join()


def test_a_process_that_grew_is_replaced(worker):
    first = call(worker, process)
    call(worker, grows)
    assert call(worker, process) != first


def test_a_line_serves_in_order_and_bounds_each_client():
    line = Line(waiting=3, each=2)
    places = [line.enter(client) for client in ("a", "b", "a")]
    with pytest.raises(BusyError, match="2 heads"):
        line.enter("a")
    places.append(line.enter("c"))
    with pytest.raises(BusyError, match="Too many visitors"):
        line.enter("d")
    assert [place.before for place in places] == [0, 1, 2, 3]
    places[1].leave()
    places[1].leave()
    assert [place.before for place in (places[0], places[2], places[3])] == [0, 1, 2]
    line.enter("d")
    line.closed = "We close."
    places[0].leave()
    with pytest.raises(BusyError, match="We close"):
        line.enter("e")


def test_who_waits_in_line_is_woken_when_somebody_leaves():
    line = Line(waiting=1, each=1)
    first, second = line.enter("a"), line.enter("b")
    threading.Timer(0.1, first.leave).start()
    started = time.monotonic()
    while second.before:
        line.wait(60)
    assert time.monotonic() - started < 50


def test_a_worker_that_is_closed_while_it_starts_starts_no_more():
    worker, told = Worker("test", prepared), []

    def ask() -> None:
        try:
            call(worker, ping)
        except WorkerError as error:
            told.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    worker.close()
    asking.join(60)
    with pytest.raises(WorkerError):
        call(worker, ping)
    assert worker._process is None and not asking.is_alive()
