"""One face over the two database drivers, for the statements written in full.

The money path and balances run fixed statements on the driver's own connection: the work of a few
microseconds each would drown in anything above it, and a command that only reads a balance need not
import SQLAlchemy at all. Statements are standard SQL with `?` for parameters and run on both
databases. What is composed at run time (reports, lists) or declares the tables is SQLAlchemy's.
"""

from __future__ import annotations

import contextlib
import os
import queue
import random
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Literal, TypeVar

from tracker.errors import LedgerDamaged, LedgerUnavailable, OutcomeUnknown, TrackerError
from tracker.store import sqlite as lite
from tracker.store.address import Address

T = TypeVar("T")
Row = tuple[Any, ...]
Params = Sequence[Any]
Durability = Literal["full", "process"]

ATTEMPTS = 50  # of a transaction that another one got in the way of
FORK_WAIT_S = 5.0  # how long a fork waits for the transactions of other threads
IDLE = 0  # libpq's PQTRANS_IDLE: no transaction is open

# A server that is gone is noticed, and so is a client that stopped in the middle of a transaction.
CONNECTION: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
SESSION = "SET lock_timeout = '30s'; SET idle_in_transaction_session_timeout = '5min'"
ASYNCHRONOUS = "; SET synchronous_commit = off"

_databases: weakref.WeakSet[Database] = weakref.WeakSet()
_inherited: list[object] = []  # connections of a parent process: never used, never closed
_paused: list[Database] = []
_forking = threading.Lock()


class Retry(Exception):
    """Another transaction changed what this one had read."""


class Transaction:
    """A running transaction. `locks`: whether rows must be locked before they are changed.

    On SQLite a writer is alone from its first read on; on PostgreSQL rows are locked one by one.
    """

    __slots__ = ("_connection", "_execute", "locks")

    def __init__(self, connection: Any, execute: Callable[..., Any], *, locks: bool) -> None:
        self._connection = connection
        self._execute = execute
        self.locks = locks

    def rows(self, sql: str, params: Params = ()) -> list[Row]:
        """Run a query and return all its rows."""
        found: list[Row] = self._execute(sql, params).fetchall()
        return found

    def one(self, sql: str, params: Params = ()) -> Row | None:
        """Run a query and return its first row, or None."""
        found: Row | None = self._execute(sql, params).fetchone()
        return found

    def stream(self, sql: str, params: Params = ()) -> Iterator[Row]:
        """Run a query and return its rows as they are read; stop early and the rest is not."""
        found: Iterator[Row] = self._execute(sql, params)
        return found

    def run(self, sql: str, params: Params = ()) -> int:
        """Run a statement and return how many rows it changed."""
        changed: int = self._execute(sql, params).rowcount
        return changed

    def many(self, sql: str, rows: Iterable[Params]) -> None:
        """Run a statement once per row."""
        if self.locks:
            self._connection.cursor().executemany(postgresql_style(sql), list(rows))
        else:
            self._connection.executemany(sql, rows)


@lru_cache(maxsize=512)
def postgresql_style(sql: str) -> str:
    """Write a statement's parameters the way psycopg takes them."""
    return sql.replace("%", "%%").replace("?", "%s")


class Sqlite:
    """Connections to a ledger file: one that writes, and some that read beside it."""

    name = "sqlite"

    def __init__(self, address: Address, durability: Durability) -> None:
        assert address.path is not None
        self.path = address.path
        self.durability = durability
        self._reset()
        _databases.add(self)

    def _reset(self) -> None:
        self.turn = lite.Turn(self.path)
        self._writer: Any = None
        self._writing = False
        self._gate = threading.Lock()  # whoever passes it is counted in `_out`
        self._idle: list[Any] = []  # readers
        self._out: list[None] = []
        self._paused = False

    def connect(self) -> Any:
        """Open one more connection."""
        with translated(self):
            return lite.connect(self.path, self.durability)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Transaction]:
        """Read in one snapshot."""
        with self._gate:
            idle, out = self._idle, self._out
            out.append(None)
            connection = idle.pop() if idle else None
        try:
            if connection is None:
                connection = self.connect()
            with translated(self):
                connection.execute("BEGIN")
                yield Transaction(connection, connection.execute, locks=False)
        finally:
            if connection is not None:
                self._put_back(connection, idle)
            out.pop()

    def _put_back(self, connection: Any, idle: list[Any]) -> None:
        try:
            if connection.in_transaction:  # an error may have ended it
                connection.execute("ROLLBACK")
        except lite.sqlite3.Error:
            connection.close()
        else:
            if idle is self._idle:
                idle.append(connection)
            else:  # the ledger was closed meanwhile
                connection.close()

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a transaction that is alone from its first read, and make it durable."""
        deadline = time.monotonic() + lite.WAIT_S
        turn, connection = self.turn, None
        with turn.lock:
            if self._writing:
                raise LedgerUnavailable(
                    f"{self.path} is being written by this very thread; wait until that is done"
                )
            try:
                self._writing = True
                if self._writer is None:
                    lite.check_file(self.path)
                    lite.check_writable(self.path)
                turn.come(deadline)
                connection = self._writer
                if connection is None:
                    connection = self._writer = self.connect()
                execute = connection.execute
                try:
                    execute("BEGIN IMMEDIATE")
                    result = work(Transaction(connection, execute, locks=False))
                except BaseException as error:
                    self._roll_back(connection)
                    if isinstance(error, lite.sqlite3.Error):
                        raise refused(self, error) from None
                    raise
                try:
                    execute("COMMIT")
                except BaseException as error:
                    self._roll_back(connection)
                    if isinstance(error, lite.sqlite3.Error):
                        lite.make_room(connection, error)
                        raise unsure(self, error) from None
                    raise
                return result
            finally:  # calls into C only: Ctrl-C may strike in any other, also in a roll back
                self._writing = False
                try:
                    if connection is not None and connection.in_transaction:
                        connection.execute("ROLLBACK")
                except lite.sqlite3.Error:
                    pass
                finally:
                    if turn.file is not None:
                        lite.flock(turn.file, lite.LOCK_UN)

    def _roll_back(self, connection: Any) -> None:
        self._writer = None  # until it is known that it can be trusted
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except lite.sqlite3.Error:
            connection.close()
        else:
            self._writer = connection

    @contextlib.contextmanager
    def visited(self) -> Iterator[None]:
        """Let a connection of somebody else's into the file for a block."""
        with self._gate:
            out = self._out
            out.append(None)
        try:
            yield
        finally:
            out.pop()

    def close(self) -> None:
        """Close every connection; one in use closes when its transaction ends."""
        with self.turn.lock:
            idle, self._idle = self._idle, []
            while idle:
                idle.pop().close()
            if not self._writing:
                if self._writer is not None:
                    self._writer.close()
                    self._writer = None
                self.turn.close()

    def pause(self) -> None:
        """Close every connection and open none until `resume`: the process is about to fork.

        SQLite counts a file's locks per process: a child that opens it beside an inherited
        connection believes that it holds locks it does not, and its log is deleted under it.
        Waits for the transactions of other threads, but not for ever.
        """
        self._gate.acquire()
        deadline = time.monotonic() + FORK_WAIT_S
        while self._out and time.monotonic() < deadline:
            time.sleep(0.0005)
        if self.turn.lock.acquire(timeout=FORK_WAIT_S):
            self.close()
            self._paused = True

    def resume(self) -> None:
        """Open connections again."""
        if self._paused:
            self._paused = False
            self.turn.lock.release()
        self._gate.release()

    def forked(self) -> None:
        """Start afresh in a child. What another thread had in use stays as it is: not ours."""
        _inherited.append((self._writer, self._idle))
        self._reset()


class Pool:
    """Permits to use a connection, and connections that nobody uses."""

    def __init__(self, size: int) -> None:
        self.permits: queue.SimpleQueue[Permit] = queue.SimpleQueue()
        self.idle: list[Any] = []  # the one used last comes first: the others may go stale
        for _ in range(size):
            self.permits.put(Permit(self))


class Permit:
    """Leave to use one connection. One that Ctrl-C lost on its way is replaced."""

    __slots__ = ("_pool",)

    def __init__(self, pool: Pool) -> None:
        self._pool = weakref.ref(pool)

    def __del__(self) -> None:
        pool = self._pool()
        if pool is not None:
            pool.permits.put(Permit(pool))


class PostgreSQL:
    """A pool of connections to a PostgreSQL server."""

    name = "postgresql"
    SIZE = 8

    def __init__(self, address: Address, durability: Durability) -> None:
        assert address.url is not None
        self.url = address.url
        self.durability = durability
        self._reset()
        _databases.add(self)

    def _reset(self) -> None:
        self._pool = Pool(self.SIZE)

    def connect(self) -> Any:
        """Open one more connection."""
        try:
            import psycopg
        except ImportError:
            raise LedgerUnavailable(
                'PostgreSQL needs psycopg: pip install "tracker[postgresql]"'
            ) from None
        url = self.url.replace("postgresql+psycopg://", "postgresql://", 1)
        try:
            given = psycopg.conninfo.conninfo_to_dict(url)
        except psycopg.Error:  # its text repeats the address, password and all
            raise LedgerUnavailable(
                "the ledger's address is not one PostgreSQL takes: percent-encode what is special "
                "in it, and see its options for misspellings"
            ) from None
        settings = {name: value for name, value in CONNECTION.items() if name not in given}
        try:
            connection = psycopg.connect(url, autocommit=True, prepare_threshold=2, **settings)
            try:
                connection.execute(SESSION + (ASYNCHRONOUS if self.durability == "process" else ""))
            except BaseException:
                connection.close()
                raise
        except psycopg.Error as error:
            reason = str(error).strip().partition("\n")[0]
            raise LedgerUnavailable(f"the ledger's server does not answer: {reason}") from None
        return connection

    @contextlib.contextmanager
    def _leased(self) -> Iterator[Any]:
        pool, connection = self._pool, None
        try:
            permit = pool.permits.get(timeout=lite.WAIT_S)
        except queue.Empty:
            raise LedgerUnavailable(
                f"the ledger is busy: all {self.SIZE} connections to the server were in use for "
                f"{lite.WAIT_S:.0f} s; nothing was written, try again"
            ) from None
        try:
            with contextlib.suppress(IndexError):
                connection = pool.idle.pop()
            if connection is None or connection.closed:
                connection = None
                connection = self.connect()
            yield connection
        finally:
            if connection is not None:
                # Neither after a close meanwhile, nor after Ctrl-C or a loss, is it used again.
                if pool is self._pool and connection.pgconn.transaction_status == IDLE:
                    pool.idle.append(connection)
                else:
                    connection.close()
            pool.permits.put(permit)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Transaction]:
        """Read in one snapshot."""
        with self._leased() as connection, translated(self):
            execute = _psycopg_execute(connection)
            execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", ())
            try:
                yield Transaction(connection, execute, locks=True)
            finally:
                _roll_back(connection)

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a transaction and make it durable; repeat it if another got in its way."""
        import psycopg

        again = (
            Retry,
            psycopg.errors.SerializationFailure,
            psycopg.errors.DeadlockDetected,
            psycopg.errors.UniqueViolation,
        )
        for attempt in range(ATTEMPTS):
            if attempt > 2:  # let the others get out of the way
                time.sleep(random.random() * 0.002 * min(attempt, 20))
            with self._leased() as connection:
                execute = _psycopg_execute(connection)
                try:
                    execute("BEGIN", ())
                    result = work(Transaction(connection, execute, locks=True))
                except again:
                    _roll_back(connection)
                    continue
                except BaseException as error:
                    _roll_back(connection)
                    if isinstance(error, psycopg.Error):
                        raise refused(self, error) from None
                    raise
                try:
                    connection.execute("COMMIT")
                except psycopg.Error as error:
                    raise unsure(self, error) from None
                return result
        raise LedgerUnavailable(
            "the ledger is busy: others kept changing the same grants; nothing was written, "
            "try again"
        )

    def close(self) -> None:
        """Close every connection; one in use closes when its transaction ends."""
        pool = self._pool
        self._reset()
        with contextlib.suppress(IndexError):
            while True:
                pool.idle.pop().close()

    def pause(self) -> None:
        """Do nothing: connections to a server may be open while the process forks."""

    def resume(self) -> None:
        """Do nothing: see `pause`."""

    def forked(self) -> None:
        """Start afresh in a child. The parent's connections are not ours to use or close."""
        _inherited.append(self._pool)
        self._reset()


Database = Sqlite | PostgreSQL


def _before_fork() -> None:
    _forking.acquire()
    for one in list(_databases):
        _paused.append(one)
        one.pause()


def _after_fork_in_parent() -> None:
    while _paused:
        _paused.pop().resume()
    _forking.release()


def _after_fork_in_child() -> None:
    global _forking
    _forking = threading.Lock()
    lite.start_afresh()
    _paused.clear()
    for one in list(_databases):
        one.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )


def database(address: Address, durability: Durability) -> Database:
    """Return the database an address names. Nothing is opened yet."""
    return Sqlite(address, durability) if address.path else PostgreSQL(address, durability)


def _roll_back(connection: Any) -> None:
    """End a transaction without a trace. A connection that cannot is closed: the server ends it."""
    try:
        if not connection.closed:
            connection.execute("ROLLBACK")
    except Exception:
        connection.close()


def _psycopg_execute(connection: Any) -> Callable[..., Any]:
    run = connection.execute

    def execute(sql: str, params: Params = ()) -> Any:
        return run(postgresql_style(sql), params)

    return execute


@contextlib.contextmanager
def translated(database: Database) -> Iterator[None]:
    """Turn a driver's errors into ours: certain ones, as nothing is being committed."""
    try:
        yield
    except TrackerError:
        raise
    except Exception as error:
        if type(error).__module__.split(".")[0] in ("pysqlite3", "sqlite3", "psycopg"):
            raise refused(database, error) from None
        raise


def refused(database: Database, error: Exception) -> TrackerError:
    """Name what a failed statement means. It had no effect: the transaction was rolled back."""
    if isinstance(database, PostgreSQL):
        return _refused_by_server(error)
    name = getattr(error, "sqlite_errorname", "")
    path = database.path
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_PROTOCOL")):
        return lite.busy(path)
    if name in ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE"):
        return LedgerUnavailable(
            f"disk full: {path} cannot grow; nothing was written, free some space and repeat"
        )
    if name.startswith("SQLITE_READONLY"):
        return LedgerUnavailable(
            f"{path} is read-only; it and its folder need write permission; nothing was written"
        )
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")):
        return LedgerUnavailable(
            f"{path} cannot be opened: it, or a file beside it, or their folder lacks a permission"
        )
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return LedgerDamaged(f"{path} is damaged ({error}); it was left as it is, restore a backup")
    if str(error).startswith(("no such table", "no such column")):
        return LedgerDamaged(f"{path} lacks a part of its schema; restore a backup")
    if name.startswith("SQLITE_IOERR"):
        return LedgerUnavailable(f"{path}: input/output error; nothing was written, check the disk")
    if "closed database" in str(error):
        return LedgerUnavailable(f"{path} was closed while it was in use; nothing was written")
    raise error  # a defect of ours: let it be seen


# What the server's codes begin with, from the longest on (postgresql.org/docs, appendix A).
SERVER = {
    "53100": "disk full: the ledger's server cannot write; nothing was written, free some space",
    "55P03": "the ledger is busy: another writer has kept what is needed locked for 30 s; "
    "nothing was written, try again",
    "57014": "the ledger's server gave the statement up; nothing was written, try again",
    "42501": "the user of the ledger's address lacks a permission on its tables; nothing was "
    "written",
    "25006": "the ledger's server takes no writes now; nothing was written, name its primary",
    "08": "the connection to the ledger's server was lost; nothing was written, try again",
    "25P": "the ledger's server gave the transaction up: it stood still; nothing was written",
    "40": "the ledger is busy: another transaction got in the way; nothing was written, try again",
    "53": "the ledger's server is short of resources; nothing was written, try again",
    "57P": "the connection to the ledger's server was lost; nothing was written, try again",
    "58": "the ledger's server had an input/output error; nothing was written",
}
SERVER_DAMAGED = {
    "XX": "the ledger's server reports damaged data; nothing was written, restore a backup",
    "42P01": "the ledger's server lacks a table of the ledger's schema; nothing was written",
    "42703": "the ledger's server lacks a column of the ledger's schema; nothing was written",
}


def _refused_by_server(error: Exception) -> TrackerError:
    state = getattr(error, "sqlstate", None)
    for known, kind in ((SERVER, LedgerUnavailable), (SERVER_DAMAGED, LedgerDamaged)):
        for start, message in known.items():
            if state is not None and state.startswith(start):
                return kind(message)
    if state is None and type(error).__name__ in ("OperationalError", "InterfaceError"):
        return LedgerUnavailable(SERVER["08"])
    raise error  # a defect of ours: let it be seen


def unsure(database: Database, error: Exception) -> TrackerError:
    """Name a commit that failed: it may or may not have happened."""
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith("SQLITE_BUSY"):
        return refused(database, error)  # readers did not let go: it was rolled back
    full = name == "SQLITE_FULL" or getattr(error, "sqlstate", None) == "53100"
    if isinstance(database, Sqlite):
        why = f"disk full: {database.path} cannot grow"
        if not full:
            why = f"the commit to {database.path} was cut short ({error}), check the disk"
    else:
        why = "the ledger's server did not confirm the commit"
        if full:
            why = "disk full: the ledger's server cannot write"
    return OutcomeUnknown(
        f"{why}; it is not known whether this was written: repeat it with the same request id"
    )
