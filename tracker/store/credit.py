"""Credit that can pay for a call, read in burn-down order and no further than it is needed."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from itertools import groupby

from tracker.domain.burndown import Credit
from tracker.domain.offer import Offer, Pool
from tracker.domain.recurrence import window_at
from tracker.store.book import Book, Series
from tracker.store.connection import Transaction

# One pool's grants that are active at an instant and have something left, soonest to end first: an
# index holds just those with something left in just this order, so that the number of grants, and
# of expired ones, does not matter.
ACTIVE = (
    "SELECT expires_at, starts_at, id, key, available, entries FROM grants "
    "WHERE pool_key = ? AND available > 0 AND expires_at > ? AND starts_at <= ? "
    "ORDER BY expires_at, starts_at, id"
)


def active(
    transaction: Transaction,
    book: Book,
    offer: Offer,
    at: int,
    lapsed: Mapping[int, int] | None = None,
) -> Iterator[Credit]:
    """Yield the credit that covers an offer at `at`, in burn-down order.

    A window of a recurring grant that has not been drawn on yet has no row; its credit carries the
    negative key of its series.
    lapsed: for a reader, who cannot end reservations past their time: what they hold, per grant.
    """
    pools = offer.pools
    if lapsed:
        return iter(
            sorted(
                credit
                for pool in pools
                for credit in _with_lapsed(transaction, book, pool, at, lapsed)
            )
        )
    if len(pools) == 1:
        return _of_pool(transaction, book, pools[0], at)
    return _merged(transaction, book, pools, at)


def window_of(series: Series, at: int) -> tuple[str, int, int] | None:
    """Return the id, start and exclusive end of a recurring grant's window at `at`, if any."""
    if not series.starts_at <= at < series.expires_at:
        return None
    if series.voided_at is not None and at >= series.voided_at:
        return None
    window = window_at(series.every, series.zone, at)
    return (
        f"{series.id}@{window.label}",
        max(window.starts_at, series.starts_at),
        min(window.ends_at, series.expires_at),
    )


def _merged(
    transaction: Transaction, book: Book, pools: tuple[Pool, ...], at: int
) -> Iterator[Credit]:
    for _, level in groupby(pools, key=lambda pool: pool.priority):
        yield from heapq.merge(*(_of_pool(transaction, book, pool, at) for pool in level))


def _of_pool(transaction: Transaction, book: Book, pool: Pool, at: int) -> Iterator[Credit]:
    key, priority, breadth, unit, _, series = pool
    if series:
        yield from sorted(_with_windows(transaction, book, pool, at))
        return
    for row in transaction.stream(ACTIVE, (key, at, at)):
        expires_at, starts_at, id, grant_key, available, entries = row
        yield Credit(
            priority, expires_at, breadth, starts_at, id, grant_key, unit, available, entries
        )


def _with_lapsed(
    transaction: Transaction, book: Book, pool: Pool, at: int, lapsed: Mapping[int, int]
) -> Iterator[Credit]:
    yield from (
        credit for credit in _with_windows(transaction, book, pool, at) if credit.key not in lapsed
    )
    for row in transaction.rows(
        "SELECT expires_at, starts_at, id, key, available, entries FROM grants "
        "WHERE pool_key = ? AND expires_at > ? AND starts_at <= ? AND voided_at IS NULL "
        f"AND key IN ({', '.join('?' * len(lapsed))})",
        (pool.key, at, at, *lapsed),
    ):
        expires_at, starts_at, id, key, available, entries = row
        yield Credit(
            pool.priority, expires_at, pool.breadth, starts_at, id, key, pool.unit,
            available + lapsed[key], entries,
        )  # fmt: skip


def _with_windows(transaction: Transaction, book: Book, pool: Pool, at: int) -> Iterator[Credit]:
    for row in transaction.rows(ACTIVE, (pool.key, at, at)):
        yield Credit(
            pool.priority, row[0], pool.breadth, row[1], row[2], row[3], pool.unit, row[4], row[5]
        )
    for key in pool.series:
        series = book.series[key]
        window = window_of(series, at)
        if window is None:
            continue
        id, starts_at, ends_at = window
        if transaction.one("SELECT 1 FROM grants WHERE id = ?", (id,)) is None:
            yield Credit(
                pool.priority, ends_at, pool.breadth, starts_at, id, -key, pool.unit, series.amount
            )
