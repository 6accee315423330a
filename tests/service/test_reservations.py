"""Reserve, settle, release, expire: what happens to the credit, on every database."""

from __future__ import annotations

import pytest

from tests.builders import (
    MICRO,
    MODEL,
    NANO_PER_TOKEN,
    Clock,
    buckets,
    draws,
    grant,
    held,
    offer,
    release,
    reserve,
    settle,
    use,
    utc,
)
from tracker import InvalidValue, NoOffer, NotFound, RequestConflict, ReservationClosed
from tracker.domain.reservation import State
from tracker.ledger import Ledger


@pytest.fixture(autouse=True)
def acme(ledger: Ledger) -> None:
    offer(ledger)


def test_a_reservation_holds_its_estimate(ledger: Ledger, clock: Clock) -> None:
    grant(ledger, 100, "g")
    decision = ledger.route("chat", input_tokens=30, max_output_tokens=10)
    assert buckets(ledger, "g") == (60, 40, 0, 0)
    assert (decision.covered_tokens, decision.overage_tokens, decision.free) == (40, 0, True)
    assert decision.expires_at == clock.now + MICRO * 600_000_000
    assert held(ledger, "g").remaining == 100


def test_a_settlement_spends_what_was_used_and_gives_the_rest_back(ledger: Ledger) -> None:
    grant(ledger, 100, "g")
    usage = settle(ledger, reserve(ledger, 40), 25)
    assert buckets(ledger, "g") == (75, 0, 25, 0)
    assert draws(usage) == {"g": 25}
    assert usage.cash_cost.nano == 0
    assert usage.saved == usage.list_cost
    assert usage.list_cost.nano == 25 * NANO_PER_TOKEN


def test_a_settlement_of_nothing_gives_everything_back(ledger: Ledger) -> None:
    grant(ledger, 100, "g")
    usage = settle(ledger, reserve(ledger, 40), 0)
    assert buckets(ledger, "g") == (100, 0, 0, 0)
    assert (usage.draws, usage.overage_tokens) == ((), 0)
    assert usage.list_cost.nano == usage.cash_cost.nano == 0


def test_a_settlement_of_more_than_was_held_draws_on_what_else_there_is(ledger: Ledger) -> None:
    grant(ledger, 50, "first", expires_at=utc("2024-07-20"))
    grant(ledger, 30, "second")
    usage = settle(ledger, reserve(ledger, 40), 70)
    assert draws(usage) == {"first": 50, "second": 20}
    assert usage.overage_tokens == 0


def test_a_settlement_of_more_than_there_is_becomes_overage(ledger: Ledger) -> None:
    grant(ledger, 50, "g")
    usage = settle(ledger, reserve(ledger, 40), 70)
    assert draws(usage) == {"g": 50}
    assert usage.overage_tokens == 20
    assert usage.cash_cost.nano == 20 * NANO_PER_TOKEN
    assert usage.saved.nano == 50 * NANO_PER_TOKEN
    assert buckets(ledger, "g") == (0, 0, 50, 0)


def test_more_than_was_held_may_come_from_holds_that_lapsed(ledger: Ledger, clock: Clock) -> None:
    grant(ledger, 100, "g")
    reserve(ledger, 60, ttl_s=10)
    mine = reserve(ledger, 40, ttl_s=600)
    clock.advance(seconds=10)
    assert held(ledger, "g").available == 60
    usage = settle(ledger, mine, 100)
    assert draws(usage) == {"g": 100}
    assert usage.overage_tokens == 0
    assert buckets(ledger, "g") == (0, 0, 100, 0)
    assert ledger.verify().problems == ()


def test_what_others_hold_is_not_drawn_on(ledger: Ledger) -> None:
    grant(ledger, 100, "g")
    mine, other = reserve(ledger, 40), reserve(ledger, 60)
    assert settle(ledger, mine, 100).overage_tokens == 60
    assert draws(settle(ledger, other, 60)) == {"g": 60}


def test_settling_twice_changes_nothing(ledger: Ledger) -> None:
    grant(ledger, 100, "g")
    decision = reserve(ledger, 40)
    first = settle(ledger, decision, 25)
    before = ledger.balance()
    assert settle(ledger, decision, 25) == first
    assert ledger.balance() == before
    assert ledger.verify().ok


@pytest.mark.parametrize(
    ("counts", "field"),
    [
        ({"input_tokens": 26, "output_tokens": 0}, "input_tokens"),
        ({"input_tokens": 25, "output_tokens": 1}, "output_tokens"),
        ({"input_tokens": 25, "output_tokens": 0, "cached_tokens": 1}, "cached_tokens"),
    ],
)
def test_settling_again_with_other_counts_is_refused_by_name(
    ledger: Ledger, counts: dict[str, int], field: str
) -> None:
    grant(ledger, 100, "g")
    decision = reserve(ledger, 40)
    settle(ledger, decision, 25)
    with pytest.raises(RequestConflict) as conflict:
        ledger.settle(decision.reservation_id, **counts)
    assert conflict.value.field == field
    assert buckets(ledger, "g") == (75, 0, 25, 0)


def test_a_release_gives_everything_back(ledger: Ledger) -> None:
    grant(ledger, 100, "g")
    decision = reserve(ledger, 40)
    released = release(ledger, decision)
    assert released.state is State.RELEASED
    assert released.holds == (("g", 40),)
    assert buckets(ledger, "g") == (100, 0, 0, 0)
    assert release(ledger, decision) == released


def test_of_settling_and_releasing_the_first_one_wins(ledger: Ledger) -> None:
    grant(ledger, 100, "g")
    settled, released = reserve(ledger, 10), reserve(ledger, 10)
    settle(ledger, settled, 5)
    release(ledger, released)
    with pytest.raises(ReservationClosed):
        release(ledger, settled)
    with pytest.raises(ReservationClosed):
        settle(ledger, released, 5)
    assert buckets(ledger, "g") == (95, 0, 5, 0)


@pytest.mark.parametrize(
    "id", ["", "nonsense", "0000000000000", "zzzzzzzzzzzzz", "\ud800", None, 7]
)
def test_a_reservation_nobody_made_is_not_found(ledger: Ledger, id: object) -> None:
    with pytest.raises(NotFound):
        ledger.settle(id, input_tokens=1, output_tokens=1)
    with pytest.raises(NotFound):
        ledger.release(id)
    with pytest.raises(NotFound):
        ledger.void_usage(id)


# Time to live


def test_a_hold_lasts_to_the_end_of_its_time_and_not_an_instant_longer(
    ledger: Ledger, clock: Clock
) -> None:
    grant(ledger, 100, "g")
    end = reserve(ledger, 40, ttl_s=60).expires_at
    clock.set(end - MICRO)
    assert buckets(ledger, "g") == (60, 40, 0, 0)
    with pytest.raises(NoOffer):
        reserve(ledger, 61, free_only=True)
    clock.set(end)
    assert buckets(ledger, "g") == (100, 0, 0, 0)
    assert reserve(ledger, 100, free_only=True).covered_tokens == 100


def test_what_a_lapsed_hold_held_is_offered_to_those_who_only_ask(
    ledger: Ledger, clock: Clock
) -> None:
    grant(ledger, 100, "g")
    reserve(ledger, 100, ttl_s=60)
    with pytest.raises(NoOffer):
        reserve(ledger, 100, hold=False, free_only=True)
    clock.advance(seconds=60)
    assert reserve(ledger, 100, hold=False, free_only=True).covered_tokens == 100
    with pytest.raises(NoOffer):
        reserve(ledger, 101, hold=False, free_only=True)


def test_a_lapsed_hold_returns_once(ledger: Ledger, clock: Clock) -> None:
    grant(ledger, 100, "g")
    decision = reserve(ledger, 40, ttl_s=60)
    clock.advance(seconds=60)
    use(ledger, 1)
    use(ledger, 1)
    assert release(ledger, decision).state is State.EXPIRED
    assert buckets(ledger, "g") == (98, 0, 2, 0)
    assert ledger.verify().ok


def test_a_late_settlement_of_an_expired_reservation_still_counts(
    ledger: Ledger, clock: Clock
) -> None:
    grant(ledger, 100, "g")
    decision = reserve(ledger, 40, ttl_s=60)
    clock.advance(hours=1)
    assert draws(settle(ledger, decision, 40)) == {"g": 40}
    assert buckets(ledger, "g") == (60, 0, 40, 0)


def test_a_late_settlement_takes_what_is_left_and_the_rest_is_overage(
    ledger: Ledger, clock: Clock
) -> None:
    grant(ledger, 100, "g")
    late = reserve(ledger, 60, ttl_s=60)
    clock.advance(seconds=60)
    other = reserve(ledger, 80)
    usage = settle(ledger, late, 60)
    assert draws(usage) == {"g": 20}
    assert usage.overage_tokens == 40
    assert buckets(ledger, "g") == (0, 80, 20, 0)
    assert draws(settle(ledger, other, 80)) == {"g": 80}
    assert ledger.verify().ok


def test_a_release_of_an_expired_reservation_leaves_it_open_to_a_late_settlement(
    ledger: Ledger, clock: Clock
) -> None:
    grant(ledger, 100, "g")
    decision = reserve(ledger, 40, ttl_s=60)
    clock.advance(seconds=60)
    assert release(ledger, decision).state is State.EXPIRED
    assert draws(settle(ledger, decision, 30)) == {"g": 30}


def test_nobody_with_a_fast_clock_ends_a_hold_early(ledger: Ledger, clock: Clock) -> None:
    grant(ledger, 100, "g")
    decision = reserve(ledger, 40, ttl_s=60)
    use(ledger, 1, at=clock.now + MICRO * 200_000_000)
    assert buckets(ledger, "g")[1] == 40
    with pytest.raises(NoOffer):
        reserve(ledger, 60, free_only=True)
    assert draws(settle(ledger, decision, 40)) == {"g": 40}


def test_a_clock_set_back_ends_no_hold_and_keeps_none_for_ever(
    ledger: Ledger, clock: Clock
) -> None:
    grant(ledger, 100, "g", starts_at=utc("2024-07-01"))
    first = reserve(ledger, 40, ttl_s=600)
    clock.advance(hours=-1)
    second = reserve(ledger, 40, ttl_s=600)
    assert buckets(ledger, "g") == (20, 80, 0, 0)
    clock.advance(minutes=10)
    assert buckets(ledger, "g") == (60, 40, 0, 0)
    clock.set(first.expires_at)
    assert buckets(ledger, "g") == (100, 0, 0, 0)
    assert draws(settle(ledger, first, 10)) == {"g": 10}
    assert draws(settle(ledger, second, 10)) == {"g": 10}
    assert ledger.verify().ok


def test_a_reservation_dated_a_little_ahead_lives_its_whole_time(
    ledger: Ledger, clock: Clock
) -> None:
    grant(ledger, 100, "g")
    ahead = reserve(ledger, 40, ttl_s=60, at=clock.now + MICRO * 200_000_000)
    reserve(ledger, 10, ttl_s=60)
    clock.advance(seconds=60)
    assert buckets(ledger, "g") == (60, 40, 0, 0)
    use(ledger, 1)
    assert buckets(ledger, "g") == (59, 40, 1, 0)
    clock.set(ahead.expires_at)
    assert buckets(ledger, "g") == (99, 0, 1, 0)


# The call is dated by its reservation


def test_a_call_begun_before_the_grant_ends_is_paid_by_it(ledger: Ledger, clock: Clock) -> None:
    end = utc("2024-07-31T16:00:00")
    grant(ledger, 100, "g", expires_at=end)
    clock.set(end)
    clock.advance(seconds=-1)
    decision = reserve(ledger, 40)
    clock.advance(seconds=5)
    usage = settle(ledger, decision, 60)
    assert draws(usage) == {"g": 60}, "its hold, and what was left of the grant then"
    assert usage.at == decision.at
    assert held(ledger, "g").forfeited == 40


def test_a_late_settlement_too_is_paid_by_the_grant_of_its_beginning(
    ledger: Ledger, clock: Clock
) -> None:
    end = utc("2024-07-31T16:00:00")
    grant(ledger, 100, "old", expires_at=end)
    grant(ledger, 100, "new", starts_at=end)
    clock.set(end)
    clock.advance(seconds=-1)
    decision = reserve(ledger, 40, ttl_s=1)
    clock.advance(hours=1)
    assert draws(settle(ledger, decision, 120)) == {"old": 100}


def test_no_call_is_begun_on_a_grant_in_the_instant_it_ends(ledger: Ledger, clock: Clock) -> None:
    end = utc("2024-07-31T16:00:00")
    grant(ledger, 100, "g", expires_at=end)
    clock.set(end - MICRO)
    assert reserve(ledger, 1, free_only=True).free
    clock.set(end)
    with pytest.raises(NoOffer, match="expired 2024-07-31"):
        reserve(ledger, 1, free_only=True)


def test_the_price_of_a_call_is_that_of_its_reservation(ledger: Ledger, clock: Clock) -> None:
    ledger.set_price("acme", MODEL, input=80, output=80, valid_from=utc("2024-07-15T01:00:00"))
    decision = reserve(ledger, 100)
    clock.advance(hours=2)
    assert settle(ledger, decision, 100).cash_cost.nano == 100 * NANO_PER_TOKEN


# What a call is for


def test_a_settled_call_carries_what_its_reservation_was_for(ledger: Ledger) -> None:
    grant(ledger, 100, "g")
    decision = reserve(
        ledger, 10, project="search", user="李雷", tags={"team": "a"}, request_id="r-1"
    )
    usage = settle(ledger, decision, 10)
    assert (usage.id, usage.request_id) == (decision.reservation_id, "r-1")
    assert (usage.project, usage.user, usage.tags) == ("search", "李雷", {"team": "a"})


def test_a_reservation_that_nothing_covers_is_still_one(ledger: Ledger) -> None:
    decision = reserve(ledger, 10)
    assert (decision.grants, decision.free) == ((), False)
    assert decision.expected_cash == decision.expected_list
    assert settle(ledger, decision, 10).overage_tokens == 10
    assert ledger.verify().ok


def test_there_is_nothing_to_hold_for_a_call_of_no_tokens(ledger: Ledger) -> None:
    with pytest.raises(InvalidValue):
        ledger.route("chat", input_tokens=0, max_output_tokens=0)


@pytest.mark.parametrize(
    ("tokens", "hold", "credit", "cash"), [(3, 1, 2, 1), (6, 1, 3, 2), (7, 1, 2, 3), (8, 3, 5, 2)]
)
def test_cash_is_rounded_once_whether_or_not_the_call_was_reserved(
    ledger: Ledger, tokens: int, hold: int, credit: int, cash: int
) -> None:
    """At half a nano a token, rounding anew beyond the hold would be one nano out."""
    offer(ledger, model="cheap", price="0.0005", groups=("tiny",))
    grant(ledger, credit, "first", models=["cheap"])
    reserved = settle(ledger, reserve(ledger, hold, model="cheap"), tokens)
    grant(ledger, credit, "second", models=["cheap"])
    logged = use(ledger, tokens, model="cheap")
    assert reserved.overage_tokens == logged.overage_tokens == tokens - credit
    assert reserved.cash_cost.nano == logged.cash_cost.nano == cash
