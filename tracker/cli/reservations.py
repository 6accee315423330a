"""`tracker reservations`: what is held for calls."""

from __future__ import annotations

from typing import Annotated

import typer

from tracker.cli import options
from tracker.cli.options import At, Db, Format, Json, Limit, OutputFormat

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="""List what is held for calls.

    \b
    tracker reservations list --open
    """,
)


@app.command("list")
def list_(
    open: Annotated[
        bool, typer.Option("--open", help="Only those that hold credit at that instant.")
    ] = False,
    limit: Limit = "20",
    at: At = None,
    format: Format = OutputFormat.TABLE,
    json: Json = False,
    db: Db = None,
) -> None:
    """List reservations, latest first.

    \b
    tracker reservations list --open
    tracker reservations list --limit 1000 --json
    """
    from tracker.cli.output import Column, emit, emit_json
    from tracker.service.listing import list_reservations
    from tracker.wire import reservation_json

    with options.open_ledger(db) as opened:
        found = list_reservations(
            opened, open_only=open, at=options.moment(at), limit=options.number(limit, "limit")
        )
    columns = (
        Column("id", "RESERVATION"),
        Column("state", "STATE"),
        Column("name", "MODEL", shrinks=1),
        Column("tokens", "TOKENS", ">"),
        Column("provider"),
        Column("account"),
        Column("model"),
        Column("input_tokens"),
        Column("max_output_tokens"),
        Column("at", "MADE (UTC)"),
        Column("expires_at", "LAPSES", show=lambda at: f"{at:%H:%M:%S}"),
        Column("holds"),
        Column("request_id"),
        Column("project"),
        Column("user"),
    )
    rows = [
        (
            one.id, one.state.value, f"{one.provider}/{one.model}",
            one.input_tokens + one.max_output_tokens, one.provider, one.account, one.model,
            one.input_tokens, one.max_output_tokens, one.at, one.expires_at,
            [f"{grant}={amount}" for grant, amount in one.holds], one.request_id, one.project,
            one.user,
        )
        for one in found
    ]  # fmt: skip
    wanted = options.format_of(format, json)
    if wanted is OutputFormat.JSON:
        records = [reservation_json(one) for one in found]
        emit_json({"schema": "tracker.reservations/1", "reservations": records})
        return
    hidden = ("name", "tokens") if wanted is OutputFormat.CSV else ()
    kept = [index for index, column in enumerate(columns) if column.key not in hidden]
    emit(
        [columns[index] for index in kept],
        [[row[index] for index in kept] for row in rows],
        wanted,
        schema="",
        name="",
    )
