"""Grants as rows: reading what they hold now, and what they held at an earlier instant."""

from __future__ import annotations

from typing import NamedTuple

from tracker.domain.journal import AVAILABLE, BUCKETS, HELD, WRITTEN_OFF
from tracker.store.connection import Row, Transaction

COLUMNS = (
    "key, id, pool_key, series_key, amount, available, held, spent, written_off, entries, "
    "starts_at, expires_at, ends_known, voided_at, when_used_up, template, source, note"
)


class GrantRow(NamedTuple):
    """A grant as recorded, in the order of `COLUMNS`."""

    key: int
    id: str
    pool_key: int
    series_key: int | None
    amount: int
    available: int
    held: int
    spent: int
    written_off: int
    entries: int
    starts_at: int
    expires_at: int
    ends_known: int
    voided_at: int | None
    when_used_up: str
    template: str | None
    source: str | None
    note: str | None


def find(transaction: Transaction, id: str) -> GrantRow | None:
    """Return a grant, locked until the transaction ends."""
    row = transaction.one(
        f"SELECT {COLUMNS} FROM grants WHERE id = ?" + (" FOR UPDATE" if transaction.locks else ""),
        (id,),
    )
    return None if row is None else GrantRow(*row)


def peek(transaction: Transaction, id: str) -> GrantRow | None:
    """Return a grant without locking it."""
    row = transaction.one(f"SELECT {COLUMNS} FROM grants WHERE id = ?", (id,))
    return None if row is None else GrantRow(*row)


def all_grants(transaction: Transaction) -> list[GrantRow]:
    """Return every grant with its buckets as they are now."""
    return [GrantRow(*row) for row in transaction.rows(f"SELECT {COLUMNS} FROM grants")]


def buckets_at(transaction: Transaction, at: int) -> dict[int, list[int]]:
    """Return, per grant, what each bucket held at `at`, from the journal alone.

    What a grant was given counts from the start, so that one still to come shows what it will hold.
    """
    found: dict[int, list[int]] = {}
    rows: list[Row] = transaction.rows(
        "SELECT grant_key, source, target, amount FROM journal "
        "WHERE occurred_at <= ? OR kind = 'grant'",
        (at,),
    )
    for key, source, target, amount in rows:
        buckets = found.get(key)
        if buckets is None:
            buckets = found[key] = [0] * len(BUCKETS)
        buckets[source] -= amount
        buckets[target] += amount
    return found


def left_at(transaction: Transaction, key: int, at: int) -> tuple[int, int]:
    """Return what a grant had left, held or not, and what was written off of it at `at`."""
    buckets = [0] * len(BUCKETS)
    for source, target, amount in transaction.rows(
        "SELECT source, target, amount FROM journal "
        "WHERE grant_key = ? AND (occurred_at <= ? OR kind = 'grant')",
        (key, at),
    ):
        buckets[source] -= amount
        buckets[target] += amount
    return buckets[AVAILABLE] + buckets[HELD], buckets[WRITTEN_OFF]


def lapsed_at(transaction: Transaction, at: int) -> dict[int, int]:
    """Return, per grant, what reservations that had lapsed by `at` still held in the journal then.

    They are those no writer has swept yet: of the others the journal itself says when they ended.
    """
    found: dict[int, int] = {}
    for key, amount in transaction.rows(
        "SELECT j.grant_key, j.amount FROM reservations r "
        "CROSS JOIN journal j WHERE r.state = 'held' AND r.expires_at <= ? "
        "AND j.call_id = r.id AND j.kind = 'hold' AND j.occurred_at <= ?",
        (at, at),
    ):
        found[key] = found.get(key, 0) + amount
    return found
