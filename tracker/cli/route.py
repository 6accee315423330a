"""`tracker route`: which offer, right now, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tracker.cli import options
from tracker.cli.options import At, Db, Format, Json, OutputFormat

if TYPE_CHECKING:
    from tracker.errors import NoOffer


def route(
    model: Annotated[
        str,
        typer.Option("--model", "-m", metavar="NAME", help="A model, PROVIDER/MODEL, or a group."),
    ],
    input: Annotated[str, typer.Option("--input", "-i", metavar="N", help="Input tokens.")],
    max_output: Annotated[
        str, typer.Option("--max-output", "-o", metavar="N", help="Output tokens at most.")
    ],
    hold: Annotated[
        bool, typer.Option("--hold", help="Reserve the credit until it is settled or released.")
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", "-e", help="Say why, and why not the others.")
    ] = False,
    free_only: Annotated[
        bool, typer.Option("--free-only", help="Refuse rather than pay anything.")
    ] = False,
    max_cash: Annotated[
        str | None, typer.Option("--max-cash", metavar="MONEY", help="Refuse to pay more, in CNY.")
    ] = None,
    provider: Annotated[
        list[str] | None,
        typer.Option("--provider", "-p", metavar="ID", help="Only this one; repeatable."),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option("--exclude", "-x", metavar="ID", help="Never this one; repeatable."),
    ] = None,
    policy: Annotated[str, typer.Option("--policy", help="How offers are ranked.")] = "cheapest",
    ttl: Annotated[
        str, typer.Option("--ttl", metavar="TIME", help="How long to hold: 90s, 10m, 2h.")
    ] = "10m",
    request_id: Annotated[
        str | None,
        typer.Option("--request-id", metavar="ID", help="Repeating it gives the same answer."),
    ] = None,
    project: Annotated[str | None, typer.Option("--project", help="What the call is for.")] = None,
    user: Annotated[str | None, typer.Option("--user", help="Who the call is for.")] = None,
    at: At = None,
    format: Format = OutputFormat.TABLE,
    json: Json = False,
    db: Db = None,
) -> None:
    """Choose the cheapest offer for a request, counting the free credit that is left.

    \b
    tracker route --model chat --input 1200 --max-output 800 --explain
    tracker route --model chat --input 1200 --max-output 800 --hold --ttl 2m
    tracker route -m glm-4-air -i 5k -o 1k --free-only --exclude openai --json

    Without --hold it only answers; with it the credit is reserved, so that nobody else spends it.
    """
    from tracker.cli import route_view
    from tracker.errors import NoOffer
    from tracker.service import calls
    from tracker.units import parse_duration

    wanted = options.format_of(format, json)
    request = options.request_id_of(request_id) if hold else None
    zone_from = provider[0] if provider and len(provider) == 1 else None
    with options.open_ledger(db) as opened:
        moment = options.moment(at, options.zone_of(opened, zone_from) if at else "UTC")
        try:
            with options.repeatable(request or ""):
                decision = calls.route(
                    opened,
                    model,
                    input_tokens=options.tokens(input, "input"),
                    max_output_tokens=options.tokens(max_output, "max_output"),
                    hold=hold,
                    free_only=free_only,
                    max_cash=max_cash,
                    providers=provider or None,
                    exclude=exclude or (),
                    policy_name=policy,
                    ttl_s=parse_duration(ttl, "ttl"),
                    request_id=request,
                    project=project,
                    user=user,
                    explain=explain,
                    at=moment,
                )
        except NoOffer as refusal:
            _refused(refusal, wanted, explain=explain)
            raise
        route_view.show(opened, decision, wanted, explain=explain, at=moment)


def _refused(refusal: NoOffer, format: OutputFormat, *, explain: bool) -> None:
    """Write why nothing was chosen: for programs always, for people when they ask."""
    from tracker.cli import route_view

    if format is OutputFormat.JSON:
        route_view.refusal_json(refusal)
    elif explain:
        route_view.passed_over(refusal.reasons)
