"""Burn-down: the order in which grants pay, and what each pays of a call."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from tracker.domain.grant import REQUESTS, TOKENS
from tracker.units import div_half_even


class Credit(NamedTuple):
    """What one grant can still pay. Its first five fields are the burn-down order itself.

    available: in the unit's base: tokens, requests, or nano-units of the currency `unit` names.
    """

    priority: int
    expires_at: int
    breadth: int
    starts_at: int
    id: str
    key: int
    unit: str
    available: int
    entries: int = 0


class Need(NamedTuple):
    """What a call asks of credit.

    list_nano: list cost in nano-units of `currency`; None where the price is unknown.
    """

    tokens: int
    list_nano: int | None
    currency: str | None


class Draw(NamedTuple):
    """What one grant pays: `amount` in its unit's base, which covers `tokens` of the call."""

    credit: Credit
    amount: int
    tokens: int


class BurnDown(NamedTuple):
    """How a call is paid. Draws' tokens and the overage add up to the call's tokens.

    cash_nano: list cost of the overage; None where it is not 0 and the price is unknown.
    """

    draws: tuple[Draw, ...]
    overage_tokens: int
    cash_nano: int | None


def burn_down(credits: Iterable[Credit], need: Need, at: int) -> BurnDown:
    """Pay a call at `at` from the credit active then, whatever order it comes in."""
    return spend(sorted(c for c in credits if c.starts_at <= at < c.expires_at), need)


def spend(credits: Iterable[Credit], need: Need) -> BurnDown:
    """Pay a call from active credit given in burn-down order. Reads no further than it must.

    A grant in money pays the list cost of what is left to pay; when it cannot pay all of it, the
    tokens it leaves are rounded up, so no token is called free that was not paid for. The cost of
    the overage is rounded half-even once.
    """
    left, cost, cost_tokens = need.tokens, need.list_nano, need.tokens
    if not left:
        return BurnDown((), 0, 0)
    draws = []
    for credit in credits:
        unit = credit.unit
        if unit == TOKENS:
            covered = amount = credit.available
            if covered >= left:
                draws.append(Draw(credit, left, left))
                return BurnDown(tuple(draws), 0, 0)
            left -= covered
        elif unit == REQUESTS:
            covered, amount, left = left, min(1, credit.available), 0 if credit.available else left
        elif cost is not None and unit == need.currency:
            due = div_half_even(cost * left, cost_tokens)
            amount = min(due, credit.available)
            still = -(-left * (due - amount) // due) if due else left
            covered = left - still
            left = cost_tokens = still
            cost = due - amount
        else:
            continue
        if amount:
            draws.append(Draw(credit, amount, covered))
        if not left:
            return BurnDown(tuple(draws), 0, 0)
    return BurnDown(
        tuple(draws), left, None if cost is None else div_half_even(cost * left, cost_tokens)
    )
