"""`tracker init`: the first command."""

from __future__ import annotations

from typing import Annotated

import typer

from tracker.cli import options
from tracker.cli.options import Db, Format, Json, OutputFormat

DEFAULT = "china-2024-07"


def init(
    catalogue: Annotated[
        str,
        typer.Option(
            "--catalogue", "-c", metavar="NAME", help='The catalogue to load; "none" for none.'
        ),
    ] = DEFAULT,
    format: Format = OutputFormat.TABLE,
    json: Json = False,
    db: Db = None,
) -> None:
    """Create the ledger and load a catalogue: providers, models, prices, and the credit they gave.

    \b
    tracker init
    tracker init --catalogue none
    tracker --db team.db init

    Repeating it adds what is new in the catalogue and changes nothing that is there.
    """
    from dataclasses import asdict

    from tracker.catalogue import loader
    from tracker.cli import words
    from tracker.cli.output import emit_json, note
    from tracker.service.loading import load_catalogue

    if catalogue != "none" and catalogue not in loader.names():
        loader.load(catalogue)  # refuses it before there is a ledger
    with options.open_ledger(db, create=True) as opened:
        loaded = None if catalogue == "none" else load_catalogue(opened, catalogue)
        place = str(options.parsed(db))
    added = {} if loaded is None else asdict(loaded)
    if options.format_of(format, json) is OutputFormat.JSON:
        emit_json({"schema": "tracker.init/1", "ledger": place, **added})
        return
    print(f"ledger {place}")
    if loaded is not None:
        counts = [
            words.plural(getattr(loaded, name), word)
            for name, word in (
                ("providers", "provider"), ("models", "model"), ("prices", "price"),
                ("templates", "grant template"), ("grants", "grant"),
            )
            if getattr(loaded, name)
        ]  # fmt: skip
        news = f"added {', '.join(counts)}" if counts else "nothing new"
        print(f"catalogue {loaded.catalogue} version {loaded.version}: {news}")
    note('next: "tracker balance"; "tracker grants claim TEMPLATE" for credit you claimed since')
