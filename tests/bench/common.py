"""What every benchmark needs: results, turns, and a ledger to work on."""

from __future__ import annotations

import contextlib
import gc
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import tracker
from tracker.ledger import Ledger


@dataclass(frozen=True)
class Result:
    """One figure. `target` says what it should be: "<= 1.25"."""

    name: str
    ratio: float
    unit: str
    target: str
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def met(self) -> bool:
        sign, limit = self.target.split()
        return self.ratio <= float(limit) if sign == "<=" else self.ratio >= float(limit)

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "ratio": round(self.ratio, 4),
            "unit": self.unit,
            "target": self.target,
            "met": self.met,
            "details": self.details,
        }


def timed(work: Callable[[], object]) -> float:
    """Return how many seconds `work` takes, with the garbage collector out of the way."""
    gc.collect()
    gc.disable()
    try:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start
    finally:
        gc.enable()


def in_turns(rounds: int, *works: Callable[[int], object]) -> list[list[float]]:
    """Time each work once a round, one after the other, so that a slow minute hits all of them."""
    times: list[list[float]] = [[] for _ in works]
    for number in range(rounds):
        for place, work in enumerate(works):
            times[place].append(timed(partial(work, number)))
    return times


def ratio(first: list[float], second: list[float]) -> float:
    """Return the median of the rounds' ratios."""
    return statistics.median(a / b for a, b in zip(first, second, strict=True))


def micros(times: list[float], operations: int) -> float:
    """Return the median time of one operation in microseconds."""
    return round(statistics.median(times) / operations * 1e6, 1)


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tracker-bench-") as name:
        yield Path(name)


def three_providers(path: Path, durability: str = "full") -> Ledger:
    """Open a ledger with three offers of one group, each with credit that does not run out."""
    ledger = tracker.open(path, durability=durability)
    for name in ("baidu", "tencent", "zhipu"):
        ledger.add_provider(name)
        ledger.add_model(name, f"{name}-chat", groups=["chat"], context_window=32_000)
        ledger.set_price(name, f"{name}-chat", input="4.5", output="9", valid_from="2024-01-01")
        ledger.add_grant(name, 10**15, id=f"{name}-grant", starts_at="2024-01-01")
    return ledger


def check(condition: bool, what: str) -> None:
    """Stop the benchmark where an answer is wrong: its time would mean nothing."""
    if not condition:
        raise SystemExit(f"wrong answer, nothing measured: {what}")
