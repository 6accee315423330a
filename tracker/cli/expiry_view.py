"""How credit that ends looks: what is to come and what is gone, in 80 columns."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from tracker.cli import words
from tracker.cli.output import paint, table
from tracker.cli.report_view import money
from tracker.domain.grant import GrantState
from tracker.reports.report import Report
from tracker.units import NANOS, Money

Line = Mapping[str, object]
COMING = ("GRANT", "ENDS", "LEFT", "A DAY", "NEEDED", "FORFEIT", "WORTH")
GONE = ("GRANT", "ENDED", "FORFEITED", "WORTH")


def lines(report: Report) -> list[str]:
    """Lay the report out. A day is the grant's own, at its provider."""
    keys = [field.key for field in report.fields]
    records = [dict(zip(keys, record, strict=True)) for record in report.records]
    coming = [line for line in records if not _is_gone(line)]
    gone = [line for line in records if _is_gone(line)]
    laid = []
    if coming:
        rows = [
            [
                str(line["grant"]), _day(line), *map(_amount, (
                    line["left"], line["burned_per_day"], line["needed_per_day"], line["forfeit"],
                )),
                _worth(line, line["forfeit"]),
            ]
            for line in coming
        ]  # fmt: skip
        laid += table(COMING, rows, ["<", "<", ">", ">", ">", ">", "<"], shrinking=[0])
    if gone:
        rows = [
            [
                str(line["grant"]), _day(line), _amount(line["forfeited"]),
                _worth(line, line["forfeited"]),
            ]
            for line in gone
        ]  # fmt: skip
        laid += [""] * bool(laid)
        laid += table(GONE, rows, ["<", "<", ">", "<"], shrinking=[0])
    if not laid:
        return ["no grant has a known end"]
    lengths = {True: len(gone), False: len(coming)}
    totals = [dict(zip(keys, total, strict=True)) for total in report.totals]
    return laid + _sums([total for total in totals if lengths[_is_gone(total)] > 1])


def _sums(totals: list[dict[str, object]]) -> list[str]:
    """Say what all of it is worth, per currency."""
    said = []
    for total in totals:
        if total["currency"] is not None:
            verb = "was forfeited" if _is_gone(total) else "will be forfeited at this pace"
            worth = paint(_worth(total, 1), "bold")
            said.append(f"at list price {worth} {verb}")
    return [""] * bool(said) + said


def _is_gone(line: Line) -> bool:
    return line["state"] == GrantState.EXPIRED.value


def _day(line: Line) -> str:
    ends_at = line["ends_at"]
    assert isinstance(ends_at, datetime), line
    return words.last_day(ends_at, str(line["timezone"]))


def _amount(value: object) -> str:
    if isinstance(value, Money):
        return words.compact(value.nano, value.currency)
    return words.compact(value) if isinstance(value, int) else "-"


def _worth(line: Line, amount: object) -> str:
    """Write a range of value; nothing is worth nothing, and what has no price is unknown."""
    low, high = line["value_from"], line["value_to"]
    if not amount or (isinstance(amount, Money) and not amount.nano):
        return "-"
    if not isinstance(low, Money) or not isinstance(high, Money):
        return "unknown"
    if low == high:
        return f"{money(low.nano)} {low.currency}"
    top = _above(high.nano)
    return (f"{money(low.nano)} to {top}" if low.nano else f"up to {top}") + f" {high.currency}"


def _above(nano: int) -> str:
    """Write the upper end of an estimate: whole units, rounded up, where cents say nothing."""
    return f"{-(-nano // NANOS):,}" if nano >= 1000 * NANOS else money(nano)
