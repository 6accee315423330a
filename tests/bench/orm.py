"""The same reserve + settle the usual way: mapped classes, a session per operation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, registry, sessionmaker

from tracker.store import ids, schema
from tracker.store import sqlite as lite
from tracker.store.usage import HOUR
from tracker.units import NEVER

mapping = registry(metadata=schema.metadata)


def _mapped(table: sa.Table) -> Any:
    kind = type(table.name.capitalize(), (), {})
    mapping.map_imperatively(kind, table)
    return kind


Ledger = _mapped(schema.ledger)
Account = _mapped(schema.accounts)
Model = _mapped(schema.models)
Price = _mapped(schema.prices)
Pool = _mapped(schema.pools)
Grant = _mapped(schema.grants)
Journal = _mapped(schema.journal)
Reservation = _mapped(schema.reservations)
Usage = _mapped(schema.usage)
Rollup = _mapped(schema.rollups)


class Sessions:
    """A ledger written through an ORM. It checks and writes what the product does."""

    def __init__(self, path: Path, durability: str) -> None:
        self.engine = sa.create_engine(
            "sqlite://",
            creator=lambda: lite.open_file(path, durability),
            module=lite.sqlite3,
            poolclass=sa.pool.QueuePool,
        )
        sa.event.listen(
            self.engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE")
        )
        self.session = sessionmaker(self.engine)

    def operate(self, count: int) -> None:
        for _ in range(count):
            with self.session.begin() as session:
                reservation = self.reserve(session)
            with self.session.begin() as session:
                self.settle(session, reservation)

    def reserve(self, session: Session) -> int:
        now = ids.time.time_ns() // 1000
        session.get(Ledger, 1)
        session.scalars(
            sa.select(Reservation)
            .where(Reservation.state == "held", Reservation.expires_at <= now)
            .limit(1)
        ).first()
        quotes = []
        for model in session.scalars(sa.select(Model).where(Model.groups.contains('"chat"'))):
            price = session.scalars(
                sa.select(Price)
                .where(Price.model_key == model.key, Price.valid_from <= now)
                .order_by(Price.valid_from.desc())
            ).first()
            account = session.scalars(
                sa.select(Account).where(Account.provider_key == model.provider_key)
            ).one()
            grant = session.scalars(
                sa.select(Grant)
                .join(Pool, Pool.key == Grant.pool_key)
                .where(
                    Pool.account_key == account.key,
                    Grant.available > 0,
                    Grant.expires_at > now,
                    Grant.starts_at <= now,
                )
                .order_by(Pool.priority, Grant.expires_at, Pool.breadth, Grant.starts_at, Grant.id)
                .limit(1)
            ).one()
            cost = 1200 * price.input + 800 * price.output
            quotes.append((cost, grant.expires_at or NEVER, model.id, model, account, grant))
        _, _, _, model, account, grant = min(quotes, key=lambda quote: quote[:3])
        call_id = ids.new()
        session.add(
            Reservation(
                id=call_id,
                state="held",
                account_key=account.key,
                model_key=model.key,
                at=now,
                expires_at=now + 600_000_000,
                lapses_at=now + 600_000_000,
                input_tokens=1200,
                max_output_tokens=800,
                policy="cheapest",
                project="search",
                recorded_at=now,
            )
        )
        self._move(session, grant, "hold", "available", "held", 2000, call_id, now)
        return call_id

    def settle(self, session: Session, call_id: int) -> None:
        now = ids.time.time_ns() // 1000
        session.get(Ledger, 1)
        reservation = session.get(Reservation, call_id)
        hold = session.scalars(
            sa.select(Journal).where(Journal.call_id == call_id, Journal.kind == "hold")
        ).one()
        grant = session.get(Grant, hold.grant_key)
        price = session.scalars(
            sa.select(Price)
            .where(Price.model_key == reservation.model_key, Price.valid_from <= reservation.at)
            .order_by(Price.valid_from.desc())
        ).first()
        cost = (1200 * price.input + 300 * price.output) // 1000
        self._move(session, grant, "settle", "held", "spent", 1500, call_id, now)
        self._move(session, grant, "release", "held", "available", 500, call_id, now)
        session.add(
            Usage(
                id=call_id,
                source="route",
                account_key=reservation.account_key,
                model_key=reservation.model_key,
                at=reservation.at,
                uncached_tokens=1200,
                cached_tokens=0,
                output_tokens=300,
                reasoning_tokens=0,
                overage_tokens=0,
                currency=price.currency,
                list_nano=cost,
                cash_nano=0,
                project=reservation.project,
                recorded_at=now,
            )
        )
        hour = reservation.at - reservation.at % HOUR
        key = (hour, reservation.account_key, reservation.model_key, "search", price.currency)
        rollup = session.get(Rollup, key)
        if rollup is None:
            rollup = Rollup(
                hour=hour,
                account_key=reservation.account_key,
                model_key=reservation.model_key,
                project="search",
                currency=price.currency,
                **dict.fromkeys(
                    (
                        "calls", "uncached_tokens", "cached_tokens", "output_tokens",
                        "reasoning_tokens", "overage_tokens", "list_nano", "cash_nano", "unpriced",
                    ),
                    0,
                ),
            )  # fmt: skip
            session.add(rollup)
        rollup.calls += 1
        rollup.uncached_tokens += 1200
        rollup.output_tokens += 300
        rollup.list_nano += cost
        reservation.state, reservation.closed_at = "settled", now

    def _move(
        self,
        session: Session,
        grant: Any,
        kind: str,
        source: str,
        target: str,
        amount: int,
        call_id: int,
        now: int,
    ) -> None:
        buckets = {"available": 1, "held": 2, "spent": 3}
        setattr(grant, source, getattr(grant, source) - amount)
        setattr(grant, target, getattr(grant, target) + amount)
        grant.entries += 1
        session.add(
            Journal(
                grant_key=grant.key,
                entry=grant.entries,
                kind=kind,
                source=buckets[source],
                target=buckets[target],
                amount=amount,
                tokens=amount,
                call_id=call_id,
                occurred_at=now,
                recorded_at=now,
            )
        )

    def close(self) -> None:
        self.engine.dispose()
