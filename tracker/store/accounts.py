"""Accounts, pools and everything else that gets a key of the catalogue."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tracker.domain.grant import breadth
from tracker.store.book import Book, current
from tracker.store.connection import Transaction


def change(tx: Transaction) -> int:
    """Announce a change to the catalogue and return a key for a row of it.

    Whoever holds the catalogue in memory reads it again; two changes wait for each other.
    """
    tx.run("UPDATE ledger SET revision = revision + 1 WHERE key = 1")
    row = tx.one("SELECT revision FROM ledger WHERE key = 1")
    assert row is not None, "a ledger has its row"
    key: int = row[0]
    return key


def ensure(tx: Transaction, book: Book, provider: str, account: str, now: int) -> Book:
    """Return a catalogue that has the account, recording it if it is new."""
    if (provider, account) in book.accounts:
        return book
    owner = book.provider(provider)
    tx.run(
        "INSERT INTO accounts (key, provider_key, id, recorded_at) VALUES (?, ?, ?, ?)",
        (change(tx), owner.key, account, now),
    )
    return current(tx, None)


def ensure_pool(
    tx: Transaction, book: Book, account_key: int, unit: str, models: Sequence[str], priority: int
) -> int:
    """Return the key of the pool of grants with this account, unit, scope and priority."""
    scope = json.dumps(list(models), ensure_ascii=False)
    row = tx.one(
        "SELECT key FROM pools WHERE account_key = ? AND unit = ? AND models = ? AND priority = ?",
        (account_key, unit, scope, priority),
    )
    if row is not None:
        found: int = row[0]
        return found
    key = change(tx)
    tx.run(
        "INSERT INTO pools (key, account_key, unit, models, priority, breadth) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (key, account_key, unit, scope, priority, breadth(models)),
    )
    return key
