"""`tracker prices`: dated facts, never overwritten."""

from __future__ import annotations

from typing import Annotated

import typer

from tracker.cli import options
from tracker.cli.options import At, Db, Format, Json, OnProvider, OutputFormat

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="""List list prices and record changes.

    \b
    tracker prices list --provider baidu
    tracker prices set deepseek deepseek-chat --input 1 --output 2
    """,
)


@app.command("list")
def list_(
    provider: OnProvider = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", metavar="NAME", help="Only this model.")
    ] = None,
    current: Annotated[
        bool, typer.Option("--current", help="Only those that hold at that instant.")
    ] = False,
    at: At = None,
    format: Format = OutputFormat.TABLE,
    json: Json = False,
    db: Db = None,
) -> None:
    """List every price recorded, per 1,000,000 tokens, with its source and how sure it is.

    \b
    tracker prices list --model glm-4-air
    tracker prices list --current --at 2024-07-15 --json

    A price holds from its day at the provider until the next row of its model begins; an asterisk
    marks the ones that hold now.
    """
    from tracker.cli import words
    from tracker.cli.output import Column, emit
    from tracker.service.listing import list_prices
    from tracker.units import decimal_text, to_datetime

    wanted = options.format_of(format, json)
    with options.open_ledger(db) as opened:
        moment = options.moment(at, options.zone_of(opened, provider) if at else "UTC")
        found = list_prices(opened, provider=provider, model=model, at=moment, current=current)

    def price(micros: int | None) -> str | None:
        return None if micros is None else decimal_text(micros, 6)

    columns = (
        Column("name", "MODEL", shrinks=2),
        Column("provider"),
        Column("model"),
        Column("day", "FROM"),
        Column("valid_from"),
        Column("above_input_tokens", "ABOVE", ">", optional=True),
        Column("input", "IN", ">"),
        Column("output", "OUT", ">"),
        Column("cached_input", "CACHED", ">", optional=True),
        Column("currency", "MONEY"),
        Column("source", "SOURCE", shrinks=1),
        Column("checked_on", "CHECKED"),
        Column("confidence", "SURE"),
        Column("current"),
        Column("note"),
    )
    rows = []
    for row in found:
        starts = to_datetime(row["valid_from"])
        mark = "*" if row["current"] else ""
        rows.append(
            (
                f"{row['provider']}/{row['model']}", row["provider"], row["model"],
                words.local_time(starts, row["timezone"])[:10] + mark, starts,
                row["above_input_tokens"], price(row["input"]), price(row["output"]),
                price(row["cached_input"]), row["currency"], row["source"], row["checked_on"],
                row["confidence"], row["current"], row["note"],
            )
        )  # fmt: skip
    exact = wanted in (OutputFormat.JSON, OutputFormat.CSV)
    hidden = ("name", "day") if exact else ()
    kept = [index for index, column in enumerate(columns) if column.key not in hidden]
    emit(
        [columns[index] for index in kept],
        [[row[index] for index in kept] for row in rows],
        wanted,
        schema="tracker.prices/1",
        name="prices",
    )


@app.command("set")
def set_(
    provider: Annotated[str, typer.Argument(help="The provider's id.")],
    model: Annotated[str, typer.Argument(help="The model's id or an alias.")],
    input: Annotated[str, typer.Option("--input", metavar="PRICE", help="Per 1,000,000 tokens.")],
    output: Annotated[str, typer.Option("--output", metavar="PRICE", help="Per 1,000,000 tokens.")],
    cached_input: Annotated[
        str | None,
        typer.Option("--cached-input", metavar="PRICE", help="[default: as other input]"),
    ] = None,
    currency: Annotated[
        str | None, typer.Option("--currency", help="[default: the provider's]")
    ] = None,
    valid_from: Annotated[
        str | None,
        typer.Option("--from", metavar="WHEN", help="A day there, or an instant. [default: now]"),
    ] = None,
    source: Annotated[str | None, typer.Option("--source", help="Where it was read.")] = None,
    note: Annotated[str | None, typer.Option("--note", help="Free text.")] = None,
    format: Format = OutputFormat.TABLE,
    json: Json = False,
    db: Db = None,
) -> None:
    """Record a price that holds from a day on. Older prices stay, for the calls of their time.

    \b
    tracker prices set baidu ernie-4.0-8k --input 30 --output 60 --from 2024-07-05
    """
    from tracker.cli.output import emit_one
    from tracker.service.catalog import set_price
    from tracker.text import visible

    with options.open_ledger(db) as opened:
        set_price(
            opened,
            provider,
            model,
            input=input,
            output=output,
            cached_input=cached_input,
            currency=currency,
            valid_from=valid_from,
            source=source,
            note_text=note,
        )
    document = {
        "schema": "tracker.price/1",
        "provider": provider,
        "model": model,
        "input": input,
        "output": output,
        "cached_input": cached_input,
        "valid_from": valid_from,
    }
    when = "now" if valid_from is None else valid_from
    sentence = visible(f"{provider}/{model}: input {input}, output {output} from {when} on")
    emit_one(document, options.format_of(format, json), sentence)
