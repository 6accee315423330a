"""Ledgers at earlier revisions, revisions of the future, and what a database looks like inside."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tracker.store import migrate
from tracker.store import sqlite as lite
from tracker.store.address import Address, parse_address
from tracker.store.connection import Database
from tracker.store.connection import database as database_of
from tracker.store.engine import engine

REVISION = """
import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{after}"
branch_labels = None
depends_on = None


def upgrade() -> None:
{upgrade}


def downgrade() -> None:
    pass
"""


@contextlib.contextmanager
def opened(address: str) -> Iterator[Database]:
    """Open a database, whatever is in it."""
    found = database_of(parse_address(address), "full")
    try:
        yield found
    finally:
        found.close()


def at_revision(address: str, revision: str) -> None:
    """Create a ledger at an earlier revision."""
    path = parse_address(address).path
    if path is None:
        with opened(address) as database:
            migrate.upgrade(database, revision)
        return

    def fill(draft: Path) -> None:
        with contextlib.closing(lite.open_file(draft, "full")) as connection:
            connection.execute(f"PRAGMA application_id = {lite.APPLICATION_ID}")
        with contextlib.closing(database_of(Address(path=draft), "full")) as database:
            migrate.upgrade(database, revision)

    lite.new_file(path, fill)


@contextlib.contextmanager
def connected(address: str) -> Iterator[sa.Connection]:
    """Open a transaction through SQLAlchemy; it is committed at the end."""
    with opened(address) as database, engine(database) as found, found.begin() as connection:
        yield connection


def counts(address: str) -> dict[str, int]:
    """Return how many rows each table has."""
    with connected(address) as connection:
        return {
            name: connection.exec_driver_sql(f'SELECT COUNT(*) FROM "{name}"').scalar_one()
            for name in sa.inspect(connection).get_table_names()
        }


def look(address: str) -> list[tuple[object, ...]]:
    """Return how every table, index and constraint of a database is declared."""
    with connected(address) as connection:
        return declared(connection)


def declared(connection: sa.Connection) -> list[tuple[object, ...]]:
    if connection.dialect.name == "sqlite":
        queries = [
            "SELECT type, tbl_name, name, sql FROM sqlite_master WHERE sql IS NOT NULL",
            "SELECT 'column', m.name, x.* FROM sqlite_master m, pragma_table_xinfo(m.name) x",
        ]
    else:
        queries = [
            "SELECT table_name, column_name, ordinal_position, data_type, is_nullable, "
            "column_default, collation_name FROM information_schema.columns "
            "WHERE table_schema = current_schema()",
            "SELECT c.conrelid::regclass::text, c.conname, pg_get_constraintdef(c.oid) "
            "FROM pg_constraint c WHERE c.connamespace = current_schema()::regnamespace",
            "SELECT tablename, indexname, regexp_replace(indexdef, ' ON [^ ]+\\.', ' ON ') "
            "FROM pg_indexes WHERE schemaname = current_schema()",
        ]
    rows = [tuple(row) for query in queries for row in connection.exec_driver_sql(query)]
    return sorted((tuple(map(_lines, row)) for row in rows), key=repr)


def _lines(value: object) -> object:
    """Return the lines of a text in any order: that of constraints means nothing."""
    if isinstance(value, str) and "\n" in value:
        return tuple(sorted(line.strip(" ,\t") for line in value.splitlines()))
    return value


@pytest.fixture
def future(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Add revisions after the newest one: `future("a000", "op.drop_table('x')")`.

    The same id again replaces the revision. The tracker then takes the last one for its own.
    """
    from alembic.config import Config

    settings = migrate.config()
    original = settings.get_main_option("script_location")
    assert original is not None
    folder = tmp_path / "migrations"
    shutil.copytree(original, folder, ignore=shutil.ignore_patterns("__pycache__"))
    before: dict[str, str] = {}
    newest = migrate.HEAD

    def config() -> Config:
        found = Config()
        found.set_main_option("script_location", str(folder))
        found.set_main_option("path_separator", "os")
        return found

    def add(revision: str, *statements: str) -> None:
        after = before.setdefault(revision, list(before)[-1] if before else newest)
        body = "\n".join(f"    {line}" for line in statements)
        text = REVISION.format(revision=revision, after=after, upgrade=body)
        (folder / "versions" / f"{revision}.py").write_text(text, encoding="utf-8")
        monkeypatch.setattr(migrate, "HEAD", list(before)[-1])

    monkeypatch.setattr(migrate, "config", config)
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    return add
