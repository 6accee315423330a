"""Credit for many calls at once: read once, drawn on in memory, written back at the end."""

from __future__ import annotations

from collections.abc import Iterator

from tracker.domain.burndown import Credit, Need, spend
from tracker.domain.grant import TOKENS
from tracker.domain.journal import DRAW
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
        self._ordered: dict[int, dict[int, list[Credit]]] = {}  # by account and model
        self._left: dict[str, int] = {}
        self._drawn: list[tuple[Credit, int, int, int, int]] = []
        self._windows: set[str] = set()

    def pay(self, offer: Offer, need: Need, at: int, call_id: int) -> tuple[int, int | None]:
        """Pay a call from what is left of the credit that was active at its time.

        Returns its overage and cash, as `BurnDown` has them. Where the cash is not known (None),
        nothing is drawn.
        """
        for pool in offer.pools:
            if pool.series:
                self._open_windows(pool, at)
        left, tokens = self._left, need.tokens
        ordered = self._ordered.get(offer.account_key, {}).get(offer.model_key)
        if ordered is None:
            ordered = self._order(offer)
        for credit in ordered:  # nearly always the first with something left covers the call
            available = left[credit.id]
            if available and credit.starts_at <= at < credit.expires_at:
                if credit.unit == TOKENS and available >= tokens > 0:
                    left[credit.id] = available - tokens
                    self._drawn.append((credit, tokens, tokens, call_id, at))
                    return 0, 0
                break
        burn = spend(self._active(ordered, at), need)
        if burn.cash_nano is not None:
            for credit, amount, covered in burn.draws:
                left[credit.id] -= amount
                self._drawn.append((credit, amount, covered, call_id, at))
        return burn.overage_tokens, burn.cash_nano

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
        before = dict(entries)
        rows = []
        kind, source, target = DRAW
        for credit, amount, tokens, call_id, at in self._drawn:
            key = keys[credit.id]
            entries[key] = entry = entries[key] + 1
            spent[key] += amount
            rows.append((key, entry, kind, source, target, amount, tokens, call_id, at, now, None))
        self._transaction.many(journal.INSERT, rows)
        for key in sorted(spent):
            change = (0, -spent[key], 0, spent[key], 0, entries[key], key, before[key])
            if not self._transaction.run(journal.MOVE, change):
                raise Retry

    def _order(self, offer: Offer) -> list[Credit]:
        ordered = sorted(credit for pool in offer.pools for credit in self._of_pool(pool))
        self._ordered.setdefault(offer.account_key, {})[offer.model_key] = ordered
        return ordered

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
                for row in self._transaction.rows(
                    ALL + (" FOR UPDATE" if self._transaction.locks else ""), (pool.key,)
                )
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
