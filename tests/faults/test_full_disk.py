"""Disks that are full: writes are refused or unsure, reads go on, what was acknowledged stays."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import tracker
from tests.builders import buckets, held, offer, reserve, settle
from tests.faults.actors import WAIT_S, prepare, report_of, report_to, running, sound, spent
from tracker.ledger import Ledger
from tracker.store import sqlite as lite

KILO = 1024


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MB. Who may not mount one has the limit on file sizes, tested below."""
    folder = tmp_path / "disk"
    folder.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs", str(folder)]
    made = subprocess.run(mount, capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"cannot mount a small disk here ({made.stderr.strip()}): run as root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_refuses_writes_answers_reads_and_recovers(small_disk: Path) -> None:
    path = small_disk / "ledger.db"
    prepare(path)
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"\0" * 900 * KILO)
    with tracker.open(path) as ledger:
        granted = _reserve_until_full(ledger)
        assert len(granted) > 20
        assert ledger.balance().grants[0].held >= 10 * len(granted)
        assert ledger.verify().ok
        with tracker.open(path) as other:
            assert held(other, "g").held >= 10 * len(granted)

        ballast.unlink()
        first = next(iter(granted))
        ledger.settle(granted[first], input_tokens=4, output_tokens=0)
        again = {request_id: _insist(ledger, request_id) for request_id in granted}
        assert again == granted, "an acknowledged answer changed"
        settle(ledger, reserve(ledger, 10), 10)
        assert spent(ledger) == 14
    sound(path).close()


@pytest.mark.skipif(not lite.wal_is_safe(), reason="this SQLite keeps no log")
def test_a_log_that_filled_the_disk_is_emptied(small_disk: Path) -> None:
    path = small_disk / "ledger.db"
    prepare(path)
    (small_disk / "ballast").write_bytes(b"\0" * 900 * KILO)
    with tracker.open(path) as ledger:
        failed = 0
        for _ in range(100):  # each writes some 40 kB to the log: 4 MB in all
            try:
                reserve(ledger, 10)
            except (tracker.LedgerUnavailable, tracker.OutcomeUnknown):
                failed += 1
        assert 0 < failed < 30
    sound(path).close()


def test_an_answer_that_was_unsure_on_a_full_disk_is_found_by_repeating_it(
    small_disk: Path,
) -> None:
    path = small_disk / "ledger.db"
    prepare(path)
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"\0" * 900 * KILO)
    with tracker.open(path) as ledger:
        granted = _reserve_until_full(ledger)
        asked = [f"b-{attempt}" for attempt in range(12)]
        for request_id in asked:
            with contextlib.suppress(tracker.LedgerUnavailable, tracker.OutcomeUnknown):
                granted[request_id] = _reserve(ledger, request_id)
        ballast.unlink()
        for request_id in asked:
            answer = _insist(ledger, request_id)
            assert granted.setdefault(request_id, answer) == answer
            assert _insist(ledger, request_id) == answer
        assert buckets(ledger, "g")[1] >= 10 * len(granted)
    with sound(path) as ledger:
        rows = ledger._opened.read(lambda tx, *_: tx.one("SELECT COUNT(*) FROM reservations"))
        keys = ledger._opened.read(lambda tx, *_: tx.one("SELECT COUNT(*) FROM requests"))
        assert rows == keys, "a request holds twice"


def test_a_ledger_is_not_created_on_a_full_disk_and_nothing_is_left(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"\0" * 1_960 * KILO)
    with pytest.raises(tracker.LedgerUnavailable, match="cannot be created"):
        tracker.open(small_disk / "ledger.db")
    assert [one.name for one in small_disk.iterdir()] == ["ballast"]
    ballast.unlink()
    prepare(small_disk / "ledger.db")
    sound(small_disk / "ledger.db").close()


def test_a_closed_ledger_on_a_disk_without_a_free_byte_is_read_or_refused(
    small_disk: Path,
) -> None:
    path = small_disk / "ledger.db"
    prepare(path)
    with contextlib.suppress(OSError), (small_disk / "ballast").open("wb") as ballast:
        while True:
            ballast.write(b"\0" * KILO)
            ballast.flush()
    try:
        with tracker.open(path) as ledger:
            assert held(ledger, "g").available == 10**9
    except tracker.LedgerUnavailable as error:
        assert "disk" in str(error)  # noqa: PT017 - both are right
    (small_disk / "ballast").unlink()
    sound(path).close()


def test_a_limit_on_file_sizes_is_a_full_disk(tmp_path: Path) -> None:
    path, report = tmp_path / "ledger.db", tmp_path / "report"
    prepare(path)
    with running(_fill_up, str(path), str(report)):
        granted = int(report_of(report))
    assert granted > 0
    with sound(path) as ledger:
        assert held(ledger, "g").held >= 10 * granted
        offer(ledger, model="another")
        reserve(ledger, 1)


def _fill_up(path: str, report: str) -> None:
    with tracker.open(path) as ledger:
        reserve(ledger, 10)
        size = os.path.getsize(f"{path}-wal" if lite.wal_is_safe() else path)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100 * KILO, resource.RLIM_INFINITY))
        granted = _reserve_until_full(ledger)
        assert held(ledger, "g").held >= 10 * len(granted)
        report_to(report, str(len(granted)))
        time.sleep(WAIT_S)


def _reserve(ledger: Ledger, request_id: str) -> str:
    reservation_id = reserve(ledger, 10, request_id=request_id).reservation_id
    assert reservation_id is not None
    return reservation_id


def _insist(ledger: Ledger, request_id: str) -> str:
    """Repeat a request until it is answered: a log that filled the disk is emptied by the first."""
    for _ in range(3):
        with contextlib.suppress(tracker.LedgerUnavailable, tracker.OutcomeUnknown):
            return _reserve(ledger, request_id)
    return _reserve(ledger, request_id)


def _reserve_until_full(ledger: Ledger) -> dict[str, str]:
    """Reserve until twenty requests in a row fail for the disk; return what was acknowledged."""
    granted: dict[str, str] = {}
    said: set[str] = set()
    failed = 0
    for number in range(100_000):
        try:
            granted[f"a-{number}"] = _reserve(ledger, f"a-{number}")
            failed = 0
        except (tracker.LedgerUnavailable, tracker.OutcomeUnknown) as error:
            said.add(str(error))
            failed += 1
        if failed == 20:
            break
    assert said
    for text in said:
        assert "disk" in text
        assert "INSERT" not in text
    return granted
