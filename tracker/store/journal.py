"""Writing the journal: every movement is a row, and the grant's buckets change with it."""

from __future__ import annotations

from collections.abc import Sequence

from tracker.domain.burndown import Credit
from tracker.domain.journal import GRANT, Move, Movement
from tracker.store import ids
from tracker.store.book import Book
from tracker.store.connection import Retry, Transaction

ROW = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
INSERT = (
    "INSERT INTO journal (grant_key, entry, kind, source, target, amount, tokens, call_id, "
    f"occurred_at, recorded_at, reason) VALUES {ROW}"
)
INSERT_TWO = f"{INSERT}, {ROW}"  # what is spent of a hold, and what is given back
MOVE = (
    "UPDATE grants SET amount = amount + ?, available = available + ?, held = held + ?, "
    "spent = spent + ?, written_off = written_off + ?, entries = ? WHERE key = ? AND entries = ?"
)
INSERT_GRANT = (
    "INSERT INTO grants (key, id, pool_key, series_key, amount, available, held, spent, "
    "written_off, entries, starts_at, expires_at, ends_known, voided_at, when_used_up, template, "
    "source, note, recorded_at) VALUES (?, ?, ?, ?, ?, ?, 0, 0, 0, 1, ?, ?, ?, NULL, ?, ?, ?, ?, ?)"
)


def append(
    transaction: Transaction, movements: Sequence[Movement], entries: dict[int, int], now: int
) -> None:
    """Append movements and change the buckets of their grants by just as much.

    entries: per grant, how many rows its journal has. A grant that has more by now was changed by
    somebody else: on PostgreSQL the transaction is then repeated; on SQLite that cannot be.
    """
    changes: dict[int, list[int]] = {}
    rows = []
    for key, (kind, source, target), amount, tokens, call_id, at, reason in movements:
        change = changes.get(key)
        if change is None:
            change = changes[key] = [0, 0, 0, 0, 0, entries[key]]
        change[source] -= amount
        change[target] += amount
        change[5] = entry = change[5] + 1
        rows.append((key, entry, kind, source, target, amount, tokens, call_id, at, now, reason))
    if len(rows) == 2:
        transaction.run(INSERT_TWO, rows[0] + rows[1])
    else:
        for row in rows:
            transaction.run(INSERT, row)
    for key in sorted(changes):
        source_change, available, held, spent, written_off, entry = changes[key]
        if not transaction.run(
            MOVE,
            (-source_change, available, held, spent, written_off, entry, key, entries[key]),
        ):
            raise Retry


def lock(transaction: Transaction, keys: Sequence[int]) -> dict[int, tuple[int, int, bool]]:
    """Return (available, entries, voided) of grants, locked until the transaction ends."""
    marks = ", ".join("?" * len(keys))
    rows = transaction.rows(
        f"SELECT key, available, entries, voided_at FROM grants WHERE key IN ({marks}) ORDER BY key"
        + (" FOR UPDATE" if transaction.locks else ""),
        tuple(keys),
    )
    return {key: (available, count, voided is not None) for key, available, count, voided in rows}


def take(
    transaction: Transaction,
    book: Book,
    wanted: Sequence[tuple[Credit, int, int]],
    move: Move,
    call_id: int,
    at: int,
    now: int,
) -> None:
    """Take (credit, amount, tokens) out of what is available: a hold, or a draw.

    Raises Retry where, on PostgreSQL, somebody took it first.
    """
    keys = {}
    for credit, _, _ in wanted:
        keys[credit.id] = (
            credit.key if credit.key > 0 else open_window(transaction, book, credit, now)
        )
    if transaction.locks:
        locked = lock(transaction, sorted(keys.values()))
        if any(locked[keys[credit.id]][0] < amount for credit, amount, _ in wanted):
            raise Retry
        entries = {key: state[1] for key, state in locked.items()}
    else:
        entries = {
            keys[credit.id]: credit.entries if credit.key > 0 else 1 for credit, _, _ in wanted
        }
    append(
        transaction,
        [
            Movement(keys[credit.id], move, amount, tokens, call_id, at)
            for credit, amount, tokens in wanted
        ],
        entries,
        now,
    )


def open_window(transaction: Transaction, book: Book, credit: Credit, now: int) -> int:
    """Record a window of a recurring grant, which is a grant like any other, and return its key."""
    series = book.series[-credit.key]
    return add_grant(
        transaction,
        id=credit.id,
        pool_key=series.pool_key,
        series_key=series.key,
        amount=series.amount,
        starts_at=credit.starts_at,
        expires_at=credit.expires_at,
        ends_known=True,
        when_used_up=series.when_used_up,
        template=None,
        source=series.source,
        note=None,
        now=now,
    )


def add_grant(
    transaction: Transaction,
    *,
    id: str,
    pool_key: int,
    series_key: int | None,
    amount: int,
    starts_at: int,
    expires_at: int,
    ends_known: bool,
    when_used_up: str,
    template: str | None,
    source: str | None,
    note: str | None,
    now: int,
) -> int:
    """Record a grant with its first journal row and return its key."""
    key = ids.new()
    transaction.run(
        INSERT_GRANT,
        (
            key,
            id,
            pool_key,
            series_key,
            amount,
            amount,
            starts_at,
            expires_at,
            int(ends_known),
            when_used_up,
            template,
            source,
            note,
            now,
        ),
    )
    transaction.run(
        INSERT,
        (
            key,
            1,
            *GRANT,
            amount,
            amount,
            None,
            starts_at,
            now,
            source,
        ),
    )
    return key
