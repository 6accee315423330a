"""An open ledger: a database, a clock, and the catalogue in memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from tracker.errors import InvalidValue, LedgerUnavailable
from tracker.store import book as books
from tracker.store.book import Book
from tracker.store.connection import Database, Transaction
from tracker.units import MICROS, rfc3339, to_micros

T = TypeVar("T")
Clock = Callable[[], datetime]

AHEAD_MICROS = 300 * MICROS  # how far a caller's clock may be ahead of ours


class Opened:
    """What every use-case is given. Safe to share between threads."""

    __slots__ = ("_book", "_clock", "_closed", "database")

    def __init__(self, database: Database, clock: Clock | None = None) -> None:
        self.database = database
        self._clock = clock
        self._book: Book | None = None
        self._closed = False

    def now(self) -> int:
        """Read the clock."""
        return time.time_ns() // 1000 if self._clock is None else to_micros(self._clock(), "clock")

    def write(self, work: Callable[[Transaction, Book, int], T]) -> T:
        """Run `work(transaction, catalogue, now)` and make it durable, or leave no trace."""
        if self._closed:
            raise _closed()

        def run(transaction: Transaction) -> T:
            book = self._book = books.current(transaction, self._book)
            return work(transaction, book, self.now())

        return self.database.write(run)

    def read(self, work: Callable[[Transaction, Book, int], T]) -> T:
        """Run `work(transaction, catalogue, now)` on one snapshot."""
        if self._closed:
            raise _closed()
        with self.database.reading() as transaction:
            book = self._book = books.current(transaction, self._book)
            return work(transaction, book, self.now())

    def close(self) -> None:
        """Close the ledger's connections. What is asked of it afterwards is refused."""
        self._closed = True
        self.database.close()


def _closed() -> LedgerUnavailable:
    return LedgerUnavailable("the ledger was closed; open it again")


def instant(at: datetime | None, now: int) -> int:
    """Return the instant a question is about. None means now."""
    return now if at is None else to_micros(at, "at")


def past_instant(at: datetime | None, now: int) -> int:
    """Return the instant something was done. None means now; what has yet to come is refused."""
    if at is None:
        return now
    micros = to_micros(at, "at")
    if micros > now + AHEAD_MICROS:
        raise InvalidValue(
            f"at {rfc3339(micros)} is in the future (it is {rfc3339(now)}); what has not happened "
            "yet cannot be recorded",
            field="at",
        )
    return micros
