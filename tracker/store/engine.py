"""SQLAlchemy's engine over the same connections: for migrations, lists and reports."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from tracker.store import sqlite as lite
from tracker.store.connection import Database, Sqlite


@contextlib.contextmanager
def engine(database: Database) -> Iterator[sa.Engine]:
    """Open an engine for one piece of work. Transactions on SQLite start with BEGIN IMMEDIATE."""
    if isinstance(database, Sqlite):
        built = sa.create_engine(
            "sqlite://",
            creator=lambda: lite.open_file(database.path, database.durability),
            module=lite.sqlite3,
            poolclass=sa.pool.NullPool,
        )

        @sa.event.listens_for(built, "begin")
        def begin(connection: sa.Connection) -> None:
            reading = connection.get_execution_options().get("reading", False)
            connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
    else:
        built = sa.create_engine(database.url, poolclass=sa.pool.NullPool)
    try:
        yield built
    finally:
        built.dispose()


@contextlib.contextmanager
def reading(database: Database) -> Iterator[sa.Connection]:
    """Read through SQLAlchemy in one snapshot."""
    options: dict[str, Any] = (
        {"reading": True}
        if isinstance(database, Sqlite)
        else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    )
    with engine(database) as opened, opened.connect().execution_options(**options) as connection:
        yield connection
