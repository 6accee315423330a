"""Free LLM credit, tracked to the token and spent well.

with tracker.open("ledger.db") as ledger:
    decision = ledger.route("chat", input_tokens=1200, max_output_tokens=800)
    ...
    ledger.settle(decision.reservation_id, usage=answer.usage)
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tracker.errors import (
    AlreadyExists,
    InvalidValue,
    LedgerDamaged,
    LedgerUnavailable,
    NoOffer,
    NoPrice,
    NoRate,
    NotFound,
    OutcomeUnknown,
    RequestConflict,
    ReservationClosed,
    SchemaMismatch,
    TrackerError,
)

if TYPE_CHECKING:
    from tracker.domain.grant import Balance as Balance
    from tracker.domain.grant import Grant as Grant
    from tracker.domain.grant import GrantBalance as GrantBalance
    from tracker.domain.reservation import Reservation as Reservation
    from tracker.domain.usage import Imported as Imported
    from tracker.domain.usage import Usage as Usage
    from tracker.domain.verification import Verification as Verification
    from tracker.ledger import Call as Call
    from tracker.ledger import Ledger as Ledger
    from tracker.routing.policy import Decision as Decision
    from tracker.service.opened import Clock
    from tracker.store.connection import Durability
    from tracker.units import Money as Money

__version__ = "0.1.0"

# Loaded when they are first asked for, so that `import tracker` and `tracker --help` stay quick.
_LAZY = {
    "Balance": "tracker.domain.grant",
    "Call": "tracker.ledger",
    "Decision": "tracker.routing.policy",
    "Grant": "tracker.domain.grant",
    "GrantBalance": "tracker.domain.grant",
    "Imported": "tracker.domain.usage",
    "Ledger": "tracker.ledger",
    "Money": "tracker.units",
    "Reservation": "tracker.domain.reservation",
    "Usage": "tracker.domain.usage",
    "Verification": "tracker.domain.verification",
}


def open(
    url: str | Path | None = None,
    *,
    clock: Clock | None = None,
    durability: Durability = "full",
) -> Ledger:
    """Open a ledger, creating it where there is none.

    url: a path, an SQLAlchemy URL, or nothing for `ledger.db` in the platform's user-data folder.
    clock: returns the current time as an aware datetime; default the system's clock.
    durability: "full": an acknowledged write survives a power cut; "process": any crash of the
        process.
    Raises LedgerUnavailable, SchemaMismatch or LedgerDamaged.
    """
    from tracker.bootstrap import open_ledger
    from tracker.ledger import Ledger

    return Ledger(open_ledger(url, clock=clock, durability=durability))


def __getattr__(name: str) -> object:
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "AlreadyExists",
    "Balance",
    "Call",
    "Decision",
    "Grant",
    "GrantBalance",
    "Imported",
    "InvalidValue",
    "Ledger",
    "LedgerDamaged",
    "LedgerUnavailable",
    "Money",
    "NoOffer",
    "NoPrice",
    "NoRate",
    "NotFound",
    "OutcomeUnknown",
    "RequestConflict",
    "Reservation",
    "ReservationClosed",
    "SchemaMismatch",
    "TrackerError",
    "Usage",
    "Verification",
    "open",
]
