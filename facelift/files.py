"""Files and folders that appear whole or not at all, whatever is killed in between."""

from __future__ import annotations

import contextlib
import glob
import itertools
import os
import platform
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

_count = itertools.count()


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Runs `write` on a file beside `path` that takes the name at the end. Folders above are made.

    Whatever `write` raises passes through; `path` is as it was then, and nothing is left beside it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _partial(path) as partial:
        write(partial)
        os.replace(partial, path)


def write_whole_folder(folder: Path, write: Callable[[Path], object]) -> None:
    """As `write_whole`, for a folder that is not there yet: `write` is given an empty one. Of two that make the same, the first wins."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    with _partial(folder) as partial:
        partial.mkdir()
        write(partial)
        try:
            os.replace(partial, folder)
        except OSError:
            if not folder.is_dir():
                raise


def write_whole_files(folder: Path, write: Callable[[Path], object], last: str | None = None) -> None:
    """As `write_whole`, for files that belong together, in folders or not: `write` is given an empty folder, whose files go into
    `folder` at the end, beside what else is there.

    last: a file that goes first when it is old, and comes last when it is new: where it is, the others are those written with it.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    with _partial(folder) as partial:
        partial.mkdir()
        write(partial)
        folder.mkdir(exist_ok=True)
        if last is not None:
            (folder / last).unlink(missing_ok=True)
        written = [path.relative_to(partial) for path in sorted(partial.rglob("*")) if not path.is_dir()]
        for name in sorted(written, key=lambda name: str(name) == last):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(partial / name, folder / name)


@contextlib.contextmanager
def _partial(path: Path) -> Iterator[Path]:
    """A name beside `path` that no other process and no other call has, with the same suffix. What is still there at the end goes."""
    partial = path.with_name(f".partial_{platform.node()}-{os.getpid()}-{next(_count)}_{path.name}")
    try:
        yield partial
    finally:
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            partial.unlink(missing_ok=True)


def _sweep(folder: Path) -> None:
    """Removes what killed processes of this machine left of a folder."""
    for left in folder.parent.glob(f".partial_*{glob.escape(folder.name)}"):
        owner = re.fullmatch(rf"\.partial_(.+)-(\d+)-\d+_{re.escape(folder.name)}", left.name)
        if not owner or owner[1] == platform.node() and not _alive(int(owner[2])):
            shutil.rmtree(left, ignore_errors=True)


def _alive(process: int) -> bool:
    if os.name != "posix":  # elsewhere there is no asking without harm
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
