"""Grants: voiding, adjusting, recurring ones, and those in money or in requests."""

from __future__ import annotations

from datetime import timedelta

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
from tracker import AlreadyExists, InvalidValue, NoOffer, NotFound
from tracker.domain.grant import GrantState
from tracker.ledger import Ledger


@pytest.fixture(autouse=True)
def acme(ledger: Ledger) -> None:
    offer(ledger)


# Recording


def test_a_grant_recorded_twice_is_one(ledger: Ledger, clock: Clock) -> None:
    first = grant(ledger, "50m", "g", expires_at="2024-07-31")
    clock.advance(days=1)
    assert grant(ledger, 50_000_000, "g", expires_at="2024-07-31") == first
    assert len(ledger.balance().grants) == 1


@pytest.mark.parametrize(
    ("other", "field"),
    [
        ({"amount": 99}, "amount"),
        ({"unit": "requests"}, "unit"),
        ({"models": ["acme-*"]}, "models"),
        ({"priority": 1}, "priority"),
        ({"expires_at": "2024-07-30"}, "expires_at"),
        ({"expires_at": "unknown"}, "expires_at"),
        ({"starts_at": "2024-07-02"}, "starts_at"),
        ({"when_used_up": "bills"}, "when_used_up"),
        ({"account": "second"}, "account"),
        ({"every": "daily"}, "every"),
    ],
)
def test_an_id_given_to_another_grant_is_refused_and_names_what_differs(
    ledger: Ledger, other: dict[str, object], field: str
) -> None:
    body = {"amount": 100, "id": "g", "starts_at": "2024-07-01", "expires_at": "2024-07-31"}
    grant(ledger, **body)
    with pytest.raises(AlreadyExists, match=field):
        grant(ledger, **body | other)


def test_grants_without_an_id_are_numbered(ledger: Ledger) -> None:
    assert [grant(ledger).id for _ in range(3)] == ["acme-1", "acme-2", "acme-3"]


def test_a_grant_of_one_account_pays_for_no_other(ledger: Ledger) -> None:
    grant(ledger, 100, "g", account="second")
    assert use(ledger, 10).overage_tokens == 10
    assert use(ledger, 10, account="second").overage_tokens == 0


def test_a_narrow_scope_pays_before_a_wide_one(ledger: Ledger) -> None:
    grant(ledger, 10, "all")
    grant(ledger, 10, "some", models=["acme-*"])
    grant(ledger, 10, "one", models=[MODEL])
    assert list(draws(use(ledger, 25))) == ["one", "some", "all"]


def test_a_scope_in_brackets_matches_literally_what_it_says(ledger: Ledger) -> None:
    offer(ledger, model="acme-1")
    grant(ledger, 10, "g", models=["acme-[12]"])
    assert use(ledger, 5, model="acme-1").overage_tokens == 0
    assert use(ledger, 5).overage_tokens == 5


# Voiding


def test_voiding_writes_off_what_is_available(ledger: Ledger, clock: Clock) -> None:
    grant(ledger, 100, "g")
    use(ledger, 30)
    clock.advance(hours=1)
    ledger.void_grant("g", reason="the account was closed")
    assert buckets(ledger, "g") == (0, 0, 30, 70)
    assert held(ledger, "g").state is GrantState.VOIDED
    assert use(ledger, 10).overage_tokens == 10


def test_voiding_again_changes_nothing(ledger: Ledger, clock: Clock) -> None:
    grant(ledger, 100, "g")
    ledger.void_grant("g")
    clock.advance(hours=1)
    before = ledger.balance().grants
    ledger.void_grant("g")
    assert ledger.balance().grants == before
    assert ledger.verify().ok


def test_what_calls_hold_of_a_voided_grant_stays_theirs(ledger: Ledger) -> None:
    grant(ledger, 100, "g")
    decision = reserve(ledger, 40)
    ledger.void_grant("g")
    assert buckets(ledger, "g") == (0, 40, 0, 60)
    assert draws(settle(ledger, decision, 40)) == {"g": 40}
    assert buckets(ledger, "g") == (0, 0, 40, 60)


@pytest.mark.parametrize("ending", ["settled", "released", "expired", "expired and seen"])
def test_what_comes_back_to_a_voided_grant_is_written_off(
    ledger: Ledger, clock: Clock, ending: str
) -> None:
    grant(ledger, 100, "g")
    decision = reserve(ledger, 40)
    ledger.void_grant("g")
    if ending == "settled":
        settle(ledger, decision, 10)
        assert buckets(ledger, "g") == (0, 0, 10, 90)
    elif ending == "released":
        release(ledger, decision)
        assert buckets(ledger, "g") == (0, 0, 0, 100)
    else:
        clock.advance(minutes=10)
        if ending == "expired and seen":
            use(ledger, 1)
        assert buckets(ledger, "g") == (0, 0, 0, 100)
        assert held(ledger, "g").remaining == 0
    assert ledger.verify().problems == ()


def test_a_call_taken_back_from_a_voided_grant_is_written_off(ledger: Ledger) -> None:
    grant(ledger, 100, "g")
    usage = use(ledger, 40)
    ledger.void_grant("g")
    ledger.void_usage(usage.id)
    assert buckets(ledger, "g") == (0, 0, 0, 100)
    assert ledger.verify().ok


def test_a_grant_nobody_recorded_cannot_be_voided(ledger: Ledger) -> None:
    with pytest.raises(NotFound):
        ledger.void_grant("nobody")


# Taking calls back


def test_a_call_taken_back_gives_its_grants_what_it_drew(ledger: Ledger) -> None:
    grant(ledger, 30, "a", expires_at=utc("2024-07-20"))
    grant(ledger, 100, "b")
    usage = use(ledger, 50)
    voided = ledger.void_usage(usage.id, reason="logged by mistake")
    assert voided.voided
    assert draws(voided) == {"a": 30, "b": 20}
    assert ledger.void_usage(usage.id) == voided
    assert buckets(ledger, "a") == (30, 0, 0, 0)
    assert buckets(ledger, "b") == (100, 0, 0, 0)
    assert ledger.verify().problems == ()


def test_a_settled_call_can_be_taken_back(ledger: Ledger) -> None:
    grant(ledger, 100, "g")
    usage = settle(ledger, reserve(ledger, 40), 60)
    ledger.void_usage(usage.id)
    assert buckets(ledger, "g") == (100, 0, 0, 0)
    assert ledger.verify().problems == ()


# Adjusting


def test_less_is_written_off_and_more_takes_it_back_or_raises_the_amount(ledger: Ledger) -> None:
    grant(ledger, 100, "g")
    use(ledger, 30)
    ledger.adjust_grant("g", remaining=50, reason="the console says so")
    assert buckets(ledger, "g") == (50, 0, 30, 20)
    assert ledger.adjust_grant("g", remaining=65, reason="a slip").amount == 100
    assert buckets(ledger, "g") == (65, 0, 30, 5)
    assert ledger.adjust_grant("g", remaining=80, reason="it says so again").amount == 110
    assert buckets(ledger, "g") == (80, 0, 30, 0)
    assert held(ledger, "g").amount == 110
    ledger.adjust_grant("g", remaining=80, reason="no change")
    ledger.adjust_grant("g", remaining=0, reason="nothing left")
    assert buckets(ledger, "g") == (0, 0, 30, 80)
    assert ledger.verify().problems == ()


def test_what_calls_hold_cannot_be_adjusted_away(ledger: Ledger, clock: Clock) -> None:
    grant(ledger, 100, "g")
    reserve(ledger, 40, ttl_s=60)
    with pytest.raises(InvalidValue) as refusal:
        ledger.adjust_grant("g", remaining=39, reason="why")
    assert refusal.value.field == "remaining"
    ledger.adjust_grant("g", remaining=40, reason="why")
    assert buckets(ledger, "g") == (0, 40, 0, 60)
    clock.advance(seconds=60)
    ledger.adjust_grant("g", remaining=39, reason="why")
    assert buckets(ledger, "g") == (39, 0, 0, 61)


def test_money_is_adjusted_in_money(ledger: Ledger) -> None:
    grant(ledger, "10", "g", unit="CNY")
    ledger.adjust_grant("g", remaining="12.5", reason="topped up")
    assert held(ledger, "g").amount == 12_500_000_000


# Recurring grants


def test_every_day_at_the_provider_begins_with_the_full_amount(
    ledger: Ledger, clock: Clock
) -> None:
    midnight = utc("2024-07-15T16:00:00")  # in Shanghai
    grant(ledger, 100, "daily", every="daily", starts_at="2024-07-01")
    clock.set(midnight - MICRO)
    assert draws(use(ledger, 150)) == {"daily@2024-07-15": 100}
    assert held(ledger, "daily@2024-07-15").expires_at == midnight
    with pytest.raises(NoOffer):
        reserve(ledger, 1, free_only=True)
    clock.set(midnight)
    assert draws(use(ledger, 30)) == {"daily@2024-07-16": 30}
    assert buckets(ledger, "daily@2024-07-16") == (70, 0, 30, 0)
    assert held(ledger, "daily@2024-07-16").window_of == "daily"


def test_what_is_left_of_a_window_is_not_carried_over(ledger: Ledger, clock: Clock) -> None:
    grant(ledger, 100, "daily", every="daily", starts_at="2024-07-01")
    use(ledger, 1)
    clock.advance(days=1)
    assert reserve(ledger, 100, free_only=True).free
    with pytest.raises(NoOffer):
        reserve(ledger, 1, free_only=True)
    assert held(ledger, "daily@2024-07-15").forfeited == 99


def test_a_month_ends_where_the_next_one_begins(ledger: Ledger, clock: Clock) -> None:
    grant(ledger, 100, "monthly", every="monthly", starts_at="2024-02-10")
    clock.set("2024-02-29T16:00:00")
    clock.advance(microseconds=-1)
    first = use(ledger, 10)
    clock.advance(microseconds=1)
    second = use(ledger, 10)
    assert (draws(first), draws(second)) == ({"monthly@2024-02": 10}, {"monthly@2024-03": 10})
    assert held(ledger, "monthly@2024-02").starts_at == utc("2024-02-09T16:00:00")


def test_a_late_event_draws_on_the_window_of_its_time(ledger: Ledger) -> None:
    grant(ledger, 100, "daily", every="daily", starts_at="2024-07-01")
    assert draws(use(ledger, 10, at=utc("2024-07-03T12:00:00"))) == {"daily@2024-07-03": 10}
    assert use(ledger, 10, at=utc("2024-06-30T12:00:00")).overage_tokens == 10


def test_a_window_nobody_has_drawn_on_is_shown_full(ledger: Ledger, clock: Clock) -> None:
    grant(ledger, 100, "daily", every="daily", starts_at="2024-07-16", expires_at="2024-07-17")
    (soon,) = ledger.balance().grants
    assert (soon.id, soon.state, soon.available) == ("daily@2024-07-16", "scheduled", 0)
    clock.set("2024-07-16T12:00:00")
    (now,) = ledger.balance().grants
    assert (now.id, now.state, now.available) == ("daily@2024-07-16", "active", 100)
    clock.set("2024-07-17T16:00:00")
    (gone,) = ledger.balance().grants
    assert (gone.id, gone.state, gone.available, gone.forfeited) == (
        "daily@2024-07-17", "expired", 0, 100,
    )  # fmt: skip


def test_the_last_window_ends_with_the_grant(ledger: Ledger, clock: Clock) -> None:
    end = utc("2024-07-15T03:00:00")
    grant(ledger, 100, "daily", every="daily", starts_at="2024-07-01", expires_at=end)
    clock.set(end - MICRO)
    assert use(ledger, 1).overage_tokens == 0
    clock.set(end)
    assert use(ledger, 1).overage_tokens == 1


def test_a_voided_recurring_grant_has_no_more_windows(ledger: Ledger, clock: Clock) -> None:
    grant(ledger, 100, "daily", every="daily", starts_at="2024-07-01")
    use(ledger, 10)
    decision = reserve(ledger, 20)
    ledger.void_grant("DAILY")
    assert buckets(ledger, "daily@2024-07-15") == (0, 20, 10, 70)
    assert use(ledger, 5).overage_tokens == 5
    assert use(ledger, 5, at=clock.now - timedelta(days=1)).overage_tokens == 0
    assert draws(settle(ledger, decision, 20)) == {"daily@2024-07-15": 20}
    clock.advance(days=1)
    assert use(ledger, 5).overage_tokens == 5
    assert all(one.available == 0 for one in ledger.balance().grants)
    assert ledger.verify().problems == ()


def test_a_recurring_grant_voided_before_anything_was_drawn_pays_nothing(ledger: Ledger) -> None:
    grant(ledger, 100, "daily", every="daily", starts_at="2024-07-01")
    ledger.void_grant("daily")
    (window,) = ledger.balance().grants
    assert (window.state, window.available) == (GrantState.VOIDED, 0)
    assert use(ledger, 5).overage_tokens == 5


@pytest.mark.parametrize("every", ["hourly", "daily", "weekly", "monthly"])
def test_a_window_is_voided_and_adjusted_by_its_id(
    ledger: Ledger, clock: Clock, every: str
) -> None:
    grant(ledger, 100, "rec", every=every, starts_at="2024-07-01")
    (id,) = draws(use(ledger, 10))
    ledger.adjust_grant(id, remaining=50, reason="the console says so")
    assert buckets(ledger, id) == (50, 0, 10, 40)
    ledger.void_grant(id)
    assert buckets(ledger, id) == (0, 0, 10, 90)
    clock.advance(days=31)
    assert use(ledger, 10).overage_tokens == 0, "the next window is not voided"


def test_a_window_nothing_has_drawn_on_is_adjusted_and_voided_too(ledger: Ledger) -> None:
    grant(ledger, 100, "rec", every="daily", starts_at="2024-07-01")
    id = next(one.id for one in ledger.balance().grants if one.window_of)
    ledger.adjust_grant(id, remaining=40, reason="the console says so")
    assert buckets(ledger, id) == (40, 0, 0, 60)
    ledger.void_grant(id)
    assert use(ledger, 10).overage_tokens == 10


def test_no_grant_may_be_called_like_a_window(ledger: Ledger) -> None:
    with pytest.raises(InvalidValue, match="windows"):
        grant(ledger, 5, "daily@2024-07-16")


def test_what_was_left_then_is_corrected_as_of_then(ledger: Ledger, clock: Clock) -> None:
    grant(ledger, 1_000, "g")
    then = clock.advance(days=1)
    clock.advance(days=1)
    use(ledger, 700)
    ledger.adjust_grant("g", remaining=950, at=then, reason="the console said so")
    assert buckets(ledger, "g", then) == (950, 0, 0, 50)
    assert buckets(ledger, "g") == (250, 0, 700, 50)
    with pytest.raises(InvalidValue, match="only 250"):
        ledger.adjust_grant("g", remaining=600, at=then, reason="too late")


def test_a_recurring_grant_itself_cannot_be_adjusted(ledger: Ledger) -> None:
    grant(ledger, 100, "daily", every="daily")
    with pytest.raises(InvalidValue, match="windows"):
        ledger.adjust_grant("daily", remaining=5, reason="why")


def test_windows_and_plain_grants_pay_in_one_order(ledger: Ledger) -> None:
    grant(ledger, 100, "endless", starts_at="2024-07-01")
    grant(ledger, 10, "week", expires_at=utc("2024-07-20"))
    grant(ledger, 10, "daily", every="daily", starts_at="2024-07-01")
    assert list(draws(use(ledger, 30))) == ["daily@2024-07-15", "week", "endless"]


def test_an_import_draws_on_windows_as_single_calls_do(ledger: Ledger) -> None:
    grant(ledger, 15, "daily", every="daily", starts_at="2024-07-01")
    row = {"provider": "acme", "model": MODEL, "input_tokens": 10, "output_tokens": 0}
    days = (3, 3, 4, 5, 5, 5)
    ledger.log_many(row | {"at": utc(f"2024-07-{day:02d}T01:00:00")} for day in days)
    spent = {one.id: one.spent for one in ledger.balance().grants if one.spent}
    assert spent == {"daily@2024-07-03": 15, "daily@2024-07-04": 10, "daily@2024-07-05": 15}
    assert ledger.verify().problems == ()


# Money and requests


def test_credit_in_money_burns_at_list_price(ledger: Ledger) -> None:
    grant(ledger, "0.01", "g", unit="CNY")
    usage = use(ledger, 1_000)
    assert usage.draws[0].amount == 1_000 * NANO_PER_TOKEN
    assert (usage.draws[0].unit, usage.draws[0].tokens) == ("CNY", 1_000)
    assert usage.overage_tokens == 0
    assert buckets(ledger, "g") == (2_000_000, 0, 8_000_000, 0)


def test_credit_in_money_pays_a_part_and_cash_the_rest(ledger: Ledger) -> None:
    grant(ledger, "0.004", "g", unit="CNY")
    usage = use(ledger, 1_000)
    assert (usage.draws[0].tokens, usage.overage_tokens) == (500, 500)
    assert usage.cash_cost.nano == 4_000_000
    assert usage.saved.nano == 4_000_000


def test_a_hold_of_money_is_settled_in_money(ledger: Ledger) -> None:
    grant(ledger, "0.02", "g", unit="CNY")
    decision = reserve(ledger, 1_000)
    assert decision.grants[0].amount == 8_000_000
    assert buckets(ledger, "g") == (12_000_000, 8_000_000, 0, 0)
    settle(ledger, decision, 2_000)
    assert buckets(ledger, "g") == (4_000_000, 0, 16_000_000, 0)
    assert ledger.verify().problems == ()


def test_money_pays_in_its_currency_only(ledger: Ledger) -> None:
    with pytest.raises(InvalidValue, match="USD") as refusal:
        grant(ledger, 1, unit="USD")
    assert refusal.value.field == "unit"


def test_one_request_pays_for_one_call_however_large(ledger: Ledger) -> None:
    grant(ledger, 2, "g", unit="requests")
    assert use(ledger, 10**6).overage_tokens == 0
    assert reserve(ledger, 10**6).free
    assert buckets(ledger, "g") == (0, 1, 1, 0)
    assert use(ledger, 10).overage_tokens == 10


def test_a_held_request_is_spent_or_given_back(ledger: Ledger) -> None:
    grant(ledger, 2, "g", unit="requests")
    release(ledger, reserve(ledger, 10))
    assert buckets(ledger, "g") == (2, 0, 0, 0)
    usage = settle(ledger, reserve(ledger, 10), 1_000)
    assert (usage.draws[0].amount, usage.draws[0].tokens) == (1, 1_000)
    assert buckets(ledger, "g") == (1, 0, 1, 0)
    assert settle(ledger, reserve(ledger, 10), 0).draws == ()
    assert buckets(ledger, "g") == (1, 0, 1, 0)


def test_tokens_money_and_requests_pay_together(ledger: Ledger) -> None:
    grant(ledger, 100, "tokens", priority=1)
    grant(ledger, "0.0008", "money", unit="CNY", priority=2)
    grant(ledger, 1, "request", unit="requests", priority=3)
    usage = use(ledger, 1_000)
    assert draws(usage) == {"tokens": 100, "money": 100, "request": 800}
    assert (usage.overage_tokens, usage.cash_cost.nano) == (0, 0)
    assert {total.unit: total.spent for total in ledger.balance().totals} == {
        "tokens": 100, "CNY": 800_000, "requests": 1,
    }  # fmt: skip
    ledger.void_usage(usage.id)
    assert {total.unit: total.spent for total in ledger.balance().totals} == {
        "tokens": 0, "CNY": 0, "requests": 0,
    }  # fmt: skip
    assert ledger.verify().problems == ()
