"""What a policy is given, and what a decision says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

from tracker.domain.burndown import BurnDown
from tracker.domain.offer import Offer
from tracker.units import Money


class Request(NamedTuple):
    """What a router asks for. `max_cash` is in nano-units of the ledger's base currency.

    providers: if given, only these; exclude: never these.
    """

    model: str
    input_tokens: int
    max_output_tokens: int
    free_only: bool = False
    max_cash: int | None = None
    providers: frozenset[str] | None = None
    exclude: frozenset[str] = frozenset()

    @property
    def tokens(self) -> int:
        """The estimate that is held."""
        return self.input_tokens + self.max_output_tokens


class Quote(NamedTuple):
    """What an offer would cost now.

    list_nano: list cost of the whole call in the price's currency; None where no price is known.
    cash_nano: what no credit covers; known, and 0, wherever credit covers everything.
    cash_base, credit_base: cash, and the list value of the credit burned, in nano-units of the
        ledger's base currency, comparable across offers; None where unknown.
    """

    offer: Offer
    burn: BurnDown
    currency: str
    list_nano: int | None
    cash_nano: int
    cash_base: int
    credit_base: int | None


class Policy(Protocol):
    """Ranks the offers that can serve a request. Pure: equal input, equal order, everywhere."""

    name: str

    def rank(self, quotes: Sequence[Quote], at: int) -> list[Quote]:
        """Return the same quotes, best first. The order is total, ending in ids."""
        ...


@dataclass(frozen=True, slots=True)
class Allotment:
    """What a decision expects of one grant: `amount` in its unit, which covers `tokens`."""

    id: str
    tokens: int
    amount: int
    unit: str


@dataclass(frozen=True, slots=True)
class Alternative:
    """An offer that could serve the request too, for fallback."""

    provider: str
    account: str
    model: str
    free: bool
    expected_cash: Money


@dataclass(frozen=True, slots=True)
class PassedOver:
    """An offer that was not chosen, and why."""

    provider: str
    account: str
    model: str
    reason: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What the router chose.

    reservation_id: the hold, to be settled or released; None for a decision without one.
    covered_tokens + overage_tokens: the estimate, input and most output together.
    expected_list: None where the model's price is unknown; then credit covers everything.
    alternatives: ranked, best first. passed_over: every offer not chosen, on request.
    """

    at: datetime
    reservation_id: str | None
    provider: str
    account: str
    model: str
    free: bool
    covered_tokens: int
    overage_tokens: int
    grants: tuple[Allotment, ...]
    expected_cash: Money
    expected_list: Money | None
    policy: str
    alternatives: tuple[Alternative, ...] = ()
    passed_over: tuple[PassedOver, ...] = field(default=())
    rates: tuple[str, ...] = ()
    expires_at: datetime | None = None
