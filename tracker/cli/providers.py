"""`tracker providers`: the companies behind the APIs."""

from __future__ import annotations

from typing import Annotated

import typer

from tracker.cli import options
from tracker.cli.options import Db, Format, Json, OutputFormat

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="""List, add and show providers.

    \b
    tracker providers add deepseek --name "DeepSeek 深度求索" --currency CNY
    tracker providers show tencent
    """,
)
ProviderId = Annotated[str, typer.Argument(metavar="ID", help="The provider's id, such as baidu.")]


@app.command("list")
def list_(format: Format = OutputFormat.TABLE, json: Json = False, db: Db = None) -> None:
    """List providers.

    \b
    tracker providers list --json
    """
    from tracker.cli.output import Column, emit

    with options.open_ledger(db) as opened:
        book = opened.read(lambda tx, book, now: book)
    columns = (
        Column("id", "PROVIDER"),
        Column("name", "NAME", shrinks=1),
        Column("currency", "MONEY"),
        Column("timezone", "TIME ZONE"),
        Column("models", "MODELS", ">"),
        Column("base_url"),
        Column("note"),
    )
    rows = [
        (
            one.id, one.name, one.currency, one.zone,
            sum(model.provider == one.id for model in book.models), one.base_url, one.note,
        )
        for one in sorted(book.providers.values(), key=lambda one: one.id)
    ]  # fmt: skip
    wanted = options.format_of(format, json)
    emit(columns, rows, wanted, schema="tracker.providers/1", name="providers")


@app.command("add")
def add(
    id: ProviderId,
    name: Annotated[
        str | None, typer.Option("--name", help="As people write it. [default: the id]")
    ] = None,
    currency: Annotated[str, typer.Option("--currency", help="What it bills in.")] = "CNY",
    timezone: Annotated[
        str, typer.Option("--timezone", metavar="ZONE", help="Where its days begin.")
    ] = "Asia/Shanghai",
    base_url: Annotated[str | None, typer.Option("--base-url", help="Where its API is.")] = None,
    note: Annotated[str | None, typer.Option("--note", help="Free text.")] = None,
    format: Format = OutputFormat.TABLE,
    json: Json = False,
    db: Db = None,
) -> None:
    """Record a provider. The same again changes nothing.

    \b
    tracker providers add mistral --currency EUR --timezone Europe/Paris
    """
    from tracker.cli.output import emit_one
    from tracker.service.catalog import add_provider

    with options.open_ledger(db, create=True) as opened:
        one = add_provider(
            opened,
            id,
            name=name,
            currency=currency,
            timezone=timezone,
            base_url=base_url,
            note_text=note,
        )
    document = {
        "schema": "tracker.provider/1",
        "id": one.id,
        "name": one.name,
        "currency": one.currency,
        "timezone": one.zone,
        "base_url": one.base_url,
        "note": one.note,
    }
    from tracker.text import visible

    sentence = (
        f"provider {one.id}: {visible(one.name)}, bills in {one.currency}, days of {one.zone}"
    )
    emit_one(document, options.format_of(format, json), sentence)


@app.command("show")
def show(
    id: ProviderId,
    format: Format = OutputFormat.TABLE,
    json: Json = False,
    db: Db = None,
) -> None:
    """Show a provider with its accounts, models and grants.

    \b
    tracker providers show baidu
    """
    from tracker.cli.output import Column, emit, emit_json, paint
    from tracker.service.balances import balance
    from tracker.text import slug, visible

    with options.open_ledger(db) as opened:
        book = opened.read(lambda tx, book, now: book)
        one = book.provider(slug(id, "provider"))
        grants = [grant.id for grant in balance(opened, provider=one.id).grants]
    accounts = sorted(account for owner, account in book.accounts if owner == one.id)
    models = [model for model in book.models if model.provider == one.id]
    rows = [(m.id, list(m.groups), m.context_window, list(m.aliases)) for m in models]
    columns = (
        Column("id", "MODEL"),
        Column("groups", "GROUPS"),
        Column("context_window", "CONTEXT", ">"),
        Column("aliases", "ALIASES", shrinks=1),
    )
    wanted = options.format_of(format, json)
    if wanted is OutputFormat.JSON:
        keys = [column.key for column in columns]
        document = {
            "schema": "tracker.provider/1",
            "id": one.id,
            "name": one.name,
            "currency": one.currency,
            "timezone": one.zone,
            "base_url": one.base_url,
            "note": one.note,
            "accounts": accounts,
            "grants": grants,
            "models": [dict(zip(keys, row, strict=True)) for row in rows],
        }
        emit_json(document)
        return
    if wanted is OutputFormat.TABLE:
        print(f"{one.id}: {visible(one.name)}, bills in {one.currency}, days of {one.zone}")
        for name, text in (
            ("base URL", one.base_url),
            ("note", one.note),
            ("accounts", ", ".join(accounts)),
            ("grants", ", ".join(grants) or "-"),
        ):
            if text:
                print(f"  {paint(name, 'dim')}  {visible(text)}")
        print()
    emit(columns, rows, wanted, schema="", name="")
