"""Upgrading: wholly or not at all, alone among all processes, and no row is lost."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

import pytest
import sqlalchemy as sa

import tracker
from tests.builders import Clock, buckets, grant, offer, reserve, use
from tests.migrations.conftest import connected, counts, look, opened
from tracker import LedgerDamaged, LedgerUnavailable, SchemaMismatch
from tracker.bootstrap import open_ledger
from tracker.store import migrate

Future = Callable[..., None]


@pytest.fixture
def address(database: str, clock: Clock) -> str:
    """The address of a ledger with a row in most tables."""
    with tracker.open(database, clock=clock) as ledger:
        offer(ledger)
        offer(ledger, "other", "other-chat")
        grant(ledger, 100, "g")
        grant(ledger, 10, "daily", every="daily", starts_at="2024-07-01")
        use(ledger, 5, request_id="r")
        reserve(ledger, 20, request_id="r")
    return database


def state(address: str) -> tuple[object, ...]:
    with opened(address) as database:
        return migrate.revision(database), look(address), counts(address)


ALWAYS = "'always' if op.get_bind().dialect.name == 'sqlite' else 'never'"
BREAK = "raise RuntimeError('in the middle')"
EXTEND = (
    "op.create_table('extra', sa.Column('key', sa.Integer, primary_key=True))",
    "op.execute('INSERT INTO extra VALUES (1)')",
    "op.execute('UPDATE providers SET name = id')",
    "with op.batch_alter_table('grants') as batch:",
    "    batch.add_column(sa.Column('colour', sa.Text))",
)


@pytest.mark.parametrize("done", range(len(EXTEND)))
def test_a_revision_that_fails_half_way_leaves_nothing_behind(
    address: str, future: Future, done: int
) -> None:
    future("a000", "op.create_table('before', sa.Column('key', sa.Integer, primary_key=True))")
    before = state(address)
    future("b000", *(EXTEND[:done] if done < 4 else EXTEND), BREAK)
    with pytest.raises(RuntimeError, match="in the middle"):
        tracker.open(address)
    assert state(address) == before

    future("b000", *EXTEND)
    with tracker.open(address) as ledger:
        assert ledger.verify().problems == ()
    revision, _, rows = state(address)
    assert revision == "b000"
    assert {name: rows[name] for name in before[2]} == before[2]
    assert (rows["before"], rows["extra"]) == (0, 1)


def test_a_table_is_rebuilt_with_its_children_there(
    address: str, future: Future, clock: Clock
) -> None:
    before = counts(address)
    future(
        "a000",
        "for name in ('providers', 'accounts', 'models', 'pools', 'grants', 'series'):",
        f"    with op.batch_alter_table(name, recreate={ALWAYS}) as batch:",
        "        batch.add_column(sa.Column('colour', sa.Text))",
    )
    with tracker.open(address, clock=clock) as ledger:
        assert counts(address) == before
        assert ledger.verify().problems == ()
        assert (ledger.balance().totals[0].spent, ledger.balance().totals[0].held) == (5, 20)
        assert use(ledger, 3).overage_tokens == 0


def test_children_that_would_go_with_their_parent_stay_when_it_is_rebuilt(
    address: str, future: Future
) -> None:
    """A rebuilt table is dropped in between: with foreign keys on, its children would go too."""
    future(
        "a000",
        "op.create_table(",
        "    'child',",
        "    sa.Column('key', sa.Integer, primary_key=True),",
        "    sa.Column('parent', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'),",
        "        sa.ForeignKey('providers.key', ondelete='CASCADE', name='fk_child_parent')),",
        ")",
        "for number in range(100):",
        "    op.execute(f'INSERT INTO child SELECT {number}, MIN(key) FROM providers')",
    )
    tracker.open(address).close()
    assert counts(address)["child"] == 100
    future(
        "b000",
        f"with op.batch_alter_table('providers', recreate={ALWAYS}) as batch:",
        "    batch.add_column(sa.Column('colour', sa.Text))",
    )
    tracker.open(address).close()
    assert counts(address)["child"] == 100
    with connected(address) as connection:
        parents = connection.exec_driver_sql("SELECT DISTINCT parent FROM child").fetchall()
        assert len(parents) == 1


def test_a_revision_that_loses_a_parent_is_taken_back(
    sqlite_url: Callable[[], str], clock: Clock, future: Future
) -> None:
    address = sqlite_url()
    with tracker.open(address, clock=clock) as ledger:
        offer(ledger)
    before = state(address)
    future("a000", "op.execute('DELETE FROM providers')")
    with pytest.raises(LedgerDamaged, match="rows that are not there"):
        tracker.open(address)
    assert state(address) == before


def test_foreign_keys_are_watched_again_after_an_upgrade(address: str, future: Future) -> None:
    future("a000", "op.execute('UPDATE providers SET name = id')")
    opened_ledger = open_ledger(address)
    try:
        with pytest.raises(Exception, match=r"(?i)foreign key"):
            opened_ledger.database.write(lambda tx: tx.run("DELETE FROM providers"))
    finally:
        opened_ledger.database.close()


# Newer, missing and other


def test_a_ledger_of_a_newer_tracker_is_refused_and_left_as_it_is(address: str) -> None:
    with connected(address) as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9f3a'"))
    before = state(address)
    with pytest.raises(SchemaMismatch) as refusal:
        tracker.open(address)
    assert "9f3a" in str(refusal.value)
    assert migrate.HEAD in str(refusal.value)
    assert "upgrade tracker" in str(refusal.value)
    assert state(address) == before


def test_a_ledger_that_is_not_there_is_not_made_unless_asked_for(database: str) -> None:
    with pytest.raises(LedgerUnavailable):
        open_ledger(database, create=False)
    open_ledger(database).database.close()
    open_ledger(database, create=False).database.close()


# At the same moment

SCRIPT = """
import sys, time, tracker
time.sleep(max(0, float(sys.argv[2]) - time.time()))
with tracker.open(sys.argv[1]) as ledger:
    ledger.add_provider("acme")
    ledger.add_model("acme", "m", groups=["chat"])
    ledger.set_price("acme", "m", input=1, output=1, valid_from="2024-01-01T00:00:00Z")
    ledger.add_grant("acme", 600, id="g", starts_at="2024-01-01T00:00:00Z")
    ledger.log_usage("acme", "m", input_tokens=100, output_tokens=0)
    assert ledger.verify().ok
"""


def test_six_processes_may_open_a_fresh_ledger_at_the_same_moment(database: str) -> None:
    start = time.time() + 1.5
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", SCRIPT, database, str(start)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(6)
    ]
    said = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 6, said
    with tracker.open(database) as ledger:
        assert buckets(ledger, "g") == (0, 0, 600, 0)
        assert ledger.verify().problems == ()
    assert counts(database)["ledger"] == 1
