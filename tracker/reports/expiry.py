"""Expiry: which credit ends when, how fast it burns, and what is wasted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tracker.domain.grant import REQUESTS, TOKENS, Balance, GrantBalance, GrantState
from tracker.domain.journal import SPENT
from tracker.domain.recurrence import windows_between
from tracker.reports.report import Field, Kind, Record, Report
from tracker.store import book as books
from tracker.store.book import Book
from tracker.store.connection import Database, Transaction
from tracker.units import MICROS, Money, div_half_even, rfc3339, to_micros

DAY = 86_400 * MICROS
WEEK = 7 * DAY
FIELDS = (
    Field("grant", Kind.TEXT, "Grant"),
    Field("provider", Kind.TEXT),
    Field("account", Kind.TEXT),
    Field("state", Kind.TEXT),
    Field("ends_at", Kind.INSTANT, "Ends"),
    Field("timezone", Kind.TEXT),
    Field("unit", Kind.TEXT),
    Field("left", Kind.AMOUNT, "Left"),
    Field("burned_per_day", Kind.AMOUNT, "Per day"),
    Field("needed_per_day", Kind.AMOUNT, "Needed"),
    Field("forfeit", Kind.AMOUNT, "Forfeit"),
    Field("forfeited", Kind.AMOUNT, "Forfeited"),
    Field("currency", Kind.TEXT),
    Field("value_from", Kind.MONEY, "Worth"),
    Field("value_to", Kind.MONEY, "to"),
    Field("unpriced_models", Kind.COUNT),
)


class Worth(NamedTuple):
    """What an amount is worth at list price: from the cheapest token covered to the dearest.

    unpriced: how many covered models have no known price. currency: None where none has one.
    """

    currency: str | None
    low: int
    high: int
    unpriced: int


def expiry(database: Database, balance: Balance, *, within_s: int | None = None) -> Report:
    """Report what is about to be forfeited, and what was, as of the balance's instant.

    balance: with ended grants. within_s: only grants that end, or ended, at most so far from then.

    burned_per_day: over the last 7 days, or since the grant's first use if that is less, but over
    no less than a day. needed_per_day: what has to burn to leave nothing. forfeit: what is left at
    the end at that pace. forfeited: what was left. Value: of what is forfeited, at list price at
    the end, were it all the cheapest or all the dearest kind of token it covers; cached input is
    left out.
    """
    at = to_micros(balance.at, "at")
    with database.reading() as tx:
        book = books.current(tx, None)
        burned = _burned(tx, at)
    shown = [grant for grant in balance.grants if _ends_within(grant, at, within_s)]
    coming = [grant for grant in shown if grant.state is not GrantState.EXPIRED]
    gone = [grant for grant in shown if grant.state is GrantState.EXPIRED]
    records = [
        record
        for grant in sorted(coming, key=_end)
        for record in _coming(book, grant, at, burned.get(grant.id, 0))
    ]
    records += [record for grant in sorted(gone, key=_end) for record in _gone(book, grant)]
    return Report(
        "expiry",
        FIELDS,
        tuple(records),
        _totals(records),
        {"at": rfc3339(at), "within_s": within_s},
        (*_notes(balance), *_untouched(book, balance, at)),
    )


def _ends_within(grant: GrantBalance, at: int, within_s: int | None) -> bool:
    if grant.expires_at is None or grant.state is GrantState.VOIDED:
        return False
    if grant.state is GrantState.EXPIRED and not grant.forfeited and grant.window_of:
        return False
    return within_s is None or abs(_end(grant) - at) <= within_s * MICROS


def _end(grant: GrantBalance) -> int:
    assert grant.expires_at is not None, grant
    return to_micros(grant.expires_at, "expires_at")


def _burned(tx: Transaction, at: int) -> dict[str, int]:
    """Return what each grant spends a day, taken back spending excluded."""
    found: dict[str, int] = {}
    for id, first, spent in tx.rows(
        "SELECT g.id, MIN(CASE WHEN j.kind <> 'reverse' THEN j.occurred_at END), "
        "SUM(CASE WHEN j.occurred_at <= ? THEN 0 WHEN j.target = ? THEN j.amount "
        "ELSE -j.amount END) "
        "FROM journal j JOIN grants g ON g.key = j.grant_key "
        "WHERE (j.target = ? OR j.source = ?) AND j.occurred_at <= ? GROUP BY g.id",
        (at - WEEK, SPENT, SPENT, SPENT, at),
    ):
        length = max(DAY, min(WEEK, at - (at if first is None else first)))
        found[id] = div_half_even(max(0, int(spent)) * DAY, length)
    return found


def _coming(book: Book, grant: GrantBalance, at: int, per_day: int) -> Iterator[Record]:
    time_left = _end(grant) - at
    needed = -(-grant.remaining * DAY // max(DAY, time_left))
    forfeit = max(0, grant.remaining - per_day * time_left // DAY)
    zone = book.provider(grant.provider).zone
    for worth in _worth(book, grant, forfeit):
        yield _record(grant, zone, grant.remaining, per_day, needed, forfeit, None, worth)


def _gone(book: Book, grant: GrantBalance) -> Iterator[Record]:
    zone = book.provider(grant.provider).zone
    for worth in _worth(book, grant, grant.forfeited):
        yield _record(grant, zone, None, None, None, None, grant.forfeited, worth)


def _record(
    grant: GrantBalance,
    zone: str,
    left: int | None,
    per_day: int | None,
    needed: int | None,
    forfeit: int | None,
    forfeited: int | None,
    worth: Worth,
) -> Record:
    amounts = (left, per_day, needed, forfeit, forfeited)
    low, high = (
        (None, None)
        if worth.currency is None
        else (Money(worth.low, worth.currency), Money(worth.high, worth.currency))
    )
    before, after = amounts[:4], amounts[4:]
    return (
        grant.id, grant.provider, grant.account, grant.state.value, grant.expires_at, zone,
        grant.unit, *(_amount(one, grant.unit) for one in before + after),
        worth.currency, low, high, worth.unpriced,
    )  # fmt: skip


def _amount(amount: int | None, unit: str) -> int | Money | None:
    return amount if amount is None or unit in (TOKENS, REQUESTS) else Money(amount, unit)


def _worth(book: Book, grant: GrantBalance, amount: int) -> list[Worth]:
    """Value an amount of a grant, one line per currency its models are priced in."""
    if grant.unit not in (TOKENS, REQUESTS):
        return [Worth(grant.unit, amount, amount, 0)]
    account_key = book.accounts[(grant.provider, grant.account)]
    at = _end(grant)
    unpriced = 0
    prices: dict[str, list[int]] = {}
    for model in book.models:
        if model.provider != grant.provider:
            continue
        offer = book.offer(account_key, model.key)
        if not any(pool.models == grant.models for pool in offer.pools):
            continue
        price = offer.price_at(at)
        if price is None:
            unpriced += 1
            continue
        known = prices.setdefault(price.currency, [])
        known += [each for tier in price.tiers for each in (tier.input, tier.output)]
    if grant.unit == REQUESTS or not prices:
        return [Worth(None, 0, 0, unpriced)]
    return [
        Worth(
            currency,
            div_half_even(amount * min(prices[currency]), 1000),
            div_half_even(amount * max(prices[currency]), 1000),
            unpriced,
        )
        for currency in sorted(prices)
    ]


def _totals(records: Iterable[Record]) -> tuple[Record, ...]:
    """Add up what is to come and what is gone: amounts per unit, then values per currency.

    A grant priced in two currencies has two records, and is counted once.
    """
    sums: dict[tuple[bool, bool, str], dict[str, object]] = {}
    counted: set[object] = set()
    for record in records:
        line = dict(zip(_KEYS, record, strict=True))
        gone = line["state"] == GrantState.EXPIRED.value
        if line["grant"] not in counted:
            counted.add(line["grant"])
            total = sums.setdefault((gone, False, str(line["unit"])), {"unit": line["unit"]})
            for key in ("left", "forfeit", "forfeited"):
                total[key] = _add(total.get(key), line[key])
        if line["currency"] is not None:
            place = (gone, True, str(line["currency"]))
            worth = sums.setdefault(place, {"currency": line["currency"]})
            for name in ("value_from", "value_to"):
                worth[name] = _add(worth.get(name), line[name])
    for (gone, *_), total in sums.items():
        total["state"] = GrantState.EXPIRED.value if gone else "to come"
    return tuple(tuple(sums[key].get(name) for name in _KEYS) for key in sorted(sums))


_KEYS = tuple(field.key for field in FIELDS)


def _add(one: object, other: object) -> object:
    if one is None or other is None:
        return other if one is None else one
    if isinstance(one, Money) and isinstance(other, Money):
        return Money(one.nano + other.nano, one.currency)
    assert isinstance(one, int), one
    assert isinstance(other, int), other
    return one + other


def _untouched(book: Book, balance: Balance, at: int) -> Iterator[str]:
    """Count the ended windows of recurring grants that nothing drew on: they have no line."""
    known = {grant.id for grant in balance.grants}
    for series in book.series.values():
        until = min(at, series.expires_at, series.voided_at or at)
        count = sum(
            window.ends_at <= until and f"{series.id}@{window.label}" not in known
            for window in windows_between(series.every, series.zone, series.starts_at, until)
        )
        if count:
            unit = book.pools[series.pool_key].pool.unit
            each = f"{series.amount:,} {unit}"
            if unit not in (TOKENS, REQUESTS):
                each = str(Money(series.amount, unit))
            yield (
                f"{series.id}: {count:,} more windows ended untouched, forfeiting {each} each; "
                "they are not among the lines and totals above"
            )


def _notes(balance: Balance) -> Iterator[str]:
    """Name the grants with something left whose end nobody has said."""
    unknown = [
        grant.id
        for grant in balance.grants
        if grant.expires_at is None and not grant.ends_known and grant.remaining
    ]
    if unknown:
        more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
        yield f"nobody has said when these end: {', '.join(unknown[:3])}{more}"
