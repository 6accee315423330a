"""What commands share: their common options, and how those become values."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Annotated

import typer

from tracker.cli.output import OutputFormat as OutputFormat
from tracker.cli.output import note

if TYPE_CHECKING:
    from datetime import date, datetime

    from tracker.service.opened import Opened
    from tracker.store.address import Address


Db = Annotated[
    str | None,
    typer.Option(
        "--db",
        metavar="URL",
        help="The ledger: a path, or a URL such as postgresql://HOST/NAME. "
        "[default: TRACKER_DB, else ledger.db in your data folder]",
        show_default=False,
    ),
]
Format = Annotated[
    OutputFormat,
    typer.Option("--format", "-f", help="How to write the answer.", case_sensitive=False),
]
Json = Annotated[bool, typer.Option("--json", help="Short for --format json.")]
At = Annotated[
    str | None,
    typer.Option(
        "--at",
        metavar="WHEN",
        help="Answer as of then: 2024-07-15 (00:00 that day at the provider if one is named, else "
        "in UTC) or 2024-07-15T09:30:00+08:00. [default: now]",
        show_default=False,
    ),
]
DoneAt = Annotated[
    str | None,
    typer.Option(
        "--at",
        metavar="WHEN",
        help="Record it as of then: 2024-07-15 (00:00 that day at the provider if one is named, "
        "else in UTC) or 2024-07-15T09:30:00+08:00. [default: now]",
        show_default=False,
    ),
]
OnProvider = Annotated[
    str | None,
    typer.Option("--provider", "-p", metavar="ID", help="Only this provider.", show_default=False),
]
OnAccount = Annotated[
    str | None,
    typer.Option("--account", metavar="ID", help="Only this account.", show_default=False),
]
Limit = Annotated[
    str, typer.Option("--limit", "-n", metavar="N", help="At most this many, the latest.")
]

# What `tracker --db URL command` was given; the callback of `main` sets it in every run.
given_db: ContextVar[str | None] = ContextVar("given_db", default=None)


def address_of(db: str | None) -> str | None:
    """Return the address: given after the command, before it, TRACKER_DB; None is the default."""
    return db or given_db.get() or os.environ.get("TRACKER_DB") or None


def parsed(db: str | None) -> Address:
    """Return where the ledger is; shown as text, it holds no password."""
    from tracker.store.address import parse_address

    return parse_address(address_of(db))


@contextlib.contextmanager
def open_ledger(db: str | None, *, create: bool = False) -> Iterator[Opened]:
    """Open the ledger for one command, and close it.

    create: whether one that is not there is made. Only commands that can do something with an empty
    ledger ask for it; to the others, as to a mistyped path, its absence is an error.
    Raises LedgerUnavailable, SchemaMismatch or LedgerDamaged.
    """
    from tracker import bootstrap

    opened = bootstrap.open_ledger(address_of(db), create=create)
    try:
        yield opened
    finally:
        opened.database.close()


def format_of(format: OutputFormat, json: bool) -> OutputFormat:
    """Return the format that was asked for; --json wins."""
    return OutputFormat.JSON if json else format


def moment(at: str | None, zone: str = "UTC", name: str = "at") -> datetime | None:
    """Read --at: an instant, or a date, meaning 00:00 of that day in the zone. None means now."""
    if at is None:
        return None
    from tracker.units import parse_when, to_datetime

    return to_datetime(parse_when(at, zone, name))


def zone_of(opened: Opened, provider: str | None) -> str:
    """Return the time zone of a provider; UTC where none is named. Raises NotFound."""
    if provider is None:
        return "UTC"
    from tracker.text import slug

    wanted = slug(provider, "provider")
    return opened.read(lambda tx, book, now: book.provider(wanted).zone)


def tokens(text: str, name: str) -> int:
    """Read a count of tokens the way amounts are written; 0 is allowed here."""
    from tracker.units import parse_tokens

    return 0 if text == "0" else parse_tokens(text, name)


def number(text: str, name: str) -> int:
    """Read a plain whole number: ASCII digits and nothing else."""
    from tracker.errors import InvalidValue
    from tracker.text import show

    if text.isascii() and text.isdigit() and len(text) < 19:
        return int(text)
    raise InvalidValue(f"{name}: {show(text)} is not a whole number; write digits", field=name)


def day(text: str, name: str) -> date:
    """Read a day of the calendar, YYYY-MM-DD."""
    from datetime import date

    from tracker.errors import InvalidValue
    from tracker.text import show

    try:
        if len(text) == 10 and text.isascii():
            return date.fromisoformat(text)
    except ValueError:
        pass  # refused below, like whatever else is no day
    raise InvalidValue(f"{name}: {show(text)} is not a day; write it like 2024-07-31", field=name)


def tags_of(pairs: Sequence[str] | None) -> dict[str, str] | None:
    """Read --tag k=v options. Raises InvalidValue for one without '=' or given twice."""
    from tracker.errors import InvalidValue
    from tracker.text import show

    found: dict[str, str] = {}
    for pair in pairs or ():
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise InvalidValue(f"tag: {show(pair)} is not KEY=VALUE", field="tag")
        if key in found:
            raise InvalidValue(f"tag: {show(key)} is given twice", field="tag")
        found[key] = value
    return found or None


def request_id_of(given: str | None) -> str:
    """Return the request id, or a new one: with it, repeating an unsure write is safe."""
    return given if given is not None else f"cli-{os.urandom(8).hex()}"


@contextlib.contextmanager
def repeatable(request_id: str) -> Iterator[None]:
    """Tell the request id when nobody knows whether the write happened."""
    from tracker.errors import OutcomeUnknown

    try:
        yield
    except OutcomeUnknown:
        note(f"repeat the command with --request-id {request_id}")
        raise
