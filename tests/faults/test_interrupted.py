"""Ctrl-C at any instant: an operation is whole or absent, and nothing stays locked."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import tracker
from tests.builders import buckets, reserve
from tests.faults.actors import (
    Diary,
    Router,
    environment,
    prepare,
    running,
    show,
    sound,
    until,
    usage_rows,
    write_through_interrupts,
)


def test_a_router_struck_by_ctrl_c_loses_nothing_and_keeps_no_lock(
    database: str, tmp_path: Path
) -> None:
    _strike(database, tmp_path / "diary", strikes=250)


@pytest.mark.slow
def test_a_router_struck_by_ctrl_c_thousands_of_times_keeps_no_lock(
    database: str, tmp_path: Path
) -> None:
    _strike(database, tmp_path / "diary", strikes=5_000)


def _strike(database: str, path: Path, strikes: int) -> None:
    prepare(database)
    chance = random.Random(5)
    with running(write_through_interrupts, database, str(path)) as process:
        until(lambda: path.exists() and path.stat().st_size > 200, "the router")
        for _ in range(strikes):
            time.sleep(chance.uniform(0, 0.008))
            os.kill(process.pid, signal.SIGINT)
        os.kill(process.pid, signal.SIGTERM)
        until(
            lambda: "struck" in path.read_text() or "error" in path.read_text(),
            "the router to stand still",
        )
        diary = Diary(path)
        assert not [line for line in diary.lines if "error" in line], diary.lines[-1]["error"]
        # It lives and does nothing: what it kept locked would stop everybody else.
        with tracker.open(database) as ledger:
            began = time.monotonic()
            reserve(ledger, 1)
            assert time.monotonic() - began < 10
    struck = diary.lines.pop()["struck"]
    router = Router(database, diary)
    ended = [ask for ask in diary.asked if ask["do"] in ("settle", "log")]
    used, kept = sum(ask["tokens"] for ask in ended), sum(router.open.values()) + 1
    show(f"{strikes} strikes of Ctrl-C, {len(diary.asked)} requests, {struck} cut short")
    router.ledger.close()
    with sound(database) as ledger:
        assert buckets(ledger, "g") == (10**9 - kept - used, kept, used, 0)
        row = ledger._opened.read(lambda tx, *_: tx.one("SELECT COUNT(*) FROM usage"))
    assert row == (len(ended),)


@pytest.mark.parametrize(
    "command",
    [
        ["init", "--catalogue", "china-2024-07"],
        ["usage", "import", "log.csv"],
        ["route", "--model", "chat", "--input", "10", "--max-output", "10", "--hold"],
    ],
    ids=["init", "usage import", "route"],
)
def test_a_command_struck_by_ctrl_c_ends_with_130_and_is_whole_or_absent(
    command: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "ledger.db"
    if command[0] != "init":
        prepare(path)
    _write_log(tmp_path / "log.csv", 6_000)
    chance = random.Random(2)
    began = time.monotonic()
    _start(tmp_path, [*command, "--db", str(tmp_path / "another.db")]).communicate()
    whole = time.monotonic() - began
    codes = []
    for attempt in range(4):
        if command[0] == "init":
            path = tmp_path / f"ledger-{attempt}.db"
        process = _start(tmp_path, [*command, "--db", str(path)])
        time.sleep(chance.uniform(0.3, 0.8) * whole)  # not while Python itself starts
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert "Traceback" not in err, err
        assert process.returncode in (0, 130, -signal.SIGINT), (process.returncode, out, err)
        codes.append(process.returncode)
        if path.exists():
            sound(path).close()
    show(f"{' '.join(command[:2])} struck 4 times: exit codes {codes}")
    assert {130, -signal.SIGINT} & set(codes)  # what a shell calls 130, either way
    if command[0] == "usage":
        final = _start(tmp_path, [*command, "--db", str(path)])
        out, err = final.communicate(timeout=60)
        assert final.returncode == 0, err
        with sound(path) as ledger:
            row = ledger._opened.read(lambda tx, *_: tx.one("SELECT COUNT(*) FROM usage"))
            assert row == (6_000,)


def _start(folder: Path, command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tracker", *command],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _write_log(path: Path, rows: int) -> None:
    fields = ("provider", "model", "input_tokens", "output_tokens", "request_id", "at")
    with path.open("w") as file:
        file.write(",".join(fields) + "\n")
        for row in usage_rows(rows):
            values = {**row, "at": "2024-07-15T00:00:00Z"}
            file.write(",".join(str(values[name]) for name in fields) + "\n")
