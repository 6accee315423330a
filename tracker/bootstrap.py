"""The one place where settings become an open ledger."""

from __future__ import annotations

from pathlib import Path

from tracker.errors import InvalidValue
from tracker.service.opened import Clock, Opened
from tracker.store import migrate
from tracker.store.address import parse_address
from tracker.store.connection import Durability, database
from tracker.text import show


def open_ledger(
    address: str | Path | None,
    *,
    clock: Clock | None = None,
    durability: Durability = "full",
    create: bool = True,
) -> Opened:
    """Open a ledger, creating it or bringing its schema up to date where that is needed.

    create: whether a ledger that is not there is made, with its folder.
    Raises LedgerUnavailable, SchemaMismatch or LedgerDamaged; then nothing was changed.
    """
    if durability not in ("full", "process"):
        raise InvalidValue(
            f'durability {show(durability)} is neither "full" nor "process"', field="durability"
        )
    opened = database(parse_address(address), durability)
    try:
        migrate.ensure(opened, create=create)
    except BaseException:
        opened.close()
        raise
    return Opened(opened, clock)
