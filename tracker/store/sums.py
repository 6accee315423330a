"""Sums of usage by time and key, added up in the database: for reports.

They come from the hourly sums where the question allows it, else from the calls themselves; both
give the same answer. Voided calls are in neither.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from tracker.domain import calendar
from tracker.domain.calendar import DAY_S, HOUR_S, Stretch
from tracker.store import schema, summing
from tracker.store.connection import Database
from tracker.store.engine import reading
from tracker.store.schema import Int
from tracker.store.summing import DAY, GRANT, HOUR, TAG, TAGS, USER, Query
from tracker.units import MICROS

__all__ = ["Answer", "Batch", "Names", "Query", "ask"]

BATCH = 20_000  # rows handed on at once
PIECE = 250_000  # calls added up at once
MOST_PIECES = 400

_calls, _sums = schema.usage.c, schema.rollups.c


class Names(NamedTuple):
    """What the keys stand for: (provider, account), a model's id, (grant id, unit)."""

    accounts: dict[int, tuple[str, str]]
    models: dict[int, str]
    grants: dict[int, tuple[str, str]]


class Batch(NamedTuple):
    """Rows of an answer. Others may have the same keys: add them up.

    columns: keys as 'k_KEY' (an hour is two: 'k_hour', its number in local time, and 'k_ahead_s'; a
        tag is 'k_tagN', N its place among the query's keys), 'k_currency' unless by grant, then
        measures, each but 'calls' and 'unpriced' in two halves 'NAME/high' and 'NAME/low'. A day is
        a number after 1970-01-01. Empty text stands for none.
    """

    columns: tuple[str, ...]
    rows: Sequence[Any]


class Answer(NamedTuple):
    """What was asked for. source: which table answered, 'rollups' or 'calls'."""

    names: Names
    batches: Iterator[Batch]
    source: str


@contextlib.contextmanager
def ask(database: Database, query: Query, *, source: str | None = None) -> Iterator[Answer]:
    """Open an answer, read in one snapshot; its batches are read within the block.

    source: 'calls' to have them read although the hourly sums would do.
    """
    with reading(database) as connection:
        first, last = _extent(connection)
        if query.since is not None:
            first = max(first, query.since)
        if query.until is not None:
            last = min(last, query.until)
        parts = calendar.stretches(query.zone, first, max(first, last))
        from_rollups = source != "calls" and _rollups_serve(query, parts)
        yield Answer(
            _names(connection, query),
            _batches(connection, query, parts, (first, last) if from_rollups else None),
            "rollups" if from_rollups else "calls",
        )


def _batches(
    connection: sa.Connection,
    query: Query,
    parts: Sequence[Stretch],
    hours: tuple[int, int] | None,
) -> Iterator[Batch]:
    """Add up piece by piece: a database that sorts to group then sorts little at a time.

    hours: the instants to be found in the hourly sums; None to read the calls.
    """
    if hours is None:
        pieces = _pieces_of_calls(connection)
        table = summing.of_calls(query, parts, connection.dialect.name)
    else:
        pieces = _pieces_of_time(*hours)
        table = summing.of_rollups(query, parts)
    waiting: list[tuple[Any, ...]] = []
    columns: tuple[str, ...] = ()
    for low, high in pieces:
        result = connection.execution_options(stream_results=True).execute(
            table, {"low": low, "high": high}
        )
        columns = tuple(result.keys())
        for part in result.partitions(BATCH):
            waiting.extend(map(tuple, part))
            if len(waiting) >= BATCH:
                yield Batch(columns, waiting)
                waiting = []
    if waiting:
        yield Batch(columns, waiting)


def _pieces_of_time(first: int, last: int) -> Iterator[tuple[int, int]]:
    """Cut a period into days, longer ones where they would be very many."""
    length = DAY_S * MICROS * max(1, (last - first) // (MOST_PIECES * DAY_S * MICROS))
    start = first - first % (HOUR_S * MICROS)
    while start <= last:
        yield start, start + length
        start += length


def _pieces_of_calls(connection: sa.Connection) -> Iterator[tuple[int, int]]:
    """Cut all calls into pieces of `PIECE`, by their ids."""
    after = sa.bindparam("after", type_=Int)
    following = sa.select(_calls.id).where(_calls.id > after).order_by(_calls.id).limit(PIECE)
    highest = sa.select(sa.func.max(following.subquery().c.id))
    low = 0
    while (high := connection.execute(highest, {"after": low}).scalar()) is not None:
        yield low + 1, high + 1
        low = high


def _extent(connection: sa.Connection) -> tuple[int, int]:
    """Return the first and the last instant of the hours with calls."""
    low = sa.select(sa.func.min(_sums.hour)).scalar_subquery()
    high = sa.select(sa.func.max(_sums.hour)).scalar_subquery()
    first, last = connection.execute(sa.select(low, high)).one()
    return (0, 0) if first is None else (first, last + HOUR_S * MICROS - 1)


def _rollups_serve(query: Query, parts: Sequence[Stretch]) -> bool:
    hourly = HOUR_S * MICROS
    if any(key in (USER, TAGS, GRANT) or key.startswith(TAG) for key in query.keys):
        return False
    if any(bound is not None and bound % hourly for bound in (query.since, query.until)):
        return False
    timed = DAY in query.keys or HOUR in query.keys
    return not timed or calendar.on_the_hour(parts)


def _names(connection: sa.Connection, query: Query) -> Names:
    accounts, providers, grants, pools = (
        schema.accounts.c, schema.providers.c, schema.grants.c, schema.pools.c,
    )  # fmt: skip
    owners = connection.execute(
        sa.select(accounts.key, providers.id, accounts.id).join_from(
            schema.accounts, schema.providers
        )
    )
    models = connection.execute(sa.select(schema.models.c.key, schema.models.c.id))
    paying: Any = ()
    if query.by_grant:
        paying = connection.execute(
            sa.select(grants.key, grants.id, pools.unit).join_from(schema.grants, schema.pools)
        )
    return Names(
        {key: (provider, account) for key, provider, account in owners},
        {row.key: row.id for row in models},
        {key: (id, unit) for key, id, unit in paying},
    )
