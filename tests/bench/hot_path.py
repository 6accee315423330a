"""reserve + settle through the public API, against the very same statements on raw sqlite3."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import tracker
from tests.bench import orm
from tests.bench.common import Result, check, folder, in_turns, micros, ratio, three_providers
from tracker.ledger import Ledger
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
    paths = {name: place / f"{name}.db" for name in ("start", "ours", "raw", "orm")}
    with three_providers(paths["start"], durability) as ledger:
        operate(ledger, 10)
        base = _spent(ledger)
        database = ledger._opened.database
        connection = database._writer
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for name in ("ours", "raw", "orm"):
            shutil.copy(paths["start"], paths[name])
        log: list[tuple[str, Any]] = []
        database._writer = Recorder(connection, log)
        operate(ledger, ROUNDS * count)
        database._writer = connection
    per_round = len(log) // ROUNDS
    rounds = [log[number * per_round : (number + 1) * per_round] for number in range(ROUNDS)]
    raw = lite.open_file(paths["raw"], durability)
    session = orm.Sessions(paths["orm"], durability)
    with tracker.open(paths["ours"], durability=durability) as ledger:
        operate(ledger, 1)  # the first one opens the connection
        ours, bare, mapped = in_turns(
            ROUNDS,
            lambda number: operate(ledger, count),
            lambda number: replay(raw, rounds[number]),
            lambda number: session.operate(ORM_OPERATIONS),
        )
    raw.close()
    session.close()
    for name, operations in (
        ("ours", ROUNDS * count + 1),
        ("raw", ROUNDS * count),
        ("orm", ROUNDS * ORM_OPERATIONS),
    ):
        with tracker.open(paths[name]) as ledger:
            check(ledger.verify().ok, f"the ledger written by {name} verifies")
            check(_spent(ledger) == base + 1500 * operations, f"{name} spent what it should")
    details = {
        "ours_us": micros(ours, count),
        "raw_us": micros(bare, count),
        "orm_us": micros(mapped, ORM_OPERATIONS),
        "statements": per_round // count,
        "rounds": ROUNDS,
    }
    results = [
        Result(
            f"hot_path_{durability}",
            ratio(ours, bare),
            "x raw sqlite3",
            TARGETS[durability],
            details,
        )
    ]
    if durability == "process":  # at "full" most of either is the disk's
        per_operation = [one / ORM_OPERATIONS * count for one in mapped]
        results.append(
            Result("hot_path_orm", ratio(per_operation, ours), "x faster than ORM", ">= 20")
        )
    return results


def _spent(ledger: Ledger) -> int:
    return sum(grant.spent for grant in ledger.balance().grants)
