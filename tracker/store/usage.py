"""Usage: finished calls, who paid for them, and their hourly sums."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from tracker.domain.price import Tokens
from tracker.store.connection import Row, Transaction

COLUMNS = (
    "id, source, request_id, account_key, model_key, at, uncached_tokens, cached_tokens, "
    "output_tokens, reasoning_tokens, overage_tokens, currency, list_nano, cash_nano, project, "
    "user_id, tags, voided_at, recorded_at"
)
INSERT = f"INSERT INTO usage ({COLUMNS}) VALUES ({', '.join('?' * 19)})"
HOUR = 3_600_000_000
SUMS = (
    "calls",
    "uncached_tokens",
    "cached_tokens",
    "output_tokens",
    "reasoning_tokens",
    "overage_tokens",
    "list_nano",
    "cash_nano",
    "unpriced",
)
ROLL_UP = (
    f"INSERT INTO rollups (hour, account_key, model_key, project, currency, {', '.join(SUMS)}) "
    f"VALUES ({', '.join('?' * 14)}) ON CONFLICT (hour, account_key, model_key, project, currency) "
    "DO UPDATE SET " + ", ".join(f"{name} = rollups.{name} + excluded.{name}" for name in SUMS)
)


class Recorded(NamedTuple):
    """A call as recorded, in the order of the table's columns."""

    id: int
    source: str
    request_id: str | None
    account_key: int
    model_key: int
    at: int
    uncached_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    overage_tokens: int
    currency: str | None
    list_nano: int | None
    cash_nano: int | None
    project: str | None
    user: str | None
    tags: str | None
    voided_at: int | None
    recorded_at: int

    @property
    def tokens(self) -> Tokens:
        """The counts, disjoint."""
        return Tokens(
            self.uncached_tokens, self.cached_tokens, self.output_tokens, self.reasoning_tokens
        )


class Paid(NamedTuple):
    """What one grant paid of a call."""

    grant_key: int
    grant: str
    unit: str
    amount: int
    tokens: int


def insert(transaction: Transaction, call: Recorded) -> None:
    """Record one call and add it to its hour."""
    transaction.run(INSERT, call)
    transaction.run(ROLL_UP, sums(call))


def insert_many(transaction: Transaction, calls: Sequence[Recorded]) -> None:
    """Record calls and add them to their hours, one row an hour."""
    transaction.many(INSERT, calls)
    transaction.many(ROLL_UP, add_up(calls))


def subtract(transaction: Transaction, call: Recorded, at: int) -> None:
    """Take a voided call out of its hour. The call itself stays."""
    transaction.run("UPDATE usage SET voided_at = ? WHERE id = ?", (at, call.id))
    row = sums(call)
    transaction.run(ROLL_UP, (*row[:5], *(-value for value in row[5:])))


def sums(call: Recorded) -> tuple[Any, ...]:
    """Return the hourly sums of one call, in the order of the table's columns."""
    return (
        call[5] - call[5] % HOUR,
        call[3],
        call[4],
        call[14] or "",
        call[11] or "",
        1,
        call[6],
        call[7],
        call[8],
        call[9],
        call[10],
        call[12] or 0,
        call[13] or 0,
        1 if call[12] is None else 0,
    )


def add_up(calls: Iterable[Recorded]) -> list[tuple[Any, ...]]:
    """Return the hourly sums of many calls, in the order of their keys."""
    found: dict[tuple[Any, ...], list[int]] = {}
    for call in calls:
        at = call[5]
        key = (at - at % HOUR, call[3], call[4], call[14] or "", call[11] or "")
        total = found.get(key)
        if total is None:
            total = found[key] = [0] * 9
        total[0] += 1
        total[1] += call[6]
        total[2] += call[7]
        total[3] += call[8]
        total[4] += call[9]
        total[5] += call[10]
        if call[12] is None:
            total[8] += 1
        else:
            total[6] += call[12]
        total[7] += call[13] or 0
    return [(*key, *found[key]) for key in sorted(found)]


def find(transaction: Transaction, id: int) -> Recorded | None:
    """Return a call by its id, locked until the transaction ends."""
    row = transaction.one(
        f"SELECT {COLUMNS} FROM usage WHERE id = ?" + (" FOR UPDATE" if transaction.locks else ""),
        (id,),
    )
    return None if row is None else Recorded(*row)


def find_requests(
    transaction: Transaction, source: str, request_ids: Sequence[str]
) -> dict[str, Recorded]:
    """Return the calls recorded under (source, request id), by request id."""
    found: dict[str, Recorded] = {}
    for start in range(0, len(request_ids), 500):
        part = request_ids[start : start + 500]
        for row in transaction.rows(
            f"SELECT {COLUMNS} FROM usage WHERE source = ? "
            f"AND request_id IN ({', '.join('?' * len(part))})",
            (source, *part),
        ):
            found[row[2]] = Recorded(*row)
    return found


def draws(transaction: Transaction, id: int) -> list[Paid]:
    """Return what each grant paid of a call, in the order it was drawn on."""
    rows: list[Row] = transaction.rows(
        "SELECT g.key, g.id, p.unit, j.amount, j.tokens, j.kind FROM journal j "
        "JOIN grants g ON g.key = j.grant_key JOIN pools p ON p.key = g.pool_key "
        "WHERE j.call_id = ? AND j.kind IN ('settle', 'draw') "
        "ORDER BY j.kind DESC, p.priority, g.expires_at, p.breadth, g.starts_at, g.id",
        (id,),
    )
    paid: dict[int, Paid] = {}
    for key, grant, unit, amount, tokens, _ in rows:
        before = paid.get(key)
        if before is not None:
            amount, tokens = amount + before.amount, tokens + before.tokens
        paid[key] = Paid(key, grant, unit, amount, tokens)
    return list(paid.values())
