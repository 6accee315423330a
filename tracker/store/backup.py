"""Copies of a ledger: whole, private, and there all at once or not at all."""

from __future__ import annotations

import os
import time
from pathlib import Path

from tracker.errors import AlreadyExists, InvalidValue, LedgerUnavailable
from tracker.store import sqlite as lite
from tracker.store.connection import Database, Sqlite


def back_up(database: Database, target: Path) -> int:
    """Copy a SQLite ledger as it is at one moment to a new file, and return its size in bytes.

    Writers go on meanwhile: SQLite copies a snapshot in one step. The copy is filled under another
    name in the target's folder and appears when it is whole and was opened once; mode 0600.
    Raises AlreadyExists where the target is there, InvalidValue for PostgreSQL.
    """
    if not isinstance(database, Sqlite):
        raise InvalidValue(
            "this ledger is in PostgreSQL; back it up with pg_dump, which copies it at one moment",
            field="db",
        )
    if target.exists():
        raise AlreadyExists(f"{target} is there already; name a file that is not")
    if not target.parent.is_dir():
        raise LedgerUnavailable(f"there is no folder {target.parent}; create it first")
    draft = target.parent / f".{target.name}.{os.getpid()}.{time.monotonic_ns()}.new"
    try:
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        _copy(database, draft)
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        try:
            os.link(draft, target)
        except FileExistsError:
            raise AlreadyExists(f"{target} is there already; name a file that is not") from None
        return target.stat().st_size
    except OSError as error:
        raise LedgerUnavailable(f"{target} cannot be written: {error.strerror}") from None
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            Path(f"{draft}{suffix}").unlink(missing_ok=True)


def _copy(database: Sqlite, draft: Path) -> None:
    source = lite.connect(database.path, "full")
    try:
        copy = lite.sqlite3.connect(str(draft), isolation_level=None)
        try:
            source.backup(copy, pages=-1)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, nothing beside it
        except lite.sqlite3.Error as error:
            raise LedgerUnavailable(f"the copy failed: {error}") from None
        finally:
            copy.close()
    finally:
        source.close()
    lite.check_file(draft)
    check = lite.sqlite3.connect(str(draft), isolation_level=None)
    try:
        (found,) = check.execute("PRAGMA quick_check(1)").fetchone()
    finally:
        check.close()
    if found != "ok":
        raise LedgerUnavailable(f"the copy is not sound ({found}); it was removed")
