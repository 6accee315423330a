"""Balances after 1,000,000 calls against balances after 1,000."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.bench.common import Result, check, folder, in_turns, micros, ratio, three_providers
from tracker.ledger import Ledger

ROUNDS = 15
READS = 50
START = datetime(2024, 7, 1, tzinfo=UTC)


def run() -> list[Result]:
    with folder() as place:
        few, many = _ledger(place / "few.db", 1_000), _ledger(place / "many.db", 1_000_000)
        with few, many:
            for ledger, calls in ((few, 1_000), (many, 1_000_000)):
                spent = sum(grant.spent for grant in ledger.balance().grants)
                check(spent == calls * 1500, f"{calls:,} calls spent {spent:,} tokens")
                check(ledger.verify().ok, "the ledger verifies")
            small, large = in_turns(ROUNDS, lambda _: _read(few), lambda _: _read(many))
    details = {"after_1000_us": micros(small, READS), "after_1000000_us": micros(large, READS)}
    return [Result("flat_balance", ratio(large, small), "x after 1,000 calls", "<= 2", details)]


def _read(ledger: Ledger) -> None:
    for _ in range(READS):
        ledger.balance()


def _ledger(path: Path, calls: int) -> Ledger:
    ledger = three_providers(path, "process")
    names = ("baidu", "tencent", "zhipu")
    done = ledger.log_many(
        {
            "provider": names[number % 3],
            "model": f"{names[number % 3]}-chat",
            "input_tokens": 1200,
            "output_tokens": 300,
            "at": START + timedelta(seconds=number % 1_000_000),
            "request_id": f"call-{number:08d}",
        }
        for number in range(calls)
    )
    check(done.accepted == calls, f"{calls:,} calls were recorded")
    return ledger
