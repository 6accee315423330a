"""Usage as providers report it, and calls that settle themselves."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.builders import (
    MODEL,
    PROVIDER,
    Clock,
    buckets,
    grant,
    offer,
    release,
    reserve,
    settle,
    use,
)
from tracker import InvalidValue, LedgerUnavailable, NoOffer
from tracker.ledger import Ledger

OPENAI_CHAT = {
    "prompt_tokens": 1_200,
    "completion_tokens": 150,
    "total_tokens": 1_350,
    "prompt_tokens_details": {"cached_tokens": 800, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 50},
}
OPENAI_RESPONSES = {
    "input_tokens": 1_200,
    "input_tokens_details": {"cached_tokens": 800},
    "output_tokens": 150,
    "output_tokens_details": {"reasoning_tokens": 50},
    "total_tokens": 1_350,
}
ANTHROPIC = {
    "input_tokens": 300,
    "cache_creation_input_tokens": 100,
    "cache_read_input_tokens": 800,
    "output_tokens": 150,
}
DEEPSEEK = {
    "prompt_tokens": 1_200,
    "completion_tokens": 150,
    "prompt_cache_hit_tokens": 800,
    "prompt_cache_miss_tokens": 400,
    "completion_tokens_details": {"reasoning_tokens": 50},
}
OURS = {"input_tokens": 1_200, "output_tokens": 150, "cached_tokens": 800, "reasoning_tokens": 50}


def as_object(value: Any) -> Any:
    if isinstance(value, dict):
        return SimpleNamespace(**{name: as_object(part) for name, part in value.items()})
    return value


@pytest.fixture(autouse=True)
def acme(ledger: Ledger) -> None:
    offer(ledger)
    grant(ledger, 10_000, "g")


@pytest.mark.parametrize("shape", [lambda usage: usage, as_object], ids=["mapping", "object"])
@pytest.mark.parametrize(
    ("usage", "reasoning"),
    [(OPENAI_CHAT, 50), (OPENAI_RESPONSES, 50), (ANTHROPIC, 0), (DEEPSEEK, 50), (OURS, 50)],
    ids=["chat", "responses", "anthropic", "deepseek", "ours"],
)
def test_the_usage_of_every_provider_says_the_same(
    ledger: Ledger, usage: dict[str, Any], reasoning: int, shape: Any
) -> None:
    decision = reserve(ledger, 2_000)
    settled = ledger.settle(decision.reservation_id, usage=shape(usage))
    assert (settled.input_tokens, settled.cached_tokens) == (1_200, 800)
    assert (settled.output_tokens, settled.reasoning_tokens) == (150, reasoning)
    assert ledger.settle(decision.reservation_id, usage=usage) == settled


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": None},
        {"prompt_tokens": 5, "completion_tokens": 1, "completion_tokens_details": {}},
        {"input_tokens": 5, "output_tokens": 1, "cache_read_input_tokens": None},
        {"input_tokens": 5, "output_tokens": 1, "cache_read_input_tokens": 0},
    ],
)
def test_details_may_be_missing(ledger: Ledger, usage: dict[str, Any]) -> None:
    settled = ledger.settle(reserve(ledger, 10).reservation_id, usage=usage)
    assert (settled.input_tokens, settled.cached_tokens, settled.output_tokens) == (5, 0, 1)


@pytest.mark.parametrize(
    "usage",
    [
        {}, [], "1200", 7, frozenset(), {"total_tokens": 5}, {"prompt_tokens": None},
        {"prompt_tokens": 5.0, "completion_tokens": 1}, {"prompt_tokens": -5},
        {"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 6}},
        {"input_tokens": 5, "output_tokens": 1, "reasoning_tokens": 2},
    ],
    ids=repr,
)  # fmt: skip
def test_what_is_no_usage_is_refused_and_settles_nothing(ledger: Ledger, usage: Any) -> None:
    decision = reserve(ledger, 10)
    with pytest.raises(InvalidValue):
        ledger.settle(decision.reservation_id, usage=usage)
    assert buckets(ledger, "g") == (9_990, 10, 0, 0)


def test_a_settlement_needs_usage_or_counts(ledger: Ledger) -> None:
    decision = reserve(ledger, 10)
    for counts in ({}, {"input_tokens": 5}, {"output_tokens": 5}):
        with pytest.raises(InvalidValue):
            ledger.settle(decision.reservation_id, **counts)


# Calls that settle themselves


def test_a_call_settles_at_its_usage(ledger: Ledger) -> None:
    with ledger.call("chat", input_tokens=1_200, max_output_tokens=800, project="p") as call:
        assert (call.provider, call.model) == ("acme", MODEL)
        assert buckets(ledger, "g") == (8_000, 2_000, 0, 0)
        call.usage = as_object(OPENAI_CHAT)
    assert call.settled.project == "p"
    assert buckets(ledger, "g") == (8_650, 0, 1_350, 0)


def test_a_call_that_fails_is_released_and_its_error_is_seen(ledger: Ledger) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        ledger.call("chat", input_tokens=10, max_output_tokens=0),
    ):
        raise ZeroDivisionError
    assert buckets(ledger, "g") == (10_000, 0, 0, 0)


def test_a_call_that_fails_after_it_was_answered_still_counts(ledger: Ledger) -> None:
    def answered() -> None:
        with ledger.call("chat", input_tokens=10, max_output_tokens=0) as call:
            call.usage = {"input_tokens": 7, "output_tokens": 0}
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        answered()
    assert buckets(ledger, "g") == (9_993, 0, 7, 0)


def test_a_call_that_says_nothing_of_its_usage_is_an_error_and_lapses(
    ledger: Ledger, clock: Clock
) -> None:
    with (
        pytest.raises(InvalidValue, match="usage"),
        ledger.call("chat", input_tokens=10, max_output_tokens=0, ttl_s=60),
    ):
        pass
    assert buckets(ledger, "g") == (9_990, 10, 0, 0)
    clock.advance(seconds=60)
    assert buckets(ledger, "g") == (10_000, 0, 0, 0)


def test_a_call_nothing_serves_is_not_begun(ledger: Ledger) -> None:
    with (
        pytest.raises(NoOffer),
        ledger.call("chat", input_tokens=10_001, max_output_tokens=0, free_only=True),
    ):
        pytest.fail("the block must not run")


def test_a_call_without_a_hold_is_refused(ledger: Ledger) -> None:
    with (
        pytest.raises(InvalidValue),
        ledger.call("chat", input_tokens=10, max_output_tokens=0, hold=False),
    ):
        pytest.fail("the block must not run")


def test_a_call_somebody_released_meanwhile_does_not_hide_its_error(ledger: Ledger) -> None:
    def released() -> None:
        with ledger.call("chat", input_tokens=10, max_output_tokens=0) as call:
            release(ledger, call.decision)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        released()


def test_a_call_settled_inside_its_block_does_not_hide_its_error(ledger: Ledger) -> None:
    def settled() -> None:
        with ledger.call("chat", input_tokens=10, max_output_tokens=0) as call:
            ledger.settle(call.reservation_id, input_tokens=5, output_tokens=0)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        settled()
    assert buckets(ledger, "g") == (9_995, 0, 5, 0)


def test_a_call_that_used_nothing_is_refused_unless_it_was_reserved(ledger: Ledger) -> None:
    before = ledger.balance().grants
    with pytest.raises(InvalidValue, match="both 0"):
        use(ledger, 0)
    row = {"provider": PROVIDER, "model": MODEL, "input_tokens": 0, "output_tokens": 0}
    assert [one.code for one in ledger.log_many([row]).rejected] == ["invalid_value"]
    assert settle(ledger, reserve(ledger, 10), 0).draws == ()
    assert ledger.balance().grants == before


def test_a_refused_row_leaves_no_account_behind(ledger: Ledger) -> None:
    row = {"provider": PROVIDER, "model": "nobody's", "input_tokens": 1, "output_tokens": 0}
    assert len(ledger.log_many([{**row, "account": "new"}]).rejected) == 1
    assert reserve(ledger, 1, hold=False).alternatives == ()


def test_a_closed_ledger_answers_nothing(ledger: Ledger) -> None:
    ledger.close()
    for ask in (ledger.balance, lambda: use(ledger, 1), ledger.verify):
        with pytest.raises(LedgerUnavailable, match="closed"):
            ask()
