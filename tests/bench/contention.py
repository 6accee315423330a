"""4 and 8 processes writing to one file at full durability: does each get its turn?"""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path
from typing import Any

import tracker
from tests.bench.common import Result, check, folder, three_providers

SECONDS = 5.0


def run() -> list[Result]:
    results = []
    for processes in (4, 8):
        ours = _race(processes, own_queue=True)
        theirs = _race(processes, own_queue=False)
        details = {
            "calls": [count for count, _ in ours],
            "longest_wait_s": round(max(wait for _, wait in ours), 3),
            "calls_busy_handler": [count for count, _ in theirs],
            "longest_wait_busy_handler_s": round(max(wait for _, wait in theirs), 3),
            "fairness_busy_handler": round(_fairness(theirs), 3),
        }
        results.append(
            Result(
                f"contention_{processes}",
                _fairness(ours),
                "slowest / fastest process",
                ">= 0.8",
                details,
            )
        )
        results.append(
            Result(
                f"contention_{processes}_wait",
                max(wait for _, wait in ours),
                "s longest wait",
                "<= 0.1",
                {},
            )
        )
    return results


def _fairness(done: list[tuple[int, float]]) -> float:
    return min(count for count, _ in done) / max(count for count, _ in done)


def _race(processes: int, *, own_queue: bool) -> list[tuple[int, float]]:
    with folder() as place:
        path = place / "ledger.db"
        three_providers(path).close()
        context = multiprocessing.get_context("spawn")
        start, results = context.Barrier(processes), context.Queue()
        runners = [
            context.Process(target=_work, args=(path, own_queue, start, results))
            for _ in range(processes)
        ]
        for runner in runners:
            runner.start()
        done = [results.get(timeout=120) for _ in runners]
        for runner in runners:
            runner.join()
        with tracker.open(path) as ledger:
            check(ledger.verify().ok, "the ledger verifies")
            spent = sum(grant.spent for grant in ledger.balance().grants)
            calls = sum(count for count, _ in done)
            check(spent == calls * 1500, f"{calls:,} calls spent {spent:,} tokens")
        return done


def _work(path: Path, own_queue: bool, start: Any, results: Any) -> None:
    """Reserve and settle for a while; report how many calls and the longest wait for one write."""
    with tracker.open(path) as ledger:
        if not own_queue:
            ledger._opened.database.turn.come = lambda deadline: None
        count, longest = 0, 0.0
        start.wait()
        end = time.perf_counter() + SECONDS
        while (before := time.perf_counter()) < end:
            decision = ledger.route("chat", input_tokens=1200, max_output_tokens=800)
            between = time.perf_counter()
            ledger.settle(decision.reservation_id, input_tokens=1200, output_tokens=300)
            longest = max(longest, between - before, time.perf_counter() - between)
            count += 1
        results.put((count, longest))
