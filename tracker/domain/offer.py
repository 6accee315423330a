"""Offers: what a router chooses between."""

from __future__ import annotations

from typing import NamedTuple

from tracker.domain.price import Price


class Pool(NamedTuple):
    """Grants of one account that share unit, scope and priority: the order among pools is theirs.

    series: keys of the recurring grants whose windows belong to it.
    """

    key: int
    priority: int
    breadth: int
    unit: str
    models: tuple[str, ...]
    series: tuple[int, ...] = ()


class Offer(NamedTuple):
    """A model at an account of a provider.

    prices: ascending by `valid_from`; empty where none is known.
    pools: those that cover the model, narrowest first within a priority.
    available_from, available_until: instants; the period excludes its end.
    availability: why it is not offered outside that period, if known ("blocked in CN").
    """

    provider: str
    account: str
    model: str
    account_key: int
    model_key: int
    zone: str
    currency: str
    context_window: int | None
    max_output_tokens: int | None
    available_from: int | None
    available_until: int | None
    availability: str | None
    prices: tuple[Price, ...]
    pools: tuple[Pool, ...]

    def price_at(self, at: int) -> Price | None:
        """Return the price that holds at an instant, or None where it is unknown."""
        prices = self.prices
        if prices and prices[-1][0] <= at:  # nearly always: the newest holds
            return prices[-1]
        for price in reversed(prices):
            if price.valid_from <= at:
                return price
        return None

    @property
    def name(self) -> str:
        """Say which offer this is; the default account goes without saying."""
        account = "" if self.account == "default" else f"@{self.account}"
        return f"{self.provider}{account}/{self.model}"
