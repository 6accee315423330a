"""Writers wait for each other: in turn, not for ever, and without an error of the database's."""

from __future__ import annotations

import fcntl
import os
import signal
import sqlite3
import threading
import time
from pathlib import Path

import pytest

import tracker
from tests.builders import grant, held, offer, reserve
from tests.faults.actors import (
    crowd,
    prepare,
    report_of,
    running,
    show,
    sound,
    start,
    stop_in_its_turn,
    together,
    until,
    write_for,
    write_once,
)
from tracker.store import sqlite as lite

SHARED_FIRST, SHARED_SIZE = 0x40000002, 510  # where SQLite locks a file (its os_unix.c)


def test_every_one_of_eight_processes_gets_its_turns(tmp_path: Path) -> None:
    url = str(tmp_path / "ledger.db")
    prepare(url)
    answers = crowd(8, write_for, url, 3.0)
    counts = sorted(count for count, _ in answers)
    longest = max(wait for _, wait in answers)
    show(
        f"8 writers: {sum(counts) / 3:.0f} reservations/s, slowest/fastest "
        f"{counts[0] / counts[-1]:.2f}, longest wait {longest * 1000:.0f} ms"
    )
    assert counts[0] > 10, counts
    assert counts[0] > counts[-1] / 20, counts
    with sound(url) as ledger:
        assert held(ledger, "g").held == sum(counts) + 8


@pytest.mark.parametrize(
    "seconds", [pytest.param(2, id="2s"), pytest.param(6, id="6s", marks=pytest.mark.slow)]
)
def test_sixteen_writers_outwait_a_program_that_locks_the_file(
    seconds: int, tmp_path: Path
) -> None:
    path = tmp_path / "ledger.db"
    prepare(path)
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")

    def let_go() -> None:
        time.sleep(seconds)
        other.execute("COMMIT")

    thread = threading.Thread(target=let_go)
    thread.start()
    began = time.monotonic()
    processes = [start(write_once, number, str(path)) for number in range(8)]
    with tracker.open(path) as ledger:
        together(8, lambda _: reserve(ledger, 1))
        assert time.monotonic() - began > seconds * 0.9
        thread.join()
        for process in processes:
            process.join(60)
        assert held(ledger, "g").held == 16
    other.close()
    sound(path).close()


def test_a_writer_that_stands_still_is_waited_for_and_then_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, report = tmp_path / "ledger.db", tmp_path / "report"
    prepare(path)
    monkeypatch.setattr(lite, "WAIT_S", 0.4)
    with tracker.open(path) as ledger, running(stop_in_its_turn, str(path), str(report)) as stuck:
        report_of(report)
        os.kill(stuck.pid, signal.SIGSTOP)
        before = len(os.listdir("/proc/self/fd"))

        def wait(_: int) -> float:
            began = time.monotonic()
            with pytest.raises(tracker.LedgerUnavailable, match="busy") as refusal:
                reserve(ledger, 1)
            assert str(path) in str(refusal.value)
            return time.monotonic() - began

        assert max(together(6, wait)) < 5
        assert max(together(6, wait)) < 5
        assert ledger.balance().grants[0].held == 0, "readers do not wait"
        stuck.kill()
        os.kill(stuck.pid, signal.SIGCONT)
        until(lambda: _try(ledger), "the ledger to be writable again")
        until(lambda: threading.active_count() < 3, "the threads that waited to end")
        until(lambda: len(os.listdir("/proc/self/fd")) < before + 6, "their files to be closed")
    assert write_once(0, str(path)) == "done"
    sound(path).close()


def _try(ledger: tracker.Ledger) -> bool:
    try:
        reserve(ledger, 1)
    except tracker.LedgerUnavailable:
        return False
    return True


def test_a_turn_given_up_by_ctrl_c_is_not_kept_from_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, report = tmp_path / "ledger.db", tmp_path / "report"
    prepare(path)
    with tracker.open(path) as ledger:
        with running(stop_in_its_turn, str(path), str(report)):
            report_of(report)
            main = threading.get_ident()
            threading.Timer(0.2, signal.pthread_kill, (main, signal.SIGINT)).start()
            with pytest.raises(KeyboardInterrupt):
                reserve(ledger, 1)
        # The one that stood in the way is dead; this process no longer waits, and writes nothing.
        process = start(write_once, 0, str(path))
        process.join(10)
        assert process.exitcode == 0, "the interrupted writer took its turn after all"
        assert held(ledger, "g").held == 1
        reserve(ledger, 1)


def test_a_ledger_closed_by_another_thread_finishes_what_is_under_way(database: str) -> None:
    prepare(database)
    ledger = tracker.open(database)
    unknown: list[BaseException] = []

    def work(number: int) -> None:
        for _ in range(15):
            if number == 0:
                ledger.close()
                continue
            try:
                reserve(ledger, 1)
                ledger.balance()
            except tracker.TrackerError:
                pass
            except BaseException as error:
                unknown.append(error)

    together(6, work)
    assert unknown == []
    ledger.close()
    sound(database).close()


def test_a_writer_within_a_write_of_its_own_thread_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    prepare(path)
    with tracker.open(path) as ledger:
        offer(ledger, model="other")

        def twice(*_: object) -> None:
            grant(ledger, 5, "inner")

        with pytest.raises(tracker.LedgerUnavailable, match="this very thread"):
            ledger._opened.write(twice)
        reserve(ledger, 1)
    sound(path).close()


@pytest.mark.skipif(not lite.wal_is_safe(), reason="this SQLite locks the file in writes only")
def test_opening_another_connection_drops_no_lock_of_the_process(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    prepare(path)
    with tracker.open(path) as ledger:
        reserve(ledger, 1)
        with tracker.open(path) as other:
            other.verify()
            together(4, lambda _: (ledger.balance(), other.balance()))
        from tracker.service.listing import count_rows

        count_rows(ledger._opened)
        process = start(_lock_alone, str(path), str(tmp_path / "report"))
        process.join(60)
        assert report_of(tmp_path / "report") == "in use"
        reserve(ledger, 1)
    sound(path).close()


def _lock_alone(path: str, report: str) -> None:
    """Lock a file like the last process that closes it, which then removes its log."""
    with open(path, "r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, SHARED_SIZE, SHARED_FIRST)
            found = "nobody uses it"
        except OSError:
            found = "in use"
    Path(report).write_text(found)
