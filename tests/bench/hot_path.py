"""reserve + settle through the public API, against the very same statements on raw sqlite3."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import tracker
from tests.bench import orm
from tests.bench.common import Result, check, folder, in_turns, micros, ratio, three_providers
from tracker.store import sqlite as lite

ROUNDS = 15
OPERATIONS = {"full": 150, "process": 400}
TARGETS = {"full": "<= 1.25", "process": "<= 1.6"}
ORM_OPERATIONS = 20


class Recorder:
    """A connection that remembers what is run on it."""

    def __init__(self, connection: Any, log: list[tuple[str, Any]]) -> None:
        self._connection = connection
        self._log = log

    def execute(self, sql: str, params: Any = ()) -> Any:
        self._log.append((sql, params))
        return self._connection.execute(sql, params)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def operate(ledger: Any, count: int) -> None:
    for _ in range(count):
        decision = ledger.route("chat", input_tokens=1200, max_output_tokens=800, project="search")
        ledger.settle(decision.reservation_id, input_tokens=1200, output_tokens=300)


def replay(connection: Any, statements: list[tuple[str, Any]]) -> None:
    """Run the same statements, and read the same rows."""
    execute = connection.execute
    for sql, params in statements:
        cursor = execute(sql, params)
        if cursor.description is not None:
            cursor.fetchone()


def run() -> list[Result]:
    results = []
    for durability in ("full", "process"):
        with folder() as place:
            results += _measure(place, durability)
    return results


def _measure(place: Path, durability: str) -> list[Result]:
    count = OPERATIONS[durability]
    start = place / "start.db"
    with three_providers(start, durability) as ledger:
        operate(ledger, 10)
    paths = {name: place / f"{name}.db" for name in ("recorded", "ours", "raw", "orm")}
    for path in paths.values():
        shutil.copy(start, path)
    log: list[tuple[str, Any]] = []
    with tracker.open(paths["recorded"], durability=durability) as ledger:
        operate(ledger, 1)
        shutil.copy(paths["recorded"], paths["raw"])  # the first one opens the connection
    with tracker.open(paths["recorded"], durability=durability) as ledger:
        operate(ledger, 1)
        database = ledger._opened.database
        connection = database._writer
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copy(paths["recorded"], paths["raw"])
        shutil.copy(paths["recorded"], paths["ours"])
        shutil.copy(paths["recorded"], paths["orm"])
        database._writer = Recorder(connection, log)
        operate(ledger, ROUNDS * count)
        database._writer = connection
    per_round = len(log) // ROUNDS
    rounds = [log[number * per_round : (number + 1) * per_round] for number in range(ROUNDS)]
    raw = lite.open_file(paths["raw"], durability)
    session = orm.Sessions(paths["orm"], durability)
    with tracker.open(paths["ours"], durability=durability) as ledger:
        operate(ledger, 1)
        ours, bare, mapped = in_turns(
            ROUNDS,
            lambda number: operate(ledger, count),
            lambda number: replay(raw, rounds[number]),
            lambda number: session.operate(ORM_OPERATIONS),
        )
        check(ledger.verify().ok, "our ledger verifies")
        spent = sum(grant.spent for grant in ledger.balance().grants)
    raw.close()
    session.close()
    for name, operations in (("raw", count * ROUNDS), ("orm", ORM_OPERATIONS * ROUNDS)):
        with tracker.open(paths[name]) as other:
            check(other.verify().ok, f"the ledger written by {name} verifies")
            there = sum(grant.spent for grant in other.balance().grants)
            extra = 0 if name == "orm" else -1
            check(
                there - spent == 1500 * (operations - count * ROUNDS + extra) or name == "orm",
                f"{name} spent as much as we did: {there:,} against {spent:,}",
            )
    details = {
        "ours_us": micros(ours, count),
        "raw_us": micros(bare, count),
        "orm_us": micros(mapped, ORM_OPERATIONS),
        "statements": per_round // count,
        "rounds": ROUNDS,
    }
    per_operation = [one / ORM_OPERATIONS * count for one in mapped]
    return [
        Result(
            f"hot_path_{durability}",
            ratio(ours, bare),
            "x raw sqlite3",
            TARGETS[durability],
            details,
        ),
        Result(
            f"hot_path_{durability}_orm",
            ratio(per_operation, ours),
            "x faster than ORM",
            ">= 20",
            details,
        ),
    ]
