"""Prices: dated facts, and the exact cost of a call."""

from __future__ import annotations

from typing import NamedTuple

from tracker.units import div_half_even


class Tokens(NamedTuple):
    """Disjoint counts of one call. Reasoning is a part of output."""

    uncached: int
    cached: int
    output: int
    reasoning: int = 0

    @property
    def total(self) -> int:
        """Input and output together: what a grant in tokens is charged."""
        return self.uncached + self.cached + self.output


class Tier(NamedTuple):
    """Prices above an input length, in micro-units per 1,000,000 tokens (= pico per token)."""

    above_input_tokens: int
    input: int
    output: int
    cached_input: int | None


class Price(NamedTuple):
    """A model's price from `valid_from` until the next one begins. Tiers ascend; the first is 0."""

    valid_from: int
    currency: str
    tiers: tuple[Tier, ...]


def cost_nano(price: Price, tokens: Tokens) -> int:
    """Work out the list cost of a call in nano-units, rounded half-even once.

    The whole call is charged at the tier its input length falls in: the highest whose
    `above_input_tokens` it exceeds. Without a cached price, cached input costs what input costs.
    """
    tier = price.tiers[0]
    if len(price.tiers) > 1:
        length = tokens.uncached + tokens.cached
        for candidate in price.tiers[1:]:
            if length > candidate.above_input_tokens:
                tier = candidate
    cached = tier.input if tier.cached_input is None else tier.cached_input
    return div_half_even(
        tokens.uncached * tier.input + tokens.cached * cached + tokens.output * tier.output, 1000
    )
