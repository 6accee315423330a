"""`tracker grants`: recording credit, claiming it from a catalogue, correcting it."""

from __future__ import annotations

from typing import Annotated

import typer

from tracker.cli import options
from tracker.cli.options import (
    At,
    Db,
    DoneAt,
    Format,
    Json,
    Limit,
    OnAccount,
    OnProvider,
    OutputFormat,
)

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="""Record free credit, claim it from a catalogue, correct it.

    \b
    tracker grants add --provider baidu --amount 50m --models 'ernie-3.5*'
    tracker grants claim iflytek-spark-2m --on 2024-07-15
    tracker grants list
    """,
)
GrantId = Annotated[str, typer.Argument(metavar="ID", help="The grant's id.")]
Account = Annotated[str, typer.Option("--account", metavar="ID", help="The account it is of.")]


@app.command("add")
def add(
    provider: Annotated[str, typer.Option("--provider", "-p", metavar="ID", help="Who gave it.")],
    amount: Annotated[
        str, typer.Option("--amount", metavar="AMOUNT", help="50m, 1.5b, 5000万; in money 36.5.")
    ],
    unit: Annotated[
        str, typer.Option("--unit", help="tokens, requests, or the provider's currency.")
    ] = "tokens",
    models: Annotated[
        list[str] | None,
        typer.Option("--models", metavar="GLOB", help="What it pays for; repeatable. [default: *]"),
    ] = None,
    starts: Annotated[
        str | None,
        typer.Option("--starts", metavar="WHEN", help="A day at the provider, or an instant."),
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(
            "--expires",
            metavar="WHEN",
            help='A day at the provider, included, or an instant, excluded; "never" or "unknown".',
        ),
    ] = None,
    priority: Annotated[
        str, typer.Option("--priority", metavar="N", help="Lower numbers pay first.")
    ] = "50",
    account: Account = "default",
    when_used_up: Annotated[
        str, typer.Option("--when-used-up", help="bills, stops or unknown.")
    ] = "unknown",
    every: Annotated[
        str | None,
        typer.Option("--every", help="Renewed hourly, daily, weekly or monthly at the provider."),
    ] = None,
    id: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="[default: PROVIDER-1, -2, ...]")
    ] = None,
    source: Annotated[
        str | None, typer.Option("--source", help="Where it says so: a page, a mail.")
    ] = None,
    note: Annotated[str | None, typer.Option("--note", help="Free text.")] = None,
    format: Format = OutputFormat.TABLE,
    json: Json = False,
    db: Db = None,
) -> None:
    """Record credit a provider gave.

    \b
    tracker grants add --provider tencent --amount 100m --expires 2024-07-31
    tracker grants add -p baidu --amount 50m --models 'ernie-3.5*' --id team
    tracker grants add -p deepseek --amount 10 --unit CNY --starts 2024-07-01
    tracker grants add -p zhipu --amount 1000 --unit requests --every daily
    """
    from tracker.cli import grants_view
    from tracker.service.grants import add_grant

    with options.open_ledger(db) as opened:
        grant = add_grant(
            opened,
            provider,
            amount,
            id=id,
            account=account,
            models=models or ("*",),
            unit=unit,
            starts_at=starts,
            expires_at=expires,
            priority=options.number(priority, "priority"),
            when_used_up=when_used_up,
            every=every,
            source=source,
            note_text=note,
        )
        grants_view.one(opened, grant, options.format_of(format, json))


@app.command("claim")
def claim(
    template: Annotated[str, typer.Argument(help="A template of a catalogue that was loaded.")],
    on: Annotated[
        str | None,
        typer.Option("--on", metavar="DAY", help="When it was claimed. [default: today there]"),
    ] = None,
    account: Account = "default",
    amount: Annotated[
        str | None, typer.Option("--amount", help="Where the catalogue does not know it.")
    ] = None,
    id: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="[default: the template's]")
    ] = None,
    format: Format = OutputFormat.TABLE,
    json: Json = False,
    db: Db = None,
) -> None:
    """Turn a template of the catalogue into a grant: works out when it starts and ends.

    \b
    tracker catalogue show china-2024-07
    tracker grants claim TEMPLATE --on 2024-07-15 --account team-b
    """
    from tracker.cli import grants_view
    from tracker.service import loading

    with options.open_ledger(db) as opened:
        grant = loading.claim(
            opened,
            template,
            on=None if on is None else options.day(on, "on"),
            account=account,
            amount=amount,
            id=id,
        )
        grants_view.one(opened, grant, options.format_of(format, json))


@app.command("list")
def list_(
    provider: OnProvider = None,
    account: OnAccount = None,
    format: Format = OutputFormat.TABLE,
    json: Json = False,
    db: Db = None,
) -> None:
    """List grants as they were recorded; "tracker balance" tells what is left of them.

    \b
    tracker grants list --provider zhipu
    tracker grants list --format csv > grants.csv
    """
    from tracker.cli import grants_view
    from tracker.service.listing import list_grants

    with options.open_ledger(db) as opened:
        grants = list_grants(opened, provider=provider, account=account)
        grants_view.listed(opened, grants, options.format_of(format, json))


@app.command("show")
def show(
    id: GrantId,
    limit: Limit = "20",
    at: At = None,
    format: Format = OutputFormat.TABLE,
    json: Json = False,
    db: Db = None,
) -> None:
    """Show one grant: what it is, what is left of it, and the end of its journal.

    \b
    tracker grants show tencent-hunyuan-2024 --at 2024-07-15
    """
    from tracker.cli import grants_view
    from tracker.service.grants import get_grant

    most = options.number(limit, "limit")
    with options.open_ledger(db) as opened:
        grant = get_grant(opened, id.lower())
        when = options.moment(at, options.zone_of(opened, grant.provider))
        grants_view.shown(opened, grant, when, most, options.format_of(format, json))


@app.command("void")
def void(
    id: GrantId,
    reason: Annotated[str | None, typer.Option("--reason", help="Why, for the journal.")] = None,
    at: DoneAt = None,
    format: Format = OutputFormat.TABLE,
    json: Json = False,
    db: Db = None,
) -> None:
    """Take a grant out of use; what it has available is written off. The journal keeps it.

    \b
    tracker grants void baidu-1 --reason "account closed"
    """
    from tracker.cli import grants_view
    from tracker.service.grants import get_grant, void_grant

    with options.open_ledger(db) as opened:
        zone = options.zone_of(opened, get_grant(opened, id.lower()).provider)
        grant = void_grant(opened, id.lower(), at=options.moment(at, zone), reason=reason)
        grants_view.one(opened, grant, options.format_of(format, json))


@app.command("adjust")
def adjust(
    id: GrantId,
    remaining: Annotated[
        str, typer.Option("--remaining", metavar="AMOUNT", help="What it has left, holds included.")
    ],
    reason: Annotated[str, typer.Option("--reason", help="Why, for the journal.")],
    at: DoneAt = None,
    format: Format = OutputFormat.TABLE,
    json: Json = False,
    db: Db = None,
) -> None:
    """Set what a grant has left, and record why. "tracker reconcile" shows the drift first.

    \b
    tracker grants adjust baidu-1 --remaining 49.2m --reason "calls made by hand"
    """
    from tracker.cli import grants_view
    from tracker.service.grants import adjust_grant, get_grant

    with options.open_ledger(db) as opened:
        zone = options.zone_of(opened, get_grant(opened, id.lower()).provider)
        grant = adjust_grant(
            opened,
            id.lower(),
            remaining=remaining,
            at=options.moment(at, zone),
            reason=reason,
        )
        grants_view.one(opened, grant, options.format_of(format, json))
