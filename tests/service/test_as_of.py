"""Balances of an earlier instant: from the journal alone, and the same answer every time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.builders import (
    MICRO,
    START,
    Clock,
    buckets,
    grant,
    held,
    offer,
    release,
    reserve,
    settle,
    use,
    utc,
)
from tracker import NotFound
from tracker.domain.grant import GrantState
from tracker.ledger import Ledger


@pytest.fixture(autouse=True)
def acme(ledger: Ledger) -> None:
    offer(ledger)


def test_a_balance_is_what_it_was_then(ledger: Ledger, clock: Clock) -> None:
    grant(ledger, 100, "g")
    seen = {START: buckets(ledger, "g")}
    for step in (
        lambda: use(ledger, 10),
        lambda: reserve(ledger, 20, ttl_s=3_600 * 24),
        lambda: ledger.adjust_grant("g", remaining=80, reason="why"),
        lambda: use(ledger, 5),
        lambda: ledger.void_grant("g"),
    ):
        at = clock.advance(hours=1)
        step()
        seen[at] = buckets(ledger, "g")
        clock.advance(hours=1)
        seen[clock.now] = buckets(ledger, "g")
    clock.advance(days=30)
    assert {at: buckets(ledger, "g", at) for at in seen} == seen
    assert buckets(ledger, "g", START) == (100, 0, 0, 0)


def test_a_late_event_is_seen_from_its_own_time_on(ledger: Ledger, clock: Clock) -> None:
    grant(ledger, 100, "g")
    at = clock.advance(hours=1)
    clock.advance(hours=1)
    use(ledger, 10, at=at)
    assert buckets(ledger, "g", at - MICRO) == (100, 0, 0, 0)
    assert buckets(ledger, "g", at) == (90, 0, 10, 0)


def test_a_hold_is_seen_from_its_reservation_to_its_end(ledger: Ledger, clock: Clock) -> None:
    grant(ledger, 100, "g")
    clock.advance(hours=1)
    decision = reserve(ledger, 40, ttl_s=60)
    begin, end = decision.at, decision.expires_at
    clock.advance(hours=1)
    for _ in ("nobody has ended it", "a writer has"):
        assert buckets(ledger, "g", begin - MICRO) == (100, 0, 0, 0)
        assert buckets(ledger, "g", begin) == (60, 40, 0, 0)
        assert buckets(ledger, "g", end - MICRO) == (60, 40, 0, 0)
        assert buckets(ledger, "g", end) == (100, 0, 0, 0)
        settle(ledger, reserve(ledger, 1), 0)  # a writer


def test_a_late_settlement_does_not_change_what_was_true_before_it(
    ledger: Ledger, clock: Clock
) -> None:
    grant(ledger, 100, "g")
    decision = reserve(ledger, 40, ttl_s=60)
    clock.set(decision.expires_at)
    use(ledger, 1)
    between = clock.advance(minutes=1)
    was = held(ledger, "g")
    clock.advance(minutes=1)
    settle(ledger, decision, 40)
    assert held(ledger, "g", between) == was
    assert buckets(ledger, "g", between) == (99, 0, 1, 0)
    assert buckets(ledger, "g") == (59, 0, 41, 0)


def test_a_release_and_a_settlement_are_seen_from_when_they_happened(
    ledger: Ledger, clock: Clock
) -> None:
    grant(ledger, 100, "g")
    first, second = reserve(ledger, 40), reserve(ledger, 30)
    at = clock.advance(minutes=1)
    release(ledger, first)
    settle(ledger, second, 10)
    assert buckets(ledger, "g", at - MICRO) == (30, 70, 0, 0)
    assert buckets(ledger, "g", at) == (90, 0, 10, 0)


def test_nothing_ends_before_it_began_whatever_a_clock_says(ledger: Ledger, clock: Clock) -> None:
    grant(ledger, 100, "g")
    begin = clock.advance(hours=2)
    first, second, third = reserve(ledger, 10), reserve(ledger, 20), use(ledger, 30)
    clock.advance(hours=-1)
    settle(ledger, first, 10)
    release(ledger, second)
    ledger.void_usage(third.id)
    assert buckets(ledger, "g", begin - MICRO) == (100, 0, 0, 0)
    assert buckets(ledger, "g", begin) == (90, 0, 10, 0)


def test_a_grant_is_shown_in_the_state_of_that_instant(ledger: Ledger, clock: Clock) -> None:
    start, end, voided = utc("2024-07-16"), utc("2024-07-20"), utc("2024-07-18")
    for id in ("g", "v"):
        grant(ledger, 100, id, starts_at=start, expires_at=end)
    clock.set(voided)
    ledger.void_grant("v")
    clock.set("2024-08-01")

    def states(at: object) -> tuple[str, str]:
        return held(ledger, "g", at).state, held(ledger, "v", at).state

    active, expired = GrantState.ACTIVE, GrantState.EXPIRED
    assert states(start - MICRO) == (GrantState.SCHEDULED, GrantState.SCHEDULED)
    assert states(start) == (active, active)
    assert states(voided - MICRO) == (active, active)
    assert states(voided) == (active, GrantState.VOIDED)
    assert states(end - MICRO) == (active, GrantState.VOIDED)
    assert states(end) == (expired, GrantState.VOIDED)
    assert (held(ledger, "g", end).forfeited, held(ledger, "v", end).forfeited) == (100, 0)


def test_the_future_is_what_the_ledger_knows_of_it(ledger: Ledger, clock: Clock) -> None:
    grant(ledger, 100, "g", expires_at=utc("2024-07-20"))
    decision = reserve(ledger, 40, ttl_s=60)
    assert buckets(ledger, "g", decision.expires_at) == (100, 0, 0, 0)
    assert held(ledger, "g", utc("2024-07-20")).state is GrantState.EXPIRED
    assert buckets(ledger, "g") == (60, 40, 0, 0)


def test_a_balance_can_be_narrowed(ledger: Ledger) -> None:
    offer(ledger, model="acme-lite", groups=("lite",))
    offer(ledger, "other", "other-chat")
    grant(ledger, 1, "all")
    grant(ledger, 1, "lite", models=["acme-lite"])
    grant(ledger, 1, "second", account="second")
    grant(ledger, 1, "other", provider="other")

    def ids(**filters: str) -> set[str]:
        return {one.id for one in ledger.balance(**filters).grants}

    assert ids() == {"all", "lite", "second", "other"}
    assert ids(provider="ACME") == {"all", "lite", "second"}
    assert ids(account="second") == {"second"}
    assert ids(model="Acme-Lite") == {"all", "lite", "second"}
    assert ids(model="chat") == {"all", "second", "other"}
    assert ids(provider="other", model="other-chat", account="default") == {"other"}
    for unknown in ({"provider": "nobody"}, {"model": "nobody"}):
        with pytest.raises(NotFound):
            ledger.balance(**unknown)


def test_active_grants_come_first_soonest_to_end_first(ledger: Ledger) -> None:
    at = START
    grant(ledger, 1, "endless")
    grant(ledger, 1, "soon", expires_at=at + timedelta(days=1))
    grant(ledger, 1, "later", expires_at=at + timedelta(days=2))
    grant(ledger, 1, "scheduled", starts_at=at + timedelta(days=1))
    grant(ledger, 1, "voided")
    ledger.void_grant("voided")
    grant(ledger, 1, "ended", starts_at=at - timedelta(days=2), expires_at=at)
    grant(ledger, 1, "used", starts_at=at - timedelta(days=9), priority=1)
    use(ledger, 1)
    assert [one.id for one in ledger.balance().grants] == [
        "soon", "later", "endless", "scheduled", "used", "ended", "voided",
    ]  # fmt: skip
