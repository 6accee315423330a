"""`tracker rates`: exchange rates, for comparing offers in two currencies."""

from __future__ import annotations

from typing import Annotated

import typer

from tracker.cli import options
from tracker.cli.options import Db, Format, Json, OutputFormat

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="""List and set exchange rates.

    \b
    tracker rates set USD CNY 7.26 --from 2024-07-01
    """,
)


@app.command("list")
def list_(format: Format = OutputFormat.TABLE, json: Json = False, db: Db = None) -> None:
    """List every rate recorded. One holds until the next one of its pair begins.

    \b
    tracker rates list
    """
    from tracker.cli.output import Column, emit
    from tracker.service.listing import list_rates
    from tracker.units import decimal_text, to_datetime

    with options.open_ledger(db) as opened:
        found = list_rates(opened)
    columns = (
        Column("base", "BASE"),
        Column("quote", "QUOTE"),
        Column("rate", "RATE", ">"),
        Column("valid_from", "FROM (UTC)"),
        Column("source", "SOURCE", shrinks=1, optional=True),
    )
    rows = [
        (
            row["base"],
            row["quote"],
            decimal_text(row["rate_nano"], 9),
            to_datetime(row["valid_from"]),
            row["source"],
        )
        for row in found
    ]
    wanted = options.format_of(format, json)
    emit(columns, rows, wanted, schema="tracker.rates/1", name="rates")


@app.command("set")
def set_(
    base: Annotated[str, typer.Argument(help="What is priced, such as USD.")],
    quote: Annotated[str, typer.Argument(help="What it is priced in, such as CNY.")],
    rate: Annotated[str, typer.Argument(help="How many QUOTE one BASE is worth.")],
    valid_from: Annotated[
        str | None,
        typer.Option("--from", metavar="WHEN", help="A day in UTC, or an instant. [default: now]"),
    ] = None,
    source: Annotated[str | None, typer.Option("--source", help="Where it was read.")] = None,
    format: Format = OutputFormat.TABLE,
    json: Json = False,
    db: Db = None,
) -> None:
    """Record a rate that holds from then on. Older rates stay.

    \b
    tracker rates set USD CNY 7.26 --from 2024-07-01 --source "PBC central parity"
    """
    from tracker.cli.output import emit_one
    from tracker.service.catalog import set_rate
    from tracker.units import decimal_text, rfc3339

    with options.open_ledger(db, create=True) as opened:
        one = set_rate(opened, base, quote, rate, valid_from=valid_from, source=source)
    number, since = decimal_text(one.rate_nano, 9), rfc3339(one.valid_from)
    document = {
        "schema": "tracker.rate/1",
        "base": one.base,
        "quote": one.quote,
        "rate": number,
        "valid_from": since,
    }
    sentence = f"1 {one.base} = {number} {one.quote} from {since} on"
    emit_one(document, options.format_of(format, json), sentence)
