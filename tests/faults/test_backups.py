"""Backups while others write: each is whole, and has all that was acknowledged before it began."""

from __future__ import annotations

import stat
import subprocess
import threading
from pathlib import Path

import pytest

import tracker
from tests.builders import held, reserve
from tests.faults.actors import (
    kill,
    prepare,
    report_of,
    report_to,
    show,
    sound,
    start,
    together,
    usage_rows,
    write_for,
)
from tracker.store.backup import back_up


def test_fifteen_backups_while_writing_are_whole(tmp_path: Path) -> None:
    _back_up(tmp_path, 15)


@pytest.mark.slow
def test_forty_backups_while_writing_are_whole(tmp_path: Path) -> None:
    _back_up(tmp_path, 40)


def _back_up(folder: Path, backups: int) -> None:
    path = folder / "ledger.db"
    prepare(path)
    other = start(write_for, 0, str(path), 60.0)
    done = threading.Event()
    acknowledged: list[str] = []
    try:
        with tracker.open(path) as ledger:

            def work(number: int) -> None:
                if number:
                    while not done.is_set():
                        decision = reserve(ledger, 1)
                        acknowledged.append(str(decision.reservation_id))
                        ledger.settle(acknowledged[-1], input_tokens=1, output_tokens=0)
                    return
                try:
                    for copy in range(backups):
                        before = len(acknowledged)
                        back_up(ledger._opened.database, folder / f"copy-{copy}.db")
                        counts.append(before)
                finally:
                    done.set()

            counts: list[int] = []
            together(3, work)
    finally:
        other.kill()
        other.join()
    for copy, before in enumerate(counts):
        target = folder / f"copy-{copy}.db"
        assert stat.S_IMODE(target.stat().st_mode) == 0o600
        with sound(target) as ledger:
            for reservation_id in acknowledged[:before]:
                released = _state_of(ledger, reservation_id)
                assert released in ("held", "settled"), reservation_id
    show(f"{backups} backups while {len(acknowledged)} reservations were made: all whole")
    assert len(acknowledged) > 20
    assert [one.name for one in folder.glob(".*")] == []
    sound(path).close()


def _state_of(ledger: tracker.Ledger, reservation_id: str) -> str | None:
    from tracker.store import ids

    key = ids.from_text(reservation_id, "reservation")
    row = ledger._opened.read(
        lambda tx, *_: tx.one("SELECT state FROM reservations WHERE id = ?", (key,))
    )
    return None if row is None else str(row[0])


def test_a_backup_that_was_killed_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    prepare(path)
    with tracker.open(path) as ledger:
        ledger.log_many(usage_rows(20_000))
    for attempt in range(4):
        process = start(_back_up_for_ever, str(path), str(tmp_path))
        report = tmp_path / "began"
        report_of(report)
        process.join(0.01 * attempt)
        kill(process)
        report.unlink()
    copies = list(tmp_path.glob("copy-*.db"))
    for copy in copies:
        with sound(copy) as ledger:
            assert held(ledger, "g").spent > 20_000
    sound(path).close()


def _back_up_for_ever(path: str, folder: str) -> None:
    import os

    with tracker.open(path) as ledger:
        report_to(f"{folder}/began", "now")
        for number in range(1_000):
            back_up(ledger._opened.database, Path(folder) / f"copy-{os.getpid()}-{number}.db")


def test_a_backup_does_not_overwrite_and_is_refused_where_it_cannot_be(tmp_path: Path) -> None:
    path, taken = tmp_path / "ledger.db", tmp_path / "taken.db"
    prepare(path)
    taken.write_text("mine")
    with tracker.open(path) as ledger:
        database = ledger._opened.database
        with pytest.raises(tracker.AlreadyExists, match="taken"):
            back_up(database, taken)
        with pytest.raises(tracker.AlreadyExists):
            back_up(database, path)
        with pytest.raises(tracker.LedgerUnavailable, match="no folder"):
            back_up(database, tmp_path / "nowhere" / "copy.db")
        reserve(ledger, 1)
    assert taken.read_text() == "mine"


def test_a_backup_to_a_full_disk_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    path, disk = tmp_path / "ledger.db", tmp_path / "disk"
    prepare(path)
    disk.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"cannot mount a small disk here ({made.stderr.strip()}): run as root")
    try:
        with tracker.open(path) as ledger:
            with pytest.raises(tracker.LedgerUnavailable, match="full"):
                back_up(ledger._opened.database, disk / "copy.db")
            reserve(ledger, 1)
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
