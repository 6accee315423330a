"""Usage by any dimensions: how much was called, and what it cost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tracker.domain.grant import REQUESTS, TOKENS
from tracker.reports import asked
from tracker.reports.asked import Moment
from tracker.reports.frames import GrantSums, Sums, totals
from tracker.reports.frames import usage as added_up
from tracker.reports.report import Field, Kind, Record, Report
from tracker.store.connection import Database
from tracker.units import Money

DEFAULT = ("day", "provider")
FIELDS = (
    Field("calls", Kind.COUNT, "Calls"),
    Field("input_tokens", Kind.COUNT, "Input"),
    Field("cached_tokens", Kind.COUNT),
    Field("output_tokens", Kind.COUNT, "Output"),
    Field("reasoning_tokens", Kind.COUNT),
    Field("overage_tokens", Kind.COUNT),
    Field("currency", Kind.TEXT),
    Field("list_cost", Kind.MONEY, "List"),
    Field("cash_cost", Kind.MONEY, "Cash"),
    Field("saved", Kind.MONEY, "Saved"),
    Field("unpriced_calls", Kind.COUNT),
)
GRANT_FIELDS = (
    Field("calls", Kind.COUNT, "Calls"),
    Field("covered_tokens", Kind.COUNT, "Covered"),
    Field("amount", Kind.AMOUNT, "Drawn"),
    Field("unit", Kind.TEXT, "Unit"),
    Field("overage_tokens", Kind.COUNT, "Overage"),
)


def usage(
    database: Database,
    *,
    by: str | Sequence[str] = DEFAULT,
    since: Moment | None = None,
    until: Moment | None = None,
    timezone: str = "UTC",
    source: str | None = None,
) -> Report:
    """Report what was used, by dimensions: those of `tracker.reports.asked`, and tag:NAME.

    By grant, it tells what each grant paid instead of what calls cost: a call may be paid by
    several, and its cost has one price. Voided calls are left out.
    source: 'calls' to add up the calls themselves even where the hourly sums would do.
    """
    dimensions = asked.dimensions(by)
    period = asked.period(since, until, timezone)
    rows, grants = added_up(
        database, dimensions, zone=period.zone, since=period.since, until=period.until,
        source=source,
    )  # fmt: skip
    keys = tuple(Field(one, Kind.TEXT, title(one)) for one in dimensions)
    about = {"by": list(dimensions), **period.about()}
    if "grant" in dimensions:
        none: tuple[None, ...] = (None,) * len(keys)
        return Report(
            "usage",
            keys + GRANT_FIELDS,
            tuple(_of_grant(row) for row in grants),
            tuple((*none, *total) for total in _grant_totals(grants)),
            about,
            ("by grant there are no costs: a call has one, and several grants may pay for it",),
        )
    sums = totals(rows)
    return Report(
        "usage",
        keys + FIELDS,
        tuple((*row.keys, *values(row)) for row in rows),
        tuple((*(None,) * len(keys), *values(row)) for row in sums),
        about,
        unpriced_notes(sums),
    )


def title(dimension: str) -> str:
    """Return the head of a dimension's column."""
    name = dimension.removeprefix(asked.TAG)
    return name if name != dimension else name.capitalize()


def values(row: Sums) -> Record:
    """Return what follows the keys of a line, as `FIELDS` names it."""
    list_cost, cash, saved = costs(row)
    return (
        row.calls, row.uncached + row.cached, row.cached, row.output, row.reasoning, row.overage,
        row.currency or None, list_cost, cash, saved, row.unpriced,
    )  # fmt: skip


def costs(row: Sums) -> tuple[Money | None, Money | None, Money | None]:
    """Return list cost, cash cost and what was saved, of the calls whose cost is known.

    None where no call's is. Calls of unknown price that credit covered wholly cost no cash.
    """
    if row.unpriced < row.calls:
        return (
            Money(row.list_nano, row.currency),
            Money(row.cash_nano, row.currency),
            Money(row.list_nano - row.cash_nano, row.currency),
        )
    return None, None if row.overage else Money(row.cash_nano, row.currency), None


def unpriced_notes(sums: Iterable[Sums]) -> tuple[str, ...]:
    """Say how many calls have no known cost."""
    unpriced = sum(row.unpriced for row in sums)
    if not unpriced:
        return ()
    calls = "1 call" if unpriced == 1 else f"{unpriced:,} calls"
    return (f"list cost unknown for {calls}: no price was known; sums are of the others",)


def _of_grant(row: GrantSums) -> Record:
    amount: int | Money | None = row.amount
    if row.unit is None:
        amount = None
    elif row.unit not in (TOKENS, REQUESTS):
        amount = Money(row.amount, row.unit)
    return (*row.keys, row.calls, row.tokens, amount, row.unit, row.overage)


def _grant_totals(rows: Iterable[GrantSums]) -> list[Record]:
    """Add up per unit. Calls are not added up: one may be paid by several grants."""
    found: dict[str | None, list[int]] = {}
    for row in rows:
        total = found.setdefault(row.unit, [0, 0, 0])
        for at, value in enumerate((row.amount, row.tokens, row.overage)):
            total[at] += value
    return [
        (None, *_of_grant(GrantSums((), unit, 0, *found[unit]))[1:])
        for unit in sorted(found, key=lambda unit: (unit is None, unit or ""))
    ]
