"""`tracker models`: what providers offer."""

from __future__ import annotations

from typing import Annotated

import typer

from tracker.cli import options
from tracker.cli.options import At, Db, Format, Json, OnProvider, OutputFormat

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="""List and add models.

    \b
    tracker models list --group chat
    tracker models add deepseek deepseek-chat --group chat --context-window 32768
    """,
)


@app.command("list")
def list_(
    provider: OnProvider = None,
    group: Annotated[
        str | None,
        typer.Option("--group", "-g", metavar="GROUP", help="Only models that serve it."),
    ] = None,
    at: At = None,
    format: Format = OutputFormat.TABLE,
    json: Json = False,
    db: Db = None,
) -> None:
    """List models. OFFERED says whether each can be asked at that instant, and why not.

    \b
    tracker models list --provider openai --at 2024-07-10
    """
    from tracker.cli.output import Column, emit
    from tracker.text import slug
    from tracker.units import to_datetime, to_micros

    with options.open_ledger(db) as opened:
        moment = options.moment(at, options.zone_of(opened, provider) if at else "UTC")
        now = opened.now() if moment is None else to_micros(moment, "at")
        book = opened.read(lambda tx, book, now: book)
    owner = None if provider is None else book.provider(slug(provider, "provider")).id
    wanted_group = None if group is None else slug(group, "group")
    rows = []
    for one in sorted(book.models, key=lambda one: (one.provider, one.identity)):
        if owner not in (None, one.provider):
            continue
        if wanted_group is not None and wanted_group not in one.groups:
            continue
        gone = one.available_until is not None and now >= one.available_until
        early = one.available_from is not None and now < one.available_from
        offered = (one.availability or "no") if gone or early else "yes"
        rows.append(
            (
                one.provider, one.id, list(one.groups), list(one.aliases), one.context_window,
                one.max_output_tokens,
                None if one.available_from is None else to_datetime(one.available_from),
                None if one.available_until is None else to_datetime(one.available_until),
                not (gone or early), offered, one.note,
            )
        )  # fmt: skip
    columns = (
        Column("provider", "PROVIDER"),
        Column("id", "MODEL"),
        Column("groups", "GROUPS", shrinks=1),
        Column("aliases"),
        Column("context_window", "CONTEXT", ">"),
        Column("max_output_tokens", "OUTPUT", ">", optional=True),
        Column("available_from"),
        Column("available_until"),
        Column("offered"),
        Column("availability", "OFFERED"),
        Column("note"),
    )
    wanted = options.format_of(format, json)
    emit(columns, rows, wanted, schema="tracker.models/1", name="models")


@app.command("add")
def add(
    provider: Annotated[str, typer.Argument(help="The provider's id.")],
    model: Annotated[str, typer.Argument(help="The model's id, as its API spells it.")],
    group: Annotated[
        list[str] | None,
        typer.Option("--group", "-g", metavar="GROUP", help="What it serves; repeatable."),
    ] = None,
    alias: Annotated[
        list[str] | None,
        typer.Option("--alias", metavar="NAME", help="Another name of it; repeatable."),
    ] = None,
    context_window: Annotated[
        str | None, typer.Option("--context-window", metavar="TOKENS", help="Such as 32768.")
    ] = None,
    max_output: Annotated[
        str | None, typer.Option("--max-output", metavar="TOKENS", help="Such as 4096.")
    ] = None,
    available_from: Annotated[
        str | None, typer.Option("--available-from", metavar="WHEN", help="First day offered.")
    ] = None,
    available_until: Annotated[
        str | None, typer.Option("--available-until", metavar="WHEN", help="Last day offered.")
    ] = None,
    availability: Annotated[
        str | None, typer.Option("--availability", help='Why not beyond: "blocked in CN".')
    ] = None,
    note: Annotated[str | None, typer.Option("--note", help="Free text.")] = None,
    format: Format = OutputFormat.TABLE,
    json: Json = False,
    db: Db = None,
) -> None:
    """Record a model a provider offers. The same again changes nothing.

    \b
    tracker models add baidu ernie-4.0-8k --group chat-large --context-window 8192
    """
    from tracker.cli.output import emit_one
    from tracker.service.catalog import add_model
    from tracker.text import visible
    from tracker.units import parse_tokens, rfc3339

    def size(text: str | None, name: str) -> int | None:
        return None if text is None else parse_tokens(text, name)

    with options.open_ledger(db) as opened:
        one = add_model(
            opened,
            provider,
            model,
            groups=group or (),
            aliases=alias or (),
            context_window=size(context_window, "context_window"),
            max_output_tokens=size(max_output, "max_output"),
            available_from=available_from,
            available_until=available_until,
            availability=availability,
            note_text=note,
        )
    document = {
        "schema": "tracker.model/1",
        "provider": one.provider,
        "id": one.id,
        "groups": list(one.groups),
        "aliases": list(one.aliases),
        "context_window": one.context_window,
        "max_output_tokens": one.max_output_tokens,
        "available_from": rfc3339(one.available_from),
        "available_until": rfc3339(one.available_until),
        "availability": one.availability,
        "note": one.note,
    }
    serves = f", serves {', '.join(one.groups)}" if one.groups else ""
    sentence = visible(f"model {one.provider}/{one.id}{serves}")
    emit_one(document, options.format_of(format, json), sentence)
