"""Import with hourly sums, balances and no duplicates, against a bare insert of the same rows.

The same rows are what the import leaves behind: the calls, and the draws that paid for them.
Against the calls alone, less than anybody could keep, the ratio is in the details.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.bench.common import Result, check, folder, in_turns, ratio, three_providers
from tracker.store import journal
from tracker.store import sqlite as lite
from tracker.store.usage import COLUMNS, INSERT

ROWS = 200_000
ROUNDS = 3
CHUNK = 10_000


def run() -> list[Result]:
    start = datetime(2024, 7, 1, tzinfo=UTC)
    names = ("baidu", "tencent", "zhipu")
    rows = [
        {
            "provider": names[number % 3],
            "model": f"{names[number % 3]}-chat",
            "input_tokens": 1200 + number % 100,
            "output_tokens": 300,
            "cached_tokens": number % 50,
            "at": start + timedelta(seconds=number),
            "request_id": f"chatcmpl-{number:012x}",
            "project": ("search", "support", "batch")[number % 3],
        }
        for number in range(ROWS)
    ]
    with folder() as place:
        with three_providers(place / "first.db") as ledger:
            done = ledger.log_many(rows)
            again = ledger.log_many(rows)
            check((done.accepted, again.duplicates) == (ROWS, ROWS), "each row is recorded once")
            check(ledger.verify().ok, "the ledger verifies")
        calls, draws = _written(place / "first.db")
        ledgers = [three_providers(place / f"ours-{number}.db") for number in range(ROUNDS)]
        for number in range(ROUNDS):
            three_providers(place / f"all-{number}.db").close()
            three_providers(place / f"calls-{number}.db").close()
        ours, everything, bare = in_turns(
            ROUNDS,
            lambda number: ledgers[number].log_many(rows),
            lambda number: _insert(place / f"all-{number}.db", calls, draws),
            lambda number: _insert(place / f"calls-{number}.db", calls, []),
        )
        for ledger in ledgers:
            ledger.close()
    details = {
        "rows_per_s": round(ROWS / min(ours)),
        "bare_rows_per_s": round(ROWS / min(everything)),
        "against_usage_rows_alone": round(ratio(bare, ours), 3),
        "rows": ROWS,
    }
    return [
        Result("import", ratio(everything, ours), "x rate of bare executemany", ">= 0.4", details)
    ]


def _insert(path: Path, calls: list[Any], draws: list[Any]) -> None:
    """Insert what the import left behind, calls and draws, with nothing checked or added up."""
    connection = lite.connect(path, "full")
    connection.execute("PRAGMA foreign_keys = OFF")  # the draws' grants are another ledger's
    for first in range(0, len(calls), CHUNK):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(INSERT, calls[first : first + CHUNK])
        connection.executemany(journal.INSERT, draws[first : first + CHUNK])
        connection.execute("COMMIT")
    connection.close()


def _written(path: Path) -> tuple[list[Any], list[Any]]:
    connection = lite.connect(path, "full")
    calls = connection.execute(f"SELECT {COLUMNS} FROM usage ORDER BY id").fetchall()
    draws = connection.execute(
        "SELECT grant_key, entry, kind, source, target, amount, tokens, call_id, occurred_at, "
        "recorded_at, reason FROM journal WHERE kind = 'draw' ORDER BY call_id"
    ).fetchall()
    connection.close()
    check(len(calls) == len(draws) == ROWS, "the rows are there")
    return calls, draws
