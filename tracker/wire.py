"""The JSON of decisions, usage, balances and verifications, as other programs read it.

Field order and names are stable; fields may be added.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tracker.domain.grant import REQUESTS, TOKENS, Balance, Grant, GrantBalance, Total
from tracker.domain.reservation import Reservation
from tracker.domain.usage import Usage
from tracker.domain.verification import Verification
from tracker.routing.policy import Allotment, Alternative, Decision, PassedOver
from tracker.units import Money, parse_instant, parse_money, rfc3339, to_datetime, to_micros


def amount_json(amount: int, unit: str) -> int | dict[str, str]:
    """Write an amount of a grant: tokens and requests as integers, money as money."""
    return amount if unit in (TOKENS, REQUESTS) else Money(amount, unit).as_json()


def instant_json(at: datetime | None) -> str | None:
    """Write an instant as RFC 3339 in UTC."""
    return None if at is None else rfc3339(to_micros(at, "at"))


def money_json(money: Money | None) -> dict[str, str] | None:
    """Write money, or null where it is unknown."""
    return None if money is None else money.as_json()


def decision_json(decision: Decision) -> dict[str, Any]:
    """Write a decision as tracker.decision/1."""
    return {
        "schema": "tracker.decision/1",
        "at": instant_json(decision.at),
        "reservation_id": decision.reservation_id,
        "provider": decision.provider,
        "account": decision.account,
        "model": decision.model,
        "free": decision.free,
        "covered_tokens": decision.covered_tokens,
        "overage_tokens": decision.overage_tokens,
        "grants": [
            {
                "id": one.id,
                "tokens": one.tokens,
                "amount": amount_json(one.amount, one.unit),
                "unit": one.unit,
            }
            for one in decision.grants
        ],
        "expected_cash": decision.expected_cash.as_json(),
        "expected_list": money_json(decision.expected_list),
        "policy": decision.policy,
        "alternatives": [
            {
                "provider": one.provider,
                "account": one.account,
                "model": one.model,
                "free": one.free,
                "expected_cash": one.expected_cash.as_json(),
            }
            for one in decision.alternatives
        ],
        "passed_over": [passed_over_json(one) for one in decision.passed_over],
        "rates": list(decision.rates),
        "expires_at": instant_json(decision.expires_at),
    }


def passed_over_json(one: PassedOver) -> dict[str, str]:
    """Write why an offer was not chosen."""
    return {
        "provider": one.provider,
        "account": one.account,
        "model": one.model,
        "reason": one.reason,
    }


def decision_from(json: dict[str, Any]) -> Decision:
    """Read a decision back; the inverse of `decision_json`."""
    return Decision(
        at=_instant(json["at"]),
        reservation_id=json["reservation_id"],
        provider=json["provider"],
        account=json["account"],
        model=json["model"],
        free=json["free"],
        covered_tokens=json["covered_tokens"],
        overage_tokens=json["overage_tokens"],
        grants=tuple(
            Allotment(one["id"], one["tokens"], _amount(one["amount"], one["unit"]), one["unit"])
            for one in json["grants"]
        ),
        expected_cash=_money(json["expected_cash"]),
        expected_list=_money(json["expected_list"]) if json["expected_list"] else None,
        policy=json["policy"],
        alternatives=tuple(
            Alternative(
                one["provider"],
                one["account"],
                one["model"],
                one["free"],
                _money(one["expected_cash"]),
            )
            for one in json["alternatives"]
        ),
        passed_over=tuple(PassedOver(**one) for one in json["passed_over"]),
        rates=tuple(json["rates"]),
        expires_at=_instant(json["expires_at"]) if json["expires_at"] else None,
    )


def usage_json(usage: Usage) -> dict[str, Any]:
    """Write a call as tracker.usage/1."""
    return {
        "schema": "tracker.usage/1",
        "id": usage.id,
        "request_id": usage.request_id,
        "provider": usage.provider,
        "account": usage.account,
        "model": usage.model,
        "at": instant_json(usage.at),
        "input_tokens": usage.input_tokens,
        "cached_tokens": usage.cached_tokens,
        "output_tokens": usage.output_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "draws": [
            {
                "grant": draw.grant,
                "tokens": draw.tokens,
                "amount": amount_json(draw.amount, draw.unit),
                "unit": draw.unit,
            }
            for draw in usage.draws
        ],
        "overage_tokens": usage.overage_tokens,
        "list_cost": money_json(usage.list_cost),
        "cash_cost": money_json(usage.cash_cost),
        "saved": money_json(usage.saved),
        "project": usage.project,
        "user": usage.user,
        "tags": dict(usage.tags),
        "voided": usage.voided,
    }


def balance_json(balance: Balance) -> dict[str, Any]:
    """Write a balance as tracker.balance/1."""
    return {
        "schema": "tracker.balance/1",
        "at": instant_json(balance.at),
        "grants": [grant_balance_json(grant) for grant in balance.grants],
        "totals": [total_json(total) for total in balance.totals],
    }


def grant_balance_json(grant: GrantBalance) -> dict[str, Any]:
    """Write one grant of a balance. `ends` tells an end nobody has stated from one there is not."""
    unit = grant.unit
    ends = "at" if grant.expires_at else "never" if grant.ends_known else "unknown"
    return {
        "id": grant.id,
        "provider": grant.provider,
        "account": grant.account,
        "models": list(grant.models),
        "unit": unit,
        "amount": amount_json(grant.amount, unit),
        "spent": amount_json(grant.spent, unit),
        "held": amount_json(grant.held, unit),
        "written_off": amount_json(grant.written_off, unit),
        "remaining": amount_json(grant.remaining, unit),
        "available": amount_json(grant.available, unit),
        "forfeited": amount_json(grant.forfeited, unit),
        "priority": grant.priority,
        "state": grant.state.value,
        "starts_at": instant_json(grant.starts_at),
        "expires_at": instant_json(grant.expires_at),
        "ends": ends,
        "when_used_up": grant.when_used_up,
        "window_of": grant.window_of,
    }


def total_json(total: Total) -> dict[str, Any]:
    """Write the sum of one unit."""
    return {
        "unit": total.unit,
        **{
            name: amount_json(getattr(total, name), total.unit)
            for name in ("amount", "spent", "held", "remaining", "available")
        },
    }


def verification_json(verification: Verification) -> dict[str, Any]:
    """Write a verification as tracker.verify/1."""
    return {
        "schema": "tracker.verify/1",
        "ok": verification.ok,
        "grants": verification.grants,
        "entries": verification.entries,
        "problems": list(verification.problems),
    }


def _instant(text: str) -> datetime:
    return to_datetime(parse_instant(text, "at"))


def _money(json: dict[str, str]) -> Money:
    return parse_money(json["amount"], json["currency"])


def _amount(json: int | dict[str, str], unit: str) -> int:
    return json if isinstance(json, int) else _money(json).nano


def grant_json(grant: Grant) -> dict[str, Any]:
    """Write a grant as recorded, as tracker.grant/1."""
    return {
        "schema": "tracker.grant/1",
        "id": grant.id,
        "provider": grant.provider,
        "account": grant.account,
        "models": list(grant.models),
        "unit": grant.unit,
        "amount": amount_json(grant.amount, grant.unit),
        "starts_at": instant_json(grant.starts_at),
        "expires_at": instant_json(grant.expires_at),
        "ends": "at" if grant.expires_at else "never" if grant.ends_known else "unknown",
        "priority": grant.priority,
        "when_used_up": grant.when_used_up,
        "every": grant.every,
        "source": grant.source,
        "note": grant.note,
    }


def reservation_json(reservation: Reservation) -> dict[str, Any]:
    """Write a reservation as tracker.reservation/1. Holds are in each grant's unit's base."""
    return {
        "schema": "tracker.reservation/1",
        "id": reservation.id,
        "state": reservation.state.value,
        "provider": reservation.provider,
        "account": reservation.account,
        "model": reservation.model,
        "at": instant_json(reservation.at),
        "expires_at": instant_json(reservation.expires_at),
        "input_tokens": reservation.input_tokens,
        "max_output_tokens": reservation.max_output_tokens,
        "holds": [{"grant": grant, "amount": amount} for grant, amount in reservation.holds],
        "request_id": reservation.request_id,
        "project": reservation.project,
        "user": reservation.user,
    }
