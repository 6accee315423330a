"""Whole processes: `tracker balance`, `tracker guard` and `--help` against a Typer hello."""

from __future__ import annotations

import os
import subprocess
import sys

import tracker
from tests.bench.common import Result, check, folder, in_turns, ratio

ROUNDS = 25
HELLO = """import typer
app = typer.Typer()
@app.command()
def hello(name: str = "world"):
    print("hello", name)
app()
"""


def run() -> list[Result]:
    with folder() as place:
        script = place / "hello.py"
        script.write_text(HELLO, encoding="utf-8")
        path = place / "ledger.db"
        tracker.open(path).close()
        tool = [sys.executable, "-m", "tracker"]
        environment = {**os.environ, "TRACKER_DB": str(path)}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)

        def command(*words: str) -> str:
            return subprocess.run(
                words, env=environment, capture_output=True, text=True, check=True
            ).stdout

        command(*tool, "init", "--catalogue", "china-2024-07")
        check("zhipu" in command(*tool, "balance"), "the balance names a grant")
        check(command(*tool, "guard", "--min", "1m") != "", "the guard speaks")
        check("balance" in command(*tool, "--help"), "the help names the commands")
        pairs = {
            "startup_balance": (("balance",), ()),
            "startup_guard": (("guard", "--min", "1m"), ()),
            "startup_help": (("--help",), ("--help",)),
        }
        results = []
        for name, (words, hello) in pairs.items():
            ours, bare = in_turns(
                ROUNDS,
                lambda _, words=words: command(*tool, *words),
                lambda _, hello=hello: command(sys.executable, str(script), *hello),
            )
            details = {"ours_ms": _ms(ours), "hello_ms": _ms(bare), "rounds": ROUNDS}
            results.append(Result(name, ratio(ours, bare), "x Typer hello", "<= 1.3", details))
        return results


def _ms(times: list[float]) -> float:
    return round(sorted(times)[len(times) // 2] * 1000, 1)
