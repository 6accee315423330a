"""Processes that fork with a ledger open: parent and children go on, each by itself."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from typing import Any

import pytest

import tracker
from tests.builders import buckets, reserve, use
from tests.faults.actors import WAIT_S, prepare, running, sound, spent, until

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]


def fork(work: Callable[[], object]) -> int:
    """Run `work` in a forked child and return the child's process id."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # other threads are the point
        child = os.fork()
    if child:
        return child
    try:
        work()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def ended_well(child: int) -> bool:
    """Wait for a child, but not for ever."""

    def done() -> Any:
        pid, status = os.waitpid(child, os.WNOHANG)
        return pid and (os.waitstatus_to_exitcode(status),)

    try:
        (code,) = until(done, "the child")
    except AssertionError:
        os.kill(child, 9)
        os.waitpid(child, 0)
        raise
    return bool(code == 0)


def test_parent_and_children_go_on_after_a_fork(database: str) -> None:
    prepare(database)
    with tracker.open(database) as ledger:
        use(ledger, 1)

        def go_on() -> None:
            for _ in range(10):
                use(ledger, 1)
                ledger.balance()

        children = [fork(go_on) for _ in range(4)]
        go_on()
        for child in children:
            assert ended_well(child)
        assert spent(ledger) == 51
    sound(database).close()


def test_a_child_keeps_its_log_when_the_parent_closes_the_ledger(database: str) -> None:
    """Two ledgers, of which the child uses one: the other's connections must not be shared."""
    prepare(database)
    ledger, other = tracker.open(database), tracker.open(database)
    other.balance()
    use(ledger, 1)
    from_child, to_parent = os.pipe()
    from_parent, to_child = os.pipe()

    def go_on() -> None:
        use(ledger, 1)
        os.write(to_parent, b".")
        os.read(from_parent, 1)
        for _ in range(5):
            use(ledger, 1)
        assert spent(ledger) == 7

    child = fork(go_on)
    os.read(from_child, 1)
    ledger.close()
    other.close()
    sound(database).close()
    os.write(to_child, b".")
    assert ended_well(child)
    with sound(database) as ledger:
        assert spent(ledger) == 7
    for file in (from_child, to_parent, from_parent, to_child):
        os.close(file)


def test_a_fork_while_other_threads_read_and_write_leaves_the_child_free(database: str) -> None:
    prepare(database)
    with tracker.open(database) as ledger:
        done = threading.Event()
        written = [0, 0, 0]

        def go_on(number: int) -> None:
            while not done.is_set():
                use(ledger, 1)
                ledger.balance()
                written[number] += 1

        threads = [threading.Thread(target=go_on, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()

        def child_work() -> None:
            for _ in range(2):
                use(ledger, 1)
                ledger.balance()
            ledger.close()

        try:
            for _ in range(12):
                time.sleep(0.01)
                assert ended_well(fork(child_work))
        finally:
            done.set()
            for thread in threads:
                thread.join()
        assert spent(ledger) == sum(written) + 24
    sound(database).close()


def _go_on(url: str, count: int) -> None:
    with tracker.open(url) as ledger:
        for _ in range(count):
            reserve(ledger, 1)


def test_processes_of_the_fork_method_open_the_ledger_their_parent_has_open(
    database: str,
) -> None:
    prepare(database)
    context = multiprocessing.get_context("fork")
    with tracker.open(database) as ledger:
        reserve(ledger, 1)
        children = [context.Process(target=_go_on, args=(database, 5)) for _ in range(3)]
        for child in children:
            child.start()
        reserve(ledger, 1)
        for child in children:
            child.join(WAIT_S)
        assert [child.exitcode for child in children] == [0, 0, 0]
        assert buckets(ledger, "g")[1] == 17
    sound(database).close()


def _hold_the_turn_and_fork(url: str, report: str) -> None:
    """Fork, with the queue's file open; then be killed in the middle of a turn."""
    ledger = tracker.open(url)
    reserve(ledger, 1)
    child = fork(lambda: time.sleep(WAIT_S))

    def work(*_: object) -> None:
        from tests.faults.actors import report_to

        report_to(report, str(child))
        time.sleep(WAIT_S)

    ledger._opened.write(work)


def test_a_child_that_outlives_its_parent_does_not_keep_the_parents_turn(tmp_path: Any) -> None:
    path, report = tmp_path / "ledger.db", tmp_path / "report"
    prepare(path)
    from tests.faults.actors import report_of

    with running(_hold_the_turn_and_fork, str(path), str(report)):
        child = int(report_of(report))
    try:
        with tracker.open(path) as ledger:
            began = time.monotonic()
            reserve(ledger, 1)
            assert time.monotonic() - began < 10
    finally:
        os.kill(child, 9)
    sound(path).close()
