"""Clocks that jump: no hold is immortal, none ends early, and the journal keeps its order."""

from __future__ import annotations

from datetime import timedelta

import tracker
from tests.builders import START, Clock, buckets, grant, offer, release, reserve, settle
from tests.faults.actors import sound
from tracker.ledger import Ledger


def _ready(ledger: Ledger) -> None:
    offer(ledger)
    grant(ledger, 1_000, "g", starts_at=START - timedelta(days=30))


def test_a_clock_set_back_an_hour_ends_no_hold_early_and_makes_none_immortal(
    ledger: Ledger, clock: Clock
) -> None:
    _ready(ledger)
    reserve(ledger, 100, ttl_s=600)
    clock.advance(hours=-1)
    assert buckets(ledger, "g") == (900, 100, 0, 0)
    reserve(ledger, 10, ttl_s=600)
    assert buckets(ledger, "g") == (890, 110, 0, 0)
    clock.advance(minutes=10)  # the later one ended, the earlier one has not
    assert buckets(ledger, "g") == (900, 100, 0, 0)
    clock.advance(minutes=59)
    assert buckets(ledger, "g") == (900, 100, 0, 0)
    clock.advance(minutes=1)
    assert buckets(ledger, "g") == (1_000, 0, 0, 0)
    reserve(ledger, 1_000, free_only=True)
    assert ledger.verify().ok


def test_a_clock_set_forward_ends_holds_and_setting_it_back_revives_none(
    ledger: Ledger, clock: Clock
) -> None:
    _ready(ledger)
    early = reserve(ledger, 100, ttl_s=600)
    clock.advance(hours=1)
    reserve(ledger, 950, free_only=True)  # on what the first one held
    clock.advance(hours=-1)
    usage = settle(ledger, early, 100)
    assert usage.overage_tokens == 50
    available, held, spent, _ = buckets(ledger, "g")
    assert (available, held, spent) == (0, 950, 50)
    assert ledger.verify().ok


def test_a_release_after_the_clock_jumped_counts_once(ledger: Ledger, clock: Clock) -> None:
    _ready(ledger)
    for hours in (-1, 2, -3, 5):
        decision = reserve(ledger, 100)
        clock.advance(hours=hours)
        release(ledger, decision)
        release(ledger, decision)
    clock.advance(days=1)
    assert buckets(ledger, "g") == (1_000, 0, 0, 0)
    assert ledger.verify().ok


def test_the_journal_is_in_the_order_it_was_written_whatever_the_clock_said(
    ledger: Ledger, clock: Clock
) -> None:
    _ready(ledger)
    for hours in (0, -1, 2, -4, 1):
        clock.advance(hours=hours)
        settle(ledger, reserve(ledger, 10), 10)
    rows = ledger._opened.read(
        lambda tx, *_: tx.rows("SELECT entry, kind FROM journal ORDER BY grant_key, entry")
    )
    assert [entry for entry, _ in rows] == list(range(1, len(rows) + 1))
    kinds = [kind for _, kind in rows]
    assert kinds == ["grant", *["hold", "settle"] * 5]
    assert ledger.verify().ok


def test_a_process_whose_clock_is_behind_agrees_with_one_whose_clock_is_ahead(
    database: str,
) -> None:
    ahead, behind = Clock(START), Clock(START - timedelta(hours=1))
    with (
        tracker.open(database, clock=ahead) as first,
        tracker.open(database, clock=behind) as second,
    ):
        _ready(first)
        one = reserve(first, 400)
        other = reserve(second, 400)
        release(second, one)
        settle(first, other, 300)  # by this clock it has lapsed; its use still counts
        for ledger in (first, second):
            assert buckets(ledger, "g") == (700, 0, 300, 0)
    sound(database).close()
