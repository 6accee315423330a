"""Random histories, on the ledger and on a model of it, side by side: after every step they agree.

A failure prints the shortest history that shows it, and how to run that one again.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import tracker
from tests.builders import START, Clock, draws, offer, reserve, use
from tests.laws.model import FOREVER, Model, ModelCall, ModelGrant, ModelReservation, Refused
from tracker import NoOffer, RequestConflict
from tracker.ledger import Ledger
from tracker.units import to_datetime, to_micros

SECOND = 1_000_000
NANO_PER_TOKEN = {"acme-chat": 8_000, "acme-lite": 2_000}

tokens = st.one_of(st.integers(1, 9), st.integers(1, 150), st.just(60))
seconds = st.integers(0, 90)
which = st.integers(0, 1_000)  # one of those there are, counted around
models = st.sampled_from(sorted(NANO_PER_TOKEN))


def at(micros: int) -> Any:
    return to_datetime(micros)


def history(new_ledger: Callable[[], Any]) -> type[RuleBasedStateMachine]:
    """Return a machine that tries ledgers `new_ledger` makes."""

    class History(RuleBasedStateMachine):
        @initialize(amounts=st.lists(tokens, min_size=1, max_size=2))
        def open(self, amounts: list[int]) -> None:
            self.address = new_ledger()
            self.clock = Clock(START)
            self.ledger: Ledger = tracker.open(self.address, clock=self.clock)
            offer(self.ledger, model="acme-chat", price=8)
            offer(self.ledger, model="acme-lite", price=2)
            self.model = Model(to_micros(START, "start"))
            self.reserved: list[tuple[str, ModelReservation]] = []
            self.called: list[tuple[tracker.Usage, ModelCall]] = []
            self.answered: list[tuple[Callable[[int], Any], Any, str]] = []
            for amount in amounts:
                self.grant(amount, 0, 50, 1, None, "m")

        def teardown(self) -> None:
            if hasattr(self, "ledger"):
                self.ledger.close()

        # Steps

        @precondition(lambda self: len(self.model.grants) < 7)
        @rule(
            amount=tokens,
            starts_in=st.sampled_from((0, -30, -60, 30)) | st.integers(-90, 90),
            ends_in=st.sampled_from((None, 60, 90)) | st.integers(1, 90),
            priority=st.integers(0, 1),
            model=st.none() | models,
            letter=st.sampled_from("amz"),
        )
        def grant(
            self, amount: int, starts_in: int, ends_in: int | None, priority: int,
            model: str | None, letter: str,
        ) -> None:  # fmt: skip
            id = f"{letter}{len(self.model.grants)}"
            starts = self.model.now + starts_in * SECOND
            ends = FOREVER if ends_in is None else self.model.now + ends_in * SECOND
            if ends <= starts:
                return
            self.ledger.add_grant(
                "acme", amount, id=id, priority=priority, starts_at=at(starts),
                expires_at=None if ends_in is None else at(ends),
                models=("*",) if model is None else (model,),
            )  # fmt: skip
            self.model.grant(ModelGrant(id, amount, starts, ends, priority, model))

        @rule(model=models, tokens=tokens, back=st.none() | which, by=st.sampled_from((-1, 0, 1)))
        def use(self, model: str, tokens: int, back: int | None, by: int) -> None:
            """A call of now, or of the past, at or beside a boundary of a grant, is recorded."""
            edges = {
                edge
                for grant in self.model.grants.values()
                for edge in (grant.starts, grant.ends, grant.voided)
                if edge is not None and edge <= self.model.now
            }
            past = sorted(edges | {self.model.now - 1})
            when = self.model.now
            if back is not None:
                when = min(when, past[back % len(past)] + by)
            request_id = f"use-{len(self.called)}-{len(self.answered)}"

            def again(more: int) -> tracker.Usage:
                return use(
                    self.ledger, tokens + more, model=model, at=at(when), request_id=request_id
                )

            usage = again(0)
            call = self.model.use(model, tokens, when)
            self.agree(usage, call)
            self.called.append((usage, call))
            self.answered.append((again, usage, "input_tokens"))

        @rule(model=models, tokens=tokens, ttl=st.integers(1, 60), free_only=st.booleans())
        def reserve(self, model: str, tokens: int, ttl: int, free_only: bool) -> None:
            self._reserve(model, tokens, ttl, free_only=free_only)

        @rule(model=models, amounts=st.lists(tokens, min_size=2, max_size=3), ttl=which)
        def reserve_some(self, model: str, amounts: list[int], ttl: int) -> None:
            """Several calls begin at once, the first to begin the first to lapse."""
            for number, amount in enumerate(amounts):
                self._reserve(model, amount, 1 + ttl % 20 + 10 * number, free_only=False)

        def _reserve(self, model: str, tokens: int, ttl: int, *, free_only: bool) -> None:
            request_id = f"reserve-{len(self.answered)}"

            def again(more: int) -> tracker.Decision:
                return reserve(
                    self.ledger, tokens + more, model=model, ttl_s=ttl, free_only=free_only,
                    request_id=request_id,
                )  # fmt: skip

            try:
                expected = self.model.reserve(model, tokens, ttl * SECOND, free_only=free_only)
            except Refused:
                with pytest.raises(NoOffer) as refusal:
                    again(0)
                self.answered.append((again, refusal.value, "input_tokens"))
                return
            decision = again(0)
            assert {one.id: one.tokens for one in decision.grants} == expected.holds
            assert decision.covered_tokens == sum(expected.holds.values())
            assert decision.overage_tokens == tokens - decision.covered_tokens
            assert decision.free == (decision.overage_tokens == 0)
            assert decision.expected_cash.nano == decision.overage_tokens * NANO_PER_TOKEN[model]
            assert decision.reservation_id is not None
            self.reserved.append((decision.reservation_id, expected))
            self.answered.append((again, decision, "input_tokens"))

        def one_of_the_reserved(self, which: int) -> tuple[str, ModelReservation]:
            """Choose one that is still to be settled, if there is one; now and then any."""
            waiting = [one for one in self.reserved if one[1].state in ("held", "expired")]
            among = self.reserved if not waiting or which % 5 == 4 else waiting
            return among[which % len(among)]

        @precondition(lambda self: self.reserved)
        @rule(which=which, share=st.sampled_from((0, 1, 2, 3)), extra=st.integers(0, 9))
        def settle(self, which: int, share: int, extra: int) -> None:
            """Settle at nothing, half, all or half as much again of the estimate, and a bit."""
            id, reservation = self.one_of_the_reserved(which)
            self._settle(id, reservation, reservation.tokens * share // 2 + extra)

        @precondition(lambda self: any(r.state == "held" for _, r in self.reserved))
        @rule(which=which, by=st.sampled_from((-1, 0, 1)), used=tokens)
        def settle_when_another_ends(self, which: int, by: int, used: int) -> None:
            """The first thing that happens after a hold has lapsed is a settlement."""
            ends = min(r.ends for _, r in self.reserved if r.state == "held")
            self._tick(max(self.model.now, ends + by))
            id, reservation = self.one_of_the_reserved(which)
            self._settle(id, reservation, used)

        def _settle(self, id: str, reservation: ModelReservation, used: int) -> None:

            def again(more: int) -> tracker.Usage:
                return self.ledger.settle(id, input_tokens=used + more, output_tokens=0)

            if reservation.state == "settled" and reservation.used == used:
                return
            try:
                call = self.model.settle(reservation, used)
            except Refused as refused:
                with pytest.raises(getattr(tracker, refused.error)):
                    again(0)
                return
            usage = again(0)
            self.agree(usage, call)
            self.called.append((usage, call))
            self.answered.append((again, usage, "input_tokens"))

        @precondition(lambda self: self.reserved)
        @rule(which=which)
        def release(self, which: int) -> None:
            id, reservation = self.one_of_the_reserved(which)
            try:
                self.model.release(reservation)
            except Refused as refused:
                with pytest.raises(getattr(tracker, refused.error)):
                    self.ledger.release(id)
                return
            assert self.ledger.release(id).state == reservation.state

        @rule(what=st.sampled_from(("void", "adjust", "take back")), which=which, left=tokens)
        def correct(self, what: str, which: int, left: int) -> None:
            if what == "void":
                self._void_grant(which)
            elif what == "adjust":
                self._adjust(which, left)
            elif self.called:
                self._void_usage(which)

        def _void_grant(self, which: int) -> None:
            id = sorted(self.model.grants)[which % len(self.model.grants)]
            self.ledger.void_grant(id)
            self.model.void_grant(id)

        def _adjust(self, which: int, remaining: int) -> None:
            id = sorted(self.model.grants)[which % len(self.model.grants)]
            try:
                self.model.adjust(id, remaining)
            except Refused as refused:
                with pytest.raises(getattr(tracker, refused.error)):
                    self.ledger.adjust_grant(id, remaining=remaining, reason="counted anew")
                return
            self.ledger.adjust_grant(id, remaining=remaining, reason="counted anew")

        def _void_usage(self, which: int) -> None:
            usage, call = self.called[which % len(self.called)]
            self.model.void_call(call)
            assert self.ledger.void_usage(usage.id) == dataclasses.replace(usage, voided=True)

        @precondition(lambda self: self.answered)
        @rule(which=which, other_body=st.booleans())
        def repeat(self, which: int, other_body: bool) -> None:
            """The same again gets the first answer; the same id for something else gets none."""
            again, answer, field = self.answered[which % len(self.answered)]
            if other_body:
                with pytest.raises(RequestConflict) as conflict:
                    again(1)
                assert conflict.value.field == field
            elif isinstance(answer, NoOffer):
                with pytest.raises(NoOffer) as refusal:
                    again(0)
                assert str(refusal.value) == str(answer)
                assert refusal.value.reasons == answer.reasons
            elif isinstance(answer, tracker.Usage):
                assert dataclasses.replace(again(0), voided=False) == answer
            else:
                assert again(0) == answer

        @rule(which=which, by=st.sampled_from((-1, 0, 1)))
        def tick_to_a_boundary(self, which: int, by: int) -> None:
            edges = self.model.boundaries()
            if edges:
                self._tick(max(self.model.now, edges[which % len(edges)] + by))

        @rule(length=seconds)
        def tick(self, length: int) -> None:
            self._tick(self.model.now + length * SECOND)

        def _tick(self, now: int) -> None:
            self.model.tick(now)
            self.clock.set(at(now))

        @rule()
        def open_again(self) -> None:
            self.ledger.close()
            self.ledger = tracker.open(self.address, clock=self.clock)

        @invariant()
        def the_past_is_still_what_it_was(self) -> None:
            if hasattr(self, "ledger"):
                past = sorted(self.model.history)
                for seen in {*past[-3:-1], *past[len(self.answered) % len(past) :][:1]}:
                    self._look_back(seen)

        def _look_back(self, seen: int) -> None:
            """What was true then is still said of then, and of what was learned later."""
            then = {one.id: one for one in self.ledger.balance(at=at(seen)).grants}
            for id, was in self.model.history[seen].items():
                one = then[id]
                assert (one.amount, one.held, one.spent, one.written_off) == (
                    was.amount, was.held, was.spent, was.written_off,
                ), id  # fmt: skip
                active = self.model.grants[id].active(seen)
                assert one.available == (max(0, was.available) if active else 0), id

        # What is always true

        @invariant()
        def balances_agree(self) -> None:
            if not hasattr(self, "ledger"):
                return
            self.model.remember()
            shown = {one.id: one for one in self.ledger.balance().grants}
            assert set(shown) == set(self.model.grants)
            for id, one in shown.items():
                grant = self.model.grants[id]
                assert one.state.value == self.model.state(id), id
                assert one.amount == grant.amount, id
                assert one.spent == grant.spent, id
                assert one.held == self.model.held(id), id
                assert one.written_off == grant.written_off, id
                assert one.remaining == self.model.remaining(id), id
                assert one.available == self.model.available(id), id
                assert one.forfeited == self.model.forfeited(id), id

        @invariant()
        def what_is_available_is_the_largest_reservation(self) -> None:
            if not hasattr(self, "ledger"):
                return
            for model in NANO_PER_TOKEN:
                largest = sum(one.available for one in self.ledger.balance(model=model).grants)
                assert largest == self.model.largest(model)
                if largest:
                    decision = reserve(
                        self.ledger, largest, model=model, hold=False, free_only=True
                    )
                    assert decision.covered_tokens == largest
                with pytest.raises(NoOffer):
                    reserve(self.ledger, largest + 1, model=model, hold=False, free_only=True)

        @invariant()
        def the_journal_agrees(self) -> None:
            if hasattr(self, "ledger"):
                assert self.ledger.verify().problems == ()

        def agree(self, usage: tracker.Usage, call: ModelCall) -> None:
            price = NANO_PER_TOKEN[call.model]
            assert draws(usage) == call.draws
            assert usage.at == at(call.at)
            assert (usage.input_tokens, usage.output_tokens) == (call.tokens, 0)
            assert usage.overage_tokens == call.overage
            assert usage.list_cost is not None
            assert usage.cash_cost is not None
            assert usage.saved is not None
            assert usage.list_cost.nano == call.tokens * price
            assert usage.cash_cost.nano == call.overage * price
            assert usage.saved.nano == (call.tokens - call.overage) * price

    return History


def test_random_histories_agree_with_the_model_on_sqlite(tmp_path: Path) -> None:
    blank = tmp_path / "blank.db"
    tracker.open(blank).close()
    made = iter(range(10**9))

    def new_ledger() -> Path:
        return Path(shutil.copy(blank, tmp_path / f"{next(made)}.db"))

    run_state_machine_as_test(
        history(new_ledger), settings=settings(max_examples=120, stateful_step_count=40)
    )


def test_random_histories_agree_with_the_model_on_postgresql(
    postgresql_url: Callable[[], str],
) -> None:
    run_state_machine_as_test(
        history(postgresql_url), settings=settings(max_examples=15, stateful_step_count=30)
    )
