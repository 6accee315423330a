"""Who may use a ledger: it is its owner's alone, and a permission that lacks is named."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import tracker
from tests.builders import reserve
from tests.faults.actors import as_nobody, prepare, report_of, sound, start, use_and_say
from tracker.store import sqlite as lite

NOBODY = 65534


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may reach and write to."""
    folder = Path(tempfile.mkdtemp(prefix="tracker-"))
    folder.chmod(0o777)
    yield folder
    for one in folder.rglob("*"):
        if one.is_dir():
            one.chmod(0o700)
    shutil.rmtree(folder)


def own(path: Path) -> None:
    if os.geteuid() == 0:
        os.chown(path, NOBODY, NOBODY)


def said_by_nobody(tmp_path: Path, url: Path) -> str:
    """Return what a user without privileges is told about a ledger."""
    report = tmp_path / "said"
    process = start(as_nobody, str(report), use_and_say, str(url))
    process.join(60)
    return report_of(report)


def test_a_read_only_ledger_is_read_but_not_written(open_folder: Path, tmp_path: Path) -> None:
    path = open_folder / "ledger.db"
    prepare(path)
    own(path)
    path.chmod(0o444)
    said = said_by_nobody(tmp_path, path)
    assert f"{path} is read-only; it needs write permission" in said


def test_a_ledger_in_a_read_only_folder_is_refused_by_name(
    open_folder: Path, tmp_path: Path
) -> None:
    folder = open_folder / "inner"
    folder.mkdir()
    path = folder / "ledger.db"
    prepare(path)
    own(path)
    own(folder)
    for one in folder.iterdir():
        own(one)
    folder.chmod(0o555)
    before = {one.name for one in folder.iterdir()}
    said = said_by_nobody(tmp_path, path)
    assert "ledger_unavailable" in said
    assert str(folder) in said
    assert "permission" in said
    assert "Traceback" not in said
    assert {one.name for one in folder.iterdir()} == before


@pytest.mark.parametrize("mode", [0o000, 0o200])
def test_a_ledger_that_may_not_be_read_is_refused_by_name(
    mode: int, open_folder: Path, tmp_path: Path
) -> None:
    path = open_folder / "ledger.db"
    prepare(path)
    own(path)
    path.chmod(mode)
    assert said_by_nobody(tmp_path, path) == (
        f"ledger_unavailable: {path} cannot be read: permission denied"
    )


def test_a_ledger_in_a_folder_that_may_not_be_entered_is_refused_by_name(
    open_folder: Path, tmp_path: Path
) -> None:
    folder = open_folder / "inner"
    folder.mkdir()
    path = folder / "ledger.db"
    prepare(path)
    own(folder)
    folder.chmod(0o000)
    said = said_by_nobody(tmp_path, path)
    assert said == f"ledger_unavailable: {path} cannot be read: Permission denied"


def test_a_ledger_that_may_not_be_created_is_refused_by_name(
    open_folder: Path, tmp_path: Path
) -> None:
    open_folder.chmod(0o555)
    for path in (open_folder / "ledger.db", open_folder / "a" / "b" / "ledger.db"):
        said = said_by_nobody(tmp_path, path)
        assert said == f"ledger_unavailable: {path} cannot be created: Permission denied"
    assert list(open_folder.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can write for others")
def test_what_root_wrote_its_owner_can_write(open_folder: Path, tmp_path: Path) -> None:
    path = open_folder / "ledger.db"
    prepare(path)
    own(path)
    (open_folder / "ledger.db-queue").unlink()
    with tracker.open(path) as ledger:
        reserve(ledger, 1)
        assert said_by_nobody(tmp_path, path) == "read 1; wrote"
    assert said_by_nobody(tmp_path, path) == "read 1; wrote"
    sound(path).close()


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def test_files_and_folders_are_their_owners_alone_whatever_the_umask(
    no_umask: None, tmp_path: Path
) -> None:
    path = tmp_path / "share" / "tracker" / "ledger.db"
    with tracker.open(path) as ledger:
        ledger.add_provider("acme")
        beside = {"-wal", "-shm"} if lite.wal_is_safe() else {"-journal"}
        names = {one.name.removeprefix("ledger.db") for one in path.parent.iterdir()}
        assert names == {"", "-queue", *beside}
        modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in path.parent.iterdir()}
        assert set(modes.values()) == {0o600}, modes
    for folder in (path.parent, path.parent.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_ledger_shared_with_a_group_has_its_queue_shared_too(
    no_umask: None, tmp_path: Path
) -> None:
    path = tmp_path / "ledger.db"
    prepare(path)
    path.chmod(0o660)
    (tmp_path / "ledger.db-queue").unlink()
    with tracker.open(path) as ledger:
        reserve(ledger, 1)
    assert stat.S_IMODE((tmp_path / "ledger.db-queue").stat().st_mode) == 0o660


def test_a_ledger_is_created_where_it_may_be_while_its_neighbours_are_locked(
    no_umask: None, tmp_path: Path, sqlite_url: Callable[[], str]
) -> None:
    (tmp_path / ".ledger.db.1.2.new").mkdir()  # not a file of ours: never removed
    os.utime(tmp_path / ".ledger.db.1.2.new", (0, 0))
    tracker.open(tmp_path / "ledger.db").close()
    assert (tmp_path / ".ledger.db.1.2.new").is_dir()
