"""The schema's revisions: creating a ledger, upgrading one, and telling which revision it is at."""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracker.errors import LedgerDamaged, LedgerUnavailable, SchemaMismatch
from tracker.store import sqlite as lite
from tracker.store.connection import Database, Sqlite, translated, unsure

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection

HEAD = "0001"  # the newest revision in `migrations/`, so that opening a ledger needs no Alembic

_alembic = threading.Lock()  # what a revision changes is a global of Alembic's


def ensure(database: Database, *, create: bool) -> None:
    """Make sure the ledger is there and current. When it is, this reads one row.

    Raises LedgerUnavailable where there is none and `create` is False, SchemaMismatch where it was
    written by a newer tracker.
    """
    if isinstance(database, Sqlite):
        _ensure_file(database.path, create=create)
    found = revision(database)
    if found == HEAD:
        return
    if found is not None and found not in known():
        raise SchemaMismatch(
            f"the ledger is at schema {found}, written by a newer tracker; this one knows "
            f"{HEAD}: upgrade tracker (nothing was changed)"
        )
    if found is None and isinstance(database, Sqlite):
        raise LedgerDamaged(f"{database.path} holds no schema; it was left as it is")
    if found is None and not create:
        raise LedgerUnavailable('there is no ledger in this database; run "tracker init"')
    upgrade(database)


def _ensure_file(path: Path, *, create: bool) -> None:
    try:
        path.lstat()  # a link that leads nowhere is somebody's: leave it
    except FileNotFoundError:
        if not create:
            lite.check_file(path)
        lite.new_file(path, _fill)
    except OSError as error:
        raise LedgerUnavailable(f"{path} cannot be read: {error.strerror}") from None


def revision(database: Database) -> str | None:
    """Return the revision the ledger is at; None where the database holds no ledger."""
    with database.reading() as transaction:
        if isinstance(database, Sqlite):
            there = transaction.one("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'")
        else:
            there = transaction.one(
                "SELECT 1 FROM information_schema.tables "
                "WHERE table_schema = current_schema() AND table_name = 'alembic_version'"
            )
        row = transaction.one("SELECT version_num FROM alembic_version") if there else None
    return row[0] if row else None


def upgrade(database: Database, target: str = "head") -> None:
    """Bring the ledger to a revision, in one transaction: wholly, or not at all."""
    with exclusive(database) as connection:
        _run(connection, target)


def known() -> tuple[str, ...]:
    """Return every revision this tracker has, oldest first."""
    from alembic.script import ScriptDirectory

    walk = ScriptDirectory.from_config(config()).walk_revisions()
    return tuple(reversed([script.revision for script in walk]))


def config() -> Config:
    """Build Alembic's configuration: the revisions are beside the package or inside it."""
    from alembic.config import Config

    package = Path(__file__).resolve().parent.parent
    inside = package / "migrations"
    settings = Config()
    settings.set_main_option(
        "script_location", str(inside if inside.is_dir() else package.parent / "migrations")
    )
    settings.set_main_option("path_separator", "os")
    return settings


@contextlib.contextmanager
def exclusive(database: Database) -> Iterator[Connection]:
    """Open a transaction that may change tables, alone among all processes."""
    from tracker.store.engine import engine

    with engine(database) as opened, opened.connect() as connection:
        if isinstance(database, Sqlite):
            with database.turn.held():
                yield from _sqlite_alone(database, connection)
            return
        with _committed(database, connection):
            connection.exec_driver_sql(
                "SELECT pg_advisory_xact_lock(hashtext('tracker' || current_schema()))"
            )
            yield connection


def _sqlite_alone(database: Database, connection: Connection) -> Iterator[Connection]:
    """Rebuilding a table with foreign keys on would empty the tables that refer to it."""
    driver: Any = connection.connection.dbapi_connection
    driver.execute("PRAGMA foreign_keys = OFF")
    with _committed(database, connection):
        yield connection
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
        if broken:
            raise LedgerDamaged(f"{len(broken)} rows refer to rows that are not there")


@contextlib.contextmanager
def _committed(database: Database, connection: Connection) -> Iterator[None]:
    """Commit a block, or leave no trace of it."""
    from sqlalchemy.exc import DBAPIError

    with connection.begin() as transaction:
        yield
        try:
            transaction.commit()
        except DBAPIError as error:
            if isinstance(error.orig, Exception):
                raise unsure(database, error.orig) from None
            raise


def _fill(path: Path) -> None:
    """Build a whole ledger in an empty file and leave it as one file."""
    from tracker.store.address import Address

    database = Sqlite(Address(path=path), "full")
    with translated(database), contextlib.closing(lite.open_file(path, "full")) as driver:
        driver.execute(f"PRAGMA application_id = {lite.APPLICATION_ID}")
        driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with contextlib.closing(database):
        upgrade(database)
    with translated(database), contextlib.closing(lite.open_file(path, "full")) as driver:
        driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _run(connection: Connection, target: str) -> None:
    from alembic import command
    from sqlalchemy import inspect

    settings = config()
    settings.attributes["connection"] = connection
    with _alembic:
        command.upgrade(settings, target)
    if inspect(connection).has_table("ledger"):
        connection.exec_driver_sql(
            "INSERT INTO ledger (key, id, base_currency, revision, created_at) "
            f"VALUES (1, '{secrets.token_hex(8)}', 'CNY', 1, {time.time_ns() // 1000}) "
            "ON CONFLICT (key) DO NOTHING"
        )
