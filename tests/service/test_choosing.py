"""Choosing: which offer wins, what the others are told, and that nothing but the ledger decides."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

import tracker
from tests.builders import (
    MODEL,
    START,
    Clock,
    buckets,
    grant,
    offer,
    release,
    reserve,
    use,
    utc,
)
from tracker import InvalidValue, NoOffer, NoRate, NotFound
from tracker.ledger import Ledger


@pytest.fixture
def three(ledger: Ledger) -> Ledger:
    """Three providers of the group `chat`: `a` at 10, `b` at 20 and `c` at 30 CNY."""
    for provider, price in (("a", 10), ("b", 20), ("c", 30)):
        offer(ledger, provider, f"{provider}-chat", price=price)
    return ledger


def order(decision: tracker.Decision) -> list[str]:
    return [decision.provider, *(one.provider for one in decision.alternatives)]


def reasons(of: tracker.Decision | NoOffer) -> dict[str, str]:
    found = of.reasons if isinstance(of, NoOffer) else of.passed_over
    return {one.provider: one.reason for one in found}


# Who wins


def test_the_cheapest_offer_wins_and_the_others_follow_in_order(three: Ledger) -> None:
    decision = reserve(three, 1_000)
    assert order(decision) == ["a", "b", "c"]
    assert decision.expected_cash.text() == "0.01"
    assert [one.expected_cash.text() for one in decision.alternatives] == ["0.02", "0.03"]
    assert (decision.policy, decision.free) == ("cheapest", False)


def test_free_credit_beats_every_price(three: Ledger) -> None:
    grant(three, 1_000, "g", provider="c")
    decision = reserve(three, 1_000)
    assert order(decision) == ["c", "a", "b"]
    assert [one.free for one in decision.alternatives] == [False, False]
    assert decision.expected_list.text() == "0.03"


def test_credit_that_covers_a_part_lowers_the_price_by_that_part(three: Ledger) -> None:
    grant(three, 600, "g", provider="b")
    assert order(reserve(three, 1_000, hold=False)) == ["b", "a", "c"]
    grant(three, 600, "h", provider="c")
    assert order(reserve(three, 1_000)) == ["b", "a", "c"]


def test_of_two_free_offers_the_credit_worth_less_burns(three: Ledger) -> None:
    grant(three, 1_000, "g", provider="c", expires_at=utc("2024-07-16"))
    grant(three, 1_000, "h", provider="b")
    assert order(reserve(three, 1_000)) == ["b", "c", "a"]


def test_of_two_free_offers_of_one_worth_the_sooner_to_end_burns(ledger: Ledger) -> None:
    for provider, end in (("a", None), ("b", utc("2024-08-01")), ("c", utc("2024-07-16"))):
        offer(ledger, provider, "m", price=10)
        grant(ledger, 1_000, f"g-{provider}", provider=provider, expires_at=end)
    assert order(reserve(ledger, 100)) == ["c", "b", "a"]


def test_all_else_equal_the_name_decides(ledger: Ledger) -> None:
    for provider in ("b", "c", "a"):
        for model in ("m2", "m1"):
            offer(ledger, provider, model, price=10)
    decision = reserve(ledger, 100)
    names = [(one.provider, one.model) for one in (decision, *decision.alternatives)]
    assert names == sorted(names)


def test_every_account_is_an_offer_of_its_own(three: Ledger) -> None:
    grant(three, 100, "g", provider="c", account="second")
    decision = reserve(three, 100)
    assert (decision.provider, decision.account, decision.free) == ("c", "second", True)


def test_credit_others_hold_counts_for_nothing(three: Ledger) -> None:
    grant(three, 1_000, "g", provider="c")
    first = reserve(three, 600)
    assert (first.provider, reserve(three, 600, hold=False).provider) == ("c", "a")
    release(three, first)
    assert reserve(three, 600).provider == "c"


def test_looking_holds_nothing(three: Ledger) -> None:
    grant(three, 1_000, "g", provider="c")
    decision = reserve(three, 600, hold=False)
    assert (decision.reservation_id, decision.expires_at) == (None, None)
    assert buckets(three, "g") == (1_000, 0, 0, 0)
    assert three.verify().entries == 1


# What is asked for


@pytest.mark.parametrize("name", ["chat", "CHAT", "B-chat", "b/b-chat", "B/b-CHAT", "bee"])
def test_a_group_a_model_an_alias_or_both_names_are_understood(three: Ledger, name: str) -> None:
    three.add_model("b", "bee-1", aliases=["bee"])
    three.set_price("b", "bee", input=1, output=1)
    assert reserve(three, 10, model=name).provider in ("a" if name.lower() == "chat" else "b")


def test_a_name_nobody_serves_is_not_found(three: Ledger) -> None:
    for name in ("nobody", "a/b-chat", "chat/a", "", "*"):
        with pytest.raises(NotFound):
            reserve(three, 10, model=name)


def test_providers_and_exclude_narrow_the_choice(three: Ledger) -> None:
    assert order(reserve(three, 10, providers=["b", "C"])) == ["b", "c"]
    assert order(reserve(three, 10, exclude=["a"])) == ["b", "c"]
    with pytest.raises(NoOffer) as refusal:
        reserve(three, 10, providers=["a", "b"], exclude=["b", "a"])
    assert reasons(refusal.value) == {
        "a": "excluded by the request",
        "b": "excluded by the request",
        "c": "not among the providers asked for",
    }


def test_a_limit_on_cash_refuses_what_costs_more(three: Ledger) -> None:
    assert order(reserve(three, 1_000, max_cash="0.02")) == ["a", "b"]
    assert order(reserve(three, 1_000, max_cash="0.01")) == ["a"]
    with pytest.raises(NoOffer) as refusal:
        reserve(three, 1_000, max_cash="0.009")
    assert reasons(refusal.value)["a"] == "would cost 0.01 CNY, more than the limit"
    grant(three, 1_000, "g", provider="c")
    assert order(reserve(three, 1_000, max_cash=0)) == ["c"]


def test_free_only_refuses_rather_than_pay_a_part(three: Ledger) -> None:
    grant(three, 999, "g", provider="c")
    with pytest.raises(NoOffer) as refusal:
        reserve(three, 1_000, free_only=True)
    assert reasons(refusal.value) == {
        "a": "no grant",
        "b": "no grant",
        "c": "999 tokens left, 1,000 needed",
    }
    assert order(reserve(three, 999, free_only=True)) == ["c"]


@pytest.mark.parametrize("when_used_up", ["bills", "stops", "unknown"])
def test_free_only_asks_for_the_whole_estimate_whatever_comes_after_the_credit(
    three: Ledger, when_used_up: str
) -> None:
    grant(three, 1_000, "g", provider="a", when_used_up=when_used_up)
    assert reserve(three, 1_000, free_only=True, hold=False).free
    with pytest.raises(NoOffer):
        reserve(three, 1_001, free_only=True)


def test_an_offer_that_costs_nothing_is_free_without_a_grant(three: Ledger) -> None:
    offer(three, "d", "d-chat", price=0)
    decision = reserve(three, 1_000, free_only=True)
    assert (decision.provider, decision.free, decision.expected_cash.nano) == ("d", True, 0)


@pytest.mark.parametrize(
    ("limits", "into", "out", "reason"),
    [
        ({"context_window": 8_000}, 8_000, 4_000, "context 8k < 12k"),
        ({"context_window": 8_192}, 8_000, 193, "context 8k < 8,193"),
        ({"context_window": 131_072}, 140_000, 0, "context 128k < 140k"),
        ({"max_output_tokens": 4_096}, 1, 4_097, "max output 4k < 4,097"),
    ],
)
def test_a_request_that_does_not_fit_is_told_so(
    ledger: Ledger, limits: dict[str, int], into: int, out: int, reason: str
) -> None:
    offer(ledger, **limits)
    with pytest.raises(NoOffer) as refusal:
        ledger.route("chat", input_tokens=into, max_output_tokens=out)
    assert reasons(refusal.value) == {"acme": reason}


def test_a_request_that_just_fits_does(ledger: Ledger) -> None:
    offer(ledger, context_window=8_000, max_output_tokens=4_000)
    assert ledger.route("chat", input_tokens=4_000, max_output_tokens=4_000).provider == "acme"


def test_an_offer_counts_only_while_it_is_made(ledger: Ledger, clock: Clock) -> None:
    offer(
        ledger, "openai", "gpt",
        available_from=utc("2024-07-01"), available_until="2024-07-08",
        availability="blocked in CN",
    )  # fmt: skip
    offer(ledger, "zhipu", "glm", available_from="2024-07-09")
    clock.set("2024-07-08T15:59:59")
    decision = reserve(ledger, 10, explain=True)
    assert decision.provider == "openai"
    assert reasons(decision) == {"zhipu": "not offered before 2024-07-09"}
    clock.set("2024-07-08T16:00:00")
    decision = reserve(ledger, 10, explain=True)
    assert decision.provider == "zhipu"
    assert reasons(decision) == {"openai": "blocked in CN since 2024-07-09"}


def test_a_policy_nobody_wrote_is_refused_with_those_there_are(three: Ledger) -> None:
    with pytest.raises(InvalidValue, match="cheapest") as refusal:
        reserve(three, 10, policy="luckiest")
    assert refusal.value.field == "policy"


# Reasons


def test_every_offer_passed_over_is_told_why(ledger: Ledger, clock: Clock) -> None:
    names = ("used", "held", "ended", "voided", "soon", "none", "some", "small", "free", "worth")
    for name in names:
        offer(ledger, name, f"{name}-chat", price=30 if name == "worth" else 10)
    clock.set("2024-07-01")
    for name, fields in {
        "used": {"expires_at": "2024-07-31"},
        "held": {},
        "ended": {"expires_at": "2024-07-10"},
        "voided": {},
        "soon": {"starts_at": "2024-08-01"},
        "some": {},
        "free": {},
        "worth": {},
    }.items():
        grant(ledger, 100, f"g-{name}", provider=name, **fields)
    use(ledger, 100, provider="used", model="used-chat")
    use(ledger, 60, provider="some", model="some-chat")
    ledger.void_grant("g-voided")
    clock.set("2024-07-15")
    reserve(ledger, 100, model="held-chat")
    ledger.add_model("small", "small-8", groups=["chat"], context_window=50)
    ledger.set_price("small", "small-8", input=1, output=1)
    decision = reserve(ledger, 100, explain=True, exclude=["none"])
    assert decision.provider == "free"
    said = {(one.provider, one.model): one.reason for one in decision.passed_over}
    cost = "would cost 0.001 CNY"
    assert said == {
        ("used", "used-chat"): f"{cost}: credit used up, ends 2024-07-31",
        ("held", "held-chat"): f"{cost}: credit held by other calls",
        ("ended", "ended-chat"): f"{cost}: expired 2024-07-10",
        ("voided", "voided-chat"): f"{cost}: voided 2024-07-01",
        ("soon", "soon-chat"): f"{cost}: starts 2024-08-01",
        ("none", "none-chat"): "excluded by the request",
        ("some", "some-chat"): "would cost 0.0006 CNY: 40 tokens left, 100 needed",
        ("small", "small-chat"): f"{cost}: no grant",
        ("small", "small-8"): "context 50 < 100",
        ("worth", "worth-chat"): "as cheap, but burns credit worth 0.003 CNY, against 0.001",
    }


def test_reasons_are_given_on_request_and_with_every_refusal(three: Ledger) -> None:
    assert reserve(three, 10).passed_over == ()
    assert set(reasons(reserve(three, 10, explain=True))) == {"b", "c"}
    with pytest.raises(NoOffer) as refusal:
        reserve(three, 10, free_only=True)
    assert set(reasons(refusal.value)) == {"a", "b", "c"}


# Nothing but the ledger decides

SCRIPT = """
import json, sys, tracker
from datetime import datetime
with tracker.open(sys.argv[1], clock=lambda: datetime.fromisoformat(sys.argv[2])) as ledger:
    for tokens in (1, 700, 1_500, 9_999):
        d = ledger.route("chat", input_tokens=tokens, max_output_tokens=1, hold=False, explain=True)
        print(json.dumps([
            d.provider, d.account, d.model, d.covered_tokens, str(d.expected_cash),
            [(g.id, g.tokens) for g in d.grants],
            [(o.provider, o.account, o.model) for o in d.alternatives],
            [(o.provider, o.account, o.model, o.reason) for o in d.passed_over],
        ]))
"""


def test_two_processes_choose_the_same(database: str, clock: Clock) -> None:
    with tracker.open(database, clock=clock) as ledger:
        for provider in ("d", "b", "a", "c"):
            for model in ("m2", "m1"):
                offer(ledger, provider, model, price=10)
            for account in ("default", "x"):
                for number, amount in enumerate((500, 300, 300)):
                    grant(
                        ledger, amount, f"{provider}-{account}-{number}", provider=provider,
                        account=account, models=["m*"] if number else ["*"],
                    )  # fmt: skip
    answers = [
        subprocess.run(
            [sys.executable, "-W", "error", "-c", SCRIPT, database, START.isoformat()],
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert answers[0] == answers[1]
    assert len([json.loads(line) for line in answers[0].splitlines()]) == 4


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": 12, "completion_tokens": 5},
        {"input_tokens": 12, "output_tokens": 5},
    ],
)
def test_what_a_decision_says_survives_the_ledger_being_closed(
    database: str, clock: Clock, usage: dict[str, Any]
) -> None:
    with tracker.open(database, clock=clock) as ledger:
        offer(ledger)
        grant(ledger, "0.5", "money", unit="CNY")
        first = reserve(ledger, 17, request_id="r", explain=True)
    with tracker.open(database, clock=clock) as ledger:
        assert reserve(ledger, 17, request_id="r", explain=True) == first
        assert ledger.settle(first.reservation_id, usage=usage).overage_tokens == 0


def test_offers_in_one_currency_need_no_rate(ledger: Ledger) -> None:
    offer(ledger, currency="USD", price=8)
    offer(ledger, model="dear", currency="USD", price=80)
    decision = reserve(ledger, 1_000)
    assert (decision.model, decision.expected_cash.currency) == (MODEL, "USD")
    with pytest.raises(NoOffer, match="no grant"):
        reserve(ledger, 1_000, free_only=True)
    with pytest.raises(NoRate):
        reserve(ledger, 1_000, max_cash="1")


def test_free_only_needs_no_rate(ledger: Ledger) -> None:
    offer(ledger)
    offer(ledger, "abroad", currency="USD", price=8)
    grant(ledger, 400, provider="abroad")
    with pytest.raises(NoOffer) as refusal:
        reserve(ledger, 1_000, free_only=True)
    assert "400 tokens left, 1,000 needed" in str(refusal.value)


@pytest.mark.parametrize("names", [{"exclude": ["acm"]}, {"providers": ["acm"]}], ids=str)
def test_a_provider_nobody_knows_is_not_overlooked(ledger: Ledger, names: dict[str, Any]) -> None:
    offer(ledger)
    with pytest.raises(NotFound, match="'acm'"):
        reserve(ledger, 10, **names)
