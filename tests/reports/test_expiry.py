"""The expiry report: what burns too slowly, and what is gone."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from tests.builders import Clock, grant, offer, settle, use, utc
from tests.builders import reserve as hold
from tracker.ledger import Ledger
from tracker.reports.expiry import expiry
from tracker.reports.report import Report
from tracker.units import Money

NOW = utc("2024-07-15")


def report(ledger: Ledger, at: datetime | None = None, **how: Any) -> Report:
    return expiry(ledger._opened.database, ledger.balance(at=at), **how)


def lines(found: Report, *, totals: bool = False) -> list[dict[str, Any]]:
    keys = [field.key for field in found.fields]
    records = found.totals if totals else found.records
    return [dict(zip(keys, record, strict=True)) for record in records]


def test_what_is_left_at_the_pace_of_the_last_days_will_be_forfeited(ledger: Ledger) -> None:
    offer(ledger, price=(2, 5))
    grant(
        ledger, 1_000, "g", starts_at=NOW - timedelta(days=30), expires_at=NOW + timedelta(days=4)
    )
    for days in (20, 6, 5, 1):
        use(ledger, 70, at=NOW - timedelta(days=days))

    (line,) = lines(report(ledger))

    assert (line["left"], line["burned_per_day"]) == (720, 30)
    assert (line["needed_per_day"], line["forfeit"]) == (180, 720 - 4 * 30)
    assert line["forfeited"] is None
    assert (line["value_from"], line["value_to"]) == (
        Money(1_200_000, "CNY"),
        Money(3_000_000, "CNY"),
    )


def test_a_grant_first_used_yesterday_is_not_judged_by_a_week(ledger: Ledger) -> None:
    offer(ledger)
    grant(
        ledger, 1_000, "g", starts_at=NOW - timedelta(days=30), expires_at=NOW + timedelta(days=9)
    )
    use(ledger, 40, at=NOW - timedelta(days=2))
    use(ledger, 60, at=NOW - timedelta(hours=1))

    (line,) = lines(report(ledger))

    assert line["burned_per_day"] == 50


def test_what_was_taken_back_did_not_burn(ledger: Ledger) -> None:
    offer(ledger)
    grant(
        ledger, 1_000, "g", starts_at=NOW - timedelta(days=30), expires_at=NOW + timedelta(days=9)
    )
    ledger.void_usage(use(ledger, 40, at=NOW - timedelta(days=2)).id)

    (line,) = lines(report(ledger))

    assert (line["burned_per_day"], line["forfeit"]) == (0, 1_000)


def test_an_ended_grant_tells_what_was_forfeited_and_its_worth_at_the_end(
    ledger: Ledger, clock: Clock
) -> None:
    offer(ledger, price=8)
    grant(ledger, 1_000, "g", starts_at=NOW, expires_at=NOW + timedelta(days=1))
    settle(ledger, hold(ledger, 400), 100)
    clock.advance(days=3)
    ledger.set_price("acme", "acme-chat", input=99, output=99)  # later: it changes nothing

    (line,) = lines(report(ledger))

    assert (line["state"], line["forfeited"], line["left"]) == ("expired", 900, None)
    assert line["value_from"] == line["value_to"] == Money(7_200_000, "CNY")


def test_an_earlier_instant_is_answered_as_it_was(ledger: Ledger, clock: Clock) -> None:
    offer(ledger)
    grant(ledger, 1_000, "g", starts_at=NOW, expires_at=NOW + timedelta(days=10))
    use(ledger, 100)
    asked = clock.advance(days=1)
    before = report(ledger, asked)
    clock.advance(days=1)
    use(ledger, 800)

    assert report(ledger, asked) == before


def test_what_has_no_price_is_of_unknown_value(ledger: Ledger) -> None:
    offer(ledger, price=None)
    grant(ledger, 1_000, "g", starts_at=NOW, expires_at=NOW + timedelta(days=1))

    (line,) = lines(report(ledger))

    assert (line["value_from"], line["currency"], line["unpriced_models"]) == (None, None, 1)


def test_credit_in_money_is_worth_itself(ledger: Ledger) -> None:
    offer(ledger)
    grant(ledger, "5", "g", unit="CNY", starts_at=NOW, expires_at=NOW + timedelta(days=1))

    (line,) = lines(report(ledger))

    assert line["left"] == line["forfeit"] == line["value_to"] == Money(5 * 10**9, "CNY")


def test_only_grants_that_end_close_by_are_shown_with_within(ledger: Ledger) -> None:
    offer(ledger)
    for days in (-9, -1, 2, 40):
        end = NOW + timedelta(days=days)
        grant(ledger, 10, f"g{days}", starts_at=NOW - timedelta(days=60), expires_at=end)

    found = lines(report(ledger, within_s=3 * 86_400))

    assert [line["grant"] for line in found] == ["g2", "g-1"]


def test_grants_without_a_known_end_are_named_and_voided_ones_are_not(ledger: Ledger) -> None:
    offer(ledger)
    grant(ledger, 10, "forever", expires_at=None)
    grant(ledger, 10, "whoknows", expires_at="unknown")
    grant(ledger, 10, "gone", expires_at=NOW + timedelta(days=1))
    ledger.void_grant("gone")

    found = report(ledger)

    assert found.records == ()
    assert found.notes == ("nobody has said when these end: whoknows",)


def test_totals_add_up_per_unit_and_per_currency(ledger: Ledger) -> None:
    offer(ledger)
    offer(ledger, "globex", "globex-1", currency="USD")
    end = NOW + timedelta(days=1)
    grant(ledger, 10, "a", expires_at=end)
    grant(ledger, 20, "b", expires_at=end)
    grant(ledger, 40, "c", provider="globex", expires_at=end)

    found = lines(report(ledger), totals=True)

    assert [(one["unit"], one["left"]) for one in found if one["unit"]] == [("tokens", 70)]
    assert [(one["currency"], one["value_to"]) for one in found if one["currency"]] == [
        ("CNY", Money(30 * 8_000, "CNY")),
        ("USD", Money(40 * 8_000, "USD")),
    ]


def test_windows_nothing_drew_on_are_counted_as_wasted(ledger: Ledger, clock: Clock) -> None:
    offer(ledger)
    grant(ledger, 100, "daily", every="daily", starts_at="2024-07-01")
    clock.set(utc("2024-07-11"))
    use(ledger, 40, at=utc("2024-07-05"))

    found = report(ledger)

    gone = [line for line in lines(found) if line["forfeited"]]
    assert [(line["grant"], line["forfeited"]) for line in gone] == [("daily@2024-07-05", 60)]
    assert [note for note in found.notes if "daily" in note] == [
        "daily: 9 more windows ended untouched, forfeiting 100 tokens each; they are not among the "
        "lines and totals above"
    ]
