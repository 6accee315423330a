"""Builders with defaults: a test names only what it is about.

A ledger of one provider `acme` with one model `acme-chat` of the group `chat`, at 8 CNY per
1,000,000 tokens either way, so that one token costs 8,000 nano-CNY.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import tracker
from tracker.domain.grant import Grant, GrantBalance
from tracker.ledger import Ledger
from tracker.routing.policy import Decision

PROVIDER = "acme"
MODEL = "acme-chat"
GROUP = "chat"
NANO_PER_TOKEN = 8_000  # at the default price
START = datetime(2024, 7, 15, tzinfo=UTC)
MICRO = timedelta(microseconds=1)


class Clock:
    """A clock that stands still until it is moved. Pass it where a ledger takes a clock."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def set(self, now: datetime | str) -> datetime:
        """Move to an instant, forwards or backwards, and return it."""
        self.now = utc(now) if isinstance(now, str) else now
        return self.now

    def advance(self, **length: float) -> datetime:
        """Move forwards by a length, as in `advance(minutes=10)`, and return where it is then."""
        return self.set(self.now + timedelta(**length))


def utc(text: str) -> datetime:
    """Read an instant: '2024-07-15' is 00:00 UTC of that day."""
    at = datetime.fromisoformat(text)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def offer(
    ledger: Ledger,
    provider: str = PROVIDER,
    model: str = MODEL,
    *,
    price: str | int | tuple[str | int, str | int] | None = 8,
    groups: tuple[str, ...] = (GROUP,),
    currency: str = "CNY",
    timezone: str = "Asia/Shanghai",
    cached_input: str | int | None = None,
    tiers: tuple[Mapping[str, Any], ...] = (),
    **limits: Any,
) -> None:
    """Record a model at a provider, both new or the same as before, and its price since 2000.

    price: per 1,000,000 tokens, for input and output alike or as (input, output); None: unknown.
    """
    ledger.add_provider(provider, currency=currency, timezone=timezone)
    ledger.add_model(provider, model, groups=groups, **limits)
    if price is not None:
        into, out = price if isinstance(price, tuple) else (price, price)
        ledger.set_price(
            provider,
            model,
            input=into,
            output=out,
            cached_input=cached_input,
            tiers=tiers,
            valid_from=utc("2000-01-01"),
        )


def grant(ledger: Ledger, amount: int | str = 1_000, id: str | None = None, **fields: Any) -> Grant:
    """Record credit at `acme`, or at the `provider` given. The offer must be there."""
    return ledger.add_grant(fields.pop("provider", PROVIDER), amount, id=id, **fields)


def use(ledger: Ledger, tokens: int, **fields: Any) -> tracker.Usage:
    """Record a finished call of that many tokens, all of them input."""
    return ledger.log_usage(
        fields.pop("provider", PROVIDER),
        fields.pop("model", MODEL),
        input_tokens=tokens,
        output_tokens=fields.pop("output_tokens", 0),
        **fields,
    )


def reserve(ledger: Ledger, tokens: int, **fields: Any) -> Decision:
    """Route a call of at most that many tokens, all of them input, and hold its credit."""
    return ledger.route(
        fields.pop("model", GROUP),
        input_tokens=tokens,
        max_output_tokens=fields.pop("max_output_tokens", 0),
        **fields,
    )


def settle(ledger: Ledger, decision: Decision, tokens: int, **fields: Any) -> tracker.Usage:
    """Settle a reservation at that many tokens, all of them input."""
    assert decision.reservation_id is not None
    return ledger.settle(
        decision.reservation_id,
        input_tokens=tokens,
        output_tokens=fields.pop("output_tokens", 0),
        **fields,
    )


def release(ledger: Ledger, decision: Decision, **fields: Any) -> tracker.Reservation:
    """Release a reservation."""
    assert decision.reservation_id is not None
    return ledger.release(decision.reservation_id, **fields)


def held(ledger: Ledger, id: str, at: datetime | None = None) -> GrantBalance:
    """Return the balance of one grant."""
    return next(one for one in ledger.balance(at=at).grants if one.id == id)


def buckets(ledger: Ledger, id: str, at: datetime | None = None) -> tuple[int, int, int, int]:
    """Return what one grant has (available, held, spent, written off)."""
    one = held(ledger, id, at)
    return one.available, one.held, one.spent, one.written_off


def draws(usage: tracker.Usage) -> dict[str, int]:
    """Return the tokens each grant paid of a call, in the order they paid."""
    return {draw.grant: draw.tokens for draw in usage.draws}
