"""Grants: credit a provider gave, as it is recorded and as it stands at an instant."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase

from tracker.text import model_key
from tracker.units import NEVER

ALL_MODELS = ("*",)
TOKENS = "tokens"
REQUESTS = "requests"
WHEN_USED_UP = ("bills", "stops", "unknown")
DEFAULT_PRIORITY = 50


class GrantState(enum.StrEnum):
    """Where a grant is in its life at an instant."""

    SCHEDULED = "scheduled"
    ACTIVE = "active"
    USED_UP = "used up"
    EXPIRED = "expired"
    VOIDED = "voided"


def state_at(
    at: int, *, starts_at: int, expires_at: int, voided_at: int | None, left: int
) -> GrantState:
    """Tell the state of a grant at `at`. A period includes its start and excludes its end.

    left: what is neither spent nor written off, in the grant's unit.
    """
    if voided_at is not None and voided_at <= at:
        return GrantState.VOIDED
    if at >= expires_at:
        return GrantState.EXPIRED
    if at < starts_at:
        return GrantState.SCHEDULED
    return GrantState.ACTIVE if left else GrantState.USED_UP


def covers(patterns: Sequence[str], model: str) -> bool:
    """Tell whether a scope covers a model. Globs and names match case-insensitively."""
    key = model_key(model)
    return any(fnmatchcase(key, model_key(pattern)) for pattern in patterns)


def breadth(patterns: Sequence[str]) -> int:
    """Rank a scope by how wide it is: smaller is narrower and burns first.

    Named models count one each; a glob counts the more the less it spells out; all models
    is widest. It depends on the patterns alone, so a model added later reorders nothing.
    """
    total = 0
    for pattern in patterns:
        literal = sum(character not in "*?[]" for character in pattern)
        if literal == len(pattern):
            total += 1
        else:
            total += 1_000 + 1_000 * max(0, 200 - literal) if literal else 1_000_000
    return min(total, 1_000_000)


@dataclass(frozen=True, slots=True)
class Grant:
    """A grant as recorded.

    amount: in the unit's base: tokens, requests, or nano-units of a currency.
    expires_at: first instant it no longer covers; None means it never expires, or, where
        `ends_known` is False, that nobody has said when it does.
    every: for a recurring grant, the window it is renewed in; `amount` is then per window.
    """

    id: str
    provider: str
    account: str
    models: tuple[str, ...]
    unit: str
    amount: int
    starts_at: datetime
    expires_at: datetime | None
    ends_known: bool
    priority: int
    when_used_up: str
    every: str | None = None
    source: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class GrantBalance:
    """What a grant holds at an instant. Amounts are in the unit's base, as in `Grant`.

    remaining: amount - spent - written off, whatever the state.
    available: exactly what a reservation could take at that instant.
    forfeited: what was left when it expired; 0 before.
    window: for a window of a recurring grant, the grant it belongs to.
    """

    id: str
    provider: str
    account: str
    models: tuple[str, ...]
    unit: str
    amount: int
    spent: int
    held: int
    written_off: int
    remaining: int
    available: int
    forfeited: int
    priority: int
    state: GrantState
    starts_at: datetime
    expires_at: datetime | None
    ends_known: bool
    when_used_up: str
    window_of: str | None = None


@dataclass(frozen=True, slots=True)
class Total:
    """The sum over the grants shown, one per unit."""

    unit: str
    amount: int
    spent: int
    held: int
    remaining: int
    available: int


@dataclass(frozen=True, slots=True)
class Balance:
    """What is left at an instant: active grants first, soonest to end first."""

    at: datetime
    grants: tuple[GrantBalance, ...]
    totals: tuple[Total, ...]


STATE_ORDER = {
    state: place
    for place, state in enumerate(
        (
            GrantState.ACTIVE,
            GrantState.SCHEDULED,
            GrantState.USED_UP,
            GrantState.EXPIRED,
            GrantState.VOIDED,
        )
    )
}


def listing_order(grant: GrantBalance) -> tuple[int, int, str]:
    """Sort key of a balance: active first, soonest to end first, then id."""
    from tracker.units import to_micros

    ends = NEVER if grant.expires_at is None else to_micros(grant.expires_at, "expires_at")
    return (STATE_ORDER[grant.state], ends, grant.id)


def totals(grants: Sequence[GrantBalance]) -> tuple[Total, ...]:
    """Add grants up per unit. Sums are exact however large: they never pass through a database."""
    by_unit: dict[str, list[GrantBalance]] = {}
    for grant in grants:
        by_unit.setdefault(grant.unit, []).append(grant)
    return tuple(
        Total(
            unit=unit,
            amount=sum(grant.amount for grant in group),
            spent=sum(grant.spent for grant in group),
            held=sum(grant.held for grant in group),
            remaining=sum(grant.remaining for grant in group),
            available=sum(grant.available for grant in group),
        )
        for unit, group in sorted(by_unit.items())
    )
