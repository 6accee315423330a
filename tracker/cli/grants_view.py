"""How grants look."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from tracker.cli import words
from tracker.cli.balance_view import in_unit
from tracker.cli.options import OutputFormat
from tracker.cli.output import Column, emit, emit_json, emit_one, paint, terminal_columns
from tracker.domain.grant import Grant, GrantBalance
from tracker.service.listing import Entry, journal
from tracker.service.opened import Opened
from tracker.store.book import Book
from tracker.text import visible
from tracker.units import Money, rfc3339, to_micros
from tracker.wire import amount_json, grant_balance_json, grant_json, instant_json


def one(opened: Opened, grant: Grant, format: OutputFormat) -> None:
    """Write the grant a command made or changed, with what it has left."""
    left = _balances(opened, grant, None)
    document = grant_json(grant)
    if left:
        document["remaining"] = amount_json(left[0].remaining, grant.unit)
        document["available"] = amount_json(left[0].available, grant.unit)
    emit_one(document, format, _sentence(opened, grant, left))


def listed(opened: Opened, grants: Sequence[Grant], format: OutputFormat) -> None:
    """Write grants as they were recorded."""
    if format is OutputFormat.JSON:
        records = [grant_json(grant) for grant in grants]
        emit_json({"schema": "tracker.grants/1", "grants": records})
        return
    zones = _zones(opened)
    columns = (
        Column("id", "GRANT"),
        Column("provider", "PROVIDER"),
        Column("account"),
        Column("models", "MODELS", shrinks=1),
        Column("amount", "AMOUNT", ">", show=_compact),
        Column("unit", "UNIT"),
        Column("starts_at"),
        Column("expires_at"),
        Column("ends", "ENDS"),
        Column("priority"),
        Column("when_used_up"),
        Column("every", "EVERY", optional=True),
        Column("source"),
        Column("note"),
    )
    rows = [
        (
            grant.id, grant.provider, grant.account, list(grant.models),
            in_unit(grant.amount, grant.unit), grant.unit, grant.starts_at, grant.expires_at,
            _ends(grant, zones[grant.provider], format), grant.priority, grant.when_used_up,
            grant.every, grant.source, grant.note,
        )
        for grant in grants
    ]  # fmt: skip
    emit(columns, rows, format, schema="", name="")


def _compact(amount: int | Money) -> str:
    return words.compact(amount) if isinstance(amount, int) else words.money(amount.nano)


def shown(
    opened: Opened, grant: Grant, at: datetime | None, limit: int, format: OutputFormat
) -> None:
    """Write all there is to know about a grant."""
    left = _balances(opened, grant, at)
    entries = [] if grant.every else journal(opened, grant.id, limit=limit)
    if format is OutputFormat.JSON:
        windows = {"windows": [grant_balance_json(one) for one in left]} if grant.every else {}
        balance = {} if grant.every or not left else {"balance": grant_balance_json(left[0])}
        rows = [_entry_json(entry, grant.unit) for entry in entries]
        emit_json({**grant_json(grant), **balance, **windows, "journal": rows})
        return
    columns = (
        Column("entry", "#", ">"),
        Column("at", "AT", show=partial(_local, zone=_zones(opened)[grant.provider])),
        Column("recorded_at"),
        Column("kind", "WHAT"),
        Column("amount", "AMOUNT", ">"),
        Column("source"),
        Column("target"),
        Column("call", "CALL", optional=True),
        Column("reason", "REASON", shrinks=1, optional=True),
    )
    cells = [(*entry[:4], in_unit(entry.amount, grant.unit), *entry[5:]) for entry in entries]
    if format is OutputFormat.TABLE:
        print(_sentence(opened, grant, left))
        for line in _facts(opened, grant, left):
            print(line)
        if not cells:
            return
        print()
    emit(columns, cells, format, schema="", name="")


def _sentence(opened: Opened, grant: Grant, left: Sequence[GrantBalance]) -> str:
    every = f" {grant.every}" if grant.every else ""
    account = "" if grant.account == "default" else f" (account {grant.account})"
    where = f"{_name(opened, grant.provider)}{account}"
    state = f", {left[0].state.value}" if left else ""
    amount = words.counted(grant.amount, grant.unit)
    end = _ends(grant, _zones(opened)[grant.provider], OutputFormat.TABLE)
    until = {"never": "no end", "unknown": "end unknown"}.get(end, f"until {end}")
    return visible(
        f"grant {grant.id}: {amount}{every} at {where} for {words.scope(grant.models)}, {until}"
        f"{state}"
    )


def _facts(opened: Opened, grant: Grant, left: Sequence[GrantBalance]) -> list[str]:
    zone = _zones(opened)[grant.provider]
    facts = [
        ("starts", f"{words.local_time(grant.starts_at, zone)} {zone}"),
        ("priority", str(grant.priority)),
        ("when used up", grant.when_used_up),
    ]
    for one in left:
        parts = {
            "available": one.available, "held": one.held, "spent": one.spent,
            "written off": one.written_off, "forfeited": one.forfeited,
        }  # fmt: skip
        said = [f"{words.exact(n, one.unit)} {what}" for what, n in parts.items()]
        facts.append(("now" if grant.every is None else one.id, ", ".join(said)))
    facts += [
        (name, text) for name, text in (("source", grant.source), ("note", grant.note)) if text
    ]
    size = max(len(name) for name, _ in facts)
    room = terminal_columns(default=80) - size - 4
    lines = []
    for name, text in facts:
        wrapped = _wrap(text, room)
        lines.append(f"  {paint(name.ljust(size), 'dim')}  {wrapped[0]}")
        lines += [" " * (size + 4) + more for more in wrapped[1:]]
    return lines


def _wrap(text: str, room: int) -> list[str]:
    import textwrap

    lines: list[str] = []
    for paragraph in text.split("\n"):
        lines += textwrap.wrap(visible(paragraph), room, break_on_hyphens=False) or [""]
    return lines


def _balances(opened: Opened, grant: Grant, at: datetime | None) -> list[GrantBalance]:
    from tracker.service.balances import balance

    found = balance(opened, at=at, provider=grant.provider).grants
    return [one for one in found if grant.id in (one.id, one.window_of)]


def _ends(grant: Grant, zone: str, format: OutputFormat) -> str:
    if grant.expires_at is None:
        return "never" if grant.ends_known else "unknown"
    if format is OutputFormat.TABLE:
        return words.last_day(grant.expires_at, zone)
    return rfc3339(to_micros(grant.expires_at, "expires_at"))


def _local(at: datetime, zone: str) -> str:
    return words.local_time(at, zone)


def _zones(opened: Opened) -> dict[str, str]:
    def work(tx: object, book: Book, now: int) -> dict[str, str]:
        return {one.id: one.zone for one in book.providers.values()}

    return opened.read(work)


def _name(opened: Opened, provider: str) -> str:
    return opened.read(lambda tx, book, now: book.providers[provider].name)


def _entry_json(entry: Entry, unit: str) -> dict[str, object]:
    return {
        **entry._asdict(),
        "at": instant_json(entry.at),
        "recorded_at": instant_json(entry.recorded_at),
        "amount": amount_json(entry.amount, unit),
    }
