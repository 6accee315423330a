"""Prices: dated facts, and the exact cost of a call."""

from __future__ import annotations

from typing import NamedTuple

from tracker.units import NANOS

MAX_COST_NANO = 1_000_000 * NANOS  # of one call: a sum over thousands still fits 64 bits


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
    uncached, cached, output, _ = tokens
    tier = price.tiers[0]
    if len(price.tiers) > 1:
        for candidate in price.tiers[1:]:
            if uncached + cached > candidate.above_input_tokens:
                tier = candidate
    _, per_input, per_output, per_cached = tier
    pico = uncached * per_input + output * per_output
    if cached:
        pico += cached * (per_input if per_cached is None else per_cached)
    nano, rest = divmod(pico, 1000)
    return nano + (rest > 500 or (rest == 500 and nano & 1))
