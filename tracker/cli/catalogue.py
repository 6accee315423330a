"""`tracker catalogue`: dated facts about providers that come with tracker."""

from __future__ import annotations

from typing import Annotated

import typer

from tracker.cli import options
from tracker.cli.options import Db, Format, Json, OutputFormat

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="""List, show and load catalogues of facts.

    \b
    tracker catalogue show china-2024-07
    tracker catalogue load china-2024-07
    """,
)
Name = Annotated[str, typer.Argument(metavar="NAME", help='One of "tracker catalogue list".')]


@app.command("list")
def list_(format: Format = OutputFormat.TABLE, json: Json = False) -> None:
    """List the catalogues that come with tracker.

    \b
    tracker catalogue list
    """
    from tracker.catalogue import loader
    from tracker.cli.output import Column, emit

    columns = (
        Column("name", "CATALOGUE"),
        Column("version", "VERSION", ">"),
        Column("compiled_on", "COMPILED"),
        Column("providers", "PROVIDERS", ">"),
        Column("models"),
        Column("prices"),
        Column("grants", "GRANTS", ">"),
        Column("title", "TITLE", shrinks=1),
    )
    rows = [
        (
            one.name, one.version, one.compiled_on.isoformat(), len(one.providers),
            len(one.models), len(one.prices), len(one.grants), one.title,
        )
        for one in map(loader.load, loader.names())
    ]  # fmt: skip
    wanted = options.format_of(format, json)
    emit(columns, rows, wanted, schema="tracker.catalogues/1", name="catalogues")


@app.command("show")
def show(name: Name, format: Format = OutputFormat.TABLE, json: Json = False) -> None:
    """Show the credit a catalogue knows of: amount, when to claim it, and what nobody says.

    \b
    tracker catalogue show china-2024-07

    Grants marked "held" are loaded with the catalogue; the others with "tracker grants claim ID".
    """
    from tracker.catalogue import loader
    from tracker.cli import catalogue_view

    catalogue_view.show(loader.load(name), options.format_of(format, json))


@app.command("load")
def load(
    name: Name, format: Format = OutputFormat.TABLE, json: Json = False, db: Db = None
) -> None:
    """Load a catalogue into the ledger: what is new is added, what is there stays.

    \b
    tracker catalogue load china-2024-07
    """
    from tracker.cli.init import init

    if name == "none":
        from tracker.errors import NotFound

        raise NotFound('catalogue "none" is not known; run "tracker catalogue list"')
    init(catalogue=name, format=format, json=json, db=db)
