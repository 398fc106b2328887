"""rembg's u2net, the release's background removal: from the user's cache, or downloaded at the first use."""

from __future__ import annotations

import threading
from functools import cache
from os import environ
from pathlib import Path

from ..errors import PhotoError

MODEL = "u2net"  # rembg's default when the release was made
HOST = "https://github.com"  # where rembg downloads its models


class MattingUnavailable(PhotoError):
    """The matting asked for by name cannot run here."""


@cache
def rembg_session() -> RembgSession:
    """The process's own."""
    return RembgSession()


class RembgSession:
    """One for all photos and threads, made at the first use."""

    def __init__(self):
        self.lock, self.made, self.failure = threading.Lock(), None, None

    def get(self, retry: bool):
        """What `rembg.remove` takes. Raises MattingUnavailable; retry: False keeps to an earlier failure."""
        with self.lock:
            if self.made is None and (retry or self.failure is None):
                try:
                    _ask_for_model()
                    from rembg import new_session

                    self.made = new_session(MODEL)
                except (ImportError, OSError, ValueError, SystemExit) as error:  # without onnxruntime, rembg leaves Python by SystemExit
                    self.failure = error
            if self.made is None:
                incomplete = isinstance(self.failure, (ImportError, SystemExit))
                reason = "rembg or onnxruntime is not installed" if incomplete else f"its model {MODEL} could not be downloaded"
                raise MattingUnavailable(f"rembg cannot run: {reason}; matting='auto' uses what is shipped instead.") from self.failure
            return self.made


def _ask_for_model() -> None:
    """Raises OSError where the model is neither on disk nor within reach: importing rembg compiles for most of a minute the first time."""
    env, home = environ.get, Path.home()
    data = env("U2NET_HOME") or env("REMBG_HOME") or (f"{env('XDG_DATA_HOME')}/rembg" if env("XDG_DATA_HOME") else home / ".rembg")
    legacy = env("U2NET_HOME") or Path(env("XDG_DATA_HOME") or home) / ".u2net"
    places = (Path(data) / "models" / MODEL, Path(legacy))
    if not any((place.expanduser() / f"{MODEL}.onnx").exists() for place in places):
        import requests

        requests.head(HOST, timeout=5)
