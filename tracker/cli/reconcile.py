"""`tracker reconcile`: the provider's console is right; the ledger follows and says by how much."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tracker.cli import options
from tracker.cli.options import Db, DoneAt, Format, Json, OutputFormat

if TYPE_CHECKING:
    from datetime import datetime

    from tracker.domain.grant import GrantBalance
    from tracker.service.opened import Opened


def reconcile(
    provider: Annotated[str, typer.Option("--provider", "-p", metavar="ID", help="Whose console.")],
    grant: Annotated[str, typer.Option("--grant", "-g", metavar="ID", help="Which grant.")],
    remaining: Annotated[
        str, typer.Option("--remaining", metavar="AMOUNT", help="What the console says is left.")
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the drift and record nothing.")
    ] = False,
    at: DoneAt = None,
    format: Format = OutputFormat.TABLE,
    json: Json = False,
    db: Db = None,
) -> None:
    """Compare a grant with what its provider's console says, and record the difference.

    \b
    tracker reconcile -p baidu -g baidu-ernie35-2024 --remaining 48.2m --dry-run
    tracker reconcile -p baidu -g baidu-ernie35-2024 --remaining 48.2m

    Drift is what the console says less what the ledger says: negative where calls went unrecorded.
    """
    from tracker.cli import words
    from tracker.cli.output import emit_one
    from tracker.service.grants import adjust_grant
    from tracker.wire import amount_json

    with options.open_ledger(db) as opened:
        when = options.moment(at, options.zone_of(opened, provider))
        before = _balance(opened, provider, grant, when)
        console = _amount(remaining, before.unit)
        drift = console - before.remaining
        after = before
        if not dry_run:
            reason = f"reconcile: console says {remaining}"
            adjust_grant(
                opened,
                before.id,
                remaining=console if before.unit in _COUNTED else remaining,
                at=when,
                reason=reason,
            )
            after = _balance(opened, provider, grant, when)
    share = _share(drift, before.spent)
    document = {
        "schema": "tracker.reconcile/1",
        "grant": before.id,
        "provider": before.provider,
        "unit": before.unit,
        "ledger": amount_json(before.remaining, before.unit),
        "console": amount_json(console, before.unit),
        "drift": amount_json(drift, before.unit),
        "drift_of_usage": share,
        "recorded": not dry_run and drift != 0,
        "remaining": amount_json(after.remaining, after.unit),
        "available": amount_json(after.available, after.unit),
    }
    sign = "-" if drift < 0 else "+" if drift else ""
    usage = (
        ""
        if share is None
        else f"  ({share}% of the {words.exact(before.spent, before.unit)} spent)"
    )
    cells = [
        ("ledger says", words.exact(before.remaining, before.unit), ""),
        ("console says", words.exact(console, before.unit), ""),
        ("drift", f"{sign}{words.exact(abs(drift), before.unit)}", usage),
    ]
    size = max(len(amount) for _, amount, _ in cells)
    lines = [f"{name:<14}{amount:>{size}}{rest}" for name, amount, rest in cells]
    if dry_run:
        lines.append("nothing recorded (--dry-run)")
    elif not drift:
        lines.append("they agree; nothing to record")
    else:
        left = words.exact(after.remaining, after.unit)
        verb = "written off" if drift < 0 else "added"
        change = words.exact(abs(drift), before.unit)
        lines.append(f"recorded: {change} {verb}; {before.id} has {left} left")
    emit_one(document, options.format_of(format, json), "\n".join(lines))


_COUNTED = ("tokens", "requests")


def _balance(opened: Opened, provider: str, grant: str, at: datetime | None) -> GrantBalance:
    from tracker.errors import NotFound
    from tracker.service.balances import balance
    from tracker.text import show

    for one in balance(opened, provider=provider, at=at).grants:
        if one.id == grant.lower():
            return one
    raise NotFound(f'{provider} has no grant {show(grant)}; run "tracker grants list"')


def _amount(text: str, unit: str) -> int:
    from tracker.units import parse_money

    if unit in _COUNTED:
        return options.tokens(text, "remaining")
    return parse_money(text, unit, "remaining").nano


def _share(drift: int, spent: int) -> str | None:
    """Return the drift in percent of what was spent, to a tenth, cut; None where nothing was."""
    if not spent:
        return None
    tenths = abs(drift) * 1000 // spent
    return f"{'-' if drift < 0 else ''}{tenths // 10}.{tenths % 10}"
