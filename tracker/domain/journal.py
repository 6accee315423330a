"""The journal: every movement of a grant's amount from one bucket to another.

     (source) --grant--> available --hold--> held --settle--> spent
                             ^  |              |                |
                             |  +----draw------|--------------->|
                             +--release, expire+                |
                             +--reverse-------------------------+
                         available --void, adjust--> written off

Rows are never changed or deleted; a mistake gets a reversing row. A grant that was voided has
nothing available: what would come back to it is written off at once.
"""

from __future__ import annotations

import enum
from typing import NamedTuple


class Bucket(enum.IntEnum):
    """Where a part of a grant is. The numbers are stored."""

    SOURCE = 0
    AVAILABLE = 1
    HELD = 2
    SPENT = 3
    WRITTEN_OFF = 4


class Kind(enum.StrEnum):
    """What moved it. The words are stored."""

    GRANT = "grant"
    HOLD = "hold"
    SETTLE = "settle"
    RELEASE = "release"
    EXPIRE = "expire"
    DRAW = "draw"
    VOID = "void"
    ADJUST = "adjust"
    REVERSE = "reverse"


MOVES: dict[Kind, frozenset[tuple[Bucket, Bucket]]] = {
    Kind.GRANT: frozenset({(Bucket.SOURCE, Bucket.AVAILABLE)}),
    Kind.HOLD: frozenset({(Bucket.AVAILABLE, Bucket.HELD)}),
    Kind.SETTLE: frozenset({(Bucket.HELD, Bucket.SPENT)}),
    Kind.RELEASE: frozenset({(Bucket.HELD, Bucket.AVAILABLE), (Bucket.HELD, Bucket.WRITTEN_OFF)}),
    Kind.EXPIRE: frozenset({(Bucket.HELD, Bucket.AVAILABLE), (Bucket.HELD, Bucket.WRITTEN_OFF)}),
    Kind.DRAW: frozenset({(Bucket.AVAILABLE, Bucket.SPENT)}),
    Kind.VOID: frozenset({(Bucket.AVAILABLE, Bucket.WRITTEN_OFF)}),
    Kind.ADJUST: frozenset(
        {(Bucket.AVAILABLE, Bucket.WRITTEN_OFF), (Bucket.SOURCE, Bucket.AVAILABLE)}
    ),
    Kind.REVERSE: frozenset({(Bucket.SPENT, Bucket.AVAILABLE), (Bucket.SPENT, Bucket.WRITTEN_OFF)}),
}


class Movement(NamedTuple):
    """One journal row to be written: `amount` of a grant's unit, > 0.

    tokens: how much of a call it covers; equals `amount` for grants in tokens.
    call_id: the reservation or usage it belongs to, if any.
    at: when it was true in the world.
    """

    grant_key: int
    kind: Kind
    source: Bucket
    target: Bucket
    amount: int
    tokens: int
    call_id: int | None
    at: int
    reason: str | None = None
