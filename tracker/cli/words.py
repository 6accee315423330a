"""How amounts, instants and lengths of time are said to people. Programs get exact ones."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from tracker.domain.grant import REQUESTS, TOKENS, GrantBalance, GrantState
from tracker.units import Money, decimal_text, zone_info

_SIZES = ((10**9, "b"), (10**6, "m"), (10**3, "k"))
_NANO = 9


def compact(amount: int, unit: str = TOKENS) -> str:
    """Write an amount in about four characters: 50m, 49.9m, 1.5k; money with its currency.

    Three digits, rounded down: what is shown as available is there.
    """
    if unit in (TOKENS, REQUESTS):
        return _count(amount)
    return f"{money(amount)} {unit}"


def counted(amount: int, unit: str) -> str:
    """Write an amount with its unit: '50m tokens', '200 requests', '36.5 CNY'."""
    shown = compact(amount, unit)
    return f"{shown} {unit}" if unit in (TOKENS, REQUESTS) else shown


def exact(amount: int, unit: str) -> str:
    """Write an amount to the last digit."""
    return f"{amount:,}" if unit in (TOKENS, REQUESTS) else str(Money(amount, unit))


def _count(amount: int) -> str:
    for size, letter in _SIZES:
        if amount >= size:
            whole = amount // size
            digits = max(0, 3 - len(str(whole)))
            shown = decimal_text(amount * 10**digits // size, digits)
            return f"{whole:,}{letter}" if not digits else f"{shown}{letter}"
    return str(amount)


def money(nano: int) -> str:
    """Write money without its currency: cut to cents, or below 1 to three digits that count."""
    if nano >= 10**_NANO or not nano:
        return decimal_text(nano // 10 ** (_NANO - 2), 2)
    spare = max(0, len(str(nano)) - 3)
    return decimal_text(nano // 10**spare * 10**spare, _NANO)


def span(length: timedelta) -> str:
    """Write a length of time by its largest part, rounded down: '16 days', '5 hours'."""
    seconds = int(length.total_seconds())
    for size, name in ((365 * 86_400, "year"), (86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            return f"{seconds // size} {name}{'s' if seconds // size > 1 else ''}"
    return "moments"


def last_day(expires_at: datetime, zone: str) -> str:
    """Write an exclusive end as the local day it ends with, or day and time in mid-day."""
    local = expires_at.astimezone(zone_info(zone))
    if local.hour == local.minute == local.second == local.microsecond == 0:
        return f"{local - timedelta(days=1):%Y-%m-%d}"
    return f"{local:%Y-%m-%d %H:%M}"


def local_time(at: datetime, zone: str) -> str:
    """Write an instant as the clock there shows it."""
    return f"{at.astimezone(zone_info(zone)):%Y-%m-%d %H:%M}"


def ends(grant: GrantBalance, zone: str, at: datetime) -> str:
    """Say when a grant ends, on whose calendar, and how long that is from `at`."""
    if grant.state is GrantState.SCHEDULED:
        return f"from {local_time(grant.starts_at, zone)[:10]}"
    if grant.expires_at is None:
        return "never" if grant.ends_known else "unknown"
    day = last_day(grant.expires_at, zone)
    if grant.expires_at > at:
        return f"{day}, {span(grant.expires_at - at)} left"
    return f"{day}, {span(at - grant.expires_at)} ago"


def scope(models: Sequence[str]) -> str:
    """Say which models a grant pays for."""
    return "all models" if tuple(models) == ("*",) else ", ".join(models)


def plural(count: int, name: str) -> str:
    """Write a count of things: '1 grant', '5 grants'."""
    return f"{count:,} {name}" + ("" if count == 1 else "s")
