"""Revisions build exactly the declared tables, from nothing and from every earlier ledger."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import tracker
from tests.builders import Clock, grant, offer, use
from tests.migrations.conftest import at_revision, connected, counts, declared, look, opened
from tracker.store import migrate, schema

REVISIONS = migrate.known()


def test_the_newest_revision_is_the_one_the_code_expects() -> None:
    assert ScriptDirectory.from_config(migrate.config()).get_heads() == [migrate.HEAD]
    assert REVISIONS[-1] == migrate.HEAD


def test_revisions_follow_one_another_without_a_branch() -> None:
    scripts = ScriptDirectory.from_config(migrate.config())
    downs = [scripts.get_revision(revision).down_revision for revision in REVISIONS]
    assert downs == [None, *REVISIONS[:-1]]


def test_revisions_build_what_the_schema_declares(new_database: Callable[[], str]) -> None:
    migrated, declared_only = new_database(), new_database()
    tracker.open(migrated).close()
    engine = sa.create_engine(declared_only, poolclass=sa.pool.NullPool)
    with engine.begin() as connection:
        schema.metadata.create_all(connection)
        expected = [row for row in declared(connection) if "alembic_version" not in row]
    found = [row for row in look(migrated) if "alembic_version" not in row]
    assert found == expected


def test_alembic_finds_nothing_to_change(database: str) -> None:
    tracker.open(database).close()
    with connected(database) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, schema.metadata) == []


def test_every_table_of_sqlite_is_strict(sqlite_url: Callable[[], str]) -> None:
    address = sqlite_url()
    tracker.open(address).close()
    with connected(address) as connection:
        strict = {row[1]: row[5] for row in connection.exec_driver_sql("PRAGMA table_list")}
    assert {name for name in schema.metadata.tables if not strict[name]} == set()


def fill(connection: sa.Connection) -> dict[str, int]:
    """Put a row into every table there is, whatever its columns, and count the rows."""
    metadata = sa.MetaData()
    metadata.reflect(connection)
    for table in metadata.sorted_tables:
        if table.name == "alembic_version":
            continue
        for number in (0, 1, 2):
            row = {}
            for column in table.columns:
                parents = [key.column for key in column.foreign_keys]
                if parents:
                    row[column.name] = connection.scalar(sa.select(parents[0]).limit(1))
                elif not column.nullable:
                    whole = isinstance(column.type, sa.Integer)
                    row[column.name] = number if whole else f"text-{number}"
            try:
                with connection.begin_nested():
                    connection.execute(table.insert().values(row))
            except sa.exc.IntegrityError:
                continue
            break
    names = [table.name for table in metadata.sorted_tables]
    return {name: connection.scalar(sa.text(f'SELECT COUNT(*) FROM "{name}"')) for name in names}


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_ledger_of_every_revision_keeps_its_rows(database: str, revision: str) -> None:
    at_revision(database, revision)
    with connected(database) as connection:
        before = fill(connection)
    assert all(before.values()), "every table has a row"
    tracker.open(database).close()
    with opened(database) as found:
        assert migrate.revision(found) == migrate.HEAD
    after = counts(database)
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_ledger_of_every_revision_becomes_what_a_new_one_is(
    new_database: Callable[[], str], revision: str
) -> None:
    old, new = new_database(), new_database()
    at_revision(old, revision)
    tracker.open(old).close()
    tracker.open(new).close()
    assert look(old) == look(new)


def test_revisions_can_be_taken_back_and_made_again(database: str) -> None:
    tracker.open(database).close()
    before = look(database)
    with opened(database) as found:
        with migrate.exclusive(found) as connection:
            settings = migrate.config()
            settings.attributes["connection"] = connection
            command.downgrade(settings, "base")
            assert sa.inspect(connection).get_table_names() == ["alembic_version"]
        migrate.upgrade(found)
    assert look(database) == before


def test_opening_a_current_ledger_changes_nothing(database: str, clock: Clock) -> None:
    with tracker.open(database, clock=clock) as ledger:
        offer(ledger)
        grant(ledger, 100, "g")
        use(ledger, 5)
    before = look(database), counts(database)
    tracker.open(database).close()
    assert (look(database), counts(database)) == before
