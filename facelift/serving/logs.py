"""Logs as lines of JSON that say what happened and not to whom: no photo, no file name, no path, no address of a visitor."""

from __future__ import annotations

import json
import logging
import re
import sys
import time
import traceback
from contextvars import ContextVar
from types import TracebackType

request_id: ContextVar[str] = ContextVar("request_id", default="")
PATH = re.compile(r"(?<![\w:/])(?:/[^\s'\":,;)(<>]+){2,}|[A-Za-z]:\\[^\s'\"]+")
IDENTIFIER = re.compile(r"(?<=/)(?=[\w-]*\d)[\w-]{8,}(?=/|$)")
FILE = re.compile(r"(file[=/]|heartbeat/|call/[^/]*/).*", re.DOTALL)  # of which the rest is a visitor's
EXTRA = ("request", "method", "route", "status", "milliseconds", "lane", "worker", "bytes", "result")
requests = logging.getLogger("facelift.requests")


class JsonLines(logging.Formatter):
    """One object a line. Of an exception it keeps where in the code it arose, and its type; its words go, as they may quote a visitor."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(self.content(record), default=str)

    def content(self, record: logging.LogRecord) -> dict[str, object]:
        line: dict[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{record.msecs:03.0f}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": without_paths(record.getMessage()),
        }
        line |= {name: getattr(record, name) for name in EXTRA if hasattr(record, name)}
        if (current := request_id.get()) and "request" not in line:
            line["request"] = current
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            line["at"] = [*getattr(record.exc_info[1], "__notes__", []), *places(record.exc_info[2])]
        return line


class PlainLines(JsonLines):
    """The same, for people."""

    def format(self, record: logging.LogRecord) -> str:
        line = self.content(record)
        where = f" ({line['error']} at {', '.join(line['at'])})" if isinstance(line.get("at"), list) else ""  # type: ignore[arg-type]
        return f"{line['level']}: {line['message']}{where}"


def places(trace: TracebackType | None) -> list[str]:
    """Where in the code, innermost last."""
    return [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(trace)[-8:]]


def without_paths(text: str) -> str:
    return PATH.sub("<path>", text)


def log_request(identifier: str, method: str, path: str, status: int, seconds: float) -> None:
    """path: without the query; what in it names a visitor or a file is left out."""
    route = IDENTIFIER.sub("*", FILE.sub(r"\1*", path))[:80]
    extra = {"request": identifier, "method": method, "route": route, "status": status, "milliseconds": round(1000 * seconds)}
    requests.info("request", extra=extra)


def adopt_server_logs() -> None:
    """What uvicorn logs goes the way of all logs; when it starts it gives itself a way of its own, with the words of each error."""
    for name in ("uvicorn", "uvicorn.access", "uvicorn.error"):
        logging.getLogger(name).handlers[:] = []
        logging.getLogger(name).propagate = True


def start_logs(as_json: bool) -> None:
    """All logs of this process on standard error: with each request as JSON, or for people, with warnings alone."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if as_json else PlainLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("facelift").setLevel(logging.INFO if as_json else logging.WARNING)
    logging.captureWarnings(True)
