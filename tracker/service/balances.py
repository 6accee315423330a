"""Balances: what each grant holds, now or at an earlier instant."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from tracker.domain.grant import (
    Balance,
    GrantBalance,
    GrantState,
    listing_order,
    state_at,
    totals,
)
from tracker.domain.journal import AVAILABLE, HELD, SOURCE, SPENT, WRITTEN_OFF
from tracker.service.opened import Opened
from tracker.store import grants, reservations
from tracker.store.book import Book, PoolRow, Series
from tracker.store.connection import Transaction
from tracker.store.credit import window_of
from tracker.store.grants import GrantRow
from tracker.text import slug
from tracker.units import NEVER, to_datetime, to_micros


def balance(
    opened: Opened,
    *,
    at: datetime | None = None,
    provider: str | None = None,
    account: str | None = None,
    model: str | None = None,
    ended: bool = True,
) -> Balance:
    """Return what grants hold. Without `at`, now, in a time that does not grow with the journal.

    With `at`, what was true then, added up from the journal: every movement that occurred by then,
    also those the ledger learned of later. ended: whether to include expired and voided grants.
    """
    provider = None if provider is None else slug(provider, "provider")
    account = None if account is None else slug(account, "account")

    def work(tx: Transaction, book: Book, now: int) -> Balance:
        instant = now if at is None else to_micros(at, "at")
        if provider is not None:
            book.provider(provider)
        pools = {
            key: row
            for key, row in book.pools.items()
            if (provider is None or row.provider == provider)
            and (account is None or row.account == account)
            and (model is None or _covers(book, row, model))
        }
        found = _now(tx, instant) if at is None else _then(tx, instant)
        shown = [
            _balance_of(row, pools[row.pool_key], book, instant, lapsed)
            for row, lapsed in found
            if row.pool_key in pools
        ]
        shown += _unopened(tx, book, pools, instant)
        if not ended:
            gone = (GrantState.EXPIRED, GrantState.VOIDED)
            shown = [grant for grant in shown if grant.state not in gone]
        shown.sort(key=listing_order)
        return Balance(to_datetime(instant), tuple(shown), totals(shown))

    return opened.read(work)


def _covers(book: Book, row: PoolRow, model: str) -> bool:
    """Tell whether a pool pays for a model, an alias of it, or a model of a group."""
    return any(pool.key == row.pool.key for offer in book.serving(model) for pool in offer.pools)


def _now(tx: Transaction, at: int) -> Iterator[tuple[GrantRow, int]]:
    lapsed = reservations.open_holds(tx, at, at)
    for row in grants.all_grants(tx):
        yield row, lapsed.get(row.key, 0)


def _then(tx: Transaction, at: int) -> Iterator[tuple[GrantRow, int]]:
    lapsed = grants.lapsed_at(tx, at)
    buckets = grants.buckets_at(tx, at)
    for row in grants.all_grants(tx):
        held = buckets[row.key]
        yield (
            row._replace(
                amount=-held[SOURCE],
                available=held[AVAILABLE],
                held=held[HELD],
                spent=held[SPENT],
                written_off=held[WRITTEN_OFF],
            ),
            lapsed.get(row.key, 0),
        )


def _balance_of(row: GrantRow, pool: PoolRow, book: Book, at: int, lapsed: int) -> GrantBalance:
    voided = row.voided_at is not None and row.voided_at <= at
    held = row.held - lapsed
    free = 0 if voided else max(0, row.available + lapsed)
    written_off = row.written_off + (lapsed if voided else 0)
    remaining = row.amount - row.spent - written_off
    state = state_at(
        at,
        starts_at=row.starts_at,
        expires_at=row.expires_at,
        voided_at=row.voided_at,
        left=remaining,
    )
    expired = state is GrantState.EXPIRED
    return GrantBalance(
        row.id,
        pool.provider,
        pool.account,
        pool.pool.models,
        pool.pool.unit,
        row.amount,
        row.spent,
        held,
        written_off,
        remaining,
        free if state is GrantState.ACTIVE else 0,
        free if expired else 0,
        pool.pool.priority,
        state,
        to_datetime(row.starts_at),
        None if row.expires_at == NEVER else to_datetime(row.expires_at),
        bool(row.ends_known),
        row.when_used_up,
        None if row.series_key is None else book.series[row.series_key].id,
    )


def _unopened(
    tx: Transaction, book: Book, pools: dict[int, PoolRow], at: int
) -> Iterator[GrantBalance]:
    """Yield the windows of recurring grants at `at` that nothing has drawn on yet."""
    for series in book.series.values():
        pool = pools.get(series.pool_key)
        if pool is None:
            continue
        window = window_of(series, at) or _next_or_last(series, at)
        if tx.one("SELECT 1 FROM grants WHERE id = ?", (window[0],)) is None:
            row = GrantRow(
                0, window[0], series.pool_key, series.key, series.amount, series.amount, 0, 0, 0, 1,
                window[1], window[2], 1, series.voided_at, series.when_used_up, None,
                series.source, series.note,
            )  # fmt: skip
            yield _balance_of(row, pool, book, at, 0)


def _next_or_last(series: Series, at: int) -> tuple[str, int, int]:
    """Return the window to show for a recurring grant that has none at `at`."""
    if series.voided_at is not None and at >= series.voided_at:
        nearest = max(series.starts_at, series.voided_at - 1)
    else:
        nearest = series.starts_at if at < series.starts_at else series.expires_at - 1
    window = window_of(series._replace(voided_at=None), nearest)
    assert window is not None, "a recurring grant lasts at least an instant"
    return window
