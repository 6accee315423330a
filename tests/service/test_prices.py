"""Prices and rates: dated, exact, and an error that names what is not known."""

from __future__ import annotations

import pytest

from tests.builders import (
    MICRO,
    MODEL,
    Clock,
    draws,
    grant,
    offer,
    reserve,
    settle,
    use,
    utc,
)
from tracker import AlreadyExists, InvalidValue, NoOffer, NoPrice, NoRate
from tracker.ledger import Ledger

# Unknown prices


def test_a_call_that_credit_covers_needs_no_price(ledger: Ledger) -> None:
    offer(ledger, price=None)
    grant(ledger, 100, "g")
    usage = use(ledger, 100)
    assert draws(usage) == {"g": 100}
    assert usage.list_cost is None
    assert usage.saved is None
    assert usage.cash_cost.text() == "0"


def test_a_call_that_credit_does_not_cover_needs_one_by_name(ledger: Ledger) -> None:
    offer(ledger, price=None)
    grant(ledger, 100, "g")
    with pytest.raises(NoPrice, match=f"acme/{MODEL}"):
        use(ledger, 101)
    assert ledger.balance().grants[0].spent == 0
    assert ledger.verify().entries == 1


def test_a_settlement_is_never_refused_for_want_of_a_price(ledger: Ledger) -> None:
    offer(ledger, price=None)
    grant(ledger, 100, "g")
    usage = settle(ledger, reserve(ledger, 60), 150)
    assert (usage.overage_tokens, usage.list_cost, usage.cash_cost, usage.saved) == (
        50, None, None, None,
    )  # fmt: skip
    assert ledger.verify().problems == ()


def test_an_offer_without_a_price_is_chosen_where_credit_covers_it(ledger: Ledger) -> None:
    offer(ledger, price=None)
    grant(ledger, 100, "g")
    decision = reserve(ledger, 100)
    assert decision.free
    assert decision.expected_list is None
    with pytest.raises(NoOffer, match="no price is known"):
        reserve(ledger, 1)


def test_money_cannot_burn_where_no_price_is_known(ledger: Ledger) -> None:
    offer(ledger, price=None)
    grant(ledger, 100, "g", unit="CNY")
    with pytest.raises(NoPrice):
        use(ledger, 1)


# Dates


def test_a_price_holds_from_its_instant_until_the_next_one(ledger: Ledger, clock: Clock) -> None:
    change = utc("2024-07-15T16:00:00")
    offer(ledger, price=8)
    ledger.set_price("acme", MODEL, input=4, output=4, valid_from="2024-07-16")
    clock.set("2024-08-01")
    assert use(ledger, 1_000, at=change - MICRO).list_cost.nano == 8_000_000
    assert use(ledger, 1_000, at=change).list_cost.nano == 4_000_000


def test_a_new_price_leaves_the_past_as_it_was(ledger: Ledger, clock: Clock) -> None:
    offer(ledger, price=8)
    before = use(ledger, 1_000, request_id="r")
    clock.advance(days=1)
    ledger.set_price("acme", MODEL, input=4, output=4)
    assert use(ledger, 1_000, request_id="r") == before
    assert use(ledger, 1_000, at=before.at).list_cost == before.list_cost
    assert use(ledger, 1_000).list_cost.nano == 4_000_000


def test_before_its_first_price_a_model_has_none(ledger: Ledger) -> None:
    offer(ledger, price=None)
    ledger.set_price("acme", MODEL, input=8, output=8, valid_from=utc("2024-07-15"))
    assert use(ledger, 1, at=utc("2024-07-15")).list_cost.nano == 8_000
    with pytest.raises(NoPrice):
        use(ledger, 1, at=utc("2024-07-15") - MICRO)


def test_a_price_is_never_overwritten(ledger: Ledger) -> None:
    offer(ledger, price=8)
    offer(ledger, price="8.0")
    with pytest.raises(AlreadyExists, match="its own date"):
        offer(ledger, price=9)
    assert use(ledger, 1_000).list_cost.nano == 8_000_000


# Parts of a call


def test_input_cached_input_and_output_have_prices_of_their_own(ledger: Ledger) -> None:
    offer(ledger, price=(8, 20), cached_input="0.8")
    usage = ledger.log_usage(
        "acme", MODEL, input_tokens=1_200, cached_tokens=800, output_tokens=150, reasoning_tokens=50
    )
    assert usage.list_cost.nano == 400 * 8_000 + 800 * 800 + 150 * 20_000


def test_cached_input_without_a_price_costs_what_input_costs(ledger: Ledger) -> None:
    offer(ledger, price=(8, 20))
    assert use(ledger, 1_000, cached_tokens=900).list_cost.nano == 8_000_000


def test_the_length_of_the_input_picks_the_tier_for_the_whole_call(ledger: Ledger) -> None:
    tiers = (
        {"above_input_tokens": 1_000, "input": 16, "output": 32},
        {"above_input_tokens": 2_000, "input": 32, "output": 64, "cached_input": 1},
    )
    offer(ledger, price=(8, 8), tiers=tiers)
    assert use(ledger, 1_000, output_tokens=10).list_cost.nano == 1_010 * 8_000
    assert use(ledger, 1_001, output_tokens=10).list_cost.nano == 1_001 * 16_000 + 10 * 32_000
    assert use(ledger, 2_001, cached_tokens=2_001).list_cost.nano == 2_001 * 1_000
    with pytest.raises(InvalidValue) as refusal:
        ledger.set_price("acme", MODEL, input=1, output=1, tiers=tiers[::-1])
    assert refusal.value.field == "tiers"


def test_a_call_is_rounded_half_to_even(ledger: Ledger) -> None:
    offer(ledger, price="0.0005", groups=())
    assert [use(ledger, tokens).list_cost.nano for tokens in (1, 2, 3, 5, 7)] == [0, 1, 2, 2, 4]


# Currencies


@pytest.fixture
def two_currencies(ledger: Ledger) -> Ledger:
    offer(ledger, "yuan", "y", price=10)
    offer(ledger, "dollar", "d", price=2, currency="USD")
    return ledger


def test_a_missing_rate_is_an_error_that_names_the_pair(two_currencies: Ledger) -> None:
    with pytest.raises(NoRate, match="USD/CNY"):
        reserve(two_currencies, 1_000)


def test_what_credit_covers_needs_no_rate(two_currencies: Ledger) -> None:
    grant(two_currencies, 1_000, "g", provider="dollar")
    assert reserve(two_currencies, 1_000).provider == "dollar"
    grant(two_currencies, 1_000, "h", provider="yuan")
    assert reserve(two_currencies, 1_000).free


@pytest.mark.parametrize(
    ("base", "quote", "rate", "winner"),
    [
        ("USD", "CNY", "7.26", "yuan"),
        ("USD", "CNY", "4.99", "dollar"),
        ("CNY", "USD", "0.1377", "yuan"),
        ("CNY", "USD", "0.21", "dollar"),
    ],
)
def test_offers_are_compared_at_the_rate_whichever_way_round(
    two_currencies: Ledger, base: str, quote: str, rate: str, winner: str
) -> None:
    two_currencies.set_rate(base, quote, rate)
    decision = reserve(two_currencies, 1_000)
    assert decision.provider == winner
    assert decision.expected_cash.currency == ("CNY" if winner == "yuan" else "USD")
    assert rate in decision.rates[0]


def test_a_rate_holds_from_its_date_on(two_currencies: Ledger, clock: Clock) -> None:
    two_currencies.set_rate("USD", "CNY", "7.26", valid_from=utc("2024-07-01"))
    two_currencies.set_rate("USD", "CNY", "4", valid_from=utc("2024-07-16"))
    assert reserve(two_currencies, 1_000).provider == "yuan"
    clock.set(utc("2024-07-16") - MICRO)
    assert reserve(two_currencies, 1_000).provider == "yuan"
    clock.set(utc("2024-07-16"))
    assert reserve(two_currencies, 1_000).provider == "dollar"
    with pytest.raises(NoRate):
        reserve(two_currencies, 1_000, at=utc("2024-06-30"), hold=False)


def test_a_limit_on_cash_is_in_the_currency_of_the_ledger(two_currencies: Ledger) -> None:
    two_currencies.set_rate("USD", "CNY", 4)
    assert reserve(two_currencies, 1_000, max_cash="0.008").provider == "dollar"
    with pytest.raises(NoOffer, match="more than the limit"):
        reserve(two_currencies, 1_000, max_cash="0.007")


def test_a_rate_is_never_overwritten(ledger: Ledger) -> None:
    ledger.set_rate("USD", "CNY", "7.26", valid_from=utc("2024-07-01"))
    ledger.set_rate("usd", "cny", "7.260", valid_from=utc("2024-07-01"))
    with pytest.raises(AlreadyExists):
        ledger.set_rate("USD", "CNY", "7.27", valid_from=utc("2024-07-01"))
    with pytest.raises(InvalidValue):
        ledger.set_rate("CNY", "CNY", 1)


def test_a_call_is_recorded_in_the_currency_of_its_price(ledger: Ledger) -> None:
    offer(ledger, "dollar", "d", price=2, currency="USD")
    assert use(ledger, 1_000, provider="dollar", model="d").cash_cost.as_json() == {
        "amount": "0.002", "currency": "USD",
    }  # fmt: skip
