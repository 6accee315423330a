"""`tracker usage`: recording finished calls, listing them, taking one back."""

from __future__ import annotations

from typing import Annotated

import typer

from tracker.cli import options
from tracker.cli.options import Db, DoneAt, Format, Json, Limit, OnProvider, OutputFormat
from tracker.cli.usage_import import usage_import

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="""Record finished calls, list them, import logs.

    \b
    tracker usage log -p baidu -m ernie-3.5-8k --input 1200 --output 300
    tracker usage list --project search --since 2024-07-01
    """,
)
app.command("import")(usage_import)


@app.command("log")
def log(
    provider: Annotated[str, typer.Option("--provider", "-p", metavar="ID", help="Who was asked.")],
    model: Annotated[str, typer.Option("--model", "-m", metavar="NAME", help="Which model.")],
    input: Annotated[
        str, typer.Option("--input", "-i", metavar="N", help="Input tokens, cached ones included.")
    ],
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="N", help="Output tokens, reasoning included.")
    ],
    cached: Annotated[
        str, typer.Option("--cached", metavar="N", help="Of the input: read from a cache.")
    ] = "0",
    reasoning: Annotated[
        str, typer.Option("--reasoning", metavar="N", help="Of the output: reasoning.")
    ] = "0",
    request_id: Annotated[
        str | None,
        typer.Option("--request-id", metavar="ID", help="Repeating it records nothing twice."),
    ] = None,
    account: Annotated[str, typer.Option("--account", metavar="ID", help="Of which account.")] = (
        "default"
    ),
    project: Annotated[str | None, typer.Option("--project", help="What it was for.")] = None,
    user: Annotated[str | None, typer.Option("--user", help="Who it was for.")] = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", metavar="K=V", help="Anything else; repeatable.")
    ] = None,
    at: DoneAt = None,
    format: Format = OutputFormat.TABLE,
    json: Json = False,
    db: Db = None,
) -> None:
    """Record one finished call. It draws on the grants that were active when it happened.

    \b
    tracker usage log -p tencent -m hunyuan-pro --input 900 --output 350
    tracker usage log -p tencent -m hunyuan-pro --input 900 --output 350 \\
        --at 2024-07-15T09:30:00+08:00 --project search --request-id job-7
    """
    from tracker.cli import usage_view
    from tracker.service.recording import log_usage

    request = options.request_id_of(request_id)
    with options.open_ledger(db) as opened, options.repeatable(request):
        usage = log_usage(
            opened,
            provider,
            model,
            input_tokens=options.tokens(input, "input"),
            output_tokens=options.tokens(output, "output"),
            cached_tokens=options.tokens(cached, "cached"),
            reasoning_tokens=options.tokens(reasoning, "reasoning"),
            at=options.moment(at, options.zone_of(opened, provider) if at else "UTC"),
            request_id=request,
            account=account,
            project=project,
            user=user,
            tags=options.tags_of(tag),
        )
    usage_view.one(usage, options.format_of(format, json))


@app.command("list")
def list_(
    provider: OnProvider = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", metavar="NAME", help="Only this model.")
    ] = None,
    project: Annotated[str | None, typer.Option("--project", help="Only this project.")] = None,
    user: Annotated[str | None, typer.Option("--user", help="Only this user.")] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="WHEN", help="A day or an instant, included.")
    ] = None,
    until: Annotated[
        str | None,
        typer.Option("--until", metavar="WHEN", help="A day, included, or an instant, excluded."),
    ] = None,
    limit: Limit = "20",
    format: Format = OutputFormat.TABLE,
    json: Json = False,
    db: Db = None,
) -> None:
    """List recorded calls, latest first. "tracker report usage" adds them up.

    \b
    tracker usage list --provider baidu --since 2024-07-01 --until 2024-07-31
    tracker usage list --limit 100000 --format csv > usage.csv
    """
    from tracker.cli import usage_view
    from tracker.service.listing import list_usage

    most = options.number(limit, "limit")
    with options.open_ledger(db) as opened:
        found = list_usage(
            opened,
            provider=provider,
            model=model,
            project=project,
            user=user,
            since=since,
            until=until,
            limit=most,
        )
    usage_view.listed(found, options.format_of(format, json))
    if len(found) == most:
        from tracker.cli.output import note

        note(f"the latest {most:,}; --limit shows more")


@app.command("void")
def void(
    id: Annotated[str, typer.Argument(metavar="ID", help='The call\'s id; see "usage list".')],
    reason: Annotated[str | None, typer.Option("--reason", help="Why, for the journal.")] = None,
    at: DoneAt = None,
    format: Format = OutputFormat.TABLE,
    json: Json = False,
    db: Db = None,
) -> None:
    """Take a recorded call back: its grants get back what it drew. Repeating it changes nothing.

    \b
    tracker usage void 0561xz3fpm0yp --reason "logged twice"
    """
    from tracker.cli import usage_view
    from tracker.service.recording import void_usage

    with options.open_ledger(db) as opened:
        usage = void_usage(opened, id, at=options.moment(at), reason=reason)
    usage_view.one(usage, options.format_of(format, json))
