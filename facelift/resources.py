"""Where the files that are no code lie, assets/ and weights/, and which packages are there: asked here alone."""

from __future__ import annotations

import os
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .errors import ResourceError

PACKAGE = Path(__file__).resolve().parent
WHERE_FROM = "they come with FaceLift's source: copy them from there, or set FACELIFT_HOME to the folder that holds assets/ and weights/"


def homes() -> list[Path]:
    """Folders that may hold assets/ and weights/, first to last: FACELIFT_HOME, the clone, what is installed with it, the cache."""
    named = os.environ.get("FACELIFT_HOME")
    cache = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "huggingface")
    return [*([Path(named).expanduser()] if named else []), PACKAGE.parent, PACKAGE / "share", Path(cache, "facelift").expanduser()]


def resource(name: str) -> Path:
    """The file or folder of this name, "assets/viewer" say. Raises ResourceError where it is nowhere."""
    places = [home / name for home in homes()]
    for place in places:
        if _is_there(place):
            return place
    raise ResourceError(f"{name} is in none of {', '.join(str(home) for home in homes())}: {WHERE_FROM}.")


@cache
def installed_version(name: str) -> str | None:
    """Of a distribution; None where it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _is_there(place: Path) -> bool:
    try:
        return place.exists()
    except OSError:  # a folder that may not be looked into
        return False
