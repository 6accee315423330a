"""Opening SQLite: which library, what a ledger file looks like, and whose turn it is to write."""

from __future__ import annotations

import contextlib
import glob
import os
import secrets
import sqlite3 as _stdlib
import stat
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tracker.errors import LedgerDamaged, LedgerUnavailable, TrackerError

if TYPE_CHECKING:
    sqlite3 = _stdlib
else:
    try:
        from pysqlite3 import dbapi2 as sqlite3
    except ImportError:  # no wheel for this platform
        sqlite3 = _stdlib

try:
    from fcntl import LOCK_EX, LOCK_NB
    from fcntl import LOCK_UN as LOCK_UN
    from fcntl import flock as flock
except ImportError:  # pragma: no cover - Windows: SQLite's own busy handler takes the turns
    flock = None  # type: ignore[assignment]

APPLICATION_ID = 0x74726B72  # "trkr", in the header of every ledger file
WAIT_S = 30.0  # how long a writer waits for its turn before it gives up
STALE_S = 600.0  # what was being created this long ago never will be
SIBLINGS = ("", "-wal", "-shm", "-journal", "-queue")
SYNCHRONOUS = {"full": "FULL", "process": "NORMAL"}

VERSION: tuple[int, ...] = tuple(int(part) for part in sqlite3.sqlite_version.split("."))


def wal_is_safe(version: tuple[int, ...] = VERSION) -> bool:
    """Tell whether this SQLite is free of the WAL-reset bug (3.7.0 to 3.51.2).

    Source: sqlite.org/wal.html, "the WAL-reset bug", fixed in 3.51.3, checked 2026-11-22.
    """
    return version >= (3, 51, 3)


class Connection(sqlite3.Connection):
    """A connection that is counted while it is open."""

    file: tuple[int, int] | None = None

    def close(self) -> None:
        """Close the connection."""
        super().close()
        if self.file is not None:
            with _counting:
                _open[self.file] -= 1
            self.file = None


# How many connections of this process a file has, by device and number. The system drops every lock
# a process has on a file when the process closes any descriptor of it: a file that is open in
# SQLite must not be opened and closed beside it (sqlite.org/howtocorrupt.html, section 2.2).
_open: Counter[tuple[int, int]] = Counter()
_counting = threading.Lock()


def connect(path: Path, durability: str) -> Connection:
    """Open a ledger file that exists. It is not created, and nothing in it is changed.

    Raises LedgerUnavailable where it cannot be opened, LedgerDamaged where it is not a ledger.
    """
    return _connect(path, durability, check=True)


def open_file(path: Path, durability: str) -> Connection:
    """Open a SQLite file with the settings every connection to a ledger has."""
    return _connect(path, durability, check=False)


def _connect(path: Path, durability: str, *, check: bool) -> Connection:
    with _counting:
        if check:
            _check_file(path)
        try:
            file = _file_of(path)
        except OSError as error:
            raise LedgerUnavailable(f"{path} cannot be opened: {error.strerror}") from None
        _open[file] += 1
    try:
        connection: Connection = sqlite3.connect(
            str(path),
            timeout=WAIT_S,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
            factory=Connection,
        )
    except BaseException:
        with _counting:
            _open[file] -= 1
        raise
    connection.file = file
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA journal_mode = {'WAL' if wal_is_safe() else 'TRUNCATE'}")
        connection.execute(f"PRAGMA synchronous = {SYNCHRONOUS[durability]}")
        connection.execute("PRAGMA cache_size = -16000")
        connection.execute("PRAGMA wal_autocheckpoint = 4000")
    except BaseException:
        connection.close()
        raise
    return connection


def start_afresh() -> None:
    """Forget, in a child process, who was counting in its parent."""
    global _counting
    _counting = threading.Lock()


def _file_of(path: Path) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino


def check_file(path: Path) -> None:
    """Refuse what is not a ledger file before SQLite sees it: it would change some of them.

    Reads the 100-byte header (sqlite.org/fileformat2.html, section 1.3): the magic string, the page
    size, the size in pages and the application id, which every ledger carries.
    """
    with _counting:
        _check_file(path)


def _check_file(path: Path) -> None:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # reading a pipe would wait for ever
            what = "a folder; name the ledger file in it" if path.is_dir() else "not a file"
            raise LedgerUnavailable(f"{path} is {what}")
        if _open[_file_of(path)]:
            return  # it was a ledger when it was opened, and must not be closed now
        with path.open("rb") as file:
            header = file.read(100)
            size = os.fstat(file.fileno()).st_size
    except FileNotFoundError:
        raise LedgerUnavailable(
            f'there is no ledger at {path}; run "tracker init" or name another with --db'
        ) from None
    except PermissionError:
        raise LedgerUnavailable(f"{path} cannot be read: permission denied") from None
    except OSError as error:
        raise LedgerUnavailable(f"{path} cannot be read: {error.strerror}") from None
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
    wal = beside(path, "-wal")
    pending = wal.exists() and wal.stat().st_size > 0
    if not pending and size < pages * (65536 if page_size == 1 else page_size):
        raise LedgerDamaged(f"{path} is damaged: it ends too early; {advice}")


def beside(path: Path, suffix: str) -> Path:
    """Return the file that SQLite, or the queue of writers, keeps beside a ledger.

    Where the ledger is a symbolic link that is beside what it leads to.
    """
    whole = Path(os.path.realpath(path))
    return whole.with_name(whole.name + suffix)


def make_room(connection: _stdlib.Connection, error: Exception) -> None:
    """Let the log begin anew where it filled the disk: what it holds moves into the ledger's file.

    That waits for nobody and needs no room, unless the file must grow; then the disk is full.
    """
    if getattr(error, "sqlite_errorname", "") == "SQLITE_FULL":
        with contextlib.suppress(sqlite3.Error):
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


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

    A turn is `with turn.lock:` and in it `turn.come(deadline)`, until `flock(turn.file, LOCK_UN)`.
    Both ends are calls into C, as Ctrl-C may strike before any step that is not.

    lock: keeps the threads of this process apart. file: what is locked; None until it is opened.
    """

    def __init__(self, path: Path) -> None:
        self._ledger = path
        self.lock = threading.RLock()
        self.file: int | None = None

    def come(self, deadline: float) -> None:
        """Wait for the turn of this process. Raises LedgerUnavailable when it does not come."""
        if flock is None:
            return
        try:
            if self.file is None:
                self.file = self._open()
            try:
                flock(self.file, LOCK_EX | LOCK_NB)
            except BlockingIOError:
                self._wait(self.file, deadline)
        except OSError as error:
            name = self._ledger.name + "-queue"
            raise LedgerUnavailable(
                f"{name} beside {self._ledger} cannot be used: {error.strerror}"
            ) from None

    def _open(self) -> int:
        """Open the lock file. Whoever may write the ledger may also wait for a turn."""
        ledger = os.stat(self._ledger)
        path = beside(self._ledger, "-queue")
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with contextlib.suppress(OSError):  # only its owner may
            if os.fstat(file).st_mode & 0o777 != ledger.st_mode & 0o666:
                os.fchmod(file, ledger.st_mode & 0o666)
            if os.geteuid() == 0:
                os.fchown(file, ledger.st_uid, ledger.st_gid)
        return file

    def _wait(self, file: int, deadline: float) -> None:
        """Queue for the lock. A wait that is fair has no time limit, so a thread does it.

        Bare locks only: what Ctrl-C interrupts inside an Event or a Queue may stay locked.
        """
        came, decided = threading.Lock(), threading.Lock()
        came.acquire()
        ours, gone = False, False

        def wait() -> None:
            nonlocal ours
            flock(file, LOCK_EX)
            with decided:
                if gone:
                    os.close(file)  # and with it the lock
                else:
                    ours = True
                    came.release()

        try:
            try:
                threading.Thread(target=wait, daemon=True, name="tracker-turn").start()
            except RuntimeError:  # no more threads, or the interpreter is ending
                ours = True
                self._poll(file, deadline)
                return
            if came.acquire(timeout=max(0.0, deadline - time.monotonic())):
                return
        finally:
            with decided:
                if not ours:
                    gone = True
                    self.file = None  # the thread that still waits keeps the old one
        if gone:
            raise busy(self._ledger)

    def _poll(self, file: int, deadline: float) -> None:
        while True:
            try:
                flock(file, LOCK_EX | LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise busy(self._ledger) from None
                time.sleep(0.005)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the turn for a block."""
        with self.lock:
            try:
                self.come(time.monotonic() + WAIT_S)
                yield
            finally:
                if self.file is not None:
                    flock(self.file, LOCK_UN)

    def close(self) -> None:
        """Close the lock file."""
        with self.lock:
            if self.file is not None:
                os.close(self.file)
                self.file = None


def busy(path: Path) -> LedgerUnavailable:
    """Say that another writer does not let go."""
    return LedgerUnavailable(
        f"the ledger is busy: another process has been writing to {path} for {WAIT_S:.0f} s; "
        "nothing was written, try again"
    )


def new_file(path: Path, fill: Callable[[Path], None]) -> None:
    """Create a ledger all at once: it is filled under another name and appears when it is whole.

    fill: called with the path of an empty file; leaves a complete ledger there.
    Several processes may do this at the same moment: one wins, the others find its ledger.
    """
    folder = path.parent
    draft = folder / f".{path.name}.{os.getpid()}.{secrets.token_hex(8)}.new"
    try:
        _make_folder(folder)
        _sweep_drafts(path)
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        fill(draft)
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        _keep(folder)
    except OSError as error:
        raise LedgerUnavailable(f"{path} cannot be created: {error.strerror}") from None
    except TrackerError as error:  # also where its outcome is unknown: the draft goes
        why = str(error).replace(str(draft), str(path)).partition(";")[0]
        raise LedgerUnavailable(f"{path} cannot be created: {why}; nothing was left") from None
    finally:
        with contextlib.suppress(OSError):  # what could not be made cannot be removed
            for suffix in SIBLINGS:
                Path(f"{draft}{suffix}").unlink(missing_ok=True)


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it that are not there, for their owner alone."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    _keep(folder.parent)


def _keep(folder: Path) -> None:
    """Make what a folder lists survive a power cut, where the system can."""
    with contextlib.suppress(OSError):
        listing = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(listing)
        finally:
            os.close(listing)


def _sweep_drafts(path: Path) -> None:
    """Remove what a process left that ended while it created this ledger."""
    long_ago = time.time() - STALE_S
    for draft in path.parent.glob(f".{glob.escape(path.name)}.*.new*"):
        with contextlib.suppress(OSError):
            if draft.stat().st_mtime < long_ago:
                draft.unlink()
