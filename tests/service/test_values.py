"""Names, numbers, texts and instants at the edge: what is the same, and what is kept as it is."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

import tracker
from tests.builders import MODEL, buckets, grant, held, offer, reserve, settle, use, utc
from tracker import AlreadyExists, InvalidValue
from tracker.ledger import Ledger


@pytest.fixture(autouse=True)
def acme(ledger: Ledger) -> None:
    offer(ledger)


# Names


def test_an_id_is_one_whatever_its_case(ledger: Ledger) -> None:
    grant(ledger, 100, "G-1", provider="ACME")
    assert held(ledger, "g-1").provider == "acme"
    assert use(ledger, 5, provider="AcMe").provider == "acme"
    assert grant(ledger, 100, "g-1").id == "g-1"
    ledger.add_provider("ACME", name="acme")
    ledger.void_grant("G-1")
    assert held(ledger, "g-1").state == "voided"


def test_a_model_is_one_whatever_its_case_and_keeps_its_spelling(ledger: Ledger) -> None:
    offer(ledger, model="ERNIE-3.5-8K", groups=())
    assert use(ledger, 5, model="ernie-3.5-8k").model == "ERNIE-3.5-8K"
    ledger.add_model("acme", "Ernie-3.5-8k")
    with pytest.raises(AlreadyExists):
        ledger.add_model("acme", "Ernie-3.5-8k", context_window=8_000)


def test_composed_and_decomposed_letters_are_the_same(ledger: Ledger) -> None:
    offer(ledger, model="mod\u00e9le", groups=())
    assert use(ledger, 5, model="mode\u0301le").model == "mod\u00e9le"
    ledger.add_model("acme", "MODE\u0301LE")
    first = use(ledger, 5, project="caf\u00e9", request_id="r\u00e9")
    assert use(ledger, 5, project="cafe\u0301", request_id="re\u0301") == first


def test_a_scope_matches_models_whatever_their_case(ledger: Ledger) -> None:
    grant(ledger, 100, "g", models=["ACME-*"])
    assert use(ledger, 5).overage_tokens == 0


# Text


@pytest.mark.parametrize(
    "text",
    ["[/]", "[red]x", "{0}", "%s", "%(x)s", "{{7*7}}", "<script>", "=1+1", "a'b\"c", "?", "x'; --",
     "李雷", "👩\u200d👩\u200d👧", "\\x1b", "a" * 200],
)  # fmt: skip
def test_text_that_means_something_elsewhere_is_kept_as_it_is(ledger: Ledger, text: str) -> None:
    usage = use(ledger, 5, project=text, user=text, tags={text: text}, request_id=text)
    assert (usage.project, usage.user, usage.tags, usage.request_id) == (
        text, text, {text: text}, text,
    )  # fmt: skip
    assert use(ledger, 5, project=text, user=text, tags={text: text}, request_id=text) == usage
    decision = reserve(ledger, 5, request_id=text, project=text)
    assert reserve(ledger, 5, request_id=text, project=text) == decision
    assert settle(ledger, decision, 5).project == text


# Numbers


def test_the_largest_amounts_add_up_exactly(ledger: Ledger) -> None:
    grant(ledger, 2**62, "a", expires_at=utc("2024-08-01"))
    grant(ledger, 2**62, "b")
    use(ledger, 10**11)
    total = ledger.balance().totals[0]
    assert (total.amount, total.spent) == (2**63, 10**11)
    assert total.available == total.remaining == 2**63 - 10**11
    decision = reserve(ledger, 10**11)
    assert decision.covered_tokens == 10**11
    settle(ledger, decision, 10**11)
    ledger.void_grant("b")
    assert buckets(ledger, "a") == (2**62 - 2 * 10**11, 0, 2 * 10**11, 0)
    assert buckets(ledger, "b") == (0, 0, 0, 2**62)
    assert ledger.balance(at=utc("2024-07-16")).totals[0].amount == 2**63
    assert ledger.verify().problems == ()


def test_an_adjustment_cannot_grow_a_grant_beyond_what_fits(ledger: Ledger) -> None:
    grant(ledger, 2**62, "g")
    use(ledger, 100)
    with pytest.raises(InvalidValue) as refusal:
        ledger.adjust_grant("g", remaining=2**62, reason="why")
    assert refusal.value.field == "remaining"
    assert buckets(ledger, "g") == (2**62 - 100, 0, 100, 0)


@pytest.mark.parametrize("tokens", [10**12, 10**9, 10**6, 10**6 + 1])
def test_the_dearest_calls_are_recorded_or_refused_by_name(ledger: Ledger, tokens: int) -> None:
    """What does not fit the ledger's integers is refused: never a crash, never a wrong sum."""
    offer(ledger, model="gold", price="1000000", groups=("gold",))
    recorded = 0
    for _ in range(4):
        try:
            usage = use(ledger, tokens, model="gold")
        except InvalidValue:
            continue
        recorded += 1
        assert usage.list_cost.nano == tokens * 10**9
    assert ledger.verify().problems == ()


@pytest.mark.parametrize("price", ["0.8", Decimal("0.8"), "0.80", "8e-1", "0.8" + "0" * 28])
def test_a_price_is_kept_exactly(ledger: Ledger, price: str | Decimal) -> None:
    ledger.set_price("acme", MODEL, input=price, output=0)
    assert use(ledger, 10**6).list_cost.text() == "0.8"


# Instants


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("2024-07-31", "2024-07-31T16:00:00+00:00"),
        (date(2024, 7, 31), "2024-07-31T16:00:00+00:00"),
        ("2024-07-31T24:00:00+08:00", "2024-07-31T16:00:00+00:00"),
        ("2024-08-01T00:00:00+08:00", "2024-07-31T16:00:00+00:00"),
        ("2024-07-31T16:00Z", "2024-07-31T16:00:00+00:00"),
        (datetime(2024, 8, 1, tzinfo=timezone(timedelta(hours=8))), "2024-07-31T16:00:00+00:00"),
        ("never", None),
        ("unknown", None),
        (None, None),
    ],
)
def test_an_expiry_is_read_in_the_time_zone_of_the_provider(
    ledger: Ledger, typed: Any, meant: str | None
) -> None:
    given = grant(ledger, 5, "g", expires_at=typed)
    assert given.expires_at == (None if meant is None else utc(meant))
    assert given.ends_known == (typed != "unknown")
    assert held(ledger, "g").expires_at == given.expires_at
    assert held(ledger, "g").ends_known == given.ends_known


def test_a_clock_without_a_time_zone_is_refused(database: str) -> None:
    with tracker.open(database, clock=datetime.now) as ledger, pytest.raises(InvalidValue):
        ledger.balance()


def test_a_provider_elsewhere_has_days_of_its_own(ledger: Ledger) -> None:
    offer(ledger, "yankee", timezone="America/New_York", currency="USD")
    given = grant(ledger, 5, "g", provider="yankee", expires_at="2024-07-31")
    assert given.expires_at == utc("2024-08-01T04:00:00")
