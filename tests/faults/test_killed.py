"""Processes that are killed: what was acknowledged is there, what was not is whole or absent."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import tracker
from tests.builders import MODEL, buckets, held, offer, reserve
from tests.faults.actors import (
    Diary,
    Router,
    crowd,
    import_rows,
    just_open,
    kill,
    open_for_the_first_time,
    prepare,
    report_of,
    reserve_and_stop,
    route_until_killed,
    running,
    show,
    sound,
    start,
    take_until_refused,
    together,
    until,
    usage_rows,
)


def test_routers_killed_at_random_lose_and_double_nothing(database: str, tmp_path: Path) -> None:
    _kill_routers(database, tmp_path, seconds=4)


@pytest.mark.slow
def test_routers_killed_for_a_minute_lose_and_double_nothing(database: str, tmp_path: Path) -> None:
    _kill_routers(database, tmp_path, seconds=60)


def _kill_routers(database: str, folder: Path, seconds: float) -> None:
    prepare(database)
    chance = random.Random(7)
    diaries = [folder / f"router-{number}" for number in range(12)]
    routers = [start(route_until_killed, database, str(diary)) for diary in diaries]
    kills = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(chance.uniform(0.1, 0.3))
        number = chance.randrange(12)
        kill(routers[number])
        assert routers[number].exitcode == -9, diaries[number].read_text()[-3000:]
        routers[number] = start(route_until_killed, database, str(diaries[number]))
        kills += 1
    for router in routers:
        kill(router)
    used, calls, kept, asked = 0, 0, 0, 0
    for path in diaries:
        diary = Diary(path)
        assert not [line for line in diary.lines if "error" in line]
        router = Router(database, diary)  # repeats what it has no answer to
        ended = [ask for ask in diary.asked if ask["do"] in ("settle", "log")]
        assert len(diary.told) == len(diary.asked)
        used += sum(ask["tokens"] for ask in ended)
        calls += len(ended)
        kept += sum(router.open.values())
        asked += len(diary.asked)
        router.ledger.close()
        diary.close()
    show(f"{kills} kills among 12 routers, {asked} requests, {calls} calls recorded")
    with sound(database) as ledger:
        assert buckets(ledger, "g") == (10**9 - kept - used, kept, used, 0)
        recorded = ledger._opened.read(lambda tx, *_: tx.one("SELECT COUNT(*) FROM usage"))
    assert recorded == (calls,)
    assert calls > 50, "hardly anything happened"


def test_the_hold_of_a_killed_router_comes_back_once(database: str, tmp_path: Path) -> None:
    prepare(database, 1_000)
    report = tmp_path / "reserved"
    router = start(reserve_and_stop, database, str(report), 1)
    report_of(report)
    kill(router)
    with tracker.open(database) as ledger:
        assert held(ledger, "g").available == 900
        until(lambda: held(ledger, "g").available == 1_000, "the hold to lapse")
    granted = crowd(4, take_until_refused, database, 10)  # each sweeps before it takes
    assert sum(granted) == 100
    with sound(database) as ledger:
        expired = ledger._opened.read(
            lambda tx, *_: tx.one("SELECT COUNT(*) FROM journal WHERE kind = 'expire'")
        )
        assert expired == (1,)


def test_an_import_that_was_killed_is_completed_by_repeating_it(database: str) -> None:
    _kill_imports(database, rows=30_000, kills=2)


@pytest.mark.slow
def test_an_import_of_many_rows_is_completed_however_often_it_is_killed(database: str) -> None:
    _kill_imports(database, rows=200_000, kills=8)


def _kill_imports(database: str, rows: int, kills: int) -> None:
    prepare(database)
    tokens = sum(row["input_tokens"] + row["output_tokens"] for row in usage_rows(rows))
    chance = random.Random(11)
    with tracker.open(database) as ledger:
        before = -1
        for _ in range(kills):
            with running(import_rows, database, rows) as process:
                now = until(
                    lambda seen=before: _imported(ledger, seen) or not process.is_alive(),
                    "rows to arrive",
                )
                time.sleep(chance.uniform(0, 0.1))
            before = max(before, int(now))
        there = _imported(ledger, -1) or 0
        imported = ledger.log_many(usage_rows(rows))
        assert (imported.accepted, imported.duplicates) == (rows - there, there)
        again = ledger.log_many(usage_rows(rows))
        assert (again.accepted, again.duplicates) == (0, rows)
        assert buckets(ledger, "g") == (10**9 - tokens, 0, tokens, 0)
    show(f"{kills} kills of an import, {there} of {rows} rows were there")
    sound(database).close()


def _imported(ledger: tracker.Ledger, more_than: int) -> int:
    """Return how many rows are there if that is more than it was, else 0."""
    row = ledger._opened.read(lambda tx, *_: tx.one("SELECT COUNT(*) FROM usage"))
    return row[0] if row is not None and row[0] > max(0, more_than) else 0


def test_a_ledger_whose_creation_was_killed_is_not_there_or_whole(
    new_database: Callable[[], str],
) -> None:
    chance = random.Random(3)
    began = time.monotonic()
    process = start(just_open, new_database())
    process.join()
    whole = time.monotonic() - began
    for _ in range(5):
        url = new_database()
        process = start(just_open, url)
        time.sleep(chance.uniform(0, whole))
        kill(process)
        with sound(url) as ledger:
            offer(ledger)
            assert reserve(ledger, 1).model == MODEL


def test_what_a_killed_creation_leaves_behind_is_swept_by_a_later_one(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    old, young = tmp_path / ".ledger.db.1.2.new-wal", tmp_path / ".ledger.db.1.3.new"
    for draft in (old, young):
        draft.write_bytes(b"half of a ledger")
    import os

    os.utime(old, (0, 0))
    tracker.open(path).close()
    assert not old.exists()
    assert young.exists(), "it may be in the making"


def test_six_processes_may_run_the_first_command_at_the_same_moment(database: str) -> None:
    assert crowd(6, open_for_the_first_time, database) == [True] * 6
    with sound(database) as ledger:
        assert len(ledger._opened.read(lambda tx, book, now: book.providers)) == 6


def test_threads_may_open_the_same_new_ledger_at_once(database: str) -> None:
    assert together(6, lambda number: open_for_the_first_time(number, database)) == [True] * 6
    sound(database).close()
