"""Savings: what calls would have cost without credit, and what they did cost."""

from __future__ import annotations

from collections.abc import Sequence

from tracker.errors import InvalidValue
from tracker.reports import asked
from tracker.reports.asked import Moment
from tracker.reports.frames import Sums, totals
from tracker.reports.frames import usage as added_up
from tracker.reports.report import Field, Kind, Record, Report
from tracker.reports.usage import costs, title, unpriced_notes
from tracker.store.connection import Database

DEFAULT = ("provider",)
FIELDS = (
    Field("calls", Kind.COUNT, "Calls"),
    Field("tokens", Kind.COUNT, "Tokens"),
    Field("covered_tokens", Kind.COUNT, "By credit"),
    Field("covered_share", Kind.SHARE, "Share"),
    Field("currency", Kind.TEXT),
    Field("list_cost", Kind.MONEY, "List"),
    Field("cash_cost", Kind.MONEY, "Cash"),
    Field("saved", Kind.MONEY, "Saved"),
    Field("unpriced_calls", Kind.COUNT),
)


def savings(
    database: Database,
    *,
    by: str | Sequence[str] = DEFAULT,
    since: Moment | None = None,
    until: Moment | None = None,
    timezone: str = "UTC",
) -> Report:
    """Report what credit saved: list cost less cash cost, and the share of tokens it covered.

    Every currency is added up on its own. Calls whose price is unknown are counted and named.
    """
    dimensions = asked.dimensions(by)
    if "grant" in dimensions:
        raise InvalidValue(
            'by: what one grant saved is not known where several paid; "tracker report usage --by '
            'grant" tells what each paid',
            field="by",
        )
    period = asked.period(since, until, timezone)
    rows, _ = added_up(
        database, dimensions, zone=period.zone, since=period.since, until=period.until
    )
    sums = totals(rows)
    return Report(
        "savings",
        tuple(Field(one, Kind.TEXT, title(one)) for one in dimensions) + FIELDS,
        tuple((*row.keys, *_values(row)) for row in rows),
        tuple((*(None,) * len(dimensions), *_values(row)) for row in sums),
        {"by": list(dimensions), **period.about()},
        unpriced_notes(sums),
    )


def _values(row: Sums) -> Record:
    tokens = row.uncached + row.cached + row.output
    covered = tokens - row.overage
    return (
        row.calls, tokens, covered, covered * 1000 // tokens if tokens else None,
        row.currency or None, *costs(row), row.unpriced,
    )  # fmt: skip
