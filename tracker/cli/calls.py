"""`tracker settle` and `tracker release`: how a reservation ends."""

from __future__ import annotations

from typing import Annotated

import typer

from tracker.cli import options
from tracker.cli.options import Db, DoneAt, Format, Json, OutputFormat

ReservationId = Annotated[
    str, typer.Argument(metavar="RESERVATION", help='Its id, as "tracker route --hold" printed it.')
]


def settle(
    reservation: ReservationId,
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
    at: DoneAt = None,
    format: Format = OutputFormat.TABLE,
    json: Json = False,
    db: Db = None,
) -> None:
    """Record what a reserved call used: never refused for lack of credit.

    \b
    tracker settle 0561xz3f44b4n --input 1200 --output 312

    What it held and did not use goes back to its grants. Repeating it changes nothing.
    """
    from tracker.cli import usage_view
    from tracker.service import calls

    with options.open_ledger(db) as opened:
        usage = calls.settle(
            opened,
            reservation,
            input_tokens=options.tokens(input, "input"),
            output_tokens=options.tokens(output, "output"),
            cached_tokens=options.tokens(cached, "cached"),
            reasoning_tokens=options.tokens(reasoning, "reasoning"),
            at=options.moment(at),
        )
    usage_view.one(usage, options.format_of(format, json))


def release(
    reservation: ReservationId,
    at: DoneAt = None,
    format: Format = OutputFormat.TABLE,
    json: Json = False,
    db: Db = None,
) -> None:
    """Give back all a reservation holds: the call did not happen. Repeating it changes nothing.

    \b
    tracker release 0561xz3f44b4n
    """
    from tracker.cli.output import emit_one
    from tracker.service import calls
    from tracker.text import visible
    from tracker.wire import reservation_json

    with options.open_ledger(db) as opened:
        one = calls.release(opened, reservation, at=options.moment(at))
    held = ", ".join(grant for grant, _ in one.holds) or "no grant"
    sentence = visible(f"reservation {one.id} is {one.state.value}; it held credit of {held}")
    emit_one(reservation_json(one), options.format_of(format, json), sentence)
