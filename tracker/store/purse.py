"""Credit for many calls at once: read once, drawn on in memory, written back at the end."""

from __future__ import annotations

from collections.abc import Iterator

from tracker.domain.burndown import BurnDown, Credit, Draw, Need, spend
from tracker.domain.grant import TOKENS
from tracker.domain.journal import Bucket, Kind
from tracker.domain.offer import Offer, Pool
from tracker.store import journal
from tracker.store.book import Book
from tracker.store.connection import Retry, Transaction
from tracker.store.credit import window_of

ALL = (
    "SELECT expires_at, starts_at, id, key, available, entries FROM grants "
    "WHERE pool_key = ? AND available > 0 ORDER BY expires_at, starts_at, id"
)


class Purse:
    """All credit that calls of one transaction may draw on, in burn-down order."""

    def __init__(self, transaction: Transaction, book: Book) -> None:
        self._transaction = transaction
        self._book = book
        self._credit: dict[int, list[Credit]] = {}  # by pool
        self._ordered: dict[tuple[int, int], list[Credit]] = {}  # by account and model
        self._left: dict[str, int] = {}
        self._drawn: list[tuple[Credit, int, int, int, int]] = []
        self._windows: set[str] = set()

    def spend(self, offer: Offer, need: Need, at: int) -> BurnDown:
        """Pay a call from what is left of the credit that was active at its time."""
        left = self._left
        for pool in offer.pools:
            if pool.series:
                self._open_windows(pool, at)
        key = (offer.account_key, offer.model_key)
        ordered = self._ordered.get(key)
        if ordered is None:
            ordered = self._ordered[key] = sorted(
                credit for pool in offer.pools for credit in self._of_pool(pool)
            )
        tokens = need.tokens
        for credit in ordered:
            available = left[credit.id]
            if available and credit.starts_at <= at < credit.expires_at:
                if credit.unit == TOKENS and available >= tokens > 0:
                    return BurnDown((Draw(credit, tokens, tokens),), 0, 0)
                break
        return spend(self._active(ordered, at), need)

    def draw(self, burn: BurnDown, call_id: int, at: int) -> None:
        """Take what a call was paid with."""
        for credit, amount, tokens in burn.draws:
            self._left[credit.id] -= amount
            self._drawn.append((credit, amount, tokens, call_id, at))

    def close(self, now: int) -> None:
        """Write every draw to the journal and every grant's buckets once."""
        if not self._drawn:
            return
        keys: dict[str, int] = {}
        entries: dict[int, int] = {}
        for credit, *_ in self._drawn:
            if credit.id in keys:
                continue
            key = credit.key
            if key < 0:
                key = journal.open_window(self._transaction, self._book, credit, now)
            keys[credit.id] = key
            entries[key] = credit.entries if credit.key > 0 else 1
        spent = dict.fromkeys(entries, 0)
        if self._transaction.locks:
            for key, state in journal.lock(self._transaction, sorted(entries)).items():
                if state[1] != entries[key]:
                    raise Retry
        before = dict(entries)
        rows = []
        draw, available, gone = Kind.DRAW.value, int(Bucket.AVAILABLE), int(Bucket.SPENT)
        for credit, amount, tokens, call_id, at in self._drawn:
            key = keys[credit.id]
            entries[key] = entry = entries[key] + 1
            spent[key] += amount
            rows.append((key, entry, draw, available, gone, amount, tokens, call_id, at, now, None))
        self._transaction.many(journal.INSERT, rows)
        for key in sorted(spent):
            change = (0, -spent[key], 0, spent[key], 0, entries[key], key, before[key])
            if not self._transaction.run(journal.MOVE, change):
                raise Retry

    def _active(self, ordered: list[Credit], at: int) -> Iterator[Credit]:
        for credit in ordered:
            left = self._left[credit.id]
            if left and credit.starts_at <= at < credit.expires_at:
                yield credit._replace(available=left)

    def _of_pool(self, pool: Pool) -> list[Credit]:
        found = self._credit.get(pool.key)
        if found is None:
            found = self._credit[pool.key] = [
                Credit(
                    pool.priority,
                    row[0],
                    pool.breadth,
                    row[1],
                    row[2],
                    row[3],
                    pool.unit,
                    row[4],
                    row[5],
                )
                for row in self._transaction.rows(ALL, (pool.key,))
            ]
            self._left.update((credit.id, credit.available) for credit in found)
        return found

    def _open_windows(self, pool: Pool, at: int) -> None:
        """Make sure the windows of recurring grants at `at` are among the credit."""
        for key in pool.series:
            window = window_of(self._book.series[key], at)
            if window is None or window[0] in self._windows:
                continue
            id, starts_at, ends_at = window
            self._windows.add(id)
            known = self._of_pool(pool)
            if id in self._left or self._transaction.one(
                "SELECT 1 FROM grants WHERE id = ?", (id,)
            ):
                continue
            amount = self._book.series[key].amount
            known.append(
                Credit(pool.priority, ends_at, pool.breadth, starts_at, id, -key, pool.unit, amount)
            )
            self._left[id] = amount
            self._ordered.clear()
