"""How reports look: a table that fits 80 columns, records for programs, files."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from tracker.cli import output, words
from tracker.cli.options import OutputFormat
from tracker.cli.output import Column, note
from tracker.errors import InvalidValue
from tracker.files import new_file
from tracker.reports.report import Field, Kind, Record, Report
from tracker.text import show as shown
from tracker.units import Money, decimal_text, div_half_even

PARQUET = ".parquet"
SUFFIXES = {
    ".csv": OutputFormat.CSV,
    ".json": OutputFormat.JSON,
    ".md": OutputFormat.MARKDOWN,
}
NUMBERS = (Kind.COUNT, Kind.MONEY, Kind.AMOUNT, Kind.SHARE)


def show(
    report: Report, format: OutputFormat, lines: Callable[[Report], list[str]] | None = None
) -> None:
    """Write a report to stdout, and what must be said about it to stderr.

    lines: how it is laid out as a table, where that is not the usual way.
    """
    if format is OutputFormat.TABLE:
        print("\n".join((lines or table)(report)))
    else:
        _emit(report, format)
    for text in report.notes:
        note(text)


def save(report: Report, path: Path, *, force: bool) -> None:
    """Write a report to a file; its suffix says how. Raises InvalidValue for another suffix."""
    suffix = path.suffix.lower()
    if suffix != PARQUET and suffix not in SUFFIXES:
        raise InvalidValue(
            f"output: {shown(path.name)} does not end in .csv, .json, .md or .parquet",
            field="output",
        )
    with new_file(path, force=force) as file:
        if suffix == PARQUET:
            from tracker.reports import parquet

            parquet.write(report, file)
        else:
            page = io.TextIOWrapper(file, encoding="utf-8", newline="")
            with contextlib.redirect_stdout(page):
                _emit(report, SUFFIXES[suffix])
            page.detach()
    note(f"wrote {words.plural(len(report.records), 'row')} to {path}")
    for text in report.notes:
        note(text)


def table(report: Report) -> list[str]:
    """Lay a report out as a table, its totals under a rule; the heads say what is left out."""
    fields = [(at, field) for at, field in enumerate(report.fields) if field.title]
    titles = [field.title.upper() for _, field in fields]
    rows = [[_cell(field, record[at]) for at, field in fields] for record in report.records]
    sums = [_total(fields, record) for record in report.totals]
    money = any(field.kind is Kind.MONEY for _, field in fields)
    if money and any(field.key == "currency" for field in report.fields):
        place = [field.key for field in report.fields].index("currency")
        titles.append("")
        for row, record in zip(rows + sums, (*report.records, *report.totals), strict=True):
            row.append(str(record[place] or ""))
    aligns = [">" if field.kind in NUMBERS else "<" for _, field in fields] + ["<"] * money
    texts = [at for at, (_, field) in enumerate(fields) if field.kind is Kind.TEXT]
    laid = output.table(titles, rows + sums, aligns, shrinking=texts)
    if not sums or not rows:
        return laid
    rule = output.paint("─" * max(map(len, laid[1:])), "dim")
    return [*laid[: len(rows) + 1], rule, *laid[len(rows) + 1 :]]


def _emit(report: Report, format: OutputFormat) -> None:
    columns = [_column(field) for field in report.fields]
    records = [_values(report.fields, record) for record in report.records]
    totals = [_values(report.fields, record) for record in report.totals]
    if format is not OutputFormat.JSON:
        is_page = format is OutputFormat.MARKDOWN
        output.emit(
            columns,
            records + (totals if is_page else []),
            format,
            schema=report.schema,
            name="rows",
        )
        return
    keys = [column.key for column in columns]
    output.emit(
        columns,
        records,
        format,
        schema=report.schema,
        name="rows",
        extra={
            **report.about,
            "totals": [
                dict(zip(keys, map(output.as_json, total), strict=True)) for total in totals
            ],
            "notes": list(report.notes),
        },
    )


def _column(field: Field) -> Column:
    align = ">" if field.kind in NUMBERS else "<"
    title = field.title or field.key.replace("_", " ").capitalize()
    return Column(field.key, title, align, _exact(field))


def _exact(field: Field) -> Callable[[object], str]:
    def write(value: object) -> str:
        if isinstance(value, Money):
            return value.text()
        return output.plain(value)

    return write


def _values(fields: Sequence[Field], record: Record) -> list[object]:
    """Return a record as programs read it: a share is a decimal between 0 and 1."""
    return [
        decimal_text(value, 3) if field.kind is Kind.SHARE and isinstance(value, int) else value
        for field, value in zip(fields, record, strict=True)
    ]


def money(nano: int) -> str:
    """Write money for people: to four decimals, so that lines add up, or to three digits."""
    rounded = div_half_even(nano, 10**5)
    if not rounded and nano:
        return words.compact(nano, "").strip()
    whole, rest = divmod(rounded, 10**4)
    decimals = f"{rest:04d}"
    return f"{whole:,}.{decimals[:2]}{decimals[2:].rstrip('0')}"


def _total(fields: Sequence[tuple[int, Field]], record: Record) -> list[str]:
    cells = ["" if record[at] is None else _cell(field, record[at]) for at, field in fields]
    cells[0] = cells[0] or "total"
    return cells


def _cell(field: Field, value: object) -> str:
    """Write a value for people: amounts cut to a few digits, what is unknown called so."""
    if field.kind is Kind.MONEY:
        return money(value.nano) if isinstance(value, Money) else "unknown"
    if value is None:
        return "(none)" if field.kind is Kind.TEXT else "-"
    if isinstance(value, Money):
        return words.compact(value.nano, value.currency)
    if field.kind is Kind.SHARE and isinstance(value, int):
        return f"{decimal_text(value, 1)}%"
    if field.key.endswith("tokens") or field.kind is Kind.AMOUNT:
        return words.compact(value) if isinstance(value, int) else str(value)
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}Z"
    return f"{value:,}" if isinstance(value, int) else str(value)
