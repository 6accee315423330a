"""`tracker verify`: does everything still add up?"""

from __future__ import annotations

import typer

from tracker.cli import options
from tracker.cli.options import Db, Format, Json, OutputFormat


def verify(format: Format = OutputFormat.TABLE, json: Json = False, db: Db = None) -> None:
    """Replay the journal and check every invariant; exit 1 and name what differs.

    \b
    tracker verify || mail -s "ledger differs" ops@example.com
    """
    from tracker.cli import words
    from tracker.cli.exits import FAILED
    from tracker.cli.output import emit_one, note, paint
    from tracker.service.verifying import verify as replay
    from tracker.text import visible
    from tracker.wire import verification_json

    with options.open_ledger(db) as opened:
        found = replay(opened)
    lines = [visible(problem) for problem in found.problems]
    if found.ok:
        scope = f"{words.plural(found.grants, 'grant')}, {found.entries:,} journal rows"
        lines.append(f"{paint('ok', 'green')}: {scope}, everything adds up")
    emit_one(verification_json(found), options.format_of(format, json), "\n".join(lines))
    if not found.ok:
        note(f"{words.plural(len(found.problems), 'problem')}; the ledger was left as it is")
        raise typer.Exit(FAILED)
