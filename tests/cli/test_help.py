from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.cli.conftest import invoke
from tracker.cli import main

REPOSITORY = Path(__file__).resolve().parents[2]
HEAVY = (
    *("rich", "pydantic", "sqlalchemy", "alembic", "pandas", "numpy", "importlib.metadata"),
    *("tomllib", "pyarrow", "psycopg"),
)


def groups(command: tuple[str, ...]) -> bool:
    root: Any = typer.main.get_command(main.app)
    return len(command) == 1 and hasattr(root.commands[command[0]], "commands")


def commands() -> Iterator[tuple[str, ...]]:
    root: Any = typer.main.get_command(main.app)
    for name in root.commands:
        command = root.commands[name]
        yield (name,)
        for below in getattr(command, "commands", ()):
            yield name, below


@pytest.mark.parametrize("command", list(commands()), ids=" ".join)
def test_every_command_has_help_with_an_example(command: tuple[str, ...]) -> None:
    ran = invoke(*command, "--help")

    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("Usage: tracker " + " ".join(command))
    assert f"tracker {' '.join(command[:1])}" in ran.out.partition("\n")[2] or groups(command)
    assert max(map(len, ran.out.splitlines())) <= 80


def test_every_option_has_help() -> None:
    root: Any = typer.main.get_command(main.app)
    for command in commands():
        found: Any = root
        for name in command:
            found = found.commands[name]
        for parameter in found.params:
            assert parameter.help, (command, parameter.name)


def test_help_lists_every_command_of_the_contract() -> None:
    out = invoke("--help").out

    for name in (
        *("demo", "init", "balance", "grants", "providers", "models", "catalogue", "prices"),
        *("rates", "usage", "route", "settle", "release", "reservations", "guard", "report"),
        *("reconcile", "verify", "db"),
    ):
        assert f"\n  {name} " in out


def test_the_line_in_the_list_is_there_for_every_group() -> None:
    assert all(entry.help.endswith(".") for entry in main.Tracker.entries.values())


def test_asking_for_nothing_shows_help_and_is_wrong_use() -> None:
    for args in ((), ("grants",), ("usage",)):
        ran = invoke(*args)
        assert ran.code == 2
        assert "Usage: tracker" in ran.out + ran.err


def test_the_version_is_told() -> None:
    from tracker import __version__

    assert invoke("--version").out == f"tracker {__version__}\n"


@pytest.mark.parametrize("line", ["--help", "balance --help", "balance", "guard --min 1"])
def test_what_is_asked_every_day_imports_nothing_heavy(full_ledger: Path, line: str) -> None:
    script = (
        "import sys, json\n"
        "from tracker.cli.main import run\n"
        "try:\n    run()\n"
        "except SystemExit:\n    print(json.dumps(sorted(sys.modules)), file=sys.stderr)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, *line.split()],
        cwd=REPOSITORY,
        env={**os.environ, "TRACKER_DB": str(full_ledger)},
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(json.loads(ran.stderr.splitlines()[-1]))

    assert "tracker.cli.main" in loaded
    assert loaded.isdisjoint(HEAVY)


def test_completion_offers_commands_and_options(full_ledger: Path) -> None:
    def complete(words: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", "tracker"],
            cwd=REPOSITORY,
            env={
                **os.environ,
                "_TRACKER_COMPLETE": "complete_bash",
                "COMP_WORDS": words,
                "COMP_CWORD": str(len(words.split(" ")) - 1),
            },
            capture_output=True,
            text=True,
            check=False,
        ).stdout

    assert "balance" in complete("tracker bal").split()
    assert {"claim", "list"} <= set(complete("tracker grants ").split())
    assert "--provider" in complete("tracker balance --pro").split()
