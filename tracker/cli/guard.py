"""`tracker guard`: a check for scripts and job starts."""

from __future__ import annotations

from typing import Annotated

import typer

from tracker.cli import options
from tracker.cli.options import At, Db, Json, OnAccount, OnProvider


def guard(
    minimum: Annotated[
        str, typer.Option("--min", metavar="AMOUNT", help="How much is asked for, such as 1m.")
    ],
    provider: OnProvider = None,
    account: OnAccount = None,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", metavar="NAME", help="Only grants that pay for this model."),
    ] = None,
    at: At = None,
    json: Json = False,
    db: Db = None,
) -> None:
    """Exit 0 while that much free credit in tokens is available, else 3. Holds nothing.

    \b
    tracker guard --min 1m && ./nightly-job
    tracker guard --provider baidu --model ernie-3.5-8k --min 200k
    """
    from tracker.cli import words
    from tracker.domain.grant import TOKENS
    from tracker.service.balances import balance
    from tracker.units import parse_tokens

    asked = parse_tokens(minimum, "min")
    with options.open_ledger(db) as opened:
        found = balance(
            opened,
            at=options.moment(at, options.zone_of(opened, provider) if at else "UTC"),
            provider=provider,
            account=account,
            model=model,
            ended=False,
        )
    available = sum(total.available for total in found.totals if total.unit == TOKENS)
    enough = available >= asked
    if json:
        from tracker.cli.output import emit_json

        document = {"ok": enough, "available": available, "min": asked}
        emit_json({"schema": "tracker.guard/1", **document})
    else:
        sign = "enough" if enough else "not enough"
        have, want = words.compact(available), words.compact(asked)
        if have == want and not enough:
            have, want = f"{available:,}", f"{asked:,}"
        print(f"{sign}: {have} tokens available, {want} asked for")
    if not enough:
        from tracker.cli.exits import NO_CREDIT

        raise typer.Exit(NO_CREDIT)
