"""A ledger to look at: the catalogue of July 2024 and one working day of a team in Beijing.

The day is made up, the same in every run: 15 July 2024, six days after OpenAI's block, the grants
of the catalogue in hand. Some calls go where no grant pays, so that credit and cash both show.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

from tracker.bootstrap import open_ledger
from tracker.service.importing import ImportedFile, import_file
from tracker.service.loading import Loaded, load_catalogue
from tracker.service.opened import Opened

CATALOGUE = "china-2024-07"
ZONE = "Asia/Shanghai"
BEIJING = timezone(timedelta(hours=8))
OPENS = datetime(2024, 7, 15, 9, tzinfo=BEIJING)
CLOSES = datetime(2024, 7, 15, 21, tzinfo=BEIJING)
EVENING = datetime(2024, 7, 16, tzinfo=BEIJING)  # the end of the day: what is shown is as of then
SEED = 20240715


class Work(NamedTuple):
    """What a project does all day: calls of one model, with about so many tokens each."""

    project: str
    provider: str
    model: str
    calls: int
    input_tokens: int
    output_tokens: int
    users: tuple[str, ...]


WORK = (
    Work("support-bot", "tencent", "hunyuan-pro", 420, 5200, 700, ("svc-support",)),
    Work("summaries", "zhipu", "glm-4-air", 330, 24_000, 900, ("svc-batch",)),
    Work("agents", "zhipu", "glm-4", 150, 21_000, 1500, ("lin", "chen", "zhao")),
    Work("search", "baidu", "ERNIE-3.5-8K", 380, 3600, 350, ("svc-search",)),
    Work("translation", "sensetime", "SenseChat-Turbo", 90, 2800, 2600, ("wang", "sun")),
    Work("contracts", "baidu", "ERNIE-4.0-8K", 40, 5600, 900, ("zhao", "he")),
    Work("ide", "deepseek", "deepseek-coder", 260, 6400, 420, ("lin", "chen", "wu", "he")),
)


@dataclass(frozen=True, slots=True)
class Demo:
    """A ledger with a day in it."""

    opened: Opened
    ledger: Path
    log: Path
    loaded: Loaded
    imported: ImportedFile


def make(folder: Path) -> Demo:
    """Make the ledger and the log in a folder, the log imported as any other."""
    ledger, log = folder / "ledger.db", folder / "calls.jsonl"
    with log.open("x", encoding="utf-8", newline="\n") as file:
        log.chmod(0o600)
        file.writelines(sample_day())
    opened = open_ledger(ledger)
    loaded = load_catalogue(opened, CATALOGUE)
    with log.open("rb") as calls:
        imported = import_file(opened, calls, name=log.name)
    return Demo(opened, ledger, log, loaded, imported)


def sample_day() -> Iterator[str]:
    """Yield the lines of the day's log, in the order of time."""
    chance = random.Random(SEED).random  # the one method whose results Python promises to keep
    calls = []
    for work in WORK:
        for number in range(work.calls):
            # Two draws added up make the middle of the day busy and its ends quiet.
            at = OPENS + (CLOSES - OPENS) * (chance() + chance()) / 2
            input_tokens = int(work.input_tokens * (0.4 + 1.2 * chance()))
            calls.append(
                {
                    "request_id": f"{work.project}-{number + 1:04d}",
                    "at": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                    "provider": work.provider,
                    "model": work.model,
                    "input_tokens": input_tokens,
                    "cached_tokens": 0,
                    "output_tokens": int(work.output_tokens * (0.4 + 1.2 * chance())),
                    "project": work.project,
                    "user": work.users[int(chance() * len(work.users))],
                    "tags": {"env": "prod" if work.users[0].startswith("svc-") else "dev"},
                }
            )
    calls.sort(key=lambda call: (call["at"], call["request_id"]))
    for call in calls:
        yield json.dumps(call) + "\n"
