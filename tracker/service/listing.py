"""Lists of what is recorded: calls, reservations, prices, rates, the journal of a grant."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from tracker.domain.grant import Grant
from tracker.domain.journal import BUCKETS
from tracker.domain.reservation import Reservation, State
from tracker.domain.usage import Usage
from tracker.errors import InvalidValue, NotFound
from tracker.service.calls import to_reservation
from tracker.service.grants import get_grant
from tracker.service.opened import Opened, instant
from tracker.service.recording import usage_of
from tracker.store import ids, lists, reservations
from tracker.store.book import Book
from tracker.store.connection import Transaction
from tracker.store.engine import reading
from tracker.store.reservations import Held
from tracker.text import label, model_key, show, slug
from tracker.units import count, parse_end, parse_start, to_datetime

MAX_ROWS = 1_000_000


class Entry(NamedTuple):
    """A row of a grant's journal, as people read it.."""

    entry: int
    at: datetime
    recorded_at: datetime
    kind: str
    amount: int
    source: str
    target: str
    call: str | None
    reason: str | None


def list_usage(
    opened: Opened,
    *,
    provider: str | None = None,
    model: str | None = None,
    project: str | None = None,
    user: str | None = None,
    since: str | None = None,
    until: str | None = None,
    voided: bool = True,
    limit: int = 20,
) -> list[Usage]:
    """Return recorded calls, latest first.

    since, until: instants or dates at the provider (UTC where none is named); a date of `until` is
    included. Raises NotFound for a provider or a model the ledger does not know.
    """
    count(limit, "limit", minimum=1, maximum=MAX_ROWS)
    book = opened.read(lambda tx, book, now: book)
    wanted = None if provider is None else book.provider(slug(provider, "provider"))
    zone = "UTC" if wanted is None else wanted.zone
    with reading(opened.database) as connection:
        found = lists.usage_ids(
            connection,
            accounts=None
            if wanted is None
            else [key for (owner, _), key in book.accounts.items() if owner == wanted.id],
            models=models_of(book, provider, model),
            project=None if project is None else label(project, "project"),
            user=None if user is None else label(user, "user"),
            since=None if since is None else parse_start(since, zone, "since"),
            until=None if until is None else parse_end(until, zone, "until"),
            voided=voided,
            limit=limit,
        )
    return list(usage_of(opened, found))


def list_reservations(
    opened: Opened, *, open_only: bool = False, at: datetime | None = None, limit: int = 20
) -> list[Reservation]:
    """Return reservations, latest first. One past its time to live is expired, swept or not."""
    count(limit, "limit", minimum=1, maximum=MAX_ROWS)
    when = instant(at, opened.now())
    with reading(opened.database) as connection:
        found = lists.reservation_ids(connection, open_at=when if open_only else None, limit=limit)

    def work(tx: Transaction, book: Book, now: int) -> list[Reservation]:
        return [one for id in found if (one := _reservation(tx, book, id, when)) is not None]

    return opened.read(work)


def list_prices(
    opened: Opened,
    *,
    provider: str | None = None,
    model: str | None = None,
    at: datetime | None = None,
    current: bool = False,
) -> list[dict[str, Any]]:
    """Return prices as recorded, by model, oldest first; "current" tells which hold at `at`.

    current: only those that do.
    """
    when = instant(at, opened.now())
    book = opened.read(lambda tx, book, now: book)
    with reading(opened.database) as connection:
        rows = lists.prices(connection, models=models_of(book, provider, model))
    latest: dict[int, int] = {}
    for row in rows:
        if row.valid_from <= when:
            latest[row.model_key] = row.valid_from
    found = [
        {**row._mapping, "current": latest.get(row.model_key) == row.valid_from} for row in rows
    ]
    return [row for row in found if row["current"] or not current]


def list_rates(opened: Opened) -> list[dict[str, Any]]:
    """Return exchange rates as recorded, by pair, oldest first."""
    with reading(opened.database) as connection:
        return [dict(row._mapping) for row in lists.rates(connection)]


def list_grants(
    opened: Opened, *, provider: str | None = None, account: str | None = None
) -> list[Grant]:
    """Return grants as recorded, recurring ones once, by id."""
    from tracker.service.balances import balance

    found = {
        grant.window_of or grant.id
        for grant in balance(opened, provider=provider, account=account).grants
    }
    return [get_grant(opened, id) for id in sorted(found)]


def journal(opened: Opened, id: str, *, limit: int = 20) -> list[Entry]:
    """Return the latest rows of a grant's journal, oldest of them first."""
    count(limit, "limit", minimum=1, maximum=MAX_ROWS)
    with reading(opened.database) as connection:
        rows = lists.journal(connection, id, limit=limit)
    return [
        Entry(
            row.entry,
            to_datetime(row.occurred_at),
            to_datetime(row.recorded_at),
            row.kind,
            row.amount,
            BUCKETS[row.source],
            BUCKETS[row.target],
            None if row.call_id is None else ids.to_text(row.call_id),
            row.reason,
        )
        for row in rows
    ]


def count_rows(opened: Opened) -> dict[str, int]:
    """Return how many rows each table has."""
    with reading(opened.database) as connection:
        return lists.counts(connection)


def models_of(book: Book, provider: str | None, model: str | None) -> list[int] | None:
    """Return the keys of the models a filter names; None where it names none.

    model: an id or alias, at any provider where none is named. Raises NotFound where there is none.
    """
    owner = None if provider is None else book.provider(slug(provider, "provider")).id
    if model is None and owner is None:
        return None
    if model is not None and not model.strip():
        raise InvalidValue("model: '' is blank; write its id", field="model")
    keys = [
        one.key
        for one in book.models
        if owner in (None, one.provider)
        and (model is None or model_key(model) in _names(one.identity, one.aliases))
    ]
    if model is not None and not keys:
        raise NotFound(f'no model is called {show(model)}; run "tracker models list"')
    return keys


def _names(identity: str, aliases: Iterable[str]) -> set[str]:
    return {identity, *map(model_key, aliases)}


def _reservation(tx: Transaction, book: Book, id: int, at: int) -> Reservation | None:
    row = tx.one(reservations.FIND, (id,))
    if row is None:
        return None
    held = Held(row[0], State(row[1]), *row[2:])
    if held.state is State.HELD and held.expires_at <= at:
        held = held._replace(state=State.EXPIRED)
    return to_reservation(book, held, reservations.holds(tx, id))
