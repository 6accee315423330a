"""Usage: what one finished call consumed and who paid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tracker.domain.price import Tokens
from tracker.errors import InvalidValue
from tracker.units import MAX_CALL_TOKENS, Money, count


@dataclass(frozen=True, slots=True)
class GrantDraw:
    """What one grant paid of a call: `amount` in the grant's unit, which covered `tokens`."""

    grant: str
    tokens: int
    amount: int
    unit: str


@dataclass(frozen=True, slots=True)
class Usage:
    """One call. `input_tokens` includes cached ones, `output_tokens` includes reasoning.

    list_cost, cash_cost, saved: None where the model's price at `at` is unknown and it matters:
        a call that credit covers entirely has a cash cost of 0 whatever the price is, in the
        provider's currency.
    """

    id: str
    request_id: str | None
    provider: str
    account: str
    model: str
    at: datetime
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    draws: tuple[GrantDraw, ...]
    overage_tokens: int
    list_cost: Money | None
    cash_cost: Money | None
    saved: Money | None
    project: str | None = None
    user: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    voided: bool = False


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row an import refused. `row` counts from 1."""

    row: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did. Every row is in exactly one of the three."""

    accepted: int
    duplicates: int
    rejected: tuple[Rejected, ...] = ()


def tokens_of(
    input_tokens: int, output_tokens: int, cached_tokens: int = 0, reasoning_tokens: int = 0
) -> Tokens:
    """Check counts as providers report them and make them disjoint."""
    if (
        type(input_tokens) is int
        and type(output_tokens) is int
        and type(cached_tokens) is int
        and type(reasoning_tokens) is int
        and 0 <= cached_tokens <= input_tokens <= MAX_CALL_TOKENS
        and 0 <= reasoning_tokens <= output_tokens <= MAX_CALL_TOKENS
    ):
        return Tokens(input_tokens - cached_tokens, cached_tokens, output_tokens, reasoning_tokens)
    count(input_tokens, "input_tokens")
    count(output_tokens, "output_tokens")
    if count(cached_tokens, "cached_tokens") > input_tokens:
        raise InvalidValue(
            f"cached_tokens {cached_tokens} is more than input_tokens {input_tokens}, "
            "which includes them",
            field="cached_tokens",
        )
    count(reasoning_tokens, "reasoning_tokens")
    raise InvalidValue(
        f"reasoning_tokens {reasoning_tokens} is more than output_tokens {output_tokens}, "
        "which includes them",
        field="reasoning_tokens",
    )


def tokens_from(usage: object) -> Tokens:
    """Read a provider's usage object or mapping: OpenAI's or Anthropic's shape.

    OpenAI: prompt_tokens (cached included), completion_tokens, with details; or the Responses API's
    input_tokens with input_tokens_details. Anthropic: input_tokens excludes
    cache_read_input_tokens and cache_creation_input_tokens, which are added here.
    Ours: input_tokens, output_tokens, cached_tokens, reasoning_tokens.
    Raises InvalidValue where neither shape is there or a count is not an integer.
    """

    def get(source: object, name: str) -> object:
        if isinstance(source, Mapping):
            return source.get(name)
        return getattr(source, name, None)

    def part(source: object, name: str) -> int:
        value = get(source, name)
        return 0 if value is None else count(value, name)

    if get(usage, "prompt_tokens") is not None:
        cached = part(get(usage, "prompt_tokens_details"), "cached_tokens") or part(
            usage, "prompt_cache_hit_tokens"
        )
        return tokens_of(
            part(usage, "prompt_tokens"),
            part(usage, "completion_tokens"),
            cached,
            part(get(usage, "completion_tokens_details"), "reasoning_tokens"),
        )
    if get(usage, "input_tokens") is None:
        raise InvalidValue(
            "usage has neither prompt_tokens nor input_tokens; pass an OpenAI or Anthropic usage "
            "object, or input_tokens and output_tokens",
            field="usage",
        )
    read = part(usage, "cache_read_input_tokens")
    created = part(usage, "cache_creation_input_tokens")
    output = part(usage, "output_tokens")
    if read or created:
        return tokens_of(part(usage, "input_tokens") + read + created, output, read)
    cached = part(get(usage, "input_tokens_details"), "cached_tokens") or part(
        usage, "cached_tokens"
    )
    reasoning = part(get(usage, "output_tokens_details"), "reasoning_tokens") or part(
        usage, "reasoning_tokens"
    )
    return tokens_of(part(usage, "input_tokens"), output, cached, reasoning)
