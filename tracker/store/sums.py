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
from tracker.store import schema
from tracker.store.connection import Database
from tracker.store.engine import reading
from tracker.store.schema import Int
from tracker.units import MICROS

HALF = 1 << 32  # sums are kept in two halves: the whole may not fit the database's integers
BATCH = 20_000  # rows handed on at once
PIECE = 250_000  # calls added up at once
MOST_PIECES = 400

MEASURES = (
    "calls",
    "uncached_tokens",
    "cached_tokens",
    "output_tokens",
    "reasoning_tokens",
    "overage_tokens",
    "list_nano",
    "cash_nano",
    "unpriced",
)
GRANT_MEASURES = ("calls", "amount", "tokens", "overage_tokens")

DAY, HOUR = "day", "hour"
ACCOUNT, MODEL, PROJECT, USER, TAGS, GRANT = "account", "model", "project", "user", "tags", "grant"
TAG = "tag:"  # before the name of one

_calls, _sums, _journal = schema.usage.c, schema.rollups.c, schema.journal.c


class Query(NamedTuple):
    """What to add up.

    keys: of DAY, HOUR, ACCOUNT, MODEL, PROJECT, USER, TAGS, GRANT and TAG + name.
    since, until: instants; the period excludes its end. zone: whose days and hours.
    """

    keys: tuple[str, ...]
    zone: str
    since: int | None = None
    until: int | None = None

    @property
    def by_grant(self) -> bool:
        """Whether it asks what grants paid, rather than what calls cost."""
        return GRANT in self.keys

    @property
    def measures(self) -> tuple[str, ...]:
        """What is added up, in order."""
        return GRANT_MEASURES if self.by_grant else MEASURES


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
        table = _of_calls(query, parts, connection.dialect.name)
    else:
        pieces = _pieces_of_time(*hours)
        table = _of_rollups(query, parts)
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


def _of_rollups(query: Query, parts: Sequence[Stretch]) -> sa.Select[Any]:
    keys = _keys(query, parts, _sums.hour, "")
    keys.append(_sums.currency.label("k_currency"))
    used = _sums.calls > 0  # an hour whose calls were all voided stays as zeros
    within = [*_within(query, _sums.hour), *_piece(_sums.hour), used]
    return _grouped(keys, {name: _sums[name] for name in MEASURES}, within)


def _of_calls(query: Query, parts: Sequence[Stretch], dialect: str) -> sa.Select[Any]:
    within = [*_within(query, _calls.at), *_piece(_calls.id), _calls.voided_at.is_(None)]
    keys = _keys(query, parts, _calls.at, dialect)
    if query.by_grant:
        return _of_grants(keys, within)
    keys.append(sa.func.coalesce(_calls.currency, "").label("k_currency"))
    return _grouped(
        keys,
        {
            **{name: _calls[name] for name in MEASURES[1:6]},
            "calls": _number(1),
            "list_nano": sa.func.coalesce(_calls.list_nano, _number(0)),
            "cash_nano": sa.func.coalesce(_calls.cash_nano, _number(0)),
            "unpriced": sa.case((_calls.list_nano.is_(None), _number(1)), else_=_number(0)),
        },
        within,
    )


def _of_grants(
    keys: list[sa.Label[Any]], within: Sequence[sa.ColumnElement[bool]]
) -> sa.Select[Any]:
    """Add up what each grant paid, and, as that of grant 0, what none did."""
    drawn = sa.select(
        *keys,
        _journal.grant_key.label("k_grant"),
        _calls.id.label("call_id"),
        _journal.amount.label("amount"),
        _journal.tokens.label("tokens"),
        _number(0).label("overage_tokens"),
    ).join_from(schema.journal, schema.usage, _journal.call_id == _calls.id)
    drawn = drawn.where(_journal.kind.in_(("settle", "draw")), *within)
    unpaid = sa.select(
        *keys,
        _number(0),
        _calls.id,
        _number(0),
        _number(0),
        _calls.overage_tokens,
    ).where(_calls.overage_tokens > 0, *within)
    both = sa.union_all(drawn, unpaid).subquery().c
    labels = [both[key.name] for key in keys] + [both.k_grant]
    return sa.select(
        *labels,
        sa.func.count(both.call_id.distinct()).label("calls"),
        *(half for name in GRANT_MEASURES[1:] for half in _halves(name, both[name])),
    ).group_by(*labels)


def _keys(
    query: Query, parts: Sequence[Stretch], at: sa.ColumnElement[int], dialect: str
) -> list[sa.Label[Any]]:
    """Return what to group by, in order. A day is added before dividing, which cuts towards 0."""
    found: list[sa.Label[Any]] = []
    for key in query.keys:
        if key == DAY:
            ahead = _ahead(parts, at, "day_ahead_s", DAY_S)
            found.append(((at + ahead) // _number(DAY_S * MICROS) - _number(1)).label("k_day"))
        elif key == HOUR:
            ahead = _ahead(parts, at, "ahead_s", DAY_S)
            hours = (at + ahead) // _number(HOUR_S * MICROS) - _number(24)
            found.append(hours.label("k_hour"))
            found.append((ahead // _number(MICROS) - _number(DAY_S)).label("k_ahead_s"))
        elif key == ACCOUNT:
            found.append((_calls if dialect else _sums).account_key.label("k_account"))
        elif key == MODEL:
            found.append((_calls if dialect else _sums).model_key.label("k_model"))
        elif key == PROJECT:
            project = sa.func.coalesce(_calls.project, "") if dialect else _sums.project
            found.append(project.label("k_project"))
        elif key == USER:
            found.append(sa.func.coalesce(_calls.user_id, "").label("k_user"))
        elif key == TAGS:
            found.append(sa.func.coalesce(_calls.tags, "").label("k_tags"))
        elif key.startswith(TAG):
            value = _tag(key.removeprefix(TAG), dialect)
            found.append(sa.func.coalesce(value, "").label(f"k_tag{query.keys.index(key)}"))
    return found


def _tag(name: str, dialect: str) -> sa.ColumnElement[str]:
    """Return the value a call has under a tag: its name is a value here, never part of the SQL."""
    if dialect == "postgresql":
        value: sa.ColumnElement[str] = sa.cast(_calls.tags, sa.JSON)[name].as_string()
        return value
    each = sa.func.json_each(_calls.tags).table_valued("key", "value")
    return sa.select(each.c.value).where(each.c.key == name).scalar_subquery()


def _ahead(
    parts: Sequence[Stretch], at: sa.ColumnElement[int], field: str, more_s: int
) -> sa.ColumnElement[int]:
    """Return the distance of local time from UTC at an instant, in microseconds, plus `more_s`."""
    distances = [(part.until, (getattr(part, field) + more_s) * MICROS) for part in parts]
    last = _number(distances[-1][1])
    changes = [(at < _number(until), _number(ahead)) for until, ahead in distances[:-1]]
    return sa.case(*changes, else_=last) if changes else last


def _within(query: Query, at: sa.ColumnElement[int]) -> list[sa.ColumnElement[bool]]:
    bounds = []
    if query.since is not None:
        bounds.append(at >= query.since)
    if query.until is not None:
        bounds.append(at < query.until)
    return bounds


def _piece(column: sa.ColumnElement[int]) -> list[sa.ColumnElement[bool]]:
    low, high = sa.bindparam("low", type_=Int), sa.bindparam("high", type_=Int)
    return [column >= low, column < high]


def _grouped(
    keys: list[sa.Label[Any]],
    measures: dict[str, sa.ColumnElement[int]],
    within: Sequence[sa.ColumnElement[bool]],
) -> sa.Select[Any]:
    rows = sa.select(*keys, *(column.label(name) for name, column in measures.items()))
    each = rows.where(*within).subquery().c
    labels = [each[key.name] for key in keys]
    return sa.select(
        *labels,
        *(half for name in MEASURES for half in _halves(name, each[name])),
    ).group_by(*labels)


def _halves(name: str, column: sa.ColumnElement[int]) -> Iterator[sa.Label[int]]:
    if name in ("calls", "unpriced"):
        yield sa.cast(sa.func.sum(column), Int).label(name)
    else:
        yield sa.cast(sa.func.sum(column // _number(HALF)), Int).label(f"{name}/high")
        yield sa.cast(sa.func.sum(column % _number(HALF)), Int).label(f"{name}/low")


def _number(value: int) -> sa.ColumnElement[int]:
    """Return a number that is part of the statement, so that equal expressions are equal text."""
    return sa.literal_column(str(value), Int)
