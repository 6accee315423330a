"""Files that are no ledger, or a broken one: they are refused and left as they are."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import tracker
from tests.builders import reserve
from tests.faults.actors import prepare, sound
from tracker.store import migrate
from tracker.store import sqlite as lite

JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffdb0043") + os.urandom(4_000)


def page(path: Path) -> int:
    return int.from_bytes(path.read_bytes()[16:18], "big")


def cut_to(size: Callable[[Path], int]) -> Callable[[Path], None]:
    def cut(path: Path) -> None:
        os.truncate(path, size(path))

    return cut


def zero_the_first_page(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"\0" * page(path))


def another_app(path: Path) -> None:
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE notes (text)")
    connection.execute("INSERT INTO notes VALUES ('mine')")
    connection.commit()
    connection.close()


def another_app_with_wal(path: Path) -> None:
    """What an application that crashed leaves: a log that is not yet in the file."""
    path.unlink()
    live = path.with_name("live.db")
    connection = sqlite3.connect(live)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE notes (text)")
    connection.execute("INSERT INTO notes VALUES ('mine')")
    connection.commit()
    for suffix in ("", "-wal", "-shm"):
        shutil.copy(f"{live}{suffix}", f"{path}{suffix}")
    connection.close()
    live.unlink()


def scramble_the_rest(path: Path) -> None:
    with path.open("r+b") as file:
        size = file.seek(0, 2)
        file.seek(page(path))
        file.write(b"\xa5" * (size - page(path)))


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def dangling_link(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.with_name("gone.db"))


def link_to_itself(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGE: dict[str, tuple[Callable[[Path], None], type[tracker.TrackerError]]] = {
    "cut to one page": (cut_to(page), tracker.LedgerDamaged),
    "without its last byte": (
        cut_to(lambda path: path.stat().st_size - 1),
        tracker.LedgerDamaged,
    ),
    "without its last page": (
        cut_to(lambda path: path.stat().st_size - page(path)),
        tracker.LedgerDamaged,
    ),
    "cut to half a header": (cut_to(lambda _: 50), tracker.LedgerDamaged),
    "first page zeroed": (zero_the_first_page, tracker.LedgerDamaged),
    "all but the first page scrambled": (scramble_the_rest, tracker.LedgerDamaged),
    "empty": (cut_to(lambda _: 0), tracker.LedgerDamaged),
    "picture": (lambda path: path.write_bytes(JPEG) and None, tracker.LedgerDamaged),
    "another application's": (another_app, tracker.LedgerDamaged),
    "another application's with a log": (another_app_with_wal, tracker.LedgerDamaged),
    "folder": (folder, tracker.LedgerUnavailable),
    "link to nowhere": (dangling_link, tracker.LedgerUnavailable),
    "link to itself": (link_to_itself, tracker.LedgerUnavailable),
    "pipe": (pipe, tracker.LedgerUnavailable),
}


def fingerprint(folder: Path) -> dict[str, str]:
    """Return what is in a folder, with a digest of each file."""
    return {
        one.name: hashlib.sha256(one.read_bytes()).hexdigest()
        if one.is_file()
        else str(one.lstat().st_mode)
        for one in folder.iterdir()
    }


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_broken_file_is_refused_and_left_as_it_is(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    prepare(path)
    (tmp_path / "ledger.db-queue").unlink(missing_ok=True)
    spoil, expected = DAMAGE[damage]
    spoil(path)
    before = fingerprint(tmp_path)
    for _ in range(2):
        with pytest.raises(expected) as refusal:
            tracker.open(path)
        assert str(path) in str(refusal.value)
        assert "SELECT" not in str(refusal.value)
    assert fingerprint(tmp_path) == before


def test_a_page_that_rots_in_use_is_reported_as_damage(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    prepare(path)
    with tracker.open(path) as ledger:
        pages = path.stat().st_size // page(path)
    with path.open("r+b") as file:
        for number in range(2, pages):  # the catalogue of tables stays whole
            file.seek(number * page(path))
            file.write(b"\xff" * page(path))
    with (
        pytest.raises(tracker.LedgerDamaged, match="restore a backup"),
        tracker.open(path) as ledger,
    ):
        reserve(ledger, 1)


@pytest.mark.skipif(not lite.wal_is_safe(), reason="this SQLite keeps no log")
def test_a_ledger_cut_short_while_its_log_is_pending_is_refused(tmp_path: Path) -> None:
    path, copy = tmp_path / "ledger.db", tmp_path / "copy.db"
    prepare(path)
    with tracker.open(path) as ledger:
        reserve(ledger, 1)
        for suffix in ("", "-wal"):
            shutil.copy(f"{path}{suffix}", f"{copy}{suffix}")
    os.truncate(copy, page(copy))
    with pytest.raises(tracker.LedgerDamaged), tracker.open(copy) as ledger:
        ledger.verify()


def test_a_ledger_of_a_newer_tracker_is_refused_with_both_revisions(database: str) -> None:
    prepare(database)
    with tracker.open(database) as ledger:
        ledger._opened.database.write(
            lambda tx: tx.run("UPDATE alembic_version SET version_num = '9999'")
        )
    with pytest.raises(tracker.SchemaMismatch, match="9999") as refusal:
        tracker.open(database)
    assert migrate.HEAD in str(refusal.value)
    assert "upgrade tracker" in str(refusal.value)


def test_a_ledger_whose_tables_are_gone_is_damaged(database: str) -> None:
    prepare(database)
    with tracker.open(database) as ledger:
        ledger._opened.database.write(lambda tx: tx.run("DROP TABLE requests"))
        with pytest.raises(tracker.LedgerDamaged) as refusal:
            reserve(ledger, 1, request_id="r1")
    assert "SELECT" not in str(refusal.value)


def test_a_link_to_a_ledger_is_that_ledger(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    real, link = tmp_path / "real" / "ledger.db", tmp_path / "link.db"
    prepare(real)
    link.symlink_to(real)
    with tracker.open(real) as ledger:
        reserve(ledger, 5)
        with tracker.open(link) as other:
            reserve(other, 5)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["link.db", "real"]
    with sound(link) as ledger:
        assert ledger.balance().grants[0].held == 10


def test_a_missing_ledger_is_not_created_by_who_only_asks(tmp_path: Path) -> None:
    from tracker.bootstrap import open_ledger

    with pytest.raises(tracker.LedgerUnavailable, match="tracker init"):
        open_ledger(tmp_path / "ledger.db", create=False)
    assert list(tmp_path.iterdir()) == []


def test_a_name_no_system_takes_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / ("x" * 300), tmp_path / "file" / "ledger.db"):
        (tmp_path / "file").write_text("not a folder")
        with pytest.raises(tracker.LedgerUnavailable, match="cannot be"):
            tracker.open(path)


def test_no_connection_is_left_open_by_a_refusal(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    prepare(path)
    scramble_the_rest(path)
    threads, files = threading.active_count(), len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with pytest.raises(tracker.LedgerDamaged):
            tracker.open(path)
    assert len(os.listdir("/proc/self/fd")) == files
    assert threading.active_count() == threads
