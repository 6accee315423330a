"""The worked examples, on the pure function and on the ledger itself."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

import tracker
from tests.builders import Clock, buckets, draws, grant, held, offer, reserve, settle, use, utc
from tests.laws.cases import CASES, Case, Step
from tracker.domain.burndown import Credit, Need, burn_down
from tracker.domain.grant import breadth
from tracker.ledger import Ledger
from tracker.units import NEVER, to_micros

each_case = pytest.mark.parametrize("case", [pytest.param(case, id=case.fact) for case in CASES])


def micros(text: str | None) -> int:
    return NEVER if text is None else to_micros(utc(text), "at")


def test_there_are_as_many_examples_as_were_gathered() -> None:
    assert len(CASES) == 21
    assert len({case.fact for case in CASES}) == 21


@each_case
@pytest.mark.parametrize("backwards", [False, True], ids=["in order", "backwards"])
def test_the_pure_function_agrees(case: Case, backwards: bool) -> None:
    left = {one.id: one.amount for one in case.grants}
    ends = {one.id: micros(one.ends) for one in case.grants}
    running = expected_running = 0

    def credits() -> list[Credit]:
        found = [
            Credit(
                one.priority, ends[one.id], breadth(("*",)), micros(one.starts), one.id,
                number, "tokens", left[one.id],
            )
            for number, one in enumerate(case.grants)
        ]  # fmt: skip
        return found[::-1] if backwards else found

    for step in case.steps:
        at = micros(step.at)
        if step.void is not None:
            ends[step.void] = min(ends[step.void], at)
        else:
            burn = burn_down(credits(), Need(step.tokens, None, None), at)
            for credit, amount, tokens in burn.draws:
                assert amount == tokens
                left[credit.id] -= amount
            running += burn.overage_tokens
            assert burn.overage_tokens == step.overage
        everything = burn_down(credits(), Need(10**12, None, None), at)
        usable = {credit.id: amount for credit, amount, _ in everything.draws}
        expected_running += step.overage
        assert (left, usable, running) == (step.left, step.usable, expected_running)


def log(ledger: Ledger, step: Step) -> tracker.Usage:
    if not step.tokens:  # only a reservation may end in nothing
        return route_and_settle(ledger, step)
    return use(ledger, step.tokens, at=utc(step.at))


def route_and_settle(ledger: Ledger, step: Step) -> tracker.Usage:
    decision = reserve(ledger, max(1, step.tokens), at=utc(step.at))
    return settle(ledger, decision, step.tokens, at=utc(step.at))


@each_case
@pytest.mark.parametrize("record", [log, route_and_settle])
def test_the_ledger_agrees(
    database: str, clock: Clock, case: Case, record: Callable[[Ledger, Step], tracker.Usage]
) -> None:
    clock.set(min(one.starts for one in case.grants))
    running = 0
    with tracker.open(database, clock=clock) as ledger:
        offer(ledger)
        for one in case.grants:
            ends = None if one.ends is None else utc(one.ends)
            grant(
                ledger, one.amount, one.id,
                starts_at=utc(one.starts), expires_at=ends, priority=one.priority,
            )  # fmt: skip
        for step, running_overage in zip(
            case.steps, itertools.accumulate(step.overage for step in case.steps), strict=True
        ):
            clock.set(max(clock.now, utc(step.at)))
            if step.void is not None:
                ledger.void_grant(step.void, at=utc(step.at))
            else:
                usage = record(ledger, step)
                running += usage.overage_tokens
                assert usage.overage_tokens == step.overage
                assert sum(draws(usage).values()) == step.tokens - step.overage

            now = ledger.balance()
            assert {one.id: one.amount - one.spent for one in now.grants} == step.left
            everything = reserve(ledger, 10**10, at=utc(step.at), hold=False)
            assert {one.id: one.tokens for one in everything.grants} == step.usable
            assert everything.covered_tokens == sum(step.usable.values())
            if clock.now == utc(step.at):
                assert {one.id: one.available for one in now.grants if one.available} == step.usable
            assert running == running_overage
        assert ledger.verify().problems == ()


def test_burning_and_voiding_account_for_every_token(ledger: Ledger, clock: Clock) -> None:
    offer(ledger)
    grant(ledger, 100, "g")
    use(ledger, 40)
    clock.advance(hours=1)
    ledger.void_grant("g")
    assert buckets(ledger, "g") == (0, 0, 40, 60)
    assert held(ledger, "g").remaining == 0
