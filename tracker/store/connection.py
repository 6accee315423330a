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
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeVar

from tracker.errors import LedgerDamaged, LedgerUnavailable, OutcomeUnknown, TrackerError
from tracker.store import sqlite as lite
from tracker.store.address import Address

T = TypeVar("T")
Row = tuple[Any, ...]
Params = Sequence[Any]
Durability = Literal["full", "process"]

ATTEMPTS = 50  # of a transaction that another one got in the way of


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

    def _reset(self) -> None:
        self._pid = os.getpid()
        self.turn = lite.Turn(self.path)
        self._writer: Any = None
        self._readers: queue.LifoQueue[Any] = queue.LifoQueue()
        self._all: list[Any] = []

    def connect(self) -> Any:
        """Open one more connection."""
        if self._pid != os.getpid():
            self._reset()  # forked: a SQLite connection must not be carried across
        with translated(self, "open"):
            connection = lite.connect(self.path, self.durability)
        self._all.append(connection)
        return connection

    @contextlib.contextmanager
    def reading(self) -> Iterator[Transaction]:
        """Read in one snapshot."""
        if self._pid != os.getpid():
            self._reset()
        try:
            connection = self._readers.get_nowait()
        except queue.Empty:
            connection = self.connect()
        try:
            with translated(self, "read"):
                connection.execute("BEGIN")
                try:
                    yield Transaction(connection, connection.execute, locks=False)
                finally:
                    connection.execute("ROLLBACK")
        finally:
            self._readers.put(connection)

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a transaction that is alone from its first read, and make it durable."""
        if self._pid != os.getpid():
            self._reset()
        turn = self.turn
        turn.take()
        try:
            connection = self._writer
            if connection is None:
                lite.check_file(self.path)
                lite.check_writable(self.path)
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
                    raise unsure(self, error) from None
                raise
            return result
        finally:
            turn.give()

    def _roll_back(self, connection: Any) -> None:
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except lite.sqlite3.Error:
            self._writer = None  # it can't be trusted: the next writer opens its own
            connection.close()

    def close(self) -> None:
        """Close every connection."""
        if self._pid == os.getpid():
            for connection in self._all:
                connection.close()
            self.turn.close()
        self._reset()


class PostgreSQL:
    """A pool of connections to a PostgreSQL server."""

    name = "postgresql"
    SIZE = 8

    def __init__(self, address: Address, durability: Durability) -> None:
        assert address.url is not None
        self.url = address.url
        self.durability = durability
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._free: queue.LifoQueue[Any] = queue.LifoQueue()
        for _ in range(self.SIZE):
            self._free.put(None)
        self._lock = threading.Lock()
        self._all: list[Any] = []

    def connect(self) -> Any:
        """Open one more connection."""
        try:
            import psycopg
        except ImportError:
            raise LedgerUnavailable(
                'PostgreSQL needs psycopg: pip install "tracker[postgresql]"'
            ) from None
        try:
            connection = psycopg.connect(
                self.url.replace("postgresql+psycopg://", "postgresql://", 1),
                autocommit=True,
                prepare_threshold=2,
            )
            if self.durability == "process":
                connection.execute("SET synchronous_commit = off")
        except psycopg.Error as error:
            reason = str(error).strip().partition("\n")[0]
            raise LedgerUnavailable(f"the ledger's server does not answer: {reason}") from None
        self._all.append(connection)
        return connection

    @contextlib.contextmanager
    def _leased(self) -> Iterator[Any]:
        if self._pid != os.getpid():
            self._reset()
        connection = self._free.get()
        try:
            if connection is None or connection.closed:
                connection = self.connect()
            yield connection
        finally:
            self._free.put(connection)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Transaction]:
        """Read in one snapshot."""
        with self._leased() as connection, translated(self, "read"):
            execute = _psycopg_execute(connection)
            execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", ())
            try:
                yield Transaction(connection, execute, locks=True)
            finally:
                if not connection.closed:
                    connection.execute("ROLLBACK")

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a transaction and make it durable; repeat it if another got in its way."""
        import psycopg

        again = (
            Retry,
            psycopg.errors.SerializationFailure,
            psycopg.errors.DeadlockDetected,
            psycopg.errors.UniqueViolation,
        )
        for _ in range(ATTEMPTS):
            with self._leased() as connection:
                execute = _psycopg_execute(connection)
                try:
                    execute("BEGIN", ())
                    result = work(Transaction(connection, execute, locks=True))
                except again:
                    connection.execute("ROLLBACK")
                    continue
                except BaseException as error:
                    if not connection.closed:
                        with contextlib.suppress(psycopg.Error):
                            connection.execute("ROLLBACK")
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
        """Close every connection."""
        if self._pid == os.getpid():
            for connection in self._all:
                connection.close()
        self._reset()


Database = Sqlite | PostgreSQL


def database(address: Address, durability: Durability) -> Database:
    """Return the database an address names. Nothing is opened yet."""
    return Sqlite(address, durability) if address.path else PostgreSQL(address, durability)


def _psycopg_execute(connection: Any) -> Callable[..., Any]:
    run = connection.execute

    def execute(sql: str, params: Params = ()) -> Any:
        return run(postgresql_style(sql), params)

    return execute


@contextlib.contextmanager
def translated(database: Database, doing: str) -> Iterator[None]:
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
    name = getattr(error, "sqlite_errorname", "") or type(error).__name__
    where = database.path if isinstance(database, Sqlite) else "the server"
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return lite.busy(database.path if isinstance(database, Sqlite) else Path("ledger"))
    if name.startswith("SQLITE_FULL") or name == "DiskFull":
        return LedgerUnavailable(
            f"disk full: {where} cannot grow; nothing was written, free some space and repeat"
        )
    if name.startswith("SQLITE_READONLY"):
        return LedgerUnavailable(f"{where} is read-only; it needs write permission")
    if name.startswith("SQLITE_CANTOPEN"):
        return LedgerUnavailable(
            f"{where} cannot be opened: the file or its folder lacks a permission"
        )
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return LedgerDamaged(
            f"{where} is damaged ({error}); it was left as it is, restore a backup"
        )
    if name.startswith("SQLITE_IOERR"):
        return LedgerUnavailable(f"{where}: input/output error; nothing was written")
    if name in ("OperationalError", "AdminShutdown", "InterfaceError", "CrashShutdown"):
        return LedgerUnavailable(f"the connection to {where} was lost; nothing was written")
    raise error  # a defect of ours: let it be seen


def unsure(database: Database, error: Exception) -> TrackerError:
    """Name a commit that failed: it may or may not have happened."""
    name = getattr(error, "sqlite_errorname", "") or type(error).__name__
    why = "disk full" if name.startswith("SQLITE_FULL") else "the commit was cut short"
    return OutcomeUnknown(
        f"{why}: it is not known whether this was written; repeat it with the same request id"
    )
