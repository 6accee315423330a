"""Lists: filtered, sorted and limited, composed with SQLAlchemy. Not on the money path."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from tracker.store import schema

Rows = list[Any]


def usage_ids(
    connection: sa.Connection,
    *,
    accounts: Collection[int] | None = None,
    models: Collection[int] | None = None,
    project: str | None = None,
    user: str | None = None,
    since: int | None = None,
    until: int | None = None,
    voided: bool = True,
    limit: int,
) -> list[int]:
    """Return the ids of calls, latest first. None for a filter lets everything through."""
    usage = schema.usage.c
    query = sa.select(usage.id).order_by(usage.at.desc(), usage.id.desc()).limit(limit)
    for column, wanted in ((usage.account_key, accounts), (usage.model_key, models)):
        if wanted is not None:
            query = query.where(column.in_(wanted))
    for column, value in ((usage.project, project), (usage.user_id, user)):
        if value is not None:
            query = query.where(column == value)
    if since is not None:
        query = query.where(usage.at >= since)
    if until is not None:
        query = query.where(usage.at < until)
    if not voided:
        query = query.where(usage.voided_at.is_(None))
    return list(connection.execute(query).scalars())


def reservation_ids(
    connection: sa.Connection, *, open_at: int | None = None, limit: int
) -> list[int]:
    """Return the ids of reservations, latest first. open_at: only those that hold credit then."""
    reservations = schema.reservations.c
    query = sa.select(reservations.id).order_by(reservations.id.desc()).limit(limit)
    if open_at is not None:
        query = query.where(reservations.state == "held", reservations.expires_at > open_at)
    return list(connection.execute(query).scalars())


def prices(connection: sa.Connection, *, models: Collection[int] | None = None) -> Rows:
    """Return every price ever recorded: by model, then oldest first."""
    columns = schema.prices.c
    query = (
        sa.select(
            schema.providers.c.id.label("provider"),
            schema.models.c.id.label("model"),
            schema.providers.c.timezone,
            *columns,
        )
        .join_from(schema.prices, schema.models)
        .join(schema.providers)
        .order_by(
            schema.providers.c.id,
            schema.models.c.identity,
            columns.valid_from,
            columns.above_input_tokens,
        )
    )
    if models is not None:
        query = query.where(columns.model_key.in_(models))
    return list(connection.execute(query))


def rates(connection: sa.Connection) -> Rows:
    """Return every exchange rate ever recorded: by pair, then oldest first."""
    columns = schema.rates.c
    query = sa.select(schema.rates).order_by(columns.base, columns.quote, columns.valid_from)
    return list(connection.execute(query))


def journal(connection: sa.Connection, grant: str, *, limit: int) -> Rows:
    """Return the latest rows of a grant's journal, oldest of them first."""
    columns = schema.journal.c
    query = (
        sa.select(schema.journal)
        .join(schema.grants)
        .where(schema.grants.c.id == grant)
        .order_by(columns.entry.desc())
        .limit(limit)
    )
    return list(reversed(list(connection.execute(query))))


def windows(connection: sa.Connection, series: int, *, limit: int) -> list[str]:
    """Return the ids of the windows of a recurring grant that were drawn on, latest first."""
    grants = schema.grants.c
    query = (
        sa.select(grants.id)
        .where(grants.series_key == series)
        .order_by(grants.starts_at.desc())
        .limit(limit)
    )
    return list(connection.execute(query).scalars())


def catalogues(connection: sa.Connection) -> Rows:
    """Return which catalogues were loaded, and when."""
    columns = schema.catalogues.c
    query = sa.select(schema.catalogues).order_by(columns.name, columns.version)
    return list(connection.execute(query))


def counts(connection: sa.Connection) -> dict[str, int]:
    """Return how many rows each table has, in the order they are declared."""
    return {
        table.name: connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
        for table in schema.metadata.tables.values()
        if table.name not in ("ledger", "pools")
    }
