"""What errors say: what is wrong and the way out; never a statement or a password."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import tracker
from tests.builders import reserve
from tests.faults.actors import environment, prepare
from tests.faults.test_damaged_files import DAMAGE, fingerprint
from tracker.store.address import Address, parse_address

SECRET = "sEcret"


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://user:sEcret@host:port/ledgers",
        "postgresql://user:sEcret@[::1/ledgers",
        "postgresql://user:an sEcret@host/ledgers",
        "postgresql://user:%zzsEcret@host/ledgers",
        "postgresql://user:an@sEcret@host/ledgers",
        "postgresql://user:an/sEcret@host/ledgers",
        "postgresql://user:an#sEcret@host/ledgers",
        "postgresql://user:an?sEcret@host/ledgers",
        "postgresql:user:sEcret@host/ledgers",
        "postgresql:/user:sEcret@host/ledgers",
        "postgres://user:sEcret@host/ledgers",
        "mysql://user:sEcret@host/ledgers",
    ],
)
def test_an_address_that_cannot_be_read_is_refused_without_its_password(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(tracker.InvalidValue) as refusal:
        tracker.open(address)
    assert SECRET not in str(refusal.value)
    assert refusal.value.field == "db"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://user:sEcret@127.0.0.1:1/ledgers",
        "postgresql+psycopg://user:s%45cret@127.0.0.1:1/ledgers",
        "postgresql://user@127.0.0.1:1/ledgers?password=sEcret",
        "postgresql://user@127.0.0.1:1/ledgers?sslpassword=sEcret",
        "postgresql://user:sEcret@127.0.0.1:1/ledgers?nonsense=1",
        "postgresql://user:sEcret@127.0.0.1:1/ledgers?connect_timeout=soon",
        "postgresql://user:sEcret@host.invalid/ledgers",
    ],
)
def test_a_server_out_of_reach_is_refused_without_its_password(address: str) -> None:
    parsed = parse_address(address)
    shown = [str(parsed), repr(parsed)]
    with pytest.raises(tracker.LedgerUnavailable) as refusal:
        tracker.open(address)
    shown.append(str(refusal.value))
    assert refusal.value.__cause__ is None
    assert refusal.value.__suppress_context__, "the driver's own words would show in a traceback"
    for text in shown:
        assert SECRET not in text


def test_an_address_shows_where_it_leads() -> None:
    assert str(parse_address("postgresql://user:sEcret@host:5433/ledgers")) == (
        "postgresql+psycopg://user:***@host:5433/ledgers"
    )
    assert str(Address(path=Path("ledger.db"))) == "ledger.db"


def test_a_login_that_is_refused_is_reported_without_its_password(
    postgresql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = postgresql.replace("//postgres:", "//no-such-user:sEcret")
    assert SECRET in nobody
    with pytest.raises(tracker.LedgerUnavailable) as refusal:
        tracker.open(nobody)
    assert "no-such-user" in str(refusal.value)
    assert SECRET not in str(refusal.value)


def run(folder: Path, *command: str, umask: int = 0o022) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tracker", *command],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        umask=umask,
    )


@pytest.mark.parametrize(
    "damage", ["cut to one page", "picture", "another application's with a log", "folder"]
)
def test_a_command_on_a_broken_file_exits_4_and_changes_nothing(
    damage: str, tmp_path: Path
) -> None:
    path = tmp_path / "ledger.db"
    prepare(path)
    (tmp_path / "ledger.db-queue").unlink(missing_ok=True)
    DAMAGE[damage][0](path)
    before = fingerprint(tmp_path)
    for command in (
        ["balance"],
        ["route", "--model", "chat", "--input", "1", "--max-output", "1", "--hold"],
        ["init"],
    ):
        done = run(tmp_path, "--db", str(path), *command)
        assert done.returncode == 4, (command, done)
        _is_clean(done.stderr, path)
        assert done.stdout == ""
    assert fingerprint(tmp_path) == before


def test_a_command_on_a_ledger_of_a_newer_tracker_exits_4(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    prepare(path)
    with tracker.open(path) as ledger:
        ledger._opened.database.write(
            lambda tx: tx.run("UPDATE alembic_version SET version_num = '9999'")
        )
    done = run(tmp_path, "--db", str(path), "balance")
    assert done.returncode == 4
    assert "9999" in done.stderr
    _is_clean(done.stderr, path)


def test_a_command_on_a_server_out_of_reach_exits_4_without_the_password(tmp_path: Path) -> None:
    done = run(tmp_path, "--db", "postgresql://user:sEcret@127.0.0.1:1/ledgers", "balance")
    assert done.returncode == 4, done
    assert SECRET not in done.stderr + done.stdout
    _is_clean(done.stderr, tmp_path)
    done = run(tmp_path, "--db", "postgresql://user:a@sEcret@127.0.0.1:1/ledgers", "balance")
    assert done.returncode == 2, done
    assert SECRET not in done.stderr + done.stdout


def test_a_command_on_a_full_disk_exits_4_or_75_and_names_the_disk(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    made = subprocess.run(mount, capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"cannot mount a small disk here ({made.stderr.strip()}): run as root")
    try:
        path = disk / "ledger.db"
        prepare(path)
        with tracker.open(path) as ledger:
            reserve(ledger, 1)
            room = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
            (disk / "ballast").write_bytes(b"\0" * room)
            done = run(
                tmp_path, "--db", str(path), "route", "--model", "chat", "--input", "1",
                "--max-output", "1", "--hold",
            )  # fmt: skip
            assert done.returncode in (4, 75), done
            assert "disk" in done.stderr
            _is_clean(done.stderr, path)
            assert run(tmp_path, "--db", str(path), "balance").returncode == 0
            (disk / "ballast").unlink()
            assert run(tmp_path, "--db", str(path), "verify").returncode == 0
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_first_command_without_a_umask_makes_private_files(tmp_path: Path) -> None:
    home = tmp_path / "data"
    path = home / "ledger.db"
    done = run(tmp_path, "--db", str(path), "init", umask=0)
    assert done.returncode == 0, done
    done = run(tmp_path, "--db", str(path), "db", "backup", str(home / "copy.db"), umask=0)
    assert done.returncode == 0, done
    modes = {one.name: one.stat().st_mode & 0o777 for one in home.iterdir()}
    assert set(modes.values()) == {0o600}, modes
    assert home.stat().st_mode & 0o777 == 0o700


def _is_clean(text: str, path: Path) -> None:
    """Check what a person reads: one or two lines of words, no statement and no traceback."""
    assert 1 <= len(text.splitlines()) <= 2, text
    for word in ("Traceback", "SELECT", "INSERT", "PRAGMA", "sqlalche.me", "site-packages"):
        assert word not in text, text
