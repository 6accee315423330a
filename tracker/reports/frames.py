"""Sums as pandas frames: the answers of the database, added up further and named.

Everything stays an integer. A column whose sum could leave 64 bits is added up in Python's
integers instead; no value is ever a float.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import pandas as pd

from tracker.domain import calendar
from tracker.store import summing, sums
from tracker.store.connection import Database
from tracker.store.summing import HALF, Query
from tracker.store.sums import Answer, Batch

SAFE = 1 << 62
MERGED = 200_000  # rows held before they are added up
SHIFT = 1 << 18  # an hour is one number: its start, and the clock's distance from UTC

Key = str | None


class Sums(NamedTuple):
    """One line of sums: the keys in the order they were asked for, then what was added up."""

    keys: tuple[Key, ...]
    currency: str
    calls: int
    uncached: int
    cached: int
    output: int
    reasoning: int
    overage: int
    list_nano: int
    cash_nano: int
    unpriced: int


class GrantSums(NamedTuple):
    """What a grant paid; for no grant, what none did."""

    keys: tuple[Key, ...]
    unit: str | None
    calls: int
    amount: int
    tokens: int
    overage: int


# What each dimension is grouped by in the database, and how its groups are merged and named.
COLUMNS = {
    "hour": summing.HOUR,
    "day": summing.DAY,
    "week": summing.DAY,
    "month": summing.DAY,
    "provider": summing.ACCOUNT,
    "account": summing.ACCOUNT,
    "model": summing.MODEL,
    "project": summing.PROJECT,
    "user": summing.USER,
    "tag": summing.TAGS,
    "grant": summing.GRANT,
}


def usage(
    database: Database,
    by: Sequence[str],
    *,
    zone: str,
    since: int | None = None,
    until: int | None = None,
    source: str | None = None,
) -> tuple[list[Sums], list[GrantSums]]:
    """Add usage up by dimensions; the second list is filled where one of them is 'grant'.

    Sorted by the dimensions: time as it passed, names by code point, none before them.
    source: as for `tracker.store.sums.ask`.
    """
    keys = tuple(dict.fromkeys(COLUMNS.get(one, one) for one in by))
    query = Query(keys, zone, since, until)
    with sums.ask(database, query, source=source) as answer:
        frame = _added_up(answer, by, query)
    rows = zip(*(_values(frame[name]) for name in frame.columns), strict=True)
    if not query.by_grant:
        return [Sums(_named(by, row), str(row[len(by)]), *row[len(by) + 1 :]) for row in rows], []
    return [], [
        GrantSums(_named(by, row), row[len(by)] or None, *row[len(by) + 1 :]) for row in rows
    ]


def _added_up(answer: Answer, by: Sequence[str], query: Query) -> pd.DataFrame:
    """Return one row per combination of keys, in order."""
    groups = [*map(str, range(len(by))), "unit" if query.by_grant else "currency"]
    held: list[pd.DataFrame] = []
    waiting = 0
    for batch in answer.batches:
        frame = _sum(_keyed(batch, answer, by, query), groups)
        held.append(frame)
        waiting += len(frame)
        if waiting > MERGED:
            held = [_sum(pd.concat(held, ignore_index=True), groups)]
            waiting = len(held[0])
    if not held:
        return pd.DataFrame(columns=[*groups, *query.measures])
    whole = held[0] if len(held) == 1 else _sum(pd.concat(held, ignore_index=True), groups)
    return whole.sort_values(groups, ignore_index=True)


def _keyed(batch: Batch, answer: Answer, by: Sequence[str], query: Query) -> pd.DataFrame:
    """Give a batch its dimensions, and put the halves of its sums together."""
    raw = pd.DataFrame.from_records(batch.rows, columns=batch.columns)
    out: dict[str, Any] = {}
    for at, dimension in enumerate(by):
        out[str(at)] = _dimension(raw, dimension, by, answer, query)
    if query.by_grant:
        units = {key: unit for key, (_, unit) in answer.names.grants.items()}
        out["unit"] = raw["k_grant"].map(units | {0: ""}).astype(object)
    else:
        out["currency"] = raw["k_currency"].astype(object)
    for name in query.measures:
        if name in raw:
            out[name] = raw[name]
        else:
            out[name] = _whole(raw[f"{name}/high"], raw[f"{name}/low"])
    return pd.DataFrame(out)


def _dimension(
    raw: pd.DataFrame, dimension: str, by: Sequence[str], answer: Answer, query: Query
) -> pd.Series[Any]:
    """Return what rows are grouped by: numbers for time, text for the rest, '' for none."""
    names = answer.names
    if dimension == "hour":
        start_s = raw["k_hour"] * calendar.HOUR_S - raw["k_ahead_s"]
        return start_s * SHIFT + raw["k_ahead_s"] + SHIFT // 2
    if dimension == "day":
        return raw["k_day"]
    if dimension in ("week", "month"):
        first = calendar.week_of if dimension == "week" else calendar.month_of
        return raw["k_day"].map({day: first(day) for day in raw["k_day"].unique().tolist()})
    mapped: dict[int, str] | None = None
    if dimension == "provider":
        mapped = {key: provider for key, (provider, _) in names.accounts.items()}
    elif dimension == "account":
        alone = "provider" not in by  # two providers may call an account the same
        mapped = {
            key: f"{provider}@{account}" if alone else account
            for key, (provider, account) in names.accounts.items()
        }
    elif dimension == "model":
        mapped = names.models
    elif dimension == "grant":
        mapped = {key: id for key, (id, _) in names.grants.items()} | {0: ""}
    if dimension.startswith(summing.TAG):
        column = raw[f"k_tag{query.keys.index(dimension)}"]
    else:
        column = raw[f"k_{COLUMNS[dimension]}"]
    return (column if mapped is None else column.map(mapped)).astype(object)


def _sum(frame: pd.DataFrame, groups: list[str]) -> pd.DataFrame:
    measures = [name for name in frame.columns if name not in groups]
    for name in measures:
        frame[name] = _exact(frame[name])
    return frame.groupby(groups, sort=False, dropna=False)[measures].sum().reset_index()


def _exact(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column of integers that can be added up without leaving 64 bits."""
    if column.dtype == object or not len(column):
        return column
    if max(abs(int(column.max())), abs(int(column.min()))) * len(column) < SAFE:
        return column
    return column.astype(object)


def _whole(high: pd.Series[Any], low: pd.Series[Any]) -> pd.Series[Any]:
    if not len(high) or max(abs(int(high.max())), abs(int(high.min()))) < SAFE // HALF:
        return high * HALF + low
    return high.astype(object) * HALF + low.astype(object)


def _values(column: pd.Series[Any]) -> list[Any]:
    found: list[Any] = column.tolist()
    return found


def _named(by: Sequence[str], row: Sequence[Any]) -> tuple[Key, ...]:
    return tuple(_LABELS.get(one, _text)(row[at]) for at, one in enumerate(by))


def _text(value: str) -> Key:
    return value or None


def _hour(value: int) -> Key:
    start_s, ahead = divmod(value, SHIFT)
    return calendar.hour_label(start_s, ahead - SHIFT // 2)


def _tags(value: str) -> Key:
    pairs: dict[str, str] = json.loads(value) if value else {}
    return ", ".join(f"{name}={pairs[name]}" for name in sorted(pairs)) or None


_LABELS: dict[str, Callable[[Any], Key]] = {
    "hour": _hour,
    "day": calendar.day_label,
    "week": calendar.week_label,
    "month": calendar.month_label,
    "tag": _tags,
}


def totals(rows: Iterable[Sums]) -> list[Sums]:
    """Add lines up per currency."""
    found: dict[str, list[int]] = {}
    for row in rows:
        total = found.setdefault(row.currency, [0] * 9)
        for at, value in enumerate(row[2:]):
            total[at] += value
    return [Sums((), currency, *found[currency]) for currency in sorted(found)]
