"""Reservations: a hold on grants before a call, and how it ends."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime


class State(enum.StrEnum):
    """Where a reservation is in its life."""

    HELD = "held"
    SETTLED = "settled"
    RELEASED = "released"
    EXPIRED = "expired"


NEXT: dict[State, dict[str, State]] = {
    State.HELD: {
        "settle": State.SETTLED,
        "release": State.RELEASED,
        "expire": State.EXPIRED,
    },
    State.SETTLED: {},
    State.RELEASED: {},
    State.EXPIRED: {"settle": State.SETTLED},  # a late answer still used tokens
}


@dataclass(frozen=True, slots=True)
class Reservation:
    """A reservation as listed. Holds are (grant id, amount in the grant's unit) pairs."""

    id: str
    state: State
    provider: str
    account: str
    model: str
    at: datetime
    expires_at: datetime
    input_tokens: int
    max_output_tokens: int
    holds: tuple[tuple[str, int], ...]
    request_id: str | None
    project: str | None
    user: str | None
