"""`tracker usage import`: record a log of finished calls."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from tracker.cli import options
from tracker.cli.options import Db, Json

if TYPE_CHECKING:
    from tracker.service.importing import ImportedFile

STDIN = Path("-")


def usage_import(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The log; - reads standard input.")],
    format: Annotated[
        str, typer.Option("--format", metavar="NAME", help="auto, jsonl, json or csv.")
    ] = "auto",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would change, and change nothing.")
    ] = False,
    rejects: Annotated[
        Path | None,
        typer.Option(
            "--rejects",
            metavar="FILE",
            help="Record the lines that are fine, and write the others here to be put right.",
            show_default=False,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the rejects file.")] = False,
    json: Json = False,
    db: Db = None,
) -> None:
    """Record a log of finished calls: all of it or nothing, and nothing twice.

    \b
    tracker usage import calls.jsonl --dry-run
    tracker usage import calls.csv --rejects refused.jsonl
    gunzip -c july.jsonl.gz | tracker usage import -

    A line is a JSON object, or a CSV record under a header, with provider, model, input_tokens and
    output_tokens, and optionally cached_tokens, reasoning_tokens, at (2024-07-15T09:30:00+08:00),
    request_id, account, project, user, tags, source. What "usage list --json" and "--format csv"
    write can be imported too. A line without a request id is known by what it says.

    Exit 0 when every line is recorded or known, 1 when any was refused, 5 when all of those gave a
    known request id to another call.
    """
    from tracker.cli import exits, import_view
    from tracker.service.importing import import_file

    progress = import_view.Progress()
    with options.open_ledger(db, create=True) as opened, progress.interruptible():
        opened_file = _open(file)
        try:
            found = import_file(
                opened,
                opened_file,
                name=file.name,
                format=format.lower(),
                dry_run=dry_run,
                rejects_to=rejects,
                force=force,
                progress=progress,
            )
        except KeyboardInterrupt:
            progress.clear()
            import_view.stopped(progress)
            raise typer.Exit(exits.INTERRUPTED) from None
        finally:
            progress.clear()
            if file != STDIN:
                opened_file.close()
    import_view.show(found, dry_run=dry_run, rejects=rejects, json=json)
    if found.rejected:
        raise typer.Exit(_code(found))


def _code(found: ImportedFile) -> int:
    from tracker.cli import exits
    from tracker.errors import RequestConflict

    if found.conflicts == found.rejected:
        return exits.CODES[RequestConflict]
    return exits.FAILED


def _open(file: Path) -> BinaryIO:
    from tracker.errors import InvalidValue, NotFound
    from tracker.text import visible

    if file == STDIN:
        return sys.stdin.buffer
    shown = visible(str(file))
    try:
        return file.open("rb")
    except FileNotFoundError:
        raise NotFound(f"there is no file {shown}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidValue(f"{shown} cannot be read: {reason}", field="file") from None
