"""The usage report: the same answer from the hourly sums and from the calls, to the token."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.builders import Clock, grant, offer, use, utc
from tracker.domain.recurrence import window_at
from tracker.domain.usage import Usage
from tracker.errors import InvalidValue
from tracker.ledger import Ledger
from tracker.reports.report import Report
from tracker.reports.usage import usage
from tracker.units import Money, to_micros

EVERY = {"hour": "hourly", "day": "daily", "week": "weekly", "month": "monthly"}
QUESTIONS = (
    ("day,provider", "UTC"),
    ("day,provider,project", "Asia/Shanghai"),
    ("month,model", "Asia/Shanghai"),
    ("hour", "Europe/Berlin"),
    ("week,account", "America/New_York"),
    ("day", "Asia/Kolkata"),
    ("hour,provider", "Asia/Kathmandu"),
    ("day,hour,month", "America/Sao_Paulo"),
    ("provider,model,account,project,user", "UTC"),
    ("tag:team", "UTC"),
    ("tag,day", "UTC"),
)


def records(report: Report) -> list[dict[str, Any]]:
    keys = [field.key for field in report.fields]
    return [dict(zip(keys, record, strict=True)) for record in report.records]


def totals(report: Report) -> list[dict[str, Any]]:
    keys = [field.key for field in report.fields]
    return [dict(zip(keys, record, strict=True)) for record in report.totals]


def fill(ledger: Ledger, seed: int, *, calls: int, start: datetime) -> list[Usage]:
    """Record calls of 3 days around an instant, and take some of them back."""
    chance = random.Random(seed)
    for provider, model, currency in (
        ("acme", "acme-chat", "CNY"),
        ("acme", "acme-large", "CNY"),
        ("globex", "globex-1", "USD"),
    ):
        offer(ledger, provider, model, currency=currency, price=(chance.randint(0, 9), "0.123"))
    offer(ledger, "acme", "acme-secret", price=None)
    grant(ledger, 4_000, models=("acme-secret",), id="secret", starts_at=start - timedelta(days=9))
    grant(ledger, 5_000, models=("acme-chat",), id="chat", starts_at=start - timedelta(days=9))
    grant(ledger, "0.001", unit="CNY", id="money", starts_at=start - timedelta(days=9))
    found = []
    for number in range(calls):
        provider, model = chance.choice(
            [("acme", "acme-chat"), ("acme", "acme-large"), ("globex", "globex-1")]
        )
        if number % 9 == 0:
            provider, model = "acme", "acme-secret"
        cached = chance.randint(0, 20)
        found.append(
            ledger.log_usage(
                provider,
                model,
                input_tokens=cached + chance.randint(0, 90),
                cached_tokens=cached,
                output_tokens=chance.randint(0, 99),
                at=start + timedelta(seconds=chance.randint(0, 3 * 86_400)),
                account=chance.choice(["default", "second"]) if provider == "globex" else "default",
                project=chance.choice([None, "search", "搜索", "=1+1"]),
                user=chance.choice([None, "ann"]),
                tags=chance.choice([None, {"team": "a"}, {"team": "b", "x.y": "1"}, {'q"': "v"}]),
            )
        )
    for one in chance.sample(found, calls // 10):
        ledger.void_usage(one.id)
        found.remove(one)
    return found


def expected(found: Iterable[Usage], by: str, zone: str) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """Add calls up one by one, with the calendar of recurring grants."""
    sums: dict[tuple[Any, ...], Counter[str]] = {}
    for one in found:
        currency = "USD" if one.provider == "globex" else "CNY"
        keys = tuple(_key(one, name, zone, by) for name in by.split(","))
        sums.setdefault((*keys, currency), Counter()).update(
            calls=1,
            input=one.input_tokens,
            cached=one.cached_tokens,
            output=one.output_tokens,
            overage=one.overage_tokens,
            list=0 if one.list_cost is None else one.list_cost.nano,
            cash=0 if one.cash_cost is None else one.cash_cost.nano,
            unpriced=one.list_cost is None,
        )
    return {
        key: tuple(
            one[name]
            for name in (
                "calls",
                "input",
                "cached",
                "output",
                "overage",
                "list",
                "cash",
                "unpriced",
            )
        )
        for key, one in sums.items()
    }


def _key(one: Usage, name: str, zone: str, by: str) -> str | None:
    if name in EVERY:
        return window_at(EVERY[name], zone, to_micros(one.at, "at")).label
    if name == "account":
        return one.account if "provider" in by else f"{one.provider}@{one.account}"
    if name == "tag":
        return ", ".join(f"{key}={value}" for key, value in sorted(one.tags.items())) or None
    if name.startswith("tag:"):
        return one.tags.get(name.removeprefix("tag:"))
    value = getattr(one, name)
    return None if value is None else str(value)


def answered(report: Report, by: str) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    def nano(money: Money | None) -> int:
        return 0 if money is None else money.nano

    return {
        (*(one[name] for name in by.split(",")), one["currency"]): (
            one["calls"],
            one["input_tokens"],
            one["cached_tokens"],
            one["output_tokens"],
            one["overage_tokens"],
            nano(one["list_cost"]),
            nano(one["cash_cost"]),
            one["unpriced_calls"],
        )
        for one in records(report)
    }


@pytest.mark.parametrize(
    ("seed", "start"),
    [
        (1, "2024-03-29"),  # Europe sets its clocks forward
        (2, "2024-11-02"),  # America sets its clocks back
        (3, "2018-11-03"),  # Brazil skips an hour at midnight
    ],
)
def test_the_hourly_sums_and_the_calls_answer_alike(
    ledger: Ledger, clock: Clock, seed: int, start: str
) -> None:
    clock.set("2026-01-01")
    found = fill(ledger, seed, calls=150, start=utc(start))
    database = ledger._opened.database

    for by, zone in QUESTIONS:
        wanted = expected(found, by, zone)
        assert answered(usage(database, by=by, timezone=zone), by) == wanted, (by, zone)
        from_calls = usage(database, by=by, timezone=zone, source="calls")
        assert from_calls == usage(database, by=by, timezone=zone), (by, zone)


@pytest.fixture
def filled(ledger: Ledger, clock: Clock) -> Callable[..., list[Usage]]:
    clock.set("2026-01-01")
    return lambda **how: fill(ledger, **how)


@pytest.mark.parametrize(
    ("since", "until", "zone"),
    [
        ("2024-07-02", "2024-07-02", "Asia/Shanghai"),
        ("2024-07-02T03:17:00Z", "2024-07-03", "UTC"),
        (None, "2024-07-02T01:00:00.000001Z", "UTC"),
        ("2024-07-02", None, "Asia/Kolkata"),
    ],
)
def test_a_period_includes_its_start_and_excludes_its_end(
    ledger: Ledger,
    filled: Callable[..., list[Usage]],
    since: str | None,
    until: str | None,
    zone: str,
) -> None:
    from tracker.reports.asked import period

    found = filled(seed=7, calls=80, start=utc("2024-07-01"))
    asked = period(since, until, zone)
    inside = [
        one
        for one in found
        if (asked.since is None or asked.since <= to_micros(one.at, "at"))
        and (asked.until is None or to_micros(one.at, "at") < asked.until)
    ]

    report = usage(ledger._opened.database, by="day", since=since, until=until, timezone=zone)

    assert answered(report, "day") == expected(inside, "day", zone)


def test_two_half_periods_are_the_whole(ledger: Ledger, filled: Callable[..., list[Usage]]) -> None:
    filled(seed=8, calls=60, start=utc("2024-07-01"))
    database, cut = ledger._opened.database, utc("2024-07-02T11:22:33")

    first = answered(usage(database, by="provider", until=cut), "provider")
    second = answered(usage(database, by="provider", since=cut), "provider")

    whole = answered(usage(database, by="provider"), "provider")
    assert {
        key: tuple(map(sum, zip(first.get(key, (0,) * 8), second.get(key, (0,) * 8), strict=True)))
        for key in whole
    } == whole


def test_what_grants_paid_and_what_none_did_is_all_that_was_used(
    ledger: Ledger, filled: Callable[..., list[Usage]]
) -> None:
    found = filled(seed=9, calls=90, start=utc("2024-07-01"))

    report = usage(ledger._opened.database, by="grant,provider")

    paid: Counter[Any] = Counter()
    for one in found:
        for draw in one.draws:
            paid[(draw.grant, one.provider)] += draw.tokens
    lines = records(report)
    assert {
        (one["grant"], one["provider"]): one["covered_tokens"] for one in lines if one["grant"]
    } == paid
    for one in lines:
        if one["grant"] is None:
            assert one["overage_tokens"] == sum(
                call.overage_tokens for call in found if call.provider == one["provider"]
            )
            assert one["amount"] is None
    money = next(one for one in lines if one["grant"] == "money")
    assert isinstance(money["amount"], Money)
    assert money["amount"].nano <= 1_000_000


def test_a_call_nobody_knows_the_price_of_is_unknown_and_not_free(ledger: Ledger) -> None:
    offer(ledger, price=None)
    grant(ledger, 1_000)
    use(ledger, 10)

    report = usage(ledger._opened.database, by="provider")

    (line,) = records(report)
    assert (line["list_cost"], line["saved"], line["unpriced_calls"]) == (None, None, 1)
    assert line["cash_cost"] == Money(0, "CNY")
    assert report.notes == (
        "list cost unknown for 1 call: no price was known; sums are of the others",
    )


def test_sums_beyond_64_bits_are_exact(ledger: Ledger) -> None:
    offer(ledger, price="1000000")
    call = {"provider": "acme", "model": "acme-chat", "input_tokens": 10**6, "output_tokens": 0}
    for hour in ("2024-07-01T01:00", "2024-07-01T02:00"):
        ledger.log_many([{**call, "at": utc(hour)}] * 5_000)

    report = usage(ledger._opened.database, by="model")

    (line,) = totals(report)
    assert line["list_cost"] == Money(10**19, "CNY")
    assert line["calls"] == 10_000


def test_currencies_are_never_added_together(
    ledger: Ledger, filled: Callable[..., list[Usage]]
) -> None:
    filled(seed=10, calls=30, start=utc("2024-07-01"))

    report = usage(ledger._opened.database, by="day")

    assert [line["currency"] for line in totals(report)] == ["CNY", "USD"]


def test_an_empty_ledger_gives_an_empty_report(ledger: Ledger) -> None:
    for by in ("day,provider", "hour", "grant", "user,tag:x"):
        report = usage(ledger._opened.database, by=by)
        assert (report.records, report.totals) == ((), ())


@pytest.mark.parametrize(
    ("by", "field"),
    [
        ("dy", "by"),
        ("", "by"),
        ("day,", "by"),
        ("tag:", "by"),
        ("1; DROP TABLE grants--", "by"),
        ("tag:a,tag:b,tag:c,tag:d,tag:e,tag:f,tag:g,tag:h,tag:i", "by"),
    ],
)
def test_a_dimension_that_is_none_is_refused_by_name(ledger: Ledger, by: str, field: str) -> None:
    with pytest.raises(InvalidValue) as refusal:
        usage(ledger._opened.database, by=by)

    assert refusal.value.field == field


def test_a_hostile_tag_name_is_only_a_name(ledger: Ledger) -> None:
    offer(ledger)
    use(ledger, 5, tags={"') OR 1=1 --": "v", 'a"b': "w", "%s{0}$.x": "z"})

    for name, value in (("') OR 1=1 --", "v"), ('a"b', "w"), ("%s{0}$.x", "z"), ("x", None)):
        (line,) = records(usage(ledger._opened.database, by=[f"tag:{name}"]))
        assert line[f"tag:{name}"] == value


def test_an_end_before_the_start_is_refused(ledger: Ledger) -> None:
    with pytest.raises(InvalidValue, match="is before since"):
        usage(ledger._opened.database, since="2024-07-02", until="2024-06-30")
