"""Reports as Parquet: integers stay integers, text stays exactly as it is stored."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, BinaryIO

from tracker.errors import InvalidValue
from tracker.reports.report import Field, Kind, Report
from tracker.units import Money, to_micros

if TYPE_CHECKING:
    import pyarrow

INT64 = 1 << 63


def write(report: Report, file: BinaryIO) -> None:
    """Write a report's records; totals are left to whoever reads them.

    Text is string, counts int64, money NAME_nano in nano-units beside the column `currency`, an
    amount of a grant NAME in its unit (nano-units of a currency) beside `unit`, a share NAME in
    thousandths, an instant a timestamp in UTC. Integers beyond 64 bits make it decimal128(38, 0).
    Raises InvalidValue where pyarrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise InvalidValue(
            'Parquet needs pyarrow: pip install "tracker[parquet]", or write .csv or .json',
            field="output",
        ) from None
    columns = list(zip(*report.records, strict=True)) or [()] * len(report.fields)
    arrays = {
        _name(field): _array(field, values, pyarrow)
        for field, values in zip(report.fields, columns, strict=True)
    }
    table = pyarrow.table(arrays).replace_schema_metadata({"tracker": report.schema})
    parquet.write_table(table, file)


def _name(field: Field) -> str:
    if field.kind is Kind.MONEY:
        return f"{field.key}_nano"
    return f"{field.key}_permille" if field.kind is Kind.SHARE else field.key


def _array(field: Field, values: tuple[object, ...], arrow: Any) -> pyarrow.Array:
    if field.kind is Kind.TEXT:
        return arrow.array(values, arrow.string())
    if field.kind is Kind.INSTANT:
        instants = [to_micros(one, "at") if isinstance(one, datetime) else None for one in values]
        return arrow.array(instants, arrow.timestamp("us", "UTC"))
    numbers = [one.nano if isinstance(one, Money) else one for one in values]
    if all(one is None or (isinstance(one, int) and -INT64 <= one < INT64) for one in numbers):
        return arrow.array(numbers, arrow.int64())
    return arrow.array(numbers, arrow.decimal128(38, 0))
