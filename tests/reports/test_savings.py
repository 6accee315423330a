"""The savings report: list cost less cash, per currency, and what it does not know."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import grant, offer, reserve, settle, use
from tracker.errors import InvalidValue
from tracker.ledger import Ledger
from tracker.reports.report import Record, Report
from tracker.reports.savings import savings
from tracker.units import Money


def lines(report: Report, records: tuple[Record, ...]) -> list[dict[str, Any]]:
    keys = [field.key for field in report.fields]
    return [dict(zip(keys, record, strict=True)) for record in records]


def test_credit_saves_the_list_cost_of_what_it_covers(ledger: Ledger) -> None:
    offer(ledger)
    grant(ledger, 700)
    use(ledger, 1_000)

    report = savings(ledger._opened.database)

    (line,) = lines(report, report.records)
    assert (line["tokens"], line["covered_tokens"], line["covered_share"]) == (1_000, 700, 700)
    assert line["list_cost"] == Money(8_000_000, "CNY")
    assert line["cash_cost"] == Money(2_400_000, "CNY")
    assert line["saved"] == Money(5_600_000, "CNY")


def test_every_currency_has_its_own_total(ledger: Ledger) -> None:
    offer(ledger)
    offer(ledger, "globex", "globex-1", currency="USD")
    use(ledger, 10)
    use(ledger, 20, provider="globex", model="globex-1")

    report = savings(ledger._opened.database)

    found = lines(report, report.totals)
    assert [(one["currency"], one["tokens"]) for one in found] == [("CNY", 10), ("USD", 20)]


def test_calls_of_unknown_price_are_counted_and_their_savings_unknown(ledger: Ledger) -> None:
    offer(ledger)
    offer(ledger, "globex", "globex-1", price=None)
    grant(ledger, 100, provider="globex")
    use(ledger, 10)
    use(ledger, 20, provider="globex", model="globex-1")

    report = savings(ledger._opened.database)

    acme, globex = lines(report, report.records)
    assert (acme["saved"], acme["unpriced_calls"]) == (Money(0, "CNY"), 0)
    assert (globex["saved"], globex["unpriced_calls"]) == (None, 1)
    assert (globex["cash_cost"], globex["covered_share"]) == (Money(0, "CNY"), 1000)
    assert "unknown for 1 call" in report.notes[0]


def test_a_voided_call_saved_nothing(ledger: Ledger) -> None:
    offer(ledger)
    grant(ledger, 100)
    ledger.void_usage(use(ledger, 50).id)

    assert savings(ledger._opened.database).records == ()


def test_a_call_without_tokens_has_no_share(ledger: Ledger) -> None:
    offer(ledger)
    settle(ledger, reserve(ledger, 10), 0)

    report = savings(ledger._opened.database)

    (line,) = lines(report, report.records)
    assert (line["calls"], line["covered_share"]) == (1, None)


def test_what_one_grant_saved_is_not_made_up(ledger: Ledger) -> None:
    with pytest.raises(InvalidValue, match="report usage --by grant"):
        savings(ledger._opened.database, by="grant")
