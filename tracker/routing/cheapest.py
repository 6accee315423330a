"""The default policy: the cheapest provider with credit remaining before expiry."""

from __future__ import annotations

from collections.abc import Sequence

from tracker.domain.burndown import Draw
from tracker.routing.policy import Quote
from tracker.units import NEVER


class Cheapest:
    """Least cash now; among equals, the credit that is worth least.

    Credit is worth what it would cost at list price, so that free calls burn cheap credit before
    dear; credit whose price is unknown comes after credit whose price is known. Then the credit
    that ends soonest; then provider, account and model.
    """

    name = "cheapest"

    def rank(self, quotes: Sequence[Quote], at: int) -> list[Quote]:
        """Rank offers; see the class for the order."""
        return sorted(quotes, key=_order) if len(quotes) > 1 else list(quotes)


def _ends(draws: tuple[Draw, ...]) -> int:
    return min((draw.credit.expires_at for draw in draws), default=NEVER)


def _order(quote: Quote) -> tuple[int, bool, int, int, str, str, str]:
    offer = quote.offer
    return (
        quote.cash_base,
        quote.credit_base is None,
        quote.credit_base or 0,
        _ends(quote.burn.draws),
        offer.provider,
        offer.account,
        offer.model,
    )
