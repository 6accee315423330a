"""`tracker demo`: the whole product on one screen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tracker.demo import Demo


def demo(
    keep: Annotated[
        Path | None,
        typer.Option(
            "--keep",
            metavar="DIR",
            help="Leave the ledger and its log in this new folder.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """See it all on a throw-away ledger: a team's day in July 2024, in a few seconds.

    \b
    tracker demo
    tracker demo --keep try-tracker

    It loads the catalogue of July 2024, imports a log of one working day, made up, and shows what
    is left, where the next call should go, what credit saved and what will be wasted.
    """
    import tempfile

    from tracker import demo as sample

    if keep is not None:
        _make_folder(keep)
        _show(sample.make(keep), keep)
        return
    with tempfile.TemporaryDirectory(prefix="tracker-demo-") as folder:
        _show(sample.make(Path(folder)), None)


def _show(made: Demo, kept: Path | None) -> None:
    try:
        _story(made)
    finally:
        made.opened.database.close()
    _next(kept)


def _story(made: Demo) -> None:
    from tracker.cli import balance_view, expiry_view, report_view, route_view
    from tracker.cli.options import OutputFormat
    from tracker.cli.output import paint
    from tracker.demo import CATALOGUE, EVENING, ZONE
    from tracker.reports.expiry import expiry
    from tracker.reports.savings import savings
    from tracker.service import balances, calls

    opened = made.opened
    at = EVENING.isoformat()
    print(
        paint("Beijing, 15 July 2024.", "bold"),
        f"Catalogue {CATALOGUE}: {made.loaded.grants} grants in hand.\n"
        f"The day's log: {made.imported.accepted:,} calls, imported. What is left at midnight?",
    )
    _typed(f"balance --at {at}")
    found = balances.balance(opened, at=EVENING)
    providers = opened.read(lambda tx, book, now: book.providers)
    balance_view.show(found, found, providers)

    _typed("route -m chat-large -i 6000 -o 1500 --free-only --explain")
    decision = calls.route(
        opened,
        "chat-large",
        input_tokens=6000,
        max_output_tokens=1500,
        hold=False,
        free_only=True,
        explain=True,
        at=EVENING,
    )
    route_view.show(opened, decision, OutputFormat.TABLE, explain=True, at=EVENING)

    _typed("report savings")
    saved = savings(opened.database, timezone=ZONE)
    print("\n".join(report_view.table(saved)))
    print("\n".join(paint(text, "dim") for text in saved.notes))

    _typed(f"report expiry --at {at}")
    print("\n".join(expiry_view.lines(expiry(opened.database, found))))


def _typed(command: str) -> None:
    from tracker.cli.output import paint

    print("\n" + paint(f"$ tracker {command}", "cyan"))


def _next(kept: Path | None) -> None:
    from tracker.text import visible

    if kept is None:
        print(
            "\nNow yours:  tracker init\n            tracker usage import YOUR-LOG.jsonl --dry-run"
        )
        return
    ledger = visible(str(kept / "ledger.db"))
    print(
        f"\nGo on:  tracker --db {ledger} report usage --by hour,project --timezone Asia/Shanghai"
        f"\n        tracker --db {ledger} verify"
    )


def _make_folder(keep: Path) -> None:
    from tracker.errors import AlreadyExists, InvalidValue
    from tracker.text import visible

    try:
        keep.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        raise AlreadyExists(
            f"{visible(str(keep))} exists already; name a folder that is not there yet"
        ) from None
    except OSError as error:
        raise InvalidValue(
            f"{visible(str(keep))} cannot be made: {error.strerror}", field="keep"
        ) from None
