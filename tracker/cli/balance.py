"""`tracker balance`: what is left, what runs out when, what was wasted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from tracker.cli import options
from tracker.cli.options import At, Db, Format, Json, OnAccount, OnProvider, OutputFormat

if TYPE_CHECKING:
    from tracker.domain.grant import Balance


def balance(
    provider: OnProvider = None,
    account: OnAccount = None,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", metavar="NAME", help="Only grants that pay for this model."),
    ] = None,
    all: Annotated[
        bool, typer.Option("--all", "-a", help="Also expired and voided grants.")
    ] = False,
    at: At = None,
    format: Format = OutputFormat.TABLE,
    json: Json = False,
    db: Db = None,
) -> None:
    """Show what every grant has left: active ones first, soonest to end first.

    \b
    tracker balance
    tracker balance --provider tencent --at 2024-07-15
    tracker balance --json | jq '.totals[0].available'

    Available is what a reservation could take at that instant, cut to three digits, never rounded
    up. Forfeited is what was left of a grant when it expired.
    """
    from tracker.service import balances

    wanted = options.format_of(format, json)
    with options.open_ledger(db) as opened:
        found = balances.balance(
            opened,
            at=options.moment(at, options.zone_of(opened, provider) if at else "UTC"),
            provider=provider,
            account=account,
            model=model,
        )
        providers = opened.read(lambda tx, book, now: book.providers)
    shown = found if all else _without_ended(found)
    if wanted is OutputFormat.JSON:
        from tracker.cli.output import emit_json
        from tracker.wire import balance_json

        emit_json(balance_json(shown))
    else:
        from tracker.cli import balance_view

        if wanted is OutputFormat.TABLE:
            balance_view.show(shown, found, providers)
        else:
            balance_view.export(shown, wanted)


def _without_ended(balance: Balance) -> Balance:
    from tracker.domain.grant import GrantState, totals

    ended = (GrantState.EXPIRED, GrantState.VOIDED)
    kept = tuple(grant for grant in balance.grants if grant.state not in ended)
    return replace(balance, grants=kept, totals=totals(kept))
