"""The demo: one screen, the same every time, and a ledger that adds up."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

import tracker
from tracker.cli import main
from tracker.demo import make, sample_day
from tracker.text import width


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", "80")
    result = CliRunner().invoke(main.app, ["demo"])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_demo_fits_a_screen(screen: str) -> None:
    lines = screen.splitlines()

    assert len(lines) <= 56
    assert max(map(width, lines)) <= 80


def test_the_demo_shows_the_whole_story(screen: str) -> None:
    for part in (
        "5 grants in hand",
        "1,670 calls, imported",
        "$ tracker balance",
        "Use tencent/hunyuan-pro. It is free",
        "blocked in CN since 2024-07-09",
        "$ tracker report savings",
        "list cost unknown for 90 calls",
        "$ tracker report expiry",
        "tracker init",
    ):
        assert part in screen


def test_the_demo_is_the_same_every_time(screen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert CliRunner().invoke(main.app, ["demo"]).stdout == screen
    assert list(sample_day()) == list(sample_day())


def test_its_ledger_adds_up(tmp_path: Path) -> None:
    made = make(tmp_path)
    made.opened.database.close()

    with tracker.open(made.ledger) as ledger:
        assert ledger.verify().ok
    assert (made.imported.accepted, made.imported.rejected) == (1670, 0)


def test_it_can_be_kept_where_nothing_is(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    runner = CliRunner()

    assert runner.invoke(main.app, ["demo", "--keep", str(folder)]).exit_code == 0
    refused = runner.invoke(main.app, ["demo", "--keep", str(folder)])

    assert refused.exit_code == 1
    assert "exists already" in refused.stderr
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {one.name for one in folder.iterdir()} >= {"ledger.db", "calls.jsonl"}
    assert stat.S_IMODE((folder / "calls.jsonl").stat().st_mode) == 0o600
