"""What there is to know about a ledger's database: where, which version, how it is kept."""

from __future__ import annotations

from dataclasses import dataclass

from tracker.service.listing import count_rows
from tracker.service.opened import Opened
from tracker.store import migrate
from tracker.store import sqlite as lite
from tracker.store.connection import Sqlite


@dataclass(frozen=True, slots=True)
class Status:
    """The state of a ledger's database.

    journal_mode, size_bytes, mode, folder_mode, wal_safe: of a SQLite file; None on PostgreSQL.
    """

    database: str
    version: str
    revision: str
    durability: str
    journal_mode: str | None
    size_bytes: int | None
    mode: int | None
    folder_mode: int | None
    wal_safe: bool | None
    rows: dict[str, int]


def status(opened: Opened) -> Status:
    """Inspect a ledger."""
    database = opened.database
    revision = migrate.revision(database) or "none"
    rows = count_rows(opened)
    if not isinstance(database, Sqlite):
        with database.reading() as transaction:
            row = transaction.one("SHOW server_version")
        version = str(row[0]) if row else "unknown"
        return Status(
            database.name, version, revision, database.durability,
            None, None, None, None, None, rows,
        )  # fmt: skip
    connection = lite.connect(database.path, database.durability)
    try:
        (journal_mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    finally:
        connection.close()
    found = database.path.stat()
    wal = database.path.with_name(database.path.name + "-wal")
    return Status(
        database.name,
        lite.sqlite3.sqlite_version,
        revision,
        database.durability,
        journal_mode.upper(),
        found.st_size + (wal.stat().st_size if wal.exists() else 0),
        found.st_mode & 0o777,
        database.path.parent.stat().st_mode & 0o777,
        lite.wal_is_safe(),
        rows,
    )
