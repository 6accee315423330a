"""Which offers can serve a request at all, and in what words the others are passed over."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from tracker.domain.offer import Offer
from tracker.routing.policy import Quote, Request
from tracker.units import NEVER, Money, to_datetime

NO_CREDIT = "no free credit left"
NOT_ASKED = "not among the providers asked for"
EXCLUDED = "excluded by the request"


def screen(offer: Offer, request: Request, at: int) -> str | None:
    """Say why an offer cannot serve a request at `at`; None when it can."""
    if request.providers is not None and offer.provider not in request.providers:
        return NOT_ASKED
    if offer.provider in request.exclude:
        return EXCLUDED
    if offer.available_until is not None and at >= offer.available_until:
        why = offer.availability or "not offered"
        return f"{why} since {day(offer.available_until, offer.zone)}"
    if offer.available_from is not None and at < offer.available_from:
        return f"not offered before {day(offer.available_from, offer.zone)}"
    window, output = offer.context_window, offer.max_output_tokens
    if window is not None and request.tokens > window:
        return f"context {short(window)} < {short(request.tokens)}"
    if output is not None and request.max_output_tokens > output:
        return f"max output {short(output)} < {short(request.max_output_tokens)}"
    return None


def refuse(quote: Quote, request: Request) -> str | None:
    """Say why a quote breaks the request's limits on cash; None when it does not.

    Free means the whole estimate fits into credit. A part is not enough: where a grant that is used
    up goes on as a bill, or nobody says that it does not, the rest would be paid for. A model whose
    price is 0 needs no credit.
    """
    if request.free_only and quote.burn.overage_tokens and quote.list_nano != 0:
        left = request.tokens - quote.burn.overage_tokens
        if not left:
            return NO_CREDIT
        return f"{left:,} tokens left, {request.tokens:,} needed"
    if request.max_cash is not None and quote.cash_base > request.max_cash:
        cash = Money(quote.cash_nano, quote.currency)
        return f"would cost {cash}, more than the limit"
    return None


def compare(quote: Quote, chosen: Quote, credit: str | None, base: str) -> str:
    """Say why a quote that could serve the request lost to the chosen one.

    base: the currency in which offers are compared.
    credit: what is to be said of the offer's credit, when it does not cover the request.
    """
    cash = Money(quote.cash_nano, quote.currency)
    if quote.cash_base > chosen.cash_base:
        return f"would cost {cash}" + (f": {credit}" if credit else "")
    if quote.credit_base is None and chosen.credit_base is not None:
        return "as cheap, but what its credit is worth is unknown"
    if quote.credit_base is not None and quote.credit_base > (chosen.credit_base or 0):
        mine = Money(quote.credit_base, "").text()
        other = Money(chosen.credit_base or 0, "").text()
        return f"as cheap, but burns credit worth {mine} {base}, against {other}"
    return "as cheap, but its credit lasts longer or its name comes later"


def day(at: int, zone: str) -> str:
    """Write an instant as the local date a person would say."""
    return to_datetime(at).astimezone(ZoneInfo(zone)).date().isoformat()


def last_day(expires_at: int, zone: str) -> str:
    """Write an exclusive end as the last day it includes, or never."""
    return "never" if expires_at == NEVER else day(expires_at - 1, zone)


def short(tokens: int) -> str:
    """Write a count the way context windows are spoken of: 8k, 128k, 1.5m; else exactly.

    Powers of two are spoken of in the same way: 8,192 is 8k and 131,072 is 128k.
    """
    for size, letter in ((1_000_000, "m"), (1_000, "k")):
        if tokens >= size and tokens % (size // 10) == 0:
            return f"{tokens / size:g}{letter}"
    if tokens >= 1024 and tokens % 1024 == 0:
        return f"{tokens // 1024}k"
    return f"{tokens:,}"
