"""Opening SQLite: which library, what a ledger file looks like, and whose turn it is to write."""

from __future__ import annotations

import contextlib
import os
import sqlite3 as _stdlib
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracker.errors import LedgerDamaged, LedgerUnavailable

if TYPE_CHECKING:
    sqlite3 = _stdlib
else:
    try:
        from pysqlite3 import dbapi2 as sqlite3
    except ImportError:  # no wheel for this platform
        sqlite3 = _stdlib

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows: SQLite's own busy handler takes the turns
    fcntl = None  # type: ignore[assignment]

APPLICATION_ID = 0x74726B72
WAIT_S = 30.0  # how long a writer waits for its turn before it gives up
SYNCHRONOUS = {"full": "FULL", "process": "NORMAL"}

VERSION: tuple[int, ...] = tuple(int(part) for part in sqlite3.sqlite_version.split("."))


def wal_is_safe(version: tuple[int, ...] = VERSION) -> bool:
    """Tell whether this SQLite is free of the WAL-reset bug (3.7.0 to 3.51.2).

    Source: sqlite.org/wal.html, "the WAL-reset bug", fixed in 3.51.3, checked 2026-11-22.
    """
    return version >= (3, 51, 3)


def connect(path: Path, durability: str) -> _stdlib.Connection:
    """Open a ledger file that exists. It is not created, and nothing in it is changed.

    Raises LedgerUnavailable where it cannot be opened, LedgerDamaged where it is not a ledger.
    """
    check_file(path)
    return open_file(path, durability)


def open_file(path: Path, durability: str) -> _stdlib.Connection:
    """Open a SQLite file with the settings every connection to a ledger has."""
    connection: _stdlib.Connection = sqlite3.connect(
        str(path),
        timeout=WAIT_S,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(f"PRAGMA journal_mode = {'WAL' if wal_is_safe() else 'TRUNCATE'}")
    connection.execute(f"PRAGMA synchronous = {SYNCHRONOUS[durability]}")
    connection.execute("PRAGMA cache_size = -16000")
    return connection


def check_file(path: Path) -> None:
    """Refuse what is not a ledger file before SQLite sees it: it would change some of them.

    Reads the 100-byte header (sqlite.org/fileformat2.html, section 1.3): the magic string, the page
    size, the size in pages and the application id, which every ledger carries.
    """
    try:
        with path.open("rb") as file:
            header = file.read(100)
            size = os.fstat(file.fileno()).st_size
    except FileNotFoundError:
        raise LedgerUnavailable(
            f'there is no ledger at {path}; run "tracker init" or name another with --db'
        ) from None
    except IsADirectoryError:
        raise LedgerUnavailable(f"{path} is a folder; name the ledger file in it") from None
    except PermissionError:
        raise LedgerUnavailable(f"{path} cannot be read: permission denied") from None
    advice = "it was left as it is; name another ledger with --db, or restore a backup"
    if len(header) < 100 or header[:16] != b"SQLite format 3\0":
        raise LedgerDamaged(f"{path} is not a tracker ledger; {advice}")
    page_size = struct.unpack(">H", header[16:18])[0]
    pages, application_id = (
        struct.unpack(">I", header[28:32])[0],
        struct.unpack(">I", header[68:72])[0],
    )
    if application_id != APPLICATION_ID:
        raise LedgerDamaged(f"{path} is a SQLite file of another program; {advice}")
    wal = path.with_name(path.name + "-wal")
    pending = wal.exists() and wal.stat().st_size > 0
    if not pending and size < pages * (65536 if page_size == 1 else page_size):
        raise LedgerDamaged(f"{path} is damaged: it ends too early; {advice}")


def check_writable(path: Path) -> None:
    """Refuse a ledger that cannot be written, naming the permission that is missing."""
    if not os.access(path, os.W_OK):
        raise LedgerUnavailable(f"{path} is read-only; it needs write permission")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise LedgerUnavailable(
            f"the folder {path.parent} is read-only; SQLite needs write permission there"
        )


class Turn:
    """Whose turn it is to write to a file, among threads and processes.

    SQLite's own waiting is a lottery: with eight processes one may wait for seconds while others go
    twice. Writers queue on a lock of the operating system instead, taken before BEGIN, which also
    ends with the process, however it ends.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + "-queue")
        self._thread = threading.Lock()
        self._file: int | None = None

    def take(self) -> None:
        """Wait for the turn, at most `WAIT_S`. Raises LedgerUnavailable when it does not come."""
        if not self._thread.acquire(timeout=WAIT_S):
            raise busy(self._path)
        if fcntl is None:
            return
        try:
            if self._file is None:
                self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._wait(self._file)
        except BaseException as error:
            self._thread.release()
            if isinstance(error, OSError):
                raise LedgerUnavailable(f"{self._path} cannot be used: {error.strerror}") from None
            raise

    def _wait(self, file: int) -> None:
        """Queue for the lock. A blocking wait is fair but has no limit, so a thread does it."""
        acquired = threading.Event()
        decided = threading.Lock()
        state = {"gone": False}

        def wait() -> None:
            fcntl.flock(file, fcntl.LOCK_EX)
            with decided:
                acquired.set()
                if state["gone"]:
                    fcntl.flock(file, fcntl.LOCK_UN)

        threading.Thread(target=wait, daemon=True, name="tracker-turn").start()
        if acquired.wait(WAIT_S):
            return
        with decided:
            if acquired.is_set():
                return
            state["gone"] = True
            self._file = None  # the thread that still waits keeps the old one
        raise busy(self._path)

    def give(self) -> None:
        """End the turn."""
        if fcntl is not None and self._file is not None:
            fcntl.flock(self._file, fcntl.LOCK_UN)
        self._thread.release()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the turn for a block."""
        self.take()
        try:
            yield
        finally:
            self.give()

    def close(self) -> None:
        """Close the lock file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def busy(path: Path) -> LedgerUnavailable:
    """Say that another writer does not let go."""
    return LedgerUnavailable(
        f"the ledger is busy: another process has been writing for {WAIT_S:.0f} s "
        f"({path.name.removesuffix('-queue')}); nothing was written, try again"
    )


def new_file(path: Path, fill: Any) -> None:
    """Create a ledger all at once: it is filled under another name and appears when it is whole.

    fill: called with the path of an empty file; leaves a complete ledger there.
    Several processes may do this at the same moment: one wins, the others find its ledger.
    """
    folder = path.parent
    if not folder.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = folder / f".{path.name}.{os.getpid()}.{time.monotonic_ns()}.new"
    try:
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        fill(draft)
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    except OSError as error:
        raise LedgerUnavailable(f"{path} cannot be created: {error.strerror}") from None
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            Path(f"{draft}{suffix}").unlink(missing_ok=True)
