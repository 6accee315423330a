"""`tracker db`: the database behind the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tracker.cli import options
from tracker.cli.options import Db, Format, Json, OutputFormat

if TYPE_CHECKING:
    from tracker.service.status import Status

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="""Locate, inspect, upgrade and back up the ledger.

    \b
    tracker db status
    tracker db backup ledger-2024-07-31.db
    """,
)


@app.command("path")
def path(db: Db = None) -> None:
    """Print where the ledger is: a path, or a URL without its password.

    \b
    ls -l "$(tracker db path)"
    """
    from tracker.text import visible

    print(visible(str(options.parsed(db))))


@app.command("status")
def status(format: Format = OutputFormat.TABLE, json: Json = False, db: Db = None) -> None:
    """Show the ledger's database: version, schema, durability, permissions, rows.

    \b
    tracker db status
    """
    from dataclasses import asdict

    from tracker.cli.output import emit_one, warn
    from tracker.service.status import status as inspect
    from tracker.text import visible

    place = str(options.parsed(db))
    with options.open_ledger(db) as opened:
        found = inspect(opened)
    document = {"schema": "tracker.status/1", "ledger": place, **asdict(found)}
    for name in ("mode", "folder_mode"):
        if document[name] is not None:
            document[name] = f"{document[name]:04o}"
    lines = [visible(f"ledger       {place}"), *_lines(found)]
    emit_one(document, options.format_of(format, json), "\n".join(lines))
    for text in _warnings(found):
        warn(text)


@app.command("upgrade")
def upgrade(db: Db = None) -> None:
    """Bring the ledger's tables up to date. Every command does so when it opens the ledger.

    \b
    tracker db upgrade
    """
    from tracker.store import migrate

    with options.open_ledger(db) as opened:
        print(f"the ledger is at schema {migrate.revision(opened.database)}, the newest")


@app.command("backup")
def backup(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A file that is not there yet.")],
    db: Db = None,
) -> None:
    """Copy the ledger as it is at one moment to a new file, while others go on writing.

    \b
    tracker db backup ~/backups/ledger-$(date +%F).db
    tracker --db ~/backups/ledger-2024-07-31.db verify
    """
    from pathlib import Path

    from tracker.store.backup import back_up
    from tracker.text import visible

    target = Path(file).expanduser()
    with options.open_ledger(db) as opened:
        size = back_up(opened.database, target)
    print(visible(f"{target}: {_size(size)}, whole and checked"))


def _lines(found: Status) -> list[str]:
    name = "SQLite" if found.database == "sqlite" else "PostgreSQL"
    survives = "a power cut" if found.durability == "full" else "a crash of the process"
    lines = [
        f"database     {name} {found.version}",
        f"schema       {found.revision}, the newest",
        f"durability   {found.durability}: what was acknowledged survives {survives}",
    ]
    if found.journal_mode is not None:
        lines.append(f"journal      {found.journal_mode}")
    if found.size_bytes is not None:
        lines.append(f"size         {_size(found.size_bytes)}")
    if found.mode is not None:
        lines.append(f"permissions  {found.mode:04o}, its folder {found.folder_mode:04o}")
    rows = ", ".join(f"{count:,} {name}" for name, count in found.rows.items() if count)
    import textwrap

    wrapped = textwrap.wrap(rows or "none", 66)
    return [*lines, f"rows         {wrapped[0]}", *(" " * 13 + line for line in wrapped[1:])]


def _warnings(found: Status) -> list[str]:
    said = []
    if found.wal_safe is False:
        said.append(
            f"SQLite {found.version} can corrupt a database in WAL mode (the WAL-reset bug, 3.7.0 "
            f"to 3.51.2); the ledger is kept in {found.journal_mode} mode, safe but slower: "
            "install pysqlite3 or a newer Python"
        )
    if found.mode is not None and found.mode & 0o077:
        said.append(f"others may read the ledger (mode {found.mode:04o}); run chmod 600 on it")
    return said


def _size(size_bytes: int) -> str:
    for size, unit in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if size_bytes >= size:
            return f"{size_bytes / size:.1f} {unit}"
    return f"{size_bytes} bytes"
