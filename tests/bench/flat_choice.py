"""A decision among 100,000 grants against one among 20, offers being the same twenty."""

from __future__ import annotations

import random
import time
from pathlib import Path

import tracker
from tests.bench.common import Result, check, folder, in_turns, micros, ratio
from tracker.ledger import Ledger
from tracker.store import ids
from tracker.units import NEVER

OFFERS = 20
ROUNDS = 11
DECISIONS = 100
DAY = 86_400_000_000


def run() -> list[Result]:
    with folder() as place:
        few, many = _ledger(place / "few.db", 1), _ledger(place / "many.db", 5_000)
        with few, many:
            for ledger in (few, many):
                _check(ledger)
            small, large = in_turns(ROUNDS, lambda _: _decide(few), lambda _: _decide(many))
            details = {
                "among_20_us": micros(small, DECISIONS),
                "among_100000_us": micros(large, DECISIONS),
                "offers": OFFERS,
            }
            return [
                Result("flat_choice", ratio(large, small), "x among 20 grants", "<= 5", details)
            ]


def _decide(ledger: Ledger) -> None:
    for _ in range(DECISIONS):
        ledger.route("chat", input_tokens=1200, max_output_tokens=800, hold=False)


def _ledger(path: Path, grants_each: int) -> Ledger:
    """Twenty providers, their grants expired (two fifths), used up, to come, or live."""
    ledger = tracker.open(path, durability="process")
    for number in range(OFFERS):
        name = f"provider-{number}"
        ledger.add_provider(name)
        ledger.add_model(name, f"model-{number}", groups=["chat"])
        price = str(1 + number % 7)
        ledger.set_price(
            name, f"model-{number}", input=price, output=price, valid_from="2024-01-01"
        )
        ledger.add_grant(name, 10**9, id=f"{name}-first", starts_at="2024-01-01")
    _fill(ledger, grants_each - 1)
    return ledger


def _fill(ledger: Ledger, more_each: int) -> None:
    """Add grants by the thousand, straight into the tables; the ledger still verifies."""
    chance, now = random.Random(7), time.time_ns() // 1000
    grants, journal = [], []
    key = ids.new_many(OFFERS * more_each)
    pools = list(ledger._opened.read(lambda tx, book, now: list(book.pools)))
    for pool in pools:
        for number in range(more_each):
            kind = number % 5
            start = now - chance.randrange(30, 300) * DAY
            end = NEVER if number % 11 == 0 else now + chance.randrange(1, 300) * DAY
            if kind < 2:
                end = now - chance.randrange(1, 20) * DAY
            elif kind == 2:
                start, end = now + chance.randrange(1, 20) * DAY, now + 400 * DAY
            amount = chance.randrange(1_000, 10_000)
            spent = amount if kind == 3 else 0
            grants.append(
                (key, f"grant-{key}", pool, amount, amount - spent, spent, 2 if spent else 1, start,
                 end, now)
            )  # fmt: skip
            journal.append((key, 1, "grant", 0, 1, amount, amount, None, start, now, None))
            if spent:
                journal.append((key, 2, "draw", 1, 3, amount, 0, None, start, now, None))
            key += 1

    def write(tx, book, now) -> None:
        tx.many(
            "INSERT INTO grants (key, id, pool_key, amount, available, held, spent, written_off, "
            "entries, starts_at, expires_at, ends_known, when_used_up, recorded_at) "
            "VALUES (?, ?, ?, ?, ?, 0, ?, 0, ?, ?, ?, 1, 'unknown', ?)",
            grants,
        )
        tx.many(
            "INSERT INTO journal (grant_key, entry, kind, source, target, amount, tokens, call_id, "
            "occurred_at, recorded_at, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            journal,
        )

    ledger._opened.write(write)


def _check(ledger: Ledger) -> None:
    """Compare the grants a decision draws on with a search through all of them."""
    check(ledger.verify().ok, "the ledger verifies")
    decision = ledger.route("chat", input_tokens=1200, max_output_tokens=800, hold=False)
    live = sorted(
        (
            (grant.expires_at is None, grant.expires_at, grant.starts_at, grant.id, grant.available)
            for grant in ledger.balance(provider=decision.provider).grants
            if grant.available
        ),
        key=lambda row: (row[0], row[1] or row[2], row[2], row[3]),
    )
    left, expected = 2000, []
    for *_, id, available in live:
        draw = min(left, available)
        if draw:
            expected.append((id, draw))
            left -= draw
    found = [(one.id, one.tokens) for one in decision.grants]
    check(found == expected, f"draws {found} are {expected}")
