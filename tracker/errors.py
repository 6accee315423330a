"""Every error tracker raises.

    TrackerError
    ├── InvalidValue          a value cannot be used; nothing was changed
    ├── NotFound              a name the ledger does not know
    ├── AlreadyExists         a name is taken by something else
    ├── NoOffer               nothing serves the request within its limits
    ├── NoPrice               a cost is needed and no price is known
    ├── NoRate                two currencies are compared and no rate is known
    ├── RequestConflict       one request id, two different bodies
    ├── ReservationClosed     the reservation was already closed another way
    ├── LedgerUnavailable     the ledger cannot be reached: missing, locked, read-only, disk full
    │   ├── SchemaMismatch    written by another version of tracker
    │   └── LedgerDamaged     not a ledger, or a broken one
    └── OutcomeUnknown        the write may or may not have happened; repeating it is safe

Each class is one thing a caller does differently; `code` is stable, the text may change. Every
error but `OutcomeUnknown` is certain: nothing was written. Shells map classes to exit codes in one
place.
"""

from __future__ import annotations

from typing import ClassVar


class TrackerError(Exception):
    """The root of the tree: catch it to catch everything tracker raises on purpose."""

    code: ClassVar[str] = "error"


class InvalidValue(TrackerError):
    """A value that cannot be used. `field` names it as the caller does."""

    code = "invalid_value"

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class NotFound(TrackerError):
    """A provider, model, grant, reservation, usage or template the ledger does not know."""

    code = "not_found"


class AlreadyExists(TrackerError):
    """The id is taken by something that differs from what was asked for."""

    code = "already_exists"


class NoOffer(TrackerError):
    """No offer serves the request within its limits.

    reasons: one `PassedOver` for every offer looked at, in the router's order.
    """

    code = "no_offer"

    def __init__(self, message: str, reasons: tuple[object, ...] = ()) -> None:
        super().__init__(message)
        self.reasons = reasons


class NoPrice(TrackerError):
    """The cost of a call is needed and the model has no price at that instant."""

    code = "no_price"


class NoRate(TrackerError):
    """Two currencies are compared and the ledger holds no exchange rate for the pair."""

    code = "no_rate"


class RequestConflict(TrackerError):
    """The request id was used before with another body. `field` names the first difference."""

    code = "request_conflict"

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


class ReservationClosed(TrackerError):
    """The reservation was already settled or released: the other outcome won."""

    code = "reservation_closed"


class LedgerUnavailable(TrackerError):
    """The ledger cannot be opened or written now. Certain: the operation had no effect."""

    code = "ledger_unavailable"


class SchemaMismatch(LedgerUnavailable):
    """The ledger's schema is not one this version of tracker can use."""

    code = "schema_mismatch"


class LedgerDamaged(LedgerUnavailable):
    """The file is not a tracker ledger, or its content is broken. It was not touched."""

    code = "ledger_damaged"


class OutcomeUnknown(TrackerError):
    """A commit failed half-way: repeat the operation with the same request id to find out."""

    code = "outcome_unknown"
