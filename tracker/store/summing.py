"""The statements behind `tracker.store.sums`: what is added up, and by what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from tracker.domain.calendar import DAY_S, HOUR_S, Stretch
from tracker.store import schema
from tracker.store.schema import Int
from tracker.units import MICROS

HALF = 1 << 32  # sums are kept in two halves: the whole may not fit the database's integers

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


def of_rollups(query: Query, parts: Sequence[Stretch]) -> sa.Select[Any]:
    """Add up the hourly sums of [:low, :high)."""
    keys = _keys(query, parts, _sums.hour, "")
    keys.append(_sums.currency.label("k_currency"))
    used = _sums.calls > 0  # an hour whose calls were all voided stays as zeros
    within = [*_within(query, _sums.hour), *_piece(_sums.hour), used]
    return _grouped(keys, {name: _sums[name] for name in MEASURES}, within)


def of_calls(query: Query, parts: Sequence[Stretch], dialect: str) -> sa.Select[Any]:
    """Add up the calls whose ids are in [:low, :high), as the database's dialect has it."""
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
