"""The journal: every movement of a grant's amount from one bucket to another.

     (source) --grant--> available --hold--> held --settle--> spent
                             ^  |              |                |
                             |  +----draw------|--------------->|
                             +--release, expire+                |
                             +--reverse-------------------------+
                         available --void, adjust--> written off --adjust--> available

Rows are never changed or deleted; a mistake gets a reversing row. A grant that was voided has
nothing available: what would come back to it is written off at once.
"""

from __future__ import annotations

from typing import NamedTuple

# Where a part of a grant is. The numbers are stored.
SOURCE, AVAILABLE, HELD, SPENT, WRITTEN_OFF = range(5)
BUCKETS = ("source", "available", "held", "spent", "written off")


class Move(NamedTuple):
    """A way to move an amount. What is not among the constants below cannot happen."""

    kind: str
    source: int
    target: int


GRANT = Move("grant", SOURCE, AVAILABLE)
HOLD = Move("hold", AVAILABLE, HELD)
SETTLE = Move("settle", HELD, SPENT)
RELEASE = Move("release", HELD, AVAILABLE)
RELEASE_VOIDED = Move("release", HELD, WRITTEN_OFF)
EXPIRE = Move("expire", HELD, AVAILABLE)
EXPIRE_VOIDED = Move("expire", HELD, WRITTEN_OFF)
DRAW = Move("draw", AVAILABLE, SPENT)
VOID = Move("void", AVAILABLE, WRITTEN_OFF)
ADJUST_DOWN = Move("adjust", AVAILABLE, WRITTEN_OFF)
ADJUST_BACK = Move("adjust", WRITTEN_OFF, AVAILABLE)
ADJUST_UP = Move("adjust", SOURCE, AVAILABLE)
REVERSE = Move("reverse", SPENT, AVAILABLE)
REVERSE_VOIDED = Move("reverse", SPENT, WRITTEN_OFF)

MOVES = frozenset(
    (
        GRANT,
        HOLD,
        SETTLE,
        RELEASE,
        RELEASE_VOIDED,
        EXPIRE,
        EXPIRE_VOIDED,
        DRAW,
        VOID,
        ADJUST_DOWN,
        ADJUST_BACK,
        ADJUST_UP,
        REVERSE,
        REVERSE_VOIDED,
    )
)


class Movement(NamedTuple):
    """One journal row to be written: `amount` of a grant's unit, > 0.

    tokens: how much of a call it covers; equals `amount` for grants in tokens.
    call_id: the reservation or usage it belongs to, if any.
    at: when it was true in the world.
    """

    grant_key: int
    move: Move
    amount: int
    tokens: int
    call_id: int | None
    at: int
    reason: str | None = None
