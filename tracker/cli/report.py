"""`tracker report`: what was used, what credit saved, what is forfeited."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tracker.cli import options
from tracker.cli.options import At, Db, Format, Json, OutputFormat

app = typer.Typer(
    name="report",
    help="Report usage, savings and waste.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Since = Annotated[
    str | None,
    typer.Option(
        "--since",
        metavar="WHEN",
        help="From then on: 2024-07-01 (00:00 that day) or 2024-07-01T09:00:00+08:00.",
        show_default=False,
    ),
]
Until = Annotated[
    str | None,
    typer.Option(
        "--until",
        metavar="WHEN",
        help="Up to then: 2024-07-31 (through the end of that day), or an instant, excluded.",
        show_default=False,
    ),
]
Timezone = Annotated[
    str,
    typer.Option(
        "--timezone", metavar="ZONE", help="Whose days and dates, for example Asia/Shanghai."
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Write to a new file instead: .csv, .json, .md or .parquet.",
        show_default=False,
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")]


@app.command()
def usage(
    by: Annotated[
        str,
        typer.Option(
            "--by",
            metavar="A,B,...",
            help="hour, day, week, month, provider, account, model, project, user, tag, tag:NAME, "
            "grant.",
        ),
    ] = "day,provider",
    since: Since = None,
    until: Until = None,
    timezone: Timezone = "UTC",
    output: Output = None,
    force: Force = False,
    format: Format = OutputFormat.TABLE,
    json: Json = False,
    db: Db = None,
) -> None:
    """Report calls, tokens and what they cost, by whatever you name.

    \b
    tracker report usage
    tracker report usage --by month,project --timezone Asia/Shanghai
    tracker report usage --by grant --since 2024-07-01 --until 2024-07-31
    tracker report usage --by day,model --output july.parquet

    Input includes cached tokens. Every currency is added up on its own. A call whose price nobody
    knows is counted, never taken for free. By grant, it tells what each grant paid.
    """
    from tracker.cli import report_view
    from tracker.reports import usage as reports

    with options.open_ledger(db) as opened:
        report = reports.usage(opened.database, by=by, since=since, until=until, timezone=timezone)
    if output is not None:
        report_view.save(report, output, force=force)
    else:
        report_view.show(report, options.format_of(format, json))


@app.command()
def savings(
    by: Annotated[
        str, typer.Option("--by", metavar="A,B,...", help="As for usage; not by grant.")
    ] = "provider",
    since: Since = None,
    until: Until = None,
    timezone: Timezone = "UTC",
    output: Output = None,
    force: Force = False,
    format: Format = OutputFormat.TABLE,
    json: Json = False,
    db: Db = None,
) -> None:
    """Report what credit saved: the list cost of all calls, less the cash they did cost.

    \b
    tracker report savings
    tracker report savings --by project --since 2024-07-01
    """
    from tracker.cli import report_view
    from tracker.reports import savings as reports

    with options.open_ledger(db) as opened:
        report = reports.savings(
            opened.database, by=by, since=since, until=until, timezone=timezone
        )
    if output is not None:
        report_view.save(report, output, force=force)
    else:
        report_view.show(report, options.format_of(format, json))


@app.command()
def expiry(
    within: Annotated[
        str | None,
        typer.Option(
            "--within",
            metavar="TIME",
            help="Only grants that end, or ended, within that time: 7d, 12h. [default: all]",
            show_default=False,
        ),
    ] = None,
    at: At = None,
    output: Output = None,
    force: Force = False,
    format: Format = OutputFormat.TABLE,
    json: Json = False,
    db: Db = None,
) -> None:
    """Report what is about to be forfeited at the pace of the last 7 days, and what was.

    \b
    tracker report expiry
    tracker report expiry --within 30d
    tracker report expiry --at 2024-08-01 --json

    Worth is a range at list price: all of it as the cheapest, and all as the dearest token the
    grant pays for.
    """
    from tracker.cli import expiry_view, report_view
    from tracker.reports import expiry as reports
    from tracker.service import balances
    from tracker.units import parse_duration

    within_s = None if within is None else parse_duration(within, "within")
    with options.open_ledger(db) as opened:
        balance = balances.balance(opened, at=options.moment(at))
        report = reports.expiry(opened.database, balance, within_s=within_s)
    if output is not None:
        report_view.save(report, output, force=force)
    else:
        report_view.show(report, options.format_of(format, json), expiry_view.lines)
