"""SQLAlchemy's engine over the same connections: for migrations, lists and reports."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from tracker.store import sqlite as lite
from tracker.store.connection import Database, Sqlite, translated


@contextlib.contextmanager
def engine(database: Database) -> Iterator[sa.Engine]:
    """Open an engine for one piece of work. Transactions on SQLite start with BEGIN IMMEDIATE.

    What the driver raises becomes one of our errors: SQLAlchemy's would show statements.
    """
    inside = database.visited() if isinstance(database, Sqlite) else contextlib.nullcontext()
    built = _build(database)
    try:
        with inside, translated(database):
            try:
                yield built
            except sa.exc.DBAPIError as error:
                raise error.orig or error from None
    finally:
        built.dispose()


def _build(database: Database) -> sa.Engine:
    if not isinstance(database, Sqlite):
        return sa.create_engine(database.url, poolclass=sa.pool.NullPool)
    built = sa.create_engine(
        "sqlite://", creator=database.connect, module=lite.sqlite3, poolclass=sa.pool.NullPool
    )

    @sa.event.listens_for(built, "begin")
    def begin(connection: sa.Connection) -> None:
        reading = connection.get_execution_options().get("reading", False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return built


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
