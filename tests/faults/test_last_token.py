"""Credit is never sold twice, however many ask at once."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

import tracker
from tests.builders import buckets, held, release, reserve, settle
from tests.faults.actors import (
    ask_the_same,
    crowd,
    prepare,
    sound,
    start,
    take_until_refused,
    together,
    write_for,
)


def test_eight_processes_are_granted_exactly_what_fits(database: str) -> None:
    prepare(database, 1_000)
    granted = crowd(8, take_until_refused, database, 3)
    assert sum(granted) == 333
    with sound(database) as ledger:
        assert buckets(ledger, "g") == (1, 999, 0, 0)


def test_two_hundred_threads_are_granted_exactly_what_fits(database: str) -> None:
    prepare(database, 2_000)
    with tracker.open(database) as ledger:

        def take(_: int) -> int:
            granted = 0
            for _ in range(25):
                try:
                    reserve(ledger, 1, free_only=True)
                except tracker.NoOffer:
                    continue
                granted += 1
            return granted

        assert sum(together(200, take)) == 2_000
    with sound(database) as ledger:
        assert buckets(ledger, "g") == (0, 2_000, 0, 0)


def test_two_hundred_clients_of_seven_tokens_share_a_thousand(database: str) -> None:
    prepare(database, 1_000)
    with tracker.open(database) as ledger:

        def take(_: int) -> bool:
            try:
                reserve(ledger, 7, free_only=True)
            except tracker.NoOffer:
                return False
            return True

        answers = together(200, take)
        assert (answers.count(True), answers.count(False)) == (142, 58)
        assert buckets(ledger, "g") == (6, 994, 0, 0)


def test_one_request_sent_fifty_times_at_once_has_one_answer_and_one_hold(database: str) -> None:
    prepare(database, 1_000)
    answers = [one for member in crowd(5, ask_the_same, database, "r1") for one in member]
    assert len(answers) == 50
    assert len(set(answers)) == 1
    with sound(database) as ledger:
        assert buckets(ledger, "g") == (993, 7, 0, 0)


def test_settle_and_release_at_the_same_instant_have_one_winner(database: str) -> None:
    _settle_against_release(database, rounds=40)


@pytest.mark.slow
def test_settle_and_release_have_one_winner_five_hundred_times(database: str) -> None:
    _settle_against_release(database, rounds=500)


def _settle_against_release(database: str, rounds: int) -> None:
    prepare(database, 1_000_000)
    settled = 0
    with tracker.open(database) as ledger:
        for _ in range(rounds):
            decision = reserve(ledger, 10)

            def end(number: int, decision: Any = decision) -> bool:
                try:
                    if number:
                        settle(ledger, decision, 10)
                    else:
                        release(ledger, decision)
                except tracker.ReservationClosed:
                    return False
                return True

            won = together(2, end)
            assert sorted(won) == [False, True]
            settled += won[1]
    with sound(database) as ledger:
        assert buckets(ledger, "g") == (1_000_000 - 10 * settled, 0, 10 * settled, 0)


def test_readers_beside_writers_never_see_more_given_than_there_is(database: str) -> None:
    prepare(database, 500)
    writers = [start(write_for, number, database, 1.5) for number in range(2)]
    takers = [start(take_until_refused, number, database, 3) for number in range(2)]
    seen = set()
    with tracker.open(database) as ledger:

        def read(_: int) -> None:
            while any(one.is_alive() for one in (*writers, *takers)):
                one = held(ledger, "g")
                assert one.available + one.held + one.spent == one.amount == 500, one
                seen.add(one.held)
                time.sleep(0.001)

        together(3, read)
    assert all(one.exitcode == 0 for one in (*writers, *takers))
    assert len(seen) > 3, "nothing happened while they looked"
    sound(database).close()


def test_thirty_two_threads_share_one_ledger(database: str) -> None:
    prepare(database, 100_000)
    with tracker.open(database) as ledger:
        used = [0] * 32

        def work(number: int) -> None:
            for turn in range(8):
                decision = reserve(ledger, 20)
                match (number + turn) % 4:
                    case 0:
                        release(ledger, decision)
                    case 1:
                        ledger.balance()
                        release(ledger, decision)
                    case 2:
                        ledger.verify()
                        settle(ledger, decision, 5)
                        used[number] += 5
                    case _:
                        settle(ledger, decision, 25)
                        used[number] += 25

        together(32, work)
    assert threading.active_count() < 20, "threads are left over"
    with sound(database) as ledger:
        assert buckets(ledger, "g") == (100_000 - sum(used), 0, sum(used), 0)
