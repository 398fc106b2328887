"""One folder for everything of all visitors: swept on schedule, at start, at exit, when a visitor leaves or asks for it."""

from __future__ import annotations

import atexit
import contextlib
import os
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from ..errors import ResourceError

PREFIX = "facelift_visitors-"
SHARED = "shared"  # folder of what visitors share by links, which end by themselves
LOCK = ".owner"  # held by the server that owns the folder, whatever ends it
LONGEST_WORK = 3600.0  # seconds that any work goes on for at most once nobody waits for it
UNNAMED = 600.0  # seconds that an upload is kept of which no call told
IN_MEMORY = ("tmpfs", "ramfs")


class Visitors:
    """The folder of one server, and in it one for each visitor. Times are those of a clock that nobody sets.

    Whatever else appears in the root (uploads, a folder for each) is first seen by a sweep or when a call names it.
    """

    def __init__(self, above: Path, keep_seconds: float):
        """above: where the server's folder is made; what servers that are no more left there is deleted. Raises ResourceError."""
        self.keep_seconds = keep_seconds
        self._folders: dict[str, Path] = {}
        self._named: dict[Path, set[str]] = {}  # who uses an upload: two visitors may send the same photo
        self._seen: dict[Path, float] = {}
        self._busy: set[Path] = set()
        self._gone: dict[Path, float] = {}  # deleted, and since when: work that was under way may write there once more
        self._lock = threading.RLock()
        try:
            sweep_abandoned(above)
            self.root = Path(tempfile.mkdtemp(prefix=PREFIX, dir=above)).resolve()
            self._owner = _locked(self.root / LOCK)
        except OSError as error:
            raise ResourceError(f"No folder for visitors' files can be made in {above}: {error.strerror}. Set TMPDIR to another.") from None

    def __contains__(self, visitor: str) -> bool:
        """Whether anything of theirs was kept and not forgotten since."""
        return visitor in self._folders

    def folder(self, visitor: str, kind: str = "made", most: int | None = None) -> Path:
        """A new folder of theirs, with a name that cannot be guessed. The oldest of a kind go where there are more than `most`."""
        with self._lock:
            home = self._folders.get(visitor)
            if home is None or not home.is_dir():
                home = self._folders[visitor] = self.root / f"visitor-{secrets.token_urlsafe(16)}"
                home.mkdir(mode=0o700, parents=True)
            made = Path(tempfile.mkdtemp(prefix=f"{kind}-", dir=home))
            self._seen[made] = time.monotonic()
            if most is not None:
                same = sorted(home.glob(f"{kind}-*"), key=lambda path: self._seen.get(path, 0.0))
                for old in same[:-most]:
                    _delete(old)
            return made

    @contextlib.contextmanager
    def working(self, visitor: str) -> Iterator[Path]:
        """As `folder`, for a job: not swept while it runs, deleted at once if it fails."""
        folder = self.folder(visitor)
        with self._lock:
            self._busy.add(folder)
        try:
            yield folder
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            self._gone[folder] = time.monotonic()
            raise
        finally:
            with self._lock:
                self._busy.discard(folder)
                self._seen[folder] = time.monotonic()

    def uses(self, visitor: str, path: Path) -> None:
        """An upload that is theirs, as it was named in a call of theirs."""
        with self._lock:
            item = self._item(path)
            if item is not None and item not in self._folders.values():
                self._named.setdefault(item, set()).add(visitor)
                self._seen.setdefault(item, time.monotonic())

    def forget(self, visitor: str) -> None:
        """Deletes all that is theirs."""
        with self._lock:
            gone = [home] if (home := self._folders.pop(visitor, None)) else []
            self._gone |= dict.fromkeys(gone, time.monotonic())
            for item, users in list(self._named.items()):
                users.discard(visitor)
                if not users:
                    gone.append(item)
                    del self._named[item]
        for path in gone:
            _delete(path)

    def sweep(self) -> None:
        """Deletes what is older than it may be."""
        now = time.monotonic()
        with self._lock:
            homes = set(self._folders.values())
            again = [path for path in self._gone if path.exists()]
            self._gone = {path: since for path, since in self._gone.items() if now - since < LONGEST_WORK}
            items = [p for p in _entries(self.root) if p not in homes and p.name not in (LOCK, SHARED)]
            items += [p for home in homes for p in _entries(home)]
            ages = {p: now - self._seen.setdefault(p, now) for p in items}
            unnamed = [p for p in ages if p.parent == self.root and p not in self._named]  # sent, and not used since
            longest = {p: self.keep_seconds for p in ages} | {p: min(self.keep_seconds, UNNAMED) for p in unnamed}
            gone = [p for p, age in ages.items() if age > longest[p] and p not in self._busy]
            for path in gone:
                self._named.pop(path, None)
        for path in gone + again:
            _delete(path)
        with self._lock:
            for visitor, home in list(self._folders.items()):
                with contextlib.suppress(OSError):
                    home.rmdir()  # only where it is empty
                    del self._folders[visitor]
            self._seen = {p: since for p, since in self._seen.items() if p.exists()}

    def close(self) -> None:
        """Deletes everything."""
        shutil.rmtree(self.root, ignore_errors=True)
        owner, self._owner = self._owner, None
        if owner is not None:
            os.close(owner)

    def free(self) -> int:
        """Bytes that can still be written."""
        return shutil.disk_usage(self.root).free

    def size(self) -> int:
        """Bytes of all files."""
        total = 0
        for folder, _, names in os.walk(self.root):
            for name in names:
                with contextlib.suppress(OSError):
                    total += os.lstat(os.path.join(folder, name)).st_size
        return total

    def _item(self, path: Path) -> Path | None:
        """What directly in the root a path belongs to, and a visitor's it may be."""
        if path == self.root or not path.is_relative_to(self.root):
            return None
        item = self.root / path.relative_to(self.root).parts[0]
        return item if item.name not in (LOCK, SHARED) else None


@cache
def visitors_of_this_process(in_memory: bool = False, keep_seconds: float = 3600) -> Visitors:
    """Deleted when the process ends. Raises ResourceError."""
    made = Visitors(memory_folder() if in_memory else Path(tempfile.gettempdir()), keep_seconds)
    owner = os.getpid()
    atexit.register(lambda: made.close() if os.getpid() == owner else None)
    os.environ["GRADIO_TEMP_DIR"] = str(made.root)  # where Gradio puts uploads, and whose files it hands out
    return made


def memory_folder() -> Path:
    """A folder that can be written and lies in memory. Raises ResourceError."""
    for folder in (Path(tempfile.gettempdir()), Path("/dev/shm")):
        if os.access(folder, os.W_OK) and _file_system(folder.resolve()) in IN_MEMORY:
            return folder
    raise ResourceError("Nothing can be kept off the disk here: --keep-nothing needs a temporary folder in memory. Set TMPDIR to a tmpfs.")


def _file_system(folder: Path) -> str:
    """Its type, as Linux calls it; empty where it does not say."""
    try:
        mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return ""
    above = [(point, kind) for point, kind in mounts if folder.is_relative_to(point)]
    return max(above, key=lambda mount: len(mount[0]), default=("", ""))[1]


def sweep_abandoned(above: Path) -> None:
    """Deletes the folders of servers of this user that are no more."""
    for folder in above.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if folder.is_symlink() or folder.lstat().st_uid != os.getuid():
                continue
            if (lock := _locked(folder / LOCK)) is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)


def _locked(path: Path) -> int | None:
    """An open file that nobody else can lock while this process lives; None where another holds it."""
    try:
        import fcntl
    except ImportError:  # not on Windows: there, nothing is swept at start
        return None
    file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        return None
    return file


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
