"""day x provider x project over 5,000,000 calls, against a GROUP BY over the calls themselves.

Thirty days, ten models of seven providers, twenty projects. Each side runs in a process of its own,
so that its peak memory is its own; imports are in the memory and not in the time.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import tracker
from tests.bench.common import Result, check, folder, ratio
from tracker.service.loading import load_catalogue

CALLS = 5_000_000
DAYS = 30
ROUNDS = 3
START = datetime(2024, 8, 1, tzinfo=UTC)
MODELS = (
    ("alibaba", "qwen-max"), ("alibaba", "qwen-plus"), ("baidu", "ERNIE-3.5-8K"),
    ("baidu", "ERNIE-4.0-8K"), ("deepseek", "deepseek-chat"), ("moonshot", "moonshot-v1-8k"),
    ("tencent", "hunyuan-pro"), ("tencent", "hunyuan-standard"), ("zhipu", "glm-4"),
    ("zhipu", "glm-4-air"),
)  # fmt: skip

OURS = """
import json, resource, sys, time
from tracker import bootstrap
from tracker.reports.usage import usage
opened = bootstrap.open_ledger(sys.argv[1])
start = time.perf_counter()
report = usage(opened.database, by="day,provider,project")
took = time.perf_counter() - start
names = [field.key for field in report.fields]
calls = sum(dict(zip(names, record))["calls"] for record in report.records)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"s": took, "rows": len(report.records), "calls": calls, "peak_kb": peak}))
"""

BARE = """
import json, sys, time
from pathlib import Path
from tracker.store import sqlite
connection = sqlite.connect(Path(sys.argv[1]), "full")
start = time.perf_counter()
rows = connection.execute(
    "SELECT at / 86400000000, a.provider_key, project, currency, COUNT(*), "
    "SUM(uncached_tokens + cached_tokens), SUM(cached_tokens), SUM(output_tokens), "
    "SUM(reasoning_tokens), SUM(overage_tokens), SUM(list_nano), SUM(cash_nano) "
    "FROM usage u JOIN accounts a ON a.key = u.account_key WHERE voided_at IS NULL "
    "GROUP BY 1, 2, 3, 4"
).fetchall()
took = time.perf_counter() - start
print(json.dumps({"s": took, "rows": len(rows), "calls": sum(row[4] for row in rows)}))
"""


def run() -> list[Result]:
    with folder() as place:
        path = place / "ledger.db"
        _fill(path)
        ours, bare = [], []
        for _ in range(ROUNDS):
            ours.append(_run(OURS, path))
            bare.append(_run(BARE, path))
        first, second = ours[0], bare[0]
        check(first["calls"] == second["calls"] == CALLS, "every call is counted once")
        check(first["rows"] == second["rows"], f"{first['rows']} rows are {second['rows']}")
    details = {
        "ours_s": round(min(one["s"] for one in ours), 3),
        "group_by_s": round(min(one["s"] for one in bare), 3),
        "rows": first["rows"],
    }
    peak = max(one["peak_kb"] for one in ours) / 1024
    times = ratio([one["s"] for one in ours], [one["s"] for one in bare])
    return [
        Result("report", times, "x GROUP BY over calls", "<= 0.05", details),
        Result("report_memory", peak, "MB at its peak", "<= 200"),
    ]


def _fill(path: Path) -> None:
    chance = random.Random(1)
    with tracker.open(path, durability="process") as ledger:
        load_catalogue(ledger._opened, "china-2024-07")
        step = timedelta(days=DAYS) / CALLS
        done = ledger.log_many(
            {
                "provider": name,
                "model": model,
                "input_tokens": 100 + number % 4_000,
                "output_tokens": 50 + number % 700,
                "at": START + number * step,
                "project": f"project-{int(chance.random() * 20)}",
            }
            for number in range(CALLS)
            for name, model in (MODELS[int(chance.random() * 10)],)
        )
        check(done.accepted == CALLS, f"{done.accepted:,} calls were recorded")


def _run(code: str, path: Path) -> dict[str, Any]:
    output = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    ).stdout
    found: dict[str, Any] = json.loads(output)
    return found
