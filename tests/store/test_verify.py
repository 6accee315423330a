"""What verify finds: a row that was changed behind the ledger's back is named."""

from __future__ import annotations

import pytest

import tracker
from tests.builders import Clock, grant, offer, reserve, settle, use
from tracker.ledger import Ledger
from tracker.service.opened import Opened


@pytest.fixture
def busy(ledger: Ledger, clock: Clock) -> Ledger:
    """A grant `g` of 100: 30 logged, 25 settled with 5 of overage, 20 held, 10 taken back."""
    offer(ledger)
    grant(ledger, 100, "g")
    use(ledger, 30, project="p")
    settle(ledger, reserve(ledger, 10), 25)
    reserve(ledger, 20)
    ledger.void_usage(use(ledger, 10).id)
    use(ledger, 30)
    clock.advance(minutes=1)
    assert ledger.balance().totals[0].available == 0
    return ledger


def tamper(opened: Opened, *statements: str) -> tracker.Verification:
    """Run statements on the database itself and verify the ledger."""

    def work(transaction) -> None:
        for statement in statements:
            assert transaction.run(statement), f"it changes something: {statement}"

    opened.database.write(work)
    with opened.database.reading() as transaction:
        assert transaction.one("SELECT 1 FROM ledger")
    return Ledger(opened).verify()


def test_an_untouched_ledger_has_no_problem(busy: Ledger) -> None:
    found = busy.verify()
    assert (found.ok, found.problems, found.grants) == (True, (), 1)
    assert found.entries == 9


def test_an_empty_ledger_has_no_problem(ledger: Ledger) -> None:
    assert ledger.verify() == tracker.Verification(True, 0, 0)


HELD = "UPDATE reservations SET state = 'held' WHERE state = 'settled'"


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        (
            "UPDATE grants SET amount = amount + 1, available = available + 1",
            "grant g: amount is kept as 101, the journal says 100",
        ),
        (
            "UPDATE grants SET spent = spent - 1, available = available + 1",
            "grant g: spent is kept as 79, the journal says 80",
        ),
        (
            "UPDATE grants SET spent = spent - 1, held = held + 1",
            "grant g: 21 held, but open reservations hold 20",
        ),
        (
            "UPDATE grants SET spent = spent - 1, written_off = written_off + 1",
            "grant g: written off is kept as 1, the journal says 0",
        ),
        (
            "UPDATE grants SET entries = entries + 1",
            "grant g: number of journal rows is kept as 10, the journal says 9",
        ),
        ("UPDATE grants SET voided_at = 1, available = 5, spent = spent - 5", "grant g: voided"),
        ("DELETE FROM journal WHERE entry = 1", "row 1 is missing before row 2"),
        ("DELETE FROM journal WHERE entry = 4", "row 4 is missing before row 5"),
        ("DELETE FROM journal WHERE entry = 9", "number of journal rows is kept as 9"),
        ("UPDATE journal SET amount = 99 WHERE entry = 1", "available falls below 0"),
        ("UPDATE journal SET amount = amount + 1 WHERE kind = 'hold'", "the journal says"),
        ("UPDATE journal SET target = 4 WHERE kind = 'settle'", "is not a movement"),
        ("UPDATE journal SET target = 7 WHERE kind = 'settle'", "is not a movement"),
        ("UPDATE journal SET kind = 'theft' WHERE kind = 'draw'", "is not a movement"),
        ("UPDATE journal SET tokens = tokens + 1 WHERE kind = 'draw'", "tokens used, but draws"),
        ("UPDATE journal SET call_id = NULL WHERE kind = 'draw'", "tokens used, but draws"),
        ("UPDATE journal SET call_id = 5 WHERE kind = 'draw'", "the journal has its draws, but"),
        ("UPDATE journal SET tokens = 9 WHERE kind = 'reverse'", "of which 9 were reversed"),
        ("UPDATE usage SET overage_tokens = overage_tokens + 1", "tokens used, but draws cover"),
        ("UPDATE usage SET output_tokens = 7", "tokens used, but draws cover"),
        ("UPDATE usage SET cash_nano = list_nano + 1", "is not within list cost"),
        ("UPDATE usage SET cash_nano = -1", "is not within list cost"),
        ("UPDATE usage SET list_nano = list_nano + 1", "hourly sums"),
        ("UPDATE usage SET project = 'other' WHERE project IS NOT NULL", "project 'other'"),
        ("UPDATE usage SET voided_at = 1 WHERE voided_at IS NULL", "of which 0 were reversed"),
        ("UPDATE usage SET voided_at = NULL WHERE voided_at IS NOT NULL", "10 were reversed"),
        ("DELETE FROM usage WHERE source = ''", "the journal has its draws, but it is not there"),
        ("DELETE FROM usage WHERE source = 'route'", "settled, but its usage is not there"),
        ("UPDATE rollups SET calls = calls + 1", "hourly sums"),
        ("UPDATE rollups SET cash_nano = cash_nano + 1", "hourly sums"),
        ("DELETE FROM rollups", "hourly sums"),
        (
            "UPDATE reservations SET state = 'released' WHERE state = 'held'",
            "grant g: 20 held, but open reservations hold 0",
        ),
        (
            "UPDATE reservations SET state = 'settled' WHERE state = 'held'",
            "settled, but its usage is not there",
        ),
        (HELD, "grant g: 20 held, but open reservations hold 30"),
        (HELD, "recorded for a reservation that is not settled"),
        ("DELETE FROM reservations WHERE state = 'settled'", "for a reservation that is not"),
    ],
)
def test_a_change_behind_the_ledgers_back_is_named(
    busy: Ledger, opened: Opened, statement: str, problem: str
) -> None:
    found = tamper(opened, statement)
    assert not found.ok
    assert any(problem in one for one in found.problems), found.problems


def test_a_grant_cannot_be_unbalanced_even_behind_the_ledgers_back(
    busy: Ledger, opened: Opened
) -> None:
    for statement in (
        "UPDATE grants SET available = available + 1",
        "UPDATE grants SET available = -1, spent = spent + 1",
        "UPDATE journal SET amount = 0 WHERE entry = 1",
        "DELETE FROM grants",
    ):
        with pytest.raises(Exception, match=r"(?i)constraint"):
            opened.database.write(lambda transaction, it=statement: transaction.run(it))
    assert busy.verify().ok


def test_a_ledger_in_ruins_names_a_hundred_problems(ledger: Ledger, opened: Opened) -> None:
    offer(ledger)
    for number in range(120):
        grant(ledger, 5, f"g{number}")
    found = tamper(opened, "UPDATE grants SET entries = 7")
    assert len(found.problems) == 100
    assert found.grants == 120
