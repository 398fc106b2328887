"""Work in a process of its own, so that nothing a visitor sends can take the server with it."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import pickle
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, Protocol

from ..errors import DeadlineError, WorkerError
from . import memory
from .logs import places

log = logging.getLogger(__name__)
GRACE = 5.0  # seconds, for work that was told to stop, before its process is ended
GROWTH = 1.5  # times the memory after its first job, at which a process is replaced between two jobs
PROMPT = 0.2  # seconds, at most, until a wish to stop is seen

Tell = Callable[[Any], None]  # news of work: what it raises, ends the work
Work = Callable[..., Any]  # of what was prepared, a `Tell`, and arguments


class Stopped(Exception):
    """Nobody waits for this work any more."""


class Runner(Protocol):
    """What runs one piece of work at a time."""

    def call(self, work: Work, *arguments: Any, seconds: float, tell: Tell, stop: threading.Event) -> Any:
        """What `work(prepared, tell, *arguments)` returns.

        seconds: after which it is ended.
        tell: gets the news of it, in the calling thread.
        stop: set once nobody waits for it.
        Raises what the work raises, Stopped, DeadlineError, WorkerError.
        """

    def close(self) -> None:
        """Ends what it started."""


class Here:
    """Runs work in the calling thread: it ends at its next news, and no earlier."""

    def __init__(self, prepared: Any):
        self.prepared = prepared
        self._turn = threading.Lock()

    def call(self, work: Work, *arguments: Any, seconds: float, tell: Tell, stop: threading.Event) -> Any:
        end = time.monotonic() + seconds

        def told(news: Any) -> None:
            if stop.is_set():
                raise Stopped
            if time.monotonic() > end:
                raise DeadlineError(too_long(seconds))
            tell(news)

        while not self._turn.acquire(timeout=PROMPT):
            if stop.is_set():
                raise Stopped
        try:
            return work(self.prepared, told, *arguments)
        finally:
            self._turn.release()
            memory.give_back()

    def close(self) -> None:
        pass


class Worker:
    """Runs work in a process that is ended when it takes too long, and started again."""

    def __init__(self, name: str, prepare: Callable[[], Any]):
        """prepare: makes, in the process, what its work needs; a function that can be pickled. Nothing is started before the first work."""
        self.name, self.prepare = name, prepare
        self.restarts = 0
        self._turn = threading.Lock()
        self._starting = threading.RLock()  # nothing is ended while it is being started
        self._closed = False
        self._process: Any = None
        self._pipe: Connection | None = None
        self._warm = self._size = 0

    @property
    def size(self) -> int:
        """Bytes of memory that the process held after its last work."""
        return self._size

    def call(self, work: Work, *arguments: Any, seconds: float, tell: Tell, stop: threading.Event) -> Any:
        while not self._turn.acquire(timeout=PROMPT):
            if stop.is_set():
                raise Stopped
        try:
            return self._call(work, arguments, seconds, tell, stop)
        finally:
            self._turn.release()

    def start(self) -> None:
        """Makes ready what takes seconds. Raises what `prepare` raises, and WorkerError."""
        with self._turn:
            self._started()

    def close(self) -> None:
        self._closed = True
        self._end()

    def _call(self, work: Work, arguments: tuple, seconds: float, tell: Tell, stop: threading.Event) -> Any:
        trouble: Exception | None = None

        def told(news: Any) -> bool:
            """Passes news on; whether to go on."""
            nonlocal trouble
            try:
                if stop.is_set():
                    raise Stopped
                tell(news)
            except Exception as error:
                trouble = trouble or error
            return trouble is None

        pipe = self._started()
        try:
            result = _followed(pipe, (work, arguments), told, seconds)
        except (EOFError, OSError):
            result = None
            trouble = trouble or WorkerError(CRASHED)
        if result is None:  # it goes on, though it should not, or is dead
            self._end()
            raise trouble or DeadlineError(too_long(seconds))
        kind, (content, self._size) = result
        if trouble is None and kind == "done":
            self._renew_if_grown()
            return content
        raise trouble or content

    def _started(self) -> Connection:
        """The pipe to a process that is ready."""
        if self._pipe is not None and self._process.is_alive():
            return self._pipe
        self._end()
        context = multiprocessing.get_context("spawn")
        with self._starting:
            if self._closed:
                raise WorkerError(CRASHED)
            pipe, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, self.prepare), name=f"facelift-{self.name}", daemon=True)
            process.start()
            theirs.close()
            self._process, self._pipe = process, pipe
        try:
            kind, content = pipe.recv()
        except (EOFError, OSError):
            self._end()
            raise WorkerError(CRASHED) from None
        if kind == "raised":
            self._end()
            raise content[0]
        return pipe

    def _renew_if_grown(self) -> None:
        self._warm = self._warm or self._size
        if self._size > GROWTH * self._warm:
            log.info("worker renewed", extra={"worker": self.name, "bytes": self._size})
            self._end()

    def _end(self) -> None:
        with self._starting:
            process, pipe = self._process, self._pipe
            self._process, self._pipe, self._warm = None, None, 0
        if process is not None:
            self.restarts += 1
            process.kill()
            process.join()
        if pipe is not None:
            pipe.close()


def _followed(pipe: Connection, asked: tuple, told: Callable[[Any], bool], seconds: float) -> tuple[str, tuple] | None:
    """Sends work and follows its news to the end; None where it takes too long, or does not stop when told to."""
    pipe.send(asked)
    end, going = time.monotonic() + seconds, True
    while time.monotonic() < end:
        if pipe.poll(PROMPT):
            kind, content = pipe.recv()
            if kind != "news":
                return kind, content
            answer = told(content)
            pipe.send(answer)
            if going and not answer:
                going, end = False, time.monotonic() + GRACE
    return None


def ping(prepared: Any, tell: Tell) -> None:
    """The least work there is."""


def too_long(seconds: float) -> str:
    return f"This took longer than the {seconds:.0f} seconds it may take, and was ended. Try a smaller photo, or fewer steps."


CRASHED = "The part of the server that works on this ended unexpectedly, and was started again. Try again, or try another photo."


def _serve(pipe: Connection, prepare: Callable[[], Any]) -> None:
    """The process: prepares, then works on what comes, until the server is no more."""
    memory.few_arenas()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for the server, which ends its workers
    signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def tell(news: Any) -> None:
        pipe.send(("news", news))
        if not pipe.recv():
            raise Stopped

    with contextlib.suppress(EOFError, OSError):
        prepared = _sent(pipe, "ready", prepare, keep=True)
        while True:
            work, arguments = pipe.recv()
            _sent(pipe, "done", lambda: work(prepared, tell, *arguments))  # noqa: B023
            del work, arguments


def _sent(pipe: Connection, kind: str, work: Callable[[], Any], keep: bool = False) -> Any:
    """Does it and sends what it returns, or raises, with the memory held then. keep: the result stays here."""
    try:
        result = work()
    except (EOFError, BrokenPipeError):
        raise
    except BaseException as error:
        for place in places(error.__traceback__):
            error.add_note(place)  # the trace itself does not leave this process
        memory.give_back()
        pipe.send(("raised", (_picklable(error), memory.resident())))
        return None
    memory.give_back()
    pipe.send((kind, (None if keep else result, memory.resident())))
    return result if keep else None


def _picklable(error: BaseException) -> BaseException:
    try:
        return pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
