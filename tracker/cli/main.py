"""`tracker`: the table of its commands, and what comes before them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Annotated, ClassVar

import typer

from tracker.cli import options
from tracker.cli.lazy import Entry, LazyGroup


class Tracker(LazyGroup):
    """Every command: where it is, and its line in the help."""

    entries: ClassVar[Mapping[str, Entry]] = {
        "demo": Entry("tracker.cli.demo:demo", "See it all on a throw-away ledger."),
        "init": Entry("tracker.cli.init:init", "Create the ledger and load a catalogue into it."),
        "balance": Entry(
            "tracker.cli.balance:balance", "Show what is left and what runs out when."
        ),
        "route": Entry("tracker.cli.route:route", "Choose the cheapest offer for a request."),
        "settle": Entry("tracker.cli.calls:settle", "Record what a reserved call used."),
        "release": Entry("tracker.cli.calls:release", "Give back what a reservation holds."),
        "guard": Entry("tracker.cli.guard:guard", "Exit 0 while enough free credit is left."),
        "grants": Entry("tracker.cli.grants:app", "Record free credit, claim it, correct it."),
        "usage": Entry("tracker.cli.usage:app", "Record finished calls, list them, import logs."),
        "reservations": Entry("tracker.cli.reservations:app", "List what is held for calls."),
        "report": Entry("tracker.cli.report:app", "Report usage, savings and waste."),
        "providers": Entry("tracker.cli.providers:app", "List, add and show providers."),
        "models": Entry("tracker.cli.models:app", "List and add models."),
        "prices": Entry("tracker.cli.prices:app", "List list prices and record changes."),
        "rates": Entry("tracker.cli.rates:app", "List and set exchange rates."),
        "catalogue": Entry("tracker.cli.catalogue:app", "List, show and load catalogues of facts."),
        "reconcile": Entry("tracker.cli.reconcile:reconcile", "Correct a grant from its console."),
        "verify": Entry("tracker.cli.verify:verify", "Replay the journal and check everything."),
        "db": Entry("tracker.cli.db:app", "Locate, inspect, upgrade and back up the ledger."),
    }


app = typer.Typer(
    name="tracker",
    cls=Tracker,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from tracker import __version__

        print(f"tracker {__version__}")
        raise typer.Exit


@app.callback()
def tracker(
    db: options.Db = None,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Free LLM credit, tracked to the token and spent well.

    \b
    Start:     tracker init
    Look:      tracker balance
    Choose:    tracker route --model chat --input 1200 --max-output 800 --explain
    Try it:    tracker demo

    Data goes to stdout, notes to stderr. Exit codes: 0 done, 1 failed, 2 wrong use, 3 no offer or
    not enough credit, 4 the ledger cannot be opened, 5 request id used before, 75 outcome unknown.
    For shell completion run "tracker --install-completion".
    """
    options.given_db.set(db)


def run() -> None:
    """Run the command line of this process."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    typer.main.get_command(app).main(prog_name="tracker")
