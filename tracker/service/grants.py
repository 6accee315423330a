"""Grants: recording, claiming, voiding and correcting them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

from tracker.domain import grant as domain
from tracker.domain.burndown import Credit
from tracker.domain.grant import ALL_MODELS, DEFAULT_PRIORITY, TOKENS, WHEN_USED_UP, Grant
from tracker.domain.journal import ADJUST_BACK, ADJUST_DOWN, ADJUST_UP, VOID, Movement
from tracker.domain.recurrence import EVERY
from tracker.errors import AlreadyExists, InvalidValue, NotFound
from tracker.service.opened import Opened, past_instant
from tracker.store import accounts, journal, reservations
from tracker.store import grants as rows
from tracker.store.book import Book, Series
from tracker.store.connection import Transaction
from tracker.store.credit import window_of
from tracker.store.grants import GrantRow
from tracker.text import label, model_name, note, show, slug
from tracker.units import (
    MAX_AMOUNT,
    NEVER,
    Money,
    count,
    currency_code,
    parse_end,
    parse_money,
    parse_start,
    parse_tokens,
    rfc3339,
    to_datetime,
)

Moment = str | date | datetime
MAX_PRIORITY = 1_000_000


def add_grant(
    opened: Opened,
    provider: str,
    amount: int | str | Decimal,
    *,
    id: str | None = None,
    account: str = "default",
    models: Sequence[str] = ALL_MODELS,
    unit: str = TOKENS,
    starts_at: Moment | None = None,
    expires_at: Moment | None = None,
    priority: int = DEFAULT_PRIORITY,
    when_used_up: str = "unknown",
    every: str | None = None,
    source: str | None = None,
    note_text: str | None = None,
    template: str | None = None,
) -> Grant:
    """Record a grant. The same id with the same content returns the grant that is there.

    expires_at: "never" (or None) and "unknown" both mean no end; the second is shown as unknown.
    """
    provider = slug(provider, "provider")
    account = slug(account, "account")
    id = None if id is None else slug(id, "id")
    if id is not None and "@" in id:
        raise InvalidValue(
            f"id {show(id)} has an @, which names windows of recurring grants; leave it out",
            field="id",
        )
    if isinstance(models, str | bytes) or not isinstance(models, Sequence) or not models:
        raise InvalidValue(
            f"models {show(models)} is not a list of names or globs; for all of them, leave it out",
            field="models",
        )
    scope = tuple(sorted({model_name(pattern, "models") for pattern in models}))
    unit = unit if unit in (TOKENS, domain.REQUESTS) else currency_code(unit, "unit")
    units = _amount(amount, unit)
    count(priority, "priority", maximum=MAX_PRIORITY)
    if when_used_up not in WHEN_USED_UP:
        raise InvalidValue(
            f"when_used_up {show(when_used_up)} is not one of {', '.join(WHEN_USED_UP)}",
            field="when_used_up",
        )
    if every is not None and every not in EVERY:
        raise InvalidValue(f"every {show(every)} is not one of {', '.join(EVERY)}", field="every")
    source = None if source is None else label(source, "source", maximum=500)
    note_text = None if note_text is None else note(note_text, "note")

    def work(tx: Transaction, book: Book, now: int) -> Grant:
        owner = book.provider(provider)
        if unit not in (TOKENS, domain.REQUESTS) and unit != owner.currency:
            raise InvalidValue(
                f"unit {unit} cannot pay at {provider}, which bills in {owner.currency}",
                field="unit",
            )
        starts = now if starts_at is None else parse_start(starts_at, owner.zone, "starts_at")
        ends_known = expires_at != "unknown"
        ends = (
            NEVER
            if expires_at is None or expires_at in ("never", "unknown")
            else parse_end(expires_at, owner.zone, "expires_at")
        )
        if ends <= starts:
            raise InvalidValue(
                f"expires_at {rfc3339(ends)} is not after starts_at {rfc3339(starts)}: the grant "
                "would never be active",
                field="expires_at",
            )
        book = accounts.ensure(tx, book, provider, account, now)
        name = id if id is not None else _free_id(tx, provider)
        wanted = Grant(
            name, provider, account, scope, unit, units, to_datetime(starts),
            None if ends == NEVER else to_datetime(ends), ends_known, priority, when_used_up, every,
            source, note_text,
        )  # fmt: skip
        there = _find(tx, book, name)
        if there is not None:
            return _same(there, wanted, given_start=starts_at is not None)
        pool_key = accounts.ensure_pool(
            tx, book, book.accounts[(provider, account)], unit, scope, priority
        )
        if every is not None:
            _add_series(tx, wanted, pool_key, starts, ends, now)
        else:
            journal.add_grant(
                tx,
                id=name,
                pool_key=pool_key,
                series_key=None,
                amount=units,
                starts_at=starts,
                expires_at=ends,
                ends_known=ends_known,
                when_used_up=when_used_up,
                template=template,
                source=source,
                note=note_text,
                now=now,
            )
        return wanted

    return opened.write(work)


def void_grant(
    opened: Opened, id: str, *, at: datetime | None = None, reason: str | None = None
) -> Grant:
    """Take a grant out of use: what it has available is written off. Voiding again changes nothing.

    What calls hold of it stays promised to them; what they give back is written off.
    """
    reason = None if reason is None else label(reason, "reason", maximum=500)

    def work(tx: Transaction, book: Book, now: int) -> Grant:
        instant = past_instant(at, now)
        reservations.sweep(tx, instant, now)
        series = _series(book, id)
        if series is not None:
            if series.voided_at is None:
                tx.run("UPDATE series SET voided_at = ? WHERE key = ?", (instant, series.key))
                accounts.change(tx)
                for key, starts_at, expires_at in tx.rows(
                    "SELECT key, starts_at, expires_at FROM grants WHERE series_key = ?",
                    (series.key,),
                ):
                    if starts_at <= instant < expires_at:
                        _void(tx, _by_key(tx, key), instant, now, reason)
            return _of_series(book, series)
        row = _grant(tx, book, id, now)
        if row.voided_at is None:
            _void(tx, row, instant, now, reason)
        return _of_row(book, row)

    return opened.write(work)


def adjust_grant(
    opened: Opened,
    id: str,
    *,
    remaining: int | str | Decimal,
    at: datetime | None = None,
    reason: str,
) -> Grant:
    """Set what a grant had left at `at` (default now), for instance what the console said then.

    The difference is recorded as of then. Less is written off; more takes back what was written off
    before, and beyond that raises the amount. Raises InvalidValue where less would take what calls
    hold or have used since.
    """
    reason = label(reason, "reason", maximum=500)

    def work(tx: Transaction, book: Book, now: int) -> Grant:
        instant = past_instant(at, now)
        if _series(book, id) is not None:
            raise InvalidValue(
                f"{id} is a recurring grant; adjust one of its windows, for instance the one "
                '"tracker balance" shows',
                field="id",
            )
        unit = book.pools[_grant(tx, book, id, now).pool_key].pool.unit
        wanted = _amount(remaining, unit, "remaining", minimum=0)
        reservations.sweep(tx, instant, now)
        row = _grant(tx, book, id, now)
        if row.voided_at is not None:
            raise InvalidValue(f"grant {id} is voided; it has nothing to adjust", field="id")
        left, written_off = row.available + row.held, row.written_off
        if at is not None:
            left, written_then = rows.left_at(tx, row.key, instant)
            written_off = min(written_off, written_then)
        change = wanted - left
        if -change > row.available:
            raise InvalidValue(
                f"remaining {wanted:,} would take {-change:,} from {id}, and only "
                f"{row.available:,} are free: calls hold the rest or have used it since; settle or "
                'release what is open ("tracker reservations list --open")',
                field="remaining",
            )
        back = min(max(0, change), written_off)
        if row.amount + max(0, change - back) > MAX_AMOUNT:
            raise InvalidValue(f"remaining {wanted:,} is too large", field="remaining")
        moved = [
            Movement(row.key, move, amount, amount, None, instant, reason)
            for move, amount in (
                (ADJUST_DOWN, -change),
                (ADJUST_BACK, back),
                (ADJUST_UP, change - back),
            )
            if amount > 0
        ]
        journal.append(tx, moved, {row.key: row.entries}, now)
        return _of_row(book, _grant(tx, book, id, now))

    return opened.write(work)


def get_grant(opened: Opened, id: str) -> Grant:
    """Return a grant as recorded. Raises NotFound."""

    def work(tx: Transaction, book: Book, now: int) -> Grant:
        found = _find(tx, book, id)
        if found is not None:
            return found
        window = _unopened(tx, book, id, now)
        if window is None:
            raise _unknown(id)
        series = book.series[-window.key]
        return dataclasses.replace(
            _of_series(book, series),
            id=window.id,
            starts_at=to_datetime(window.starts_at),
            expires_at=to_datetime(window.expires_at),
            every=None,
        )

    return opened.read(work)


def _amount(
    amount: int | str | Decimal, unit: str, name: str = "amount", *, minimum: int = 1
) -> int:
    """Read an amount in its unit's base: tokens, requests, or nano-units of a currency."""
    if unit in (TOKENS, domain.REQUESTS):
        if isinstance(amount, str) and not (minimum == 0 and amount == "0"):
            return parse_tokens(amount, name)
        return count(0 if amount == "0" else amount, name, minimum=minimum, maximum=MAX_AMOUNT)
    nano = parse_money(amount, unit, name).nano
    if nano < minimum:
        raise InvalidValue(f"{name} {show(amount)} is not more than 0", field=name)
    return nano


def _free_id(tx: Transaction, provider: str) -> str:
    """Return the first of provider-1, provider-2, ... that is free."""
    taken = {
        row[0]
        for row in tx.rows(
            "SELECT id FROM grants WHERE id LIKE ? UNION SELECT id FROM series WHERE id LIKE ?",
            (f"{provider}-%", f"{provider}-%"),
        )
    }
    number = 1
    while f"{provider}-{number}" in taken:
        number += 1
    return f"{provider}-{number}"


def _add_series(
    tx: Transaction, grant: Grant, pool_key: int, starts: int, ends: int, now: int
) -> None:
    tx.run(
        "INSERT INTO series (key, id, pool_key, every, amount, starts_at, expires_at, ends_known, "
        "voided_at, when_used_up, source, note, recorded_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, ?, ?, ?, ?)",
        (
            accounts.change(tx), grant.id, pool_key, grant.every, grant.amount, starts, ends,
            int(grant.ends_known), grant.when_used_up, grant.source, grant.note, now,
        ),
    )  # fmt: skip


def _void(tx: Transaction, row: GrantRow, at: int, now: int, reason: str | None) -> None:
    if row.available:
        moved = Movement(row.key, VOID, row.available, row.available, None, at, reason)
        journal.append(tx, [moved], {row.key: row.entries}, now)
    tx.run("UPDATE grants SET voided_at = ? WHERE key = ?", (at, row.key))


def _grant(tx: Transaction, book: Book, id: str, now: int) -> GrantRow:
    """Return a grant, locked; a recurring grant's window of today is opened if nothing has yet."""
    if not isinstance(id, str) or not id.isascii() or not id.isprintable():
        raise _unknown(id)  # it cannot be one: a database need not be asked
    row = rows.find(tx, id) or rows.find(tx, id.lower())  # a window keeps its capitals: x@2024-W29
    if row is not None:
        return row
    window = _unopened(tx, book, id, now)
    if window is None:
        raise _unknown(id)
    return _by_key(tx, journal.open_window(tx, book, window, now))


def _unopened(tx: Transaction, book: Book, id: str, now: int) -> Credit | None:
    """Return a recurring grant's window of now, by its id, if it has no row yet."""
    series = _series(book, id.partition("@")[0])
    window = None if series is None else window_of(series, now)
    if series is None or window is None or window[0].lower() != id.lower():
        return None
    if rows.peek(tx, window[0]) is not None:
        return None
    pool = book.pools[series.pool_key].pool
    return Credit(
        pool.priority, window[2], pool.breadth, window[1], window[0], -series.key, pool.unit,
        series.amount,
    )  # fmt: skip


def _by_key(tx: Transaction, key: int) -> GrantRow:
    row = tx.one(
        f"SELECT {rows.COLUMNS} FROM grants WHERE key = ?" + (" FOR UPDATE" if tx.locks else ""),
        (key,),
    )
    assert row is not None, key
    return GrantRow(*row)


def _unknown(id: object) -> NotFound:
    return NotFound(f'grant {show(id)} is not in the ledger; run "tracker grants list"')


def _series(book: Book, id: object) -> Series | None:
    name = id.lower() if isinstance(id, str) else None
    return next((one for one in book.series.values() if one.id == name), None)


def _find(tx: Transaction, book: Book, id: str) -> Grant | None:
    series = _series(book, id)
    if series is not None:
        return _of_series(book, series)
    row = rows.peek(tx, id)
    return None if row is None else _of_row(book, row)


def _of_row(book: Book, row: GrantRow) -> Grant:
    pool = book.pools[row.pool_key]
    return Grant(
        row.id, pool.provider, pool.account, pool.pool.models, pool.pool.unit, row.amount,
        to_datetime(row.starts_at),
        None if row.expires_at == NEVER else to_datetime(row.expires_at),
        bool(row.ends_known), pool.pool.priority, row.when_used_up, None, row.source, row.note,
    )  # fmt: skip


def _of_series(book: Book, series: Series) -> Grant:
    pool = book.pools[series.pool_key]
    return Grant(
        series.id, pool.provider, pool.account, pool.pool.models, pool.pool.unit, series.amount,
        to_datetime(series.starts_at),
        None if series.expires_at == NEVER else to_datetime(series.expires_at),
        series.ends_known, pool.pool.priority, series.when_used_up, series.every, series.source,
        series.note,
    )  # fmt: skip


def _same(there: Grant, wanted: Grant, *, given_start: bool) -> Grant:
    """Return the grant that is there, if it is what was asked for."""
    for field in (
        "provider", "account", "models", "unit", "amount", "starts_at", "expires_at", "ends_known",
        "priority", "when_used_up", "every",
    ):  # fmt: skip
        if field == "starts_at" and not given_start:
            continue
        before, now = getattr(there, field), getattr(wanted, field)
        if before != now:
            raise AlreadyExists(
                f"grant {there.id} is there already, with {field} {_shown(there, field)}, not "
                f"{_shown(wanted, field)}; choose another id"
            )
    return there


def _shown(grant: Grant, field: str) -> str:
    value = getattr(grant, field)
    if field == "amount" and grant.unit not in (TOKENS, domain.REQUESTS):
        return str(Money(value, grant.unit))
    if isinstance(value, datetime):
        return value.isoformat()
    return json.dumps(value, default=str, ensure_ascii=False)
